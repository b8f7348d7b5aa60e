"""Average precision by hand, against a literal restatement, and its intervals."""

import numpy as np
import pytest

from keras_cnns import metrics

KINDS = ("11-point", "all-point", "101-point")


def _boxes(*lefts, size=10):
    """Squares at different places of one row."""
    return np.array([[0, x, size, x + size] for x in lefts], float).reshape(-1, 4)


def _truth(boxes, labels=None, **flags):
    labels = np.zeros(len(boxes), int) if labels is None else np.array(labels)
    return {"boxes": boxes, "labels": labels, **flags}


def _found(boxes, scores, classes=None):
    classes = np.zeros(len(boxes), int) if classes is None else np.array(classes)
    return {"boxes": boxes, "scores": np.array(scores, float), "classes": classes}


def _ranked(outcomes, num_objects):
    """One image whose detections, best first, are true where ``outcomes`` has 1."""
    lefts, free = [], iter(range(0, 1000, 20))
    for outcome in outcomes:
        lefts.append(next(free) if outcome else 2000)
    scores = np.linspace(0.9, 0.1, len(outcomes))
    truth = _truth(_boxes(*range(0, 20 * num_objects, 20)))
    return [truth], [_found(_boxes(*lefts), scores)]


@pytest.mark.parametrize(
    ("kind", "expected"), list(zip(KINDS, (0.613636, 0.625, 0.628713)))
)
def test_four_objects_ranked_true_false_true_true_false(kind, expected):
    data = _ranked([1, 0, 1, 1, 0], 4)
    found = metrics.voc_average_precision(*data, 0, interpolation=kind)
    assert found == pytest.approx(expected, abs=1e-6)
    recall, precision = [0.25, 0.25, 0.5, 0.75, 0.75], [1, 1 / 2, 2 / 3, 3 / 4, 3 / 5]
    assert metrics.average_precision(recall, precision, kind) == pytest.approx(found)


def test_three_perfect_detections_of_ten_reach_recall_three_tenths():
    """Four of eleven thresholds; released code, which adds up 0.1, has three."""
    data = _ranked([1, 1, 1], 10)
    value = metrics.voc_average_precision(*data, 0, interpolation="11-point")
    assert value == pytest.approx(0.363636, abs=1e-6)
    assert np.arange(0, 1.1, 0.1)[3] > 3 / 10


@pytest.mark.parametrize("kind", KINDS[::2])
@pytest.mark.parametrize("total", [1, 7, 10, 30, 90])
def test_recall_reaches_every_fraction_that_it_equals(kind, total):
    points = int(kind.split("-")[0]) - 1
    for count in range(total + 1):
        recall = np.arange(1, count + 1) / total
        expected = sum(i * total <= count * points for i in range(points + 1))
        expected = expected if count else 0
        found = metrics.average_precision(recall, np.ones(count), kind)
        assert found == pytest.approx(expected / (points + 1))


def _difficult_case(**flags):
    """Ranks: false, true, on the difficult object, true, duplicate."""
    truth = _truth(_boxes(0, 20, 40), **flags)
    return [truth], [_found(_boxes(2000, 0, 40, 20, 1), [0.9, 0.8, 0.7, 0.6, 0.5])]


@pytest.mark.parametrize("kind", KINDS[:2])
def test_difficult_objects_and_duplicates(kind):
    def value(*data):
        return metrics.voc_average_precision(*data, 0, interpolation=kind)

    ignored = [False, False, True]
    assert value(*_difficult_case(ignored=ignored)) == pytest.approx(2 / 3)
    assert value(*_difficult_case(crowd=ignored)) == pytest.approx(2 / 3)
    truth, found = _difficult_case()
    if kind == "all-point":
        assert value(truth, found) == pytest.approx(0.75)
    truth[0]["labels"] = np.array([0, 0, -1])  # padding is no object
    assert value(truth, found) == pytest.approx(0.5)


def test_a_detection_has_no_second_choice():
    """Two detections nearest to one object, the second also near the other one."""
    truth = [_truth(_boxes(0, 4))]
    found = [_found(_boxes(0, 1.5), [0.9, 0.8])]
    matches = metrics.match_detections(truth, found, 1, 0.5)[0]
    assert matches.outcomes.tolist() == [1, 0]
    assert metrics.coco_metrics(truth, found, 1).ap_50 == pytest.approx(1)


def test_an_overlap_of_the_threshold_is_no_match():
    truth = [_truth(np.array([[0.0, 0, 10, 10]]))]
    half = [_found(np.array([[0.0, 0, 10, 5]]), [0.9])]
    for threshold, expected in ((0.5, 0), (0.4999, 1)):
        value = metrics.voc_average_precision(truth, half, 0, iou_threshold=threshold)
        assert value == expected


