"""Classifiers of regions: what they learn, what they leave out, their files."""

import numpy as np
import pytest
import region_images

from keras_cnns import trainers
from keras_cnns.trainers import RegionClassifiers, box_regressors

_COUNT = 20  # images
NUM_CLASSES = region_images.NUM_CLASSES


def _fit(examples, **arguments):
    return trainers.fit_region_classifiers(examples, NUM_CLASSES, **arguments)


@pytest.fixture(scope="module")
def fitted():
    return _fit(region_images.images(_COUNT))


def _bytes(classifiers, path):
    classifiers.save(str(path))
    return path.read_bytes()


@pytest.mark.parametrize("method", ["rcnn", "sppnet"])
def test_features_that_tell_the_classes_are_ranked(method):
    classifiers = _fit(region_images.images(_COUNT), method=method)
    of_objects, of_others = [], []
    for seed in range(100, 120):
        image = region_images.image(seed, noise=0.02)
        scores = classifiers.scores(image["features"])
        iou = region_images.overlaps(image["rois"], image["boxes"])
        for label in range(NUM_CLASSES):
            far = iou[:, image["labels"] == label].max(axis=1, initial=0) < 0.3
            of_others.append(scores[far, label])
        of_objects.append(scores[-len(image["labels"]) :][
            np.arange(len(image["labels"])), image["labels"]
        ])  # fmt: skip
    assert np.concatenate(of_objects).min() > np.concatenate(of_others).max()


def test_boxes_come_nearer_to_the_objects(fitted):
    before, after = [], []
    for seed in range(100, 120):
        image = region_images.image(seed, num_near=20)
        iou = region_images.overlaps(image["rois"], image["boxes"])
        best = iou.argmax(axis=1)
        boxes = fitted.boxes(image["pooled"], image["rois"])
        for row in np.flatnonzero((iou.max(axis=1) > 0.6) & (iou.max(axis=1) < 1)):
            of_class = boxes[row, image["labels"][best[row]]]
            before.append(iou[row, best[row]])
            moved = region_images.overlaps([of_class], image["boxes"])
            after.append(moved[0, best[row]])
    assert np.mean(after) > np.mean(before) + 0.01


def _decoded(deltas, roi):
    y, x = (roi[0] + roi[2]) / 2, (roi[1] + roi[3]) / 2
    height, width = roi[2] - roi[0], roi[3] - roi[1]
    y, x = y + deltas[0] * height, x + deltas[1] * width
    height, width = height * np.exp(deltas[2]), width * np.exp(deltas[3])
    return [y - height / 2, x - width / 2, y + height / 2, x + width / 2]


def test_scores_and_boxes_are_those_of_the_arrays(fitted):
    image = region_images.image(50)
    scores = np.float64(image["features"]) @ fitted.weights + fitted.biases
    found = fitted.scores(image["features"])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, scores, atol=1e-4)
    deltas = np.einsum("rf,fkd->rkd", np.float64(image["pooled"]), fitted.box_weights)
    deltas += fitted.box_biases
    boxes = fitted.boxes(image["pooled"], image["rois"])
    assert boxes.dtype == np.float32
    for row, roi in enumerate(np.float64(image["rois"])):
        expected = [_decoded(deltas[row, k], roi) for k in range(NUM_CLASSES)]
        np.testing.assert_allclose(boxes[row], expected, atol=1e-3)


def test_features_of_any_scale_give_the_same_scores(fitted):
    """They are scaled to one mean norm, that of the first images."""

    def thrice():
        for image in region_images.images(_COUNT)():
            yield {**image, "features": 3 * image["features"]}

    image = region_images.image(50)
    found = _fit(thrice).scores(3 * image["features"])
    np.testing.assert_allclose(found, fitted.scores(image["features"]), atol=0.02)


def test_norms_are_those_of_the_first_images(monkeypatch):
    monkeypatch.setattr(trainers.region_classifiers, "_NUM_MEASURED", 2)
    scales = []

    class Recorded(trainers.region_classifiers.RegionSvms):
        def __init__(self, positives, scale, *arguments):
            scales.append(scale)
            super().__init__(positives, scale, *arguments)

    monkeypatch.setattr(trainers.region_classifiers, "RegionSvms", Recorded)
    _fit(region_images.images(4))
    rows = np.concatenate([region_images.image(n)["features"] for n in range(2)])
    norms = np.sqrt((np.float64(rows) ** 2).sum(axis=1))
    assert scales == [pytest.approx(20 / norms.mean(), rel=1e-6)]


@pytest.mark.parametrize("method", ["rcnn", "sppnet"])
def test_regions_on_ignored_objects_are_not_used(method, tmp_path):
    def examples(sign):
        def images():
            for seed in range(12):
                image = region_images.image(seed, labels=[seed % 3, (seed + 1) % 3])
                image["ignored"] = np.array([False, True])
                of_ignored = region_images.overlaps(image["rois"], image["boxes"][1:])
                changed = np.where(of_ignored > 0.3, np.float32(sign), np.float32(1))
                for name in ("features", "pooled"):  # norms stay as they are
                    image[name] = image[name] * changed
                yield image

        return images

    fits = [_fit(examples(sign), method=method) for sign in (1, -1)]
    first, second = (_bytes(fit, tmp_path / "fit.npz") for fit in fits)
    assert first == second
    assert fits[0].detectable.all()


