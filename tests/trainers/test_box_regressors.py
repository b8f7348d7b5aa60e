"""Ridge regression of boxes against its closed form, written plainly."""

import numpy as np
import pytest
import region_images

from keras_cnns.trainers import box_regressors, region_examples

SCALE = 3.0


def _plain(features, targets):
    """A function from features to targets, by the published statement."""
    features, targets = np.float64(features), np.float64(targets)

    def scaled(rows):
        return np.concatenate([SCALE * np.float64(rows), np.ones((len(rows), 1))], 1)

    mean = targets.mean(axis=0)
    centred = targets - mean
    values, vectors = np.linalg.eig(centred.T @ centred / len(targets))
    whiten = vectors @ np.diag((values + 0.001) ** -0.5) @ vectors.T
    x = scaled(features)
    beta = np.linalg.inv(x.T @ x + 1000 * np.eye(x.shape[1])) @ x.T @ (centred @ whiten)
    return lambda rows: scaled(rows) @ beta @ np.linalg.inv(whiten) + mean


def _drawn(count, seed=0, dimension=7):
    draw = np.random.default_rng(seed)
    features = draw.normal(1, 2, size=(count, dimension)).astype(np.float32)
    mixed = features @ draw.normal(scale=0.05, size=(dimension, 4))
    noise = draw.normal(scale=[0.3, 0.01, 0.1, 0.1], size=(count, 4))
    return features, (mixed + noise + [0.1, 0, -0.2, 0.3]).astype(np.float32)


@pytest.mark.parametrize("count", [1, 3, 600])
def test_sums_give_the_closed_form(count):
    features, targets = _drawn(count)
    sums = box_regressors.RidgeSums(7)
    for start in range(0, count, 100):
        sums.add(features[start : start + 100], targets[start : start + 100])
    weights, biases = sums.solve(SCALE)
    others = _drawn(20, seed=1)[0]
    expected = _plain(features, targets)(others)
    np.testing.assert_allclose(others @ weights + biases, expected, atol=1e-6)


def test_whitening_is_undone():
    """With many examples the ridge does not matter, and targets come back."""
    features, _ = _drawn(20_000)
    features -= features.mean(axis=0)  # as the bias has to do less then
    targets = features[:, :4] * [0.5, 0.01, 0.1, 1.0] + [0.1, 0.2, 0.3, 0.4]
    sums = box_regressors.RidgeSums(7)
    sums.add(features, targets)
    weights, biases = sums.solve(20.0)
    np.testing.assert_allclose(features @ weights + biases, targets, atol=2e-3)


def _fitted(examples, method="rcnn"):
    boxes = box_regressors.BoxRegressors(
        region_images.NUM_CLASSES, region_examples.METHODS[method]
    )
    passes, is_open = 0, True
    while is_open:
        for example in region_examples.checked_examples(examples, 3):
            boxes.add(example)
        passes, is_open = passes + 1, boxes.solve(SCALE)
    assert passes == boxes.num_passes(region_images.POOLED)
    return boxes, passes


def _target(roi, box):
    roi, box = np.float64(roi), np.float64(box)
    sides, box_sides = roi[2:] - roi[:2], box[2:] - box[:2]
    shift = (box[:2] + box[2:] - roi[:2] - roi[2:]) / 2 / sides
    return [*shift, *np.log(box_sides / sides)]


@pytest.mark.parametrize(("method", "least"), [("rcnn", 0.6), ("sppnet", 0.5)])
def test_each_class_learns_from_its_regions(method, least):
    examples = region_images.images(12)
    boxes, _ = _fitted(examples, method)
    for label in range(region_images.NUM_CLASSES):
        rows, targets = [], []
        for image in examples():
            iou = region_images.overlaps(image["rois"], image["boxes"])
            for row, best in enumerate(iou.argmax(axis=1)):
                if iou[row, best] > least and image["labels"][best] == label:
                    rows.append(image["pooled"][row])
                    targets.append(_target(image["rois"][row], image["boxes"][best]))
        assert len(rows) > 20
        others = np.random.default_rng(0).normal(size=(9, region_images.POOLED))
        found = others @ boxes.weights[:, label] + boxes.biases[label]
        np.testing.assert_allclose(found, _plain(rows, targets)(others), atol=1e-5)


def test_classes_in_groups_give_the_same(monkeypatch):
    examples = region_images.images(8)
    whole, passes = _fitted(examples)
    assert passes == 1
    monkeypatch.setattr(box_regressors, "_LARGEST_SUMS", 2 * 8 * 6**2)
    grouped, passes = _fitted(examples)
    assert passes == 2
    np.testing.assert_array_equal(whole.weights, grouped.weights)
    np.testing.assert_array_equal(whole.biases, grouped.biases)
    assert whole.weights.any(axis=(0, 2)).all()