def _reference(objects, detections, threshold):
    """The challenge's rules, literally, on inclusive boxes (xmin, ymin, xmax, ymax)."""
    total = sum(not hard for image in objects for _, hard in image)
    claimed, outcomes = set(), []
    for _, image, box in sorted(detections, key=lambda d: -d[0]):
        best, chosen = -1.0, None
        for number, (other, _) in enumerate(objects[image]):
            width = min(box[2], other[2]) - max(box[0], other[0]) + 1
            height = min(box[3], other[3]) - max(box[1], other[1]) + 1
            if width > 0 and height > 0:
                areas = [(b[2] - b[0] + 1) * (b[3] - b[1] + 1) for b in (box, other)]
                overlap = width * height / (sum(areas) - width * height)
                if overlap > best:
                    best, chosen = overlap, number
        if best > threshold and objects[image][chosen][1]:
            continue
        outcomes.append(best > threshold and (image, chosen) not in claimed)
        if best > threshold:
            claimed.add((image, chosen))
    area, last = 0, 0
    for end in range(len(outcomes)):
        recall = sum(outcomes[: end + 1]) / total
        later = range(end, len(outcomes))
        area += (recall - last) * max(sum(outcomes[: i + 1]) / (i + 1) for i in later)
        last = recall
    return area


@pytest.mark.parametrize("seed", range(8))
def test_inclusive_boxes_made_continuous_give_the_devkits_value(seed):
    random = np.random.default_rng(seed)

    def box():
        corner, size = random.integers(1, 30, 2), random.integers(0, 12, 2)
        return (*corner, *(corner + size))

    objects = [
        [(box(), random.random() < 0.2) for _ in range(random.integers(6))]
        for _ in range(5)
    ] + [[(box(), False)]]
    detections = []
    for image in range(6):
        near = [np.add(b, random.integers(-2, 3, 4)) for b, _ in objects[image] * 2]
        near = [(*np.minimum(b[:2], b[2:]), *np.maximum(b[:2], b[2:])) for b in near]
        for found in [*near, box()]:
            detections.append((float(random.random()), image, found))

    def continuous(boxes):
        boxes = np.array(boxes, float).reshape(-1, 4)
        return np.stack([boxes[:, 1] - 1, boxes[:, 0] - 1, boxes[:, 3], boxes[:, 2]], 1)

    truths = [
        _truth(
            continuous([b for b, _ in image]), ignored=np.array([h for _, h in image])
        )
        for image in objects
    ]
    rows = [[d for d in detections if d[1] == image] for image in range(6)]
    found = [_found(continuous([d[2] for d in r]), [d[0] for d in r]) for r in rows]
    for threshold in (0.3, 0.5, 0.75):
        expected = _reference(objects, detections, threshold)
        assert metrics.voc_average_precision(
            truths, found, 0, iou_threshold=threshold
        ) == pytest.approx(expected)


def test_classes_without_objects_are_not_in_the_mean():
    truth = [_truth(_boxes(0, 20), [0, 2]), _truth(_boxes())]
    found = [_found(_boxes(0, 40), [0.9, 0.8], [0, 1]), _found(_boxes(7), [0.95], [2])]
    result = metrics.mean_average_precision(truth, found, 4, interpolation="11-point")
    assert result.per_class[0] == pytest.approx(1) and result.per_class[2] == 0
    assert np.isnan(result.per_class[1]) and np.isnan(result.per_class[3])
    assert result.value == pytest.approx(0.5)
    assert result.protocol["match"] == "IoU > 0.5"
    assert result.protocol["interpolation"] == "11-point"
    nothing = metrics.mean_average_precision([], [], 2)
    assert np.isnan(nothing.value) and nothing.protocol["num_images"] == 0


def test_detections_in_images_without_objects_are_false():
    truth = [_truth(_boxes(0)), _truth(_boxes())]
    found = [_found(_boxes(0), [0.5]), _found(_boxes(0), [0.9])]
    assert metrics.voc_average_precision(truth, found, 0) == pytest.approx(0.5)


def test_padding_and_tensors_are_taken():
    import tensorflow as tf

    truth = {
        "boxes": tf.constant([[0.0, 0, 10, 10], [0, 0, 0, 0]]),
        "labels": tf.constant([0, -1]),
    }
    found = {
        "boxes": tf.constant([[0.0, 0, 10, 10], [0, 0, 0, 0]]),
        "scores": tf.constant([0.3, 0.0]),
        "classes": tf.constant([0, -1]),
    }
    assert metrics.mean_average_precision([truth], [found], 1).value == 1
    assert metrics.coco_metrics([truth], [found], 1).ap == pytest.approx(1)


def _noisy(num_images=12, seed=0):
    random = np.random.default_rng(seed)
    truths, found = [], []
    for _ in range(num_images):
        boxes = _boxes(*range(0, 20 * random.integers(5), 20))
        labels = random.integers(3, size=len(boxes))
        truths.append(_truth(boxes, labels))
        moved = boxes + random.normal(0, 1.2, (len(boxes), 1))
        classes = np.where(random.random(len(boxes)) < 0.8, labels, 0)
        found.append(_found(moved, random.random(len(boxes)), classes))
    return truths, found


