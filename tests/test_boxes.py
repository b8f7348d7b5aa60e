"""Boxes: overlaps, coding, clipping and suppression against hand-computed values."""

import numpy as np
import pytest
import region_references
import tensorflow as tf

from keras_cnns import _boxes

# (y1, x1, y2, x2), inclusive, of the fact sheet's example.
PROPOSAL = np.array([20.0, 10.0, 99.0, 59.0])
OBJECT = np.array([18.0, 14.0, 109.0, 73.0])


def test_overlap_of_inclusive_and_of_continuous_boxes():
    first, second = (_boxes.inclusive_to_continuous(b) for b in (PROPOSAL, OBJECT))
    np.testing.assert_allclose(
        _boxes.pairwise_iou([first], [second]), [[0.630137]], atol=1e-5
    )
    np.testing.assert_allclose(
        _boxes.pairwise_iou([PROPOSAL], [OBJECT]), [[0.625330]], atol=1e-5
    )


def test_coding_by_hand():
    first, second = (_boxes.inclusive_to_continuous(b) for b in (PROPOSAL, OBJECT))
    stddevs = (0.1, 0.1, 0.2, 0.2)
    for boxes, references, divisors, expected in (
        (second, first, (1, 1, 1, 1), (0.05, 0.18, 0.139762, 0.182322)),
        (second, first, stddevs, (0.5, 1.8, 0.698810, 0.911608)),
        (OBJECT, PROPOSAL, (1, 1, 1, 1), (0.050633, 0.183673, 0.141412, 0.185717)),
        (OBJECT, PROPOSAL, stddevs, (0.506329, 1.836735, 0.707058, 0.928586)),
    ):
        deltas = _boxes.encode_boxes(boxes, references, divisors)
        np.testing.assert_allclose(deltas, expected, atol=1e-5)
        decoded = _boxes.decode_boxes(deltas, references, divisors)
        np.testing.assert_allclose(decoded, boxes, atol=1e-4)


def test_decoding_undoes_encoding_of_large_boxes():
    boxes, references = (
        region_references.scattered_boxes((50, 3), seed) * 25 for seed in (0, 1)
    )
    stddevs = (0.1, 0.1, 0.2, 0.2)
    deltas = _boxes.encode_boxes(boxes, references, stddevs)
    decoded = _boxes.decode_boxes(deltas, references, stddevs)
    np.testing.assert_allclose(decoded, boxes, atol=1e-3)
    inclusive = _boxes.continuous_to_inclusive(decoded)
    np.testing.assert_allclose(
        _boxes.inclusive_to_continuous(inclusive), boxes, atol=1e-3
    )


def test_growth_is_cut():
    decoded = _boxes.decode_boxes([0, 0, 50, -2], [0, 0, 16, 16])
    np.testing.assert_allclose(decoded[2] - decoded[0], 1000, rtol=1e-5)
    np.testing.assert_allclose(decoded[3] - decoded[1], 16 * np.exp(-2), rtol=1e-5)


def test_overlaps_are_those_of_plain_loops():
    first = region_references.scattered_boxes((2, 9))
    second = region_references.scattered_boxes((2, 5), 1)
    found = _boxes.pairwise_iou(first, second).numpy()
    for b, i, j in np.ndindex(2, 9, 5):
        expected = region_references.iou(first[b, i], second[b, j])
        assert found[b, i, j] == pytest.approx(expected, abs=1e-6)


def test_empty_and_broken_boxes_make_no_nan():
    nan, inf = np.nan, np.inf
    boxes = tf.constant([[0.0] * 4, [5, 5, 5, 9], [9, 9, 2, 2], [0, 0, 8, 8]])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(boxes)
        overlaps = _boxes.pairwise_iou(boxes, boxes)
        deltas = _boxes.encode_boxes(boxes, tf.reverse(boxes, [0]))
        decoded = _boxes.decode_boxes(deltas, boxes)
    np.testing.assert_array_equal(overlaps, np.diag([0, 0, 0, 1]))
    for values in (overlaps, deltas, decoded):
        assert np.isfinite(values).all()
        assert np.isfinite(tape.gradient(values, boxes)).all()
    broken = [[nan, 0, 4, 4], [0, 0, inf, inf], [-inf, -inf, inf, inf]]
    assert np.isfinite(_boxes.pairwise_iou(broken, boxes)).all()
    np.testing.assert_array_equal(_boxes.finite_boxes(broken), np.zeros((3, 4)))