def test_equal_fits_give_equal_files(fitted, tmp_path):
    again = _fit(region_images.images(_COUNT))
    first, second = (_bytes(f, tmp_path / "fit.npz") for f in (fitted, again))
    assert first == second
    other = _fit(region_images.images(_COUNT), method="sppnet")
    assert first != _bytes(other, tmp_path / "fit.npz")


def test_progress_rises_to_1(monkeypatch):
    monkeypatch.setattr(box_regressors, "_LARGEST_SUMS", 1)  # a class at once
    told = []
    _fit(region_images.images(3), progress=told.append)
    expected = [0.25, *(n / 12 for n in range(4, 13))]
    assert told == pytest.approx(expected)


def test_classes_without_objects(tmp_path, caplog):
    """The last class has an ignored one alone, which is none."""

    def examples():
        for seed in range(8):
            image = region_images.image(seed, labels=[0, 2])
            image["ignored"] = np.array([False, True])
            yield image

    classifiers = _fit(examples)
    assert "the classes [1, 2] have no positives or no negatives" in caplog.text
    assert "the classes [1, 2] enough to learn from" in caplog.text
    image = region_images.image(50)
    scores = classifiers.scores(image["features"])
    assert np.isneginf(scores[:, 1:]).all() and np.isfinite(scores[:, 0]).all()
    boxes = classifiers.boxes(image["pooled"], image["rois"])
    np.testing.assert_array_equal(boxes[:, 1], image["rois"])
    np.testing.assert_array_equal(boxes[:, 2], image["rois"])
    assert (boxes[:, 0] != image["rois"]).any()


def test_classes_without_negatives(caplog):
    def examples():
        image = region_images.image(0, labels=[1])
        yield {**image, **{n: image[n][-1:] for n in ("features", "pooled", "rois")}}

    classifiers = _fit(examples)
    assert not classifiers.detectable.any()
    assert "the classes [0, 1, 2] have no positives or no negatives" in caplog.text


def test_images_without_objects_or_regions(fitted):
    def examples():
        yield region_images.image(0, labels=[])
        yield region_images.image(1, labels=[], num_regions=0)
        zeros = region_images.image(2, labels=[0, 1, 2])
        yield {**zeros, "features": 0 * zeros["features"]}
        yield from region_images.images(5)()

    classifiers = _fit(examples)
    assert classifiers.detectable.all()
    nothing = region_images.image(1, labels=[], num_regions=0)
    assert classifiers.scores(nothing["features"]).shape == (0, NUM_CLASSES)
    boxes = classifiers.boxes(nothing["pooled"], nothing["rois"])
    assert boxes.shape == (0, NUM_CLASSES, 4)


def test_features_of_zeros_give_no_nan():
    image = region_images.image(0, labels=[0, 1, 2])
    zeros = {n: 0 * image[n] for n in ("features", "pooled")}
    classifiers = _fit(lambda: iter([{**image, **zeros}]))
    assert np.isfinite(classifiers.scores(zeros["features"])).all()


def test_files_come_back(fitted, tmp_path):
    path = str(tmp_path / "folder" / "classifiers.npz")
    fitted.save(path)
    loaded = RegionClassifiers.load(path)
    image = region_images.image(50)
    for name in ("weights", "biases", "detectable", "box_weights", "box_biases"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(fitted, name))
    np.testing.assert_array_equal(
        loaded.boxes(image["pooled"], image["rois"]),
        fitted.boxes(image["pooled"], image["rois"]),
    )


_BAD = {
    "weights": (np.zeros((6, 3)), "weights must be float32 of 2 axes, got float64"),
    "biases": (np.zeros(2, np.float32), r"biases must be of shape \('K',\), .*\(2,"),
    "detectable": (np.zeros(3, np.float32), "detectable must be bool of 1 axes"),
    "box_weights": (np.full((5, 3, 4), np.inf, "f4"), "box_weights must be finite"),
    "box_biases": (np.zeros((3, 5), "f4"), r"box_biases must be of shape \('K', 4"),
}  # fmt: skip


@pytest.mark.parametrize("name", _BAD)
def test_files_of_other_arrays_are_named(name, fitted, tmp_path):
    array, message = _BAD[name]
    arrays = {n: getattr(fitted, n) for n in _BAD}
    path = tmp_path / "classifiers.npz"
    np.savez(path, **{**arrays, name: array})
    with pytest.raises(ValueError, match=message) as raised:
        RegionClassifiers.load(str(path))
    start = f"{path} cannot be read as region classifiers: "
    assert str(raised.value).startswith(start) and "\n" not in str(raised.value)
    with pytest.raises(ValueError, match=message):
        RegionClassifiers(**{**arrays, name: array})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "svm"}, "method must be 'rcnn' or 'sppnet', got 'svm'"),
        ({"seed": -1}, "seed must be a whole number of at least 0, got -1"),
        ({"max_negatives": 0}, "max_negatives must be a whole number of at least 1"),
    ],
)
def test_bad_arguments_are_quoted(arguments, message):
    with pytest.raises(ValueError, match=message):
        _fit(region_images.images(1), **arguments)


def test_no_images():
    with pytest.raises(ValueError, match="yields nothing; give one image at least"):
        _fit(list)


def test_features_of_another_dimension(fitted):
    with pytest.raises(ValueError, match=r"features must be of shape \(R, 6\), got"):
        fitted.scores(np.zeros((2, 5)))
    with pytest.raises(ValueError, match="there are 2 pooled, but 3 rois"):
        fitted.boxes(np.zeros((2, 5)), np.zeros((3, 4)))