@pytest.mark.parametrize("kind", KINDS)
def test_weights_are_copies_of_images(kind):
    """By weights as by giving images again: what the bootstrap relies on."""
    truths, found = _noisy()
    random = np.random.default_rng(1)
    for _ in range(5):
        drawn = random.integers(len(truths), size=len(truths))
        weights = np.bincount(drawn, minlength=len(truths))
        copies = [truths[i] for i in drawn], [found[i] for i in drawn]
        for label, matches in enumerate(metrics.match_detections(truths, found, 3)):
            expected = metrics.voc_average_precision(*copies, label, interpolation=kind)
            assert matches.average_precision(kind, weights) == pytest.approx(
                expected, nan_ok=True
            )


def test_bootstrap_interval():
    truths, found = _noisy(30)
    matches = metrics.match_detections(truths, found, 3)
    value = metrics.mean_average_precision(truths, found, 3).value
    intervals = [
        metrics.bootstrap_interval(matches, seed=seed, num_resamples=200, confidence=c)
        for seed, c in ((0, 0.95), (0, 0.95), (1, 0.95), (0, 0.5))
    ]
    low, high = intervals[0]
    assert 0 < low < value < high < 1
    assert intervals[0] == intervals[1] != intervals[2]
    assert low < intervals[3][0] < intervals[3][1] < high
    assert np.isnan(metrics.bootstrap_interval([])).all()


def test_a_bootstrap_of_two_images_by_hand():
    """One image is perfect, the other has a miss: 1, 0.5 and 0 in four drawings."""
    truth = [_truth(_boxes(0)), _truth(_boxes(0))]
    found = [_found(_boxes(0), [0.9]), _found(_boxes(), [])]
    matches = metrics.match_detections(truth, found, 1)
    for confidence, expected in ((0.9, (0, 1)), (0.3, (0.5, 0.5))):
        assert expected == metrics.bootstrap_interval(
            matches, confidence=confidence, num_resamples=400
        )


GOOD = ([_truth(_boxes(0))], [_found(_boxes(0), [0.9])])


@pytest.mark.parametrize(
    ("truth", "found", "quoted"),
    [
        ({"boxes": [[0, 0, 1]]}, {}, r"ground_truth\[0\] .*\(1, 3\)"),
        ({"boxes": [[3, 0, 1, 1]]}, {}, r"y1 <= y2 .* got \[3.0, 0.0, 1.0, 1.0\]"),
        ({"labels": [0, 1]}, {}, r"1 labels, as many as boxes, got shape \(2,\)"),
        ({"labels": [0.5]}, {}, "whole labels, got float64"),
        ({"labels": [2]}, {}, "labels below 2, got 2"),
        ({"ignored": [True] * 3}, {}, "1 ignored"),
        ({}, {"boxes": [[0, 0, np.nan, 1]]}, r"detections\[0\] .*nan"),
        ({}, {"scores": [np.nan]}, r"detections\[0\] .*finite scores, got nan"),
        ({}, {"classes": [7]}, "classes below 2, got 7"),
    ],
)
def test_bad_objects_and_detections(truth, found, quoted):
    arguments = [{**GOOD[0][0], **truth}], [{**GOOD[1][0], **found}], 2
    for function in (metrics.mean_average_precision, metrics.coco_metrics):
        with pytest.raises(ValueError, match=quoted):
            function(*arguments)


@pytest.mark.parametrize(
    ("arguments", "options", "quoted"),
    [
        ((GOOD[0], GOOD[1] * 2, 1), {}, "detections of 2 images .* of 1"),
        ((GOOD[0][0], GOOD[1], 1), {}, "list of dicts, got dict"),
        (([_boxes(0)], GOOD[1], 1), {}, r"ground_truth\[0\] must be a dict"),
        (([{"boxes": []}], GOOD[1], 1), {}, r"must have labels, it has \['boxes'\]"),
        ((*GOOD, 0), {}, "num_classes .* got 0"),
        ((*GOOD, 1), {"iou_threshold": 0}, "iou_threshold .* got 0"),
        ((*GOOD, 1), {"iou_threshold": 1.5}, "iou_threshold .* got 1.5"),
        ((*GOOD, 1), {"interpolation": "12-point"}, "got '12-point'"),
    ],
)
def test_bad_arguments(arguments, options, quoted):
    with pytest.raises(ValueError, match=quoted):
        metrics.mean_average_precision(*arguments, **options)


def test_bad_arguments_of_the_interval():
    matches = metrics.match_detections(*GOOD, 1)
    for options in ({"confidence": 1}, {"num_resamples": 0}, {"seed": -1}):
        name, value = next(iter(options.items()))
        with pytest.raises(ValueError, match=f"{name} .* got {value}"):
            metrics.bootstrap_interval(matches, **options)
    with pytest.raises(ValueError, match=r"shapes \(2,\) and \(1,\)"):
        metrics.average_precision([0, 1], [1])
