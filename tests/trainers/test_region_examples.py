"""Which regions are negatives and pairs, by boxes whose overlaps are known."""

import numpy as np
import pytest
import region_images

from keras_cnns.trainers import region_examples

_OBJECT = (0, 0, 10, 10)
# Those of the first rows with the object are 0.7, 0.6, 0.5, 0.3, 0.2 and 0.
_ROWS = [(0, 0, 10, n) for n in (7, 6, 5, 3, 2)] + [(20, 20, 30, 30)]


def _example(rois, boxes=(), labels=(), ignored=None):
    rois = np.float32([*rois, *boxes]).reshape(-1, 4)
    given = {
        "features": np.zeros((len(rois), 2), np.float32),
        "pooled": np.zeros((len(rois), 2), np.float32),
        "rois": rois,
        "boxes": np.float32(boxes).reshape(-1, 4),
        "labels": np.array(labels, np.int64),
        "ignored": np.array([False] * len(boxes) if ignored is None else ignored),
    }
    (example,) = region_examples.checked_examples(lambda: [given], 2)
    return example


def _negatives(method, *example):
    found = region_examples.negatives(
        _example(*example), 2, region_examples.METHODS[method]
    )
    return [np.flatnonzero(column).tolist() for column in found.T]


def _pairs(method, *example):
    return region_examples.pairs(_example(*example), region_examples.METHODS[method])


def test_negatives_by_the_overlap_with_their_class():
    """The object, row 6, is one of the other class."""
    apart = [(0, 0, 10, 3), (100, 0, 110, 10)]
    assert _negatives("rcnn", _ROWS, [_OBJECT], [0]) == [[4, 5], [*range(7)]]
    assert _negatives("rcnn", apart, [_OBJECT], [1]) == [[0, 1, 2], [1]]
    assert _negatives("sppnet", apart, [_OBJECT], [1]) == [[0, 1, 2], [0, 1]]


def test_regions_on_ignored_objects_are_negatives_of_no_class():
    assert _negatives("rcnn", _ROWS, [_OBJECT], [0], [True]) == [[4, 5]] * 2


def test_regions_without_area_are_not_used():
    rois = [(5, 5, 5, 9), (0, 0, 0, 0), (9, 9, 5, 5), (1, 1, 2, 2)]
    assert _negatives("rcnn", rois) == [[3], [3]]


def test_of_negatives_that_overlap_the_first_is_kept():
    """The second overlaps the first and the third by 0.8, these each other by 0.64."""
    shifts = [(0, 0, 8, 10), (0, 0, 10, 10), (0, 0, 10, 8), (50, 0, 60, 10)]
    assert _negatives("rcnn", shifts) == [[0, 1, 2, 3]] * 2
    assert _negatives("sppnet", shifts) == [[0, 2, 3]] * 2
    assert _negatives("sppnet", shifts[1:] + shifts[:1]) == [[0, 2]] * 2
    at_limit = [(0, 0, 10, 10), (0, 0, 7, 10)]
    assert _negatives("sppnet", at_limit) == [[0, 1]] * 2
    # What is no negative of a class takes none away.
    near = [(0, 0, 10, 3), (0, 0, 10, 2.9)]
    assert _negatives("rcnn", near, [_OBJECT], [0])[0] == [1]
    shifted = [(0, 0, 10, 3.1), (0, 0, 10, 2.9)]
    assert _negatives("sppnet", shifted, [_OBJECT], [0]) == [[1], [0, 2]]


@pytest.mark.parametrize(
    ("method", "rows"),
    [("rcnn", [0, 6]), ("sppnet", [0, 1, 2, 6])],
)
def test_pairs_by_the_best_overlap(method, rows):
    found, objects, _ = _pairs(method, _ROWS, [_OBJECT], [0])
    assert found.tolist() == rows and not objects.any()
    assert not len(_pairs(method, _ROWS, [_OBJECT], [0], [True])[0])
    assert not len(_pairs(method, _ROWS)[0])


def test_targets_of_pairs():
    """Of a box 20 high and 10 wide with its centre at (20, 15)."""
    rois = [(8, 9, 28, 19)]
    boxes = [(10, 10, 30, 20), (80, 80, 90, 90)]
    rows, objects, targets = _pairs("rcnn", rois, boxes, [1, 0])
    assert rows.tolist() == [0, 1, 2] and objects.tolist() == [0, 0, 1]
    expected = [[0.1, 0.1, 0, 0], [0] * 4, [0] * 4]
    np.testing.assert_allclose(targets, expected, atol=1e-6)
    _, _, targets = _pairs("sppnet", [(8, 9, 24, 17)], [(10, 10, 30, 18)], [0])
    expected = [4 / 16, 1 / 8, np.log(20 / 16), 0]
    np.testing.assert_allclose(targets[0], expected, atol=1e-6)


_BAD = {
    "missing": ({"pooled": None}, "it has no pooled"),
    "features": ({"features": np.zeros(3)}, r"features must be of shape \(32, any\)"),
    "texts": ({"features": np.full((32, 6), "x")}, "features must be .* got <U1"),
    "not finite": ({"pooled": np.full((32, 5), np.nan)}, "pooled must be finite"),
    "rois": ({"rois": np.zeros((32, 5))}, r"rois must be of shape \(32, 4\)"),
    "others last": ({"rois": np.ones((32, 4))}, "its last 2 rois must be its boxes"),
    "label": ({"labels": np.array([0, 3])}, r"in \[0, 3\), got \[0, 3\]"),
    "label kind": ({"labels": np.zeros(2)}, "labels must be of shape"),
    "ignored": ({"ignored": np.zeros(2, int)}, "ignored must be of shape"),
    "dimension": ({"features": np.zeros((32, 7))}, r"\(6, 5\) as in .* \(7, 5"),
}  # fmt: skip


@pytest.mark.parametrize("name", _BAD)
def test_bad_examples_are_told_by_number(name):
    changes, message = _BAD[name]
    good = region_images.image(0, labels=[0, 2])
    bad = {k: v for k, v in {**good, **changes}.items() if v is not None}
    with pytest.raises(ValueError, match=f"^example 1: .*{message}"):
        list(region_examples.checked_examples(lambda: [good, bad], 3))


def test_objects_without_area_are_refused():
    with pytest.raises(ValueError, match="a height and a width above 0"):
        _example([], [(5, 5, 5, 9)], [0])
