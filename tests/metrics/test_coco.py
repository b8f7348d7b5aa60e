"""COCO's numbers by hand: thresholds, crowds, ignored objects, ranges of areas."""

import numpy as np
import pytest

from keras_cnns import metrics


def _truth(*boxes, labels=None, **more):
    labels = [0] * len(boxes) if labels is None else labels
    return {"boxes": np.array(boxes, float), "labels": np.array(labels, int), **more}


def _found(*boxes, scores=None, classes=None):
    scores = np.linspace(0.9, 0.1, len(boxes)) if scores is None else scores
    classes = [0] * len(boxes) if classes is None else classes
    return {
        "boxes": np.array(boxes, float),
        "scores": np.array(scores, float),
        "classes": np.array(classes, int),
    }


def _square(left, side=10):
    return (0, left, side, left + side)


def test_four_objects_ranked_true_false_true_true_false():
    truth = _truth(*map(_square, (0, 20, 40, 60)))
    found = _found(*map(_square, (0, 500, 20, 40, 600)))
    scores = metrics.coco_metrics([truth], [found], 1)
    assert scores.ap == pytest.approx(0.628713, abs=1e-6)
    assert scores.ap_50 == scores.ap_75 == scores.ap_small == scores.ap
    assert (scores.ap_medium, scores.ap_large, scores.ar_large) == (-1, -1, -1)
    assert scores.ar_1 == pytest.approx(0.25)
    assert scores.ar_10 == scores.ar_100 == pytest.approx(0.75)
    assert scores.ap_per_class == (pytest.approx(scores.ap),)


def test_ten_thresholds_of_overlap():
    """IoU 0.75 exactly, which six of ten thresholds admit."""
    scores = metrics.coco_metrics([_truth((0, 0, 8, 10))], [_found((0, 0, 6, 10))], 1)
    assert scores.ap == pytest.approx(0.6)
    assert (scores.ap_50, scores.ap_75) == (pytest.approx(1), pytest.approx(1))


def test_height_and_width_are_not_mixed_up():
    truth = _truth((5, 40, 25, 45))
    found = _found((5, 40, 25, 45), (40, 5, 45, 25), scores=[0.5, 0.9])
    assert metrics.coco_metrics([truth], [found], 1).ap == pytest.approx(0.5, abs=1e-3)


def test_the_first_object_and_the_first_detection_count():
    """Those that would have number 0, which pycocotools takes for no match."""
    truth = _truth(_square(0))
    found = _found(_square(0), _square(0))  # the second one must stay a duplicate
    scores = metrics.coco_metrics([truth], [found], 1)
    assert scores.ap == pytest.approx(1) and scores.ar_1 == 1
    other = metrics.coco_metrics([truth] * 2, [found, _found(_square(500))], 1)
    assert other.ar_100 == 0.5


def test_classes_without_objects_are_left_out_of_the_mean():
    truth = _truth(_square(0), _square(20), labels=[0, 2])
    found = _found(_square(0), _square(40), classes=[0, 1])
    scores = metrics.coco_metrics([truth], [found], 4)
    assert scores.ap_per_class == (pytest.approx(1), -1, 0, -1)
    assert scores.ap == pytest.approx(0.5)


@pytest.mark.parametrize("images", [0, 1, 2])
def test_nothing_at_all(images):
    truth = {"boxes": np.zeros((0, 4)), "labels": np.zeros(0, int)}
    found = {"boxes": [], "scores": [], "classes": []}
    scores = metrics.coco_metrics([truth] * images, [found] * images, 2)
    assert (scores.ap, scores.ar_100, scores.ap_per_class) == (-1, -1, (-1, -1))
    assert scores.protocol["num_images"] == images
    some = metrics.coco_metrics([_truth(_square(0))], [found], 2)
    assert (some.ap, some.ap_per_class) == (0, (0, -1))


def test_detections_in_a_crowd_do_not_count():
    """Three in the crowd, of small IoU with it, and ranked above the object's one."""
    truth = _truth((0, 0, 100, 100), _square(200), crowd=[True, False])
    inside = [(0, left, 10, left + 10) for left in (0, 30, 60)]
    found = _found(*inside, _square(200))
    assert metrics.coco_metrics([truth], [found], 1).ap == pytest.approx(1)
    truth["crowd"] = [False, False]
    # Now an object that is missed: precision 1/4 up to recall 1/2, 51 of 101 points.
    expected = 0.25 * 51 / 101
    scores = metrics.coco_metrics([truth], [found], 1)
    assert scores.ap == pytest.approx(expected)