def test_clipping_by_the_size_of_each_image():
    boxes = np.array([[[-3, 2, 70, 20]], [[30, 40, 35, 90]]], np.float32)
    clipped = _boxes.clip_boxes(boxes, [[60, 15], [20, 80]])
    np.testing.assert_array_equal(clipped, [[[0, 2, 60, 15]], [[20, 40, 20, 80]]])
    of_classes = _boxes.clip_boxes(boxes[:, None], [[60, 15], [20, 80]])
    np.testing.assert_array_equal(of_classes[:, 0], clipped)
    np.testing.assert_array_equal(
        _boxes.clip_boxes(boxes[0, 0], [60, 15]), clipped[0, 0]
    )


def test_flipping_twice_changes_nothing_and_leaves_padding():
    boxes = np.array([[2, 3, 8, 10], [0, 0, 0, 0]], np.float32)
    flipped = _boxes.flip_boxes(boxes, 12)
    np.testing.assert_array_equal(flipped, [[2, 2, 8, 9], [0, 0, 0, 0]])
    np.testing.assert_array_equal(_boxes.flip_boxes(flipped, 12), boxes)


def test_inclusive_boxes_of_files_and_of_code():
    """The first 3x2 pixels, counted from 1 and from 0."""
    for first_pixel, box in ((1, [1, 1, 3, 2]), (0, [0, 0, 2, 1])):
        found = _boxes.inclusive_to_continuous(box, first_pixel)
        np.testing.assert_array_equal(found, [0, 0, 3, 2])
        np.testing.assert_array_equal(
            _boxes.continuous_to_inclusive(found, first_pixel), box
        )


def test_halves_are_rounded_away_from_zero():
    values = [-2.5, -0.5, -0.4, 0.5, 1.5, 2.49]
    np.testing.assert_array_equal(_boxes.round_half_away(values), [-3, -1, 0, 1, 2, 2])


@pytest.mark.parametrize("jit_compile", [False, True])
def test_suppression(jit_compile):
    """The fact sheet's example, a tie at the threshold, and what must never win."""
    suppress = tf.function(
        _boxes.suppress_overlapping, jit_compile=jit_compile, autograph=False
    )
    x1y1x2y2 = [
        (10, 10, 49, 49),
        (12, 12, 51, 51),
        (10, 10, 49, 29),
        (60, 60, 99, 99),
        (65, 60, 104, 99),
        (30, 10, 69, 49),
    ]
    boxes = np.array(x1y1x2y2, np.float32)[None, :, [1, 0, 3, 2]]
    scores = np.array([[0.9, 0.8, 0.7, 0.85, 0.6, 0.75]], np.float32)
    inclusive = _boxes.inclusive_to_continuous(boxes)
    for threshold, expected in (
        (0.3, [0, 3]),
        (0.5, [0, 3, 5, 2]),
        (0.7, [0, 3, 5, 2]),
    ):
        for given in (boxes, inclusive):
            places, is_found = suppress(given, scores, 8, threshold)
            assert places.shape == (1, 8)
            assert places[is_found].numpy().tolist() == expected
    equal = np.array([[[0, 0, 10, 10], [0, 0, 5, 10]]], np.float32)
    assert suppress(equal, scores[:, :2], 2, 0.5)[1].numpy().all()
    broken = scores.copy()
    broken[0, [0, 3]] = np.nan, np.inf
    boxes[0, 1, 2] = np.nan
    places, is_found = suppress(boxes, broken, 3, 0.7, 0.65)
    assert places.numpy().tolist() == [[5, 2, 0]]
    assert is_found.numpy().tolist() == [[True, True, False]]
