"""Recall of proposals by hand, one to one and by each object's best."""

import numpy as np
import pytest

from keras_cnns import metrics

# Both objects are nearest to the first proposal; IoU 1, 0.6 and 0.5 by hand.
OBJECTS = np.array([[0.0, 0, 10, 10], [0, 0, 10, 6]])
PROPOSALS = np.array([[0.0, 0, 10, 10], [0, 3, 10, 6], [90, 90, 95, 95]])


def _truth(boxes=OBJECTS, **flags):
    return [{"boxes": boxes, "labels": np.zeros(len(boxes), int), **flags}]


def _sorted(*arguments):
    return sorted(metrics.best_overlaps(*arguments).tolist())


def test_overlaps_of_both_variants():
    assert _sorted(_truth(), [PROPOSALS], 3) == pytest.approx([0.5, 1])
    assert _sorted(_truth(), [PROPOSALS], 3, "any") == pytest.approx([0.6, 1])
    assert _sorted(_truth(), [PROPOSALS], 1) == [0, 1]
    assert _sorted(_truth(), [PROPOSALS], 1, "any") == pytest.approx([0.6, 1])


def test_recall_at_exact_thresholds():
    def recall(threshold, matching="one_to_one", count=3):
        return metrics.proposal_recall(
            _truth(), [PROPOSALS], count, iou_threshold=threshold, matching=matching
        )

    assert recall(0.5) == 1
    assert recall(0.51) == 0.5
    assert recall(0.6, "any") == 1
    assert recall(0.5, count=1) == 0.5
    assert recall(1.0) == 0.5


def test_average_recall():
    """The second object: IoU 0.5 admits one of ten thresholds, 0.6 three."""
    assert metrics.average_recall(_truth(), [PROPOSALS], 3) == pytest.approx(
        (10 + 1) / 20
    )
    value = metrics.average_recall(_truth(), [PROPOSALS], 3, matching="any")
    assert value == pytest.approx((10 + 3) / 20)


def test_ignored_objects_padding_and_empty_images():
    empty = {"boxes": np.zeros((0, 4)), "labels": np.zeros(0, int)}
    truth = _truth(ignored=[False, True]) + [empty]
    padded = np.concatenate([PROPOSALS[:1], np.zeros((4, 4))])
    assert metrics.proposal_recall(truth, [padded, PROPOSALS], 5) == 1
    assert metrics.proposal_recall(_truth(), [np.zeros((5, 4))], 5) == 0
    assert metrics.proposal_recall(_truth(), [[]], 5) == 0
    assert np.isnan(metrics.proposal_recall([empty], [PROPOSALS], 5))
    assert np.isnan(metrics.average_recall([empty], [PROPOSALS], 5))


@pytest.mark.parametrize("seed", range(5))
def test_the_better_variant_is_never_below(seed):
    random = np.random.default_rng(seed)

    def boxes(count):
        corners = random.uniform(0, 20, (count, 2))
        return np.concatenate([corners, corners + random.uniform(4, 12, (count, 2))], 1)

    truth, proposals = _truth(boxes(6)), [boxes(40)]
    for threshold in (0.5, 0.7):
        one, free = (
            metrics.proposal_recall(
                truth, proposals, 30, iou_threshold=threshold, matching=matching
            )
            for matching in ("one_to_one", "any")
        )
        assert one <= free
    assert _sorted(truth, proposals, 30)[-1] == _sorted(truth, proposals, 30, "any")[-1]


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"proposals\[0\] .*\(3,\)"):
        metrics.proposal_recall(_truth(), [[1, 2, 3]], 5)
    with pytest.raises(ValueError, match="proposals of 0 images .* of 1"):
        metrics.proposal_recall(_truth(), [], 5)
    with pytest.raises(ValueError, match="num_proposals .* got 0"):
        metrics.average_recall(_truth(), [PROPOSALS], 0)
    with pytest.raises(ValueError, match="got 'best'"):
        metrics.average_recall(_truth(), [PROPOSALS], 5, matching="best")
    with pytest.raises(ValueError, match="iou_threshold .* got 2"):
        metrics.proposal_recall(_truth(), [PROPOSALS], 5, iou_threshold=2)