def test_ignored_objects_take_one_detection_each():
    """Not as a crowd: a second one is false, and so is a part of it."""
    objects = _square(0), _square(200)
    on_ignored = [_square(0)]
    for more, expected in (([], 1), ([_square(0)], 0.5), ([(0, 0, 4, 4)], 0.5)):
        truth = _truth(*objects, ignored=[True, False])
        found = _found(*on_ignored, *more, _square(200))
        scores = metrics.coco_metrics([truth], [found], 1)
        assert scores.ap == pytest.approx(expected)


def test_an_object_is_preferred_to_an_ignored_one_that_overlaps_more():
    truth = _truth((0, 0, 10, 10), (0, 0, 10, 9), ignored=[True, False])
    scores = metrics.coco_metrics([truth], [_found((0, 0, 10, 10))], 1)
    assert scores.ap == pytest.approx(0.9)  # IoU 0.9: nine of ten thresholds
    assert scores.ar_100 == pytest.approx(0.9)


def test_ranges_of_areas_and_their_limits():
    """32x32 is small and medium, 96x96 medium and large."""
    sides = (10, 32, 50, 96, 120)
    boxes = [_square(200 * i, side) for i, side in enumerate(sides)]
    found = [b for b, side in zip(boxes, sides) if side not in (32, 96)]
    scores = metrics.coco_metrics([_truth(*boxes)], [_found(*found)], 1)
    assert scores.ar_small == pytest.approx(1 / 2)
    assert scores.ar_medium == pytest.approx(1 / 3)
    assert scores.ar_large == pytest.approx(1 / 2)
    # Detections of other ranges, matched and unmatched, are not false in a range.
    scores = metrics.coco_metrics(
        [_truth(*boxes)], [_found(_square(3000, 120), *boxes)], 1
    )
    assert scores.ap_small == pytest.approx(1)
    assert scores.ap_medium == pytest.approx(1)
    assert scores.ap_large < 1


def test_given_areas_decide_the_range():
    truth = _truth(_square(0, 40), areas=[700.0])
    scores = metrics.coco_metrics([truth], [_found(_square(0, 40))], 1)
    assert (scores.ap_small, scores.ap_medium) == (pytest.approx(1), -1)
    assert scores.protocol["areas"] == "given"


def test_a_hundred_detections_of_a_class_in_an_image():
    truth = _truth(_square(0))
    boxes = [_square(1000 + 20 * i) for i in range(100)] + [_square(0)]
    assert metrics.coco_metrics([truth], [_found(*boxes)], 1).ap == 0
    assert metrics.coco_metrics([truth], [_found(*boxes[1:])], 1).ap > 0


def test_boxes_without_area_match_nothing():
    truth = _truth((5, 5, 5, 5), _square(200))
    found = _found((5, 5, 5, 5), _square(200))
    scores = metrics.coco_metrics([truth], [found], 1)
    assert 0 < scores.ap < 0.5 and np.isfinite(scores.ap)


def test_equal_to_our_own_101_points_where_rules_agree(capsys):
    """Clear overlaps only, so that strictness and second choices do not matter."""
    random = np.random.default_rng(0)
    truths, found = [], []
    for _ in range(8):
        count = random.integers(1, 6)
        boxes = [_square(20 * i) for i in range(count)]
        truths.append(_truth(*boxes, labels=random.integers(3, size=count)))
        chosen = [boxes[i] for i in np.flatnonzero(random.random(count) < 0.7)]
        chosen += [_square(500)]
        classes = random.integers(3, size=len(chosen))
        scores = random.random(len(chosen))
        found.append(_found(*chosen, scores=scores, classes=classes))
    ours = metrics.mean_average_precision(truths, found, 3, interpolation="101-point")
    theirs = metrics.coco_metrics(truths, found, 3)
    assert theirs.ap_50 == pytest.approx(ours.value, abs=1e-9)
    np.testing.assert_allclose(theirs.ap_per_class, ours.per_class, atol=1e-9)
    assert capsys.readouterr().out == ""
