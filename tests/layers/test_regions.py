"""Layers on regions: published numbers, geometry, and what must not break them."""

import numpy as np
import pytest
import region_references
import tensorflow as tf
from tensorflow import keras

from keras_cnns import _boxes, layers

# The fact sheet's map and its regions, inclusive (x1, y1, x2, y2).
STEPS = np.fromfunction(lambda r, c: (7 * c + 3 * r) % 17, (6, 8), dtype=np.float32)
PLANE = np.fromfunction(lambda r, c: 3 * r + 2 * c, (8, 8), dtype=np.float32)
POOLED = [
    ((8, 8, 72, 56), 2, [13, 14, 16, 16]),
    ((0, 0, 127, 95), 2, [16, 15, 16, 16]),
    ((40, 24, 40, 24), 2, [10] * 4),
    ((100, 64, 200, 150), 2, [13, 0, 0, 0]),
    ((24, 24, 88, 72), 3, [13, 13, 14, 16, 16, 13, 16, 16, 16]),
]
ALIGNED = [
    ((1, 2, 5, 6), [10.5, 14.5, 16.5, 20.5], [13, 17, 19, 23]),
    ((1.3, 2, 5.3, 6), [11.1, 15.1, 17.1, 21.1], None),
    ((0, 0, 8, 8), [7.5, 15.5, 19.5, 27.5], None),
    ((6, 6, 9, 9), [31.25, 16.375, 16.75, 8.75], [33.4375, 17.03125, 17.1875, 8.75]),
]
INF, NAN = np.inf, np.nan
HOSTILE = np.array(
    [
        [0, 0, 0, 0],
        [3, 4, 4, 5],
        [9, 9, 2, 2],
        [-90, -80, -50, -40],
        [900, 900, 950, 990],
        [-1e30, -1e30, 1e30, 1e30],
        [NAN, 0, 8, 8],
        [0, 0, INF, INF],
        [-INF, -INF, INF, INF],
    ],
    np.float32,
)


def _box(x1, y1, x2, y2):
    return np.array([[[y1, x1, y2, x2]]], np.float32)


def _maps(values):
    return values[None, ..., None]


@pytest.mark.parametrize(("roi", "size", "expected"), POOLED)
def test_roi_pooling_of_published_example(roi, size, expected):
    rois = _boxes.inclusive_to_continuous(_box(*roi), first_pixel=0)
    pooled = layers.RoIPooling(size, 1 / 16)([_maps(STEPS), rois])
    np.testing.assert_array_equal(np.ravel(pooled), expected)


def test_gradients_of_regions_are_summed():
    rois = np.concatenate([_box(*roi) for roi, _, _ in POOLED[:2]], 1)
    rois = _boxes.inclusive_to_continuous(rois, first_pixel=0)
    x = tf.constant(_maps(STEPS))
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(layers.RoIPooling(2, 1 / 16)([x, rois]))
    expected = np.zeros((6, 8))
    for place in ((0, 7), (1, 4), (2, 1), (4, 3), (5, 5)):
        expected[place] = 1
    expected[3, 1] = 3
    np.testing.assert_array_equal(tape.gradient(total, x)[0, ..., 0], expected)


def _first_cells(x, rois, size, scale):
    """Gradient of the sum of the pooled maxima, by plain loops."""
    gradient = np.zeros_like(x)
    for b, h, w, c in np.ndindex(x.shape):
        # Of equal values the first by rows is largest here.
        x[b, h, w, c] -= 1e-4 * (h * x.shape[2] + w)
    pooled = region_references.roi_pooling(x, rois, size, scale)
    for b, r, i, j, c in np.ndindex(pooled.shape):
        cells = np.argwhere(x[b, ..., c] == pooled[b, r, i, j, c])
        for h, w in cells:
            gradient[b, h, w, c] += 1
    return gradient


@pytest.mark.parametrize("jit_compile", [False, True])
def test_gradient_of_ties_goes_to_the_first_cell(jit_compile):
    """Maps of few different values, as those with many zeros are, and of long bins."""
    random = np.random.default_rng(0)
    x = random.integers(0, 3, (2, 21, 23, 2)).astype(np.float64)
    x += [[[[10, 20]]], [[[30, 40]]]]
    rois = region_references.scattered_boxes((2, 6))
    rois[0, 0] = [0, 0, 21, 23]
    rois[1, 1] = [0, 5, 20, 7]
    pooling = layers.RoIPooling(1, 1.0, dtype="float64")

    @tf.function(jit_compile=jit_compile)
    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = tf.reduce_sum(pooling([x, rois]))
        return tape.gradient(total, x)

    expected = _first_cells(x.copy(), rois, 1, 1.0)
    np.testing.assert_array_equal(gradient(tf.constant(x)), expected)


def test_roi_pooling_of_long_bins_is_that_of_plain_loops():
    random = np.random.default_rng(1)
    x = random.normal(size=(1, 41, 70, 3)).astype(np.float32)
    rois = region_references.scattered_boxes((1, 9)) * 2 - 20
    for size in (1, 3):
        pooled = layers.RoIPooling(size, 1.0)([x, rois])
        expected = region_references.roi_pooling(x, rois, size, 1.0)
        np.testing.assert_allclose(pooled, expected, rtol=1e-6)


def test_negative_values_are_pooled_too():
    pooled = layers.RoIPooling(2, 1.0)([_maps(PLANE - 100), _box(2, 2, 6, 6)])
    np.testing.assert_array_equal(np.ravel(pooled), [-85, -81, -79, -75])


@pytest.mark.parametrize(("roi", "aligned", "legacy"), ALIGNED)
def test_roi_align_of_published_example(roi, aligned, legacy):
    for is_aligned, expected in ((True, aligned), (False, legacy)):
        if expected:
            layer = layers.RoIAlign(2, 1.0, aligned=is_aligned)
            found = np.ravel(layer([_maps(PLANE), _box(*roi)]))
            np.testing.assert_allclose(found, expected, atol=1e-5)


def test_roi_align_follows_boxes_and_pooling_does_not():
    """The centre of a cell has its value, so bins have that of the plane there."""
    box, size = _box(2.2, 1.4, 6.2, 5.4), (2, 4)
    align = layers.RoIAlign(size, 1.0, samples=3)
    found = align([_maps(PLANE), box])[0, 0, ..., 0]
    y, x = 1.4 + np.array([1, 3]) - 0.5, 2.2 + np.arange(4) + 0.5 - 0.5
    np.testing.assert_allclose(found, 3 * y[:, None] + 2 * x, atol=1e-5)
    moved = align([_maps(PLANE), box + [0, 0.3, 0, 0.3]])[0, 0, ..., 0]
    np.testing.assert_allclose(moved - found, np.full(size, 0.6), atol=1e-5)
    moved = align([_maps(PLANE), box + 0.3])[0, 0, ..., 0]
    np.testing.assert_allclose(moved - found, np.full(size, 1.5), atol=1e-5)
    pool = layers.RoIPooling(size, 1.0)
    np.testing.assert_array_equal(
        pool([_maps(PLANE), box]), pool([_maps(PLANE), box + 0.09])
    )
    assert (pool([_maps(PLANE), box + 0.3]) != pool([_maps(PLANE), box])).numpy().any()


@pytest.mark.parametrize("aligned", [True, False])
def test_roi_align_of_odd_sizes_is_that_of_plain_loops(aligned):
    x = np.random.default_rng(2).normal(size=(2, 6, 5, 2)).astype(np.float32)
    found = layers.RoIAlign(3, 0.25, 2, aligned)([x, region_references.ROIS])
    expected = region_references.roi_align(
        x, region_references.ROIS, 3, 0.25, 2, aligned
    )
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("offset", "size", "expected"),
    [
        (None, 18, {(17, 120): (2, 7), (100, 300): (7, 18), (50, 58): (3, 3)}),
        (20, 13, {(1, 224): (1, 13), (17, 120): (1, 7), (50, 58): (3, 3)}),
        (20, 18, {(100, 300): (6, 18)}),
    ],
)
def test_windows_of_a_pyramid(offset, size, expected):
    """First and last cell, counted from 1, told by the extremes of a rising map.

    The paper says nothing of regions without a cell, as the one of pixels 50 to 58 is.
    """
    ramp = np.arange(1, size + 1, dtype=np.float32)
    maps = np.stack([ramp, -ramp], -1)[None, None]
    rois = np.array([[[0, x0 - 1, 16, x1] for x0, x1 in expected]], np.float32)
    pooled = layers.RoIPyramidPooling((1,), 1 / 16, offset)([maps, rois])
    found = [(-int(low), int(high)) for high, low in pooled[0, :, 0].numpy()]
    assert found == list(expected.values())


@pytest.mark.parametrize(
    ("length", "level", "expected"),
    [
        (13, 6, [(0, 3), (2, 5), (4, 7), (6, 9), (8, 11), (10, 13)]),
        (13, 3, [(0, 5), (4, 9), (8, 13)]),
        (13, 2, [(0, 7), (6, 13)]),
        (10, 6, [(0, 2), (1, 4), (3, 5), (5, 7), (6, 9), (8, 10)]),
    ],
)
def test_bins_of_a_pyramid_level(length, level, expected):
    """The whole map as one region; maxima of rising values tell the edges."""
    ramp = np.arange(length, dtype=np.float32)
    maps = np.stack([ramp, -ramp], -1)[None, None]
    rois = np.array([[[0, 0, 32, 16 * length + 16]]], np.float32)
    pooled = layers.RoIPyramidPooling((level,))([maps, rois]).numpy()[0, 0]
    found = [(-int(low), int(high) + 1) for high, low in pooled[:level]]
    assert found == expected


def test_pyramid_has_50_bins():
    layer = layers.RoIPyramidPooling()
    assert layer.num_bins == 50
    pooled = layer([np.ones((1, 13, 13, 256), np.float32), _box(0, 0, 224, 224)])
    assert np.size(pooled) == 12800


def test_crops_are_parts_of_the_image():
    image = np.random.default_rng(3).normal(size=(1, 30, 40, 3)).astype(np.float32)
    boxes = [[3, 5, 23, 25], [0, 0, 30, 40], [-10, 0, 10, 20], [29, 39, 30, 40]]
    crops = layers.WarpedCrops(20, context=0)([image, np.array([boxes], np.float32)])
    same, whole, cut, pixel = crops[0].numpy()
    np.testing.assert_allclose(same, image[0, 3:23, 5:25], atol=1e-6)
    np.testing.assert_allclose(whole, tf.image.resize(image, (20, 20))[0], atol=1e-6)
    np.testing.assert_array_equal(cut[:10], 0)
    np.testing.assert_allclose(cut[10:], image[0, :10, :20], atol=1e-6)
    np.testing.assert_allclose(pixel, np.broadcast_to(image[0, 29, 39], (20, 20, 3)))


def test_crops_show_16_pixels_around_a_region():
    """1 in the region, 0 around it, which 16 of 227 pixels at each edge show."""
    image = np.zeros((1, 600, 600, 1), np.float32)
    image[:, 150:345, 200:395] = 1
    crop = layers.WarpedCrops(227)([image, _box(200, 150, 395, 345)])[0, 0, ..., 0]
    expected = np.zeros((227, 227))
    expected[16:-16, 16:-16] = 1
    np.testing.assert_allclose(crop, expected, atol=1e-6)


def test_base_anchors_are_those_of_the_released_code():
    anchors = _boxes.continuous_to_inclusive(
        layers.base_anchors(16, (128, 256, 512)), first_pixel=0
    )
    expected = [
        (-84, -40, 99, 55), (-176, -88, 191, 103), (-360, -184, 375, 199),
        (-56, -56, 71, 71), (-120, -120, 135, 135), (-248, -248, 263, 263),
        (-36, -80, 51, 95), (-80, -168, 95, 183), (-168, -344, 183, 359),
    ]  # fmt: skip
    np.testing.assert_array_equal(anchors.numpy()[:, [1, 0, 3, 2]], expected)
    centred = layers.base_anchors(16, (128,), style="centred")[:, [1, 0, 3, 2]]
    expected = [(-91, -45, 91, 45), (-64, -64, 64, 64), (-45, -91, 45, 91)]
    np.testing.assert_array_equal(centred, expected)


def test_anchors_of_a_large_image():
    """600x1000 pixels on the map of Caffe, and how many are inside."""
    anchors = layers.Anchors(16, (128, 256, 512))(np.zeros((1, 38, 63, 1), np.float32))
    assert anchors.shape == (21546, 4)
    inside = (anchors >= 0).numpy().all(-1) & (anchors <= [600, 1000] * 2).numpy().all(
        -1
    )
    assert inside.sum() == 8151


@pytest.mark.parametrize(
    "layer",
    [
        layers.RoIPooling(2, 0.5),
        layers.RoIAlign(2, 0.5),
        layers.RoIAlign(2, 0.5, aligned=False),
        layers.RoIPyramidPooling((2, 1), 0.5),
        layers.RoIPyramidPooling((2, 1), 0.5, offset=7.5),
        layers.WarpedCrops(6, 1),
    ],
)
def test_hostile_regions_make_no_nan(layer):
    x = tf.random.normal([1, 9, 7, 2])
    with tf.GradientTape() as tape:
        tape.watch(x)
        pooled = layer([x, HOSTILE[None]])
    assert np.isfinite(pooled).all()
    assert np.isfinite(tape.gradient(pooled, x)).all()
    empty = layer([x, np.zeros((1, 0, 4), np.float32)])
    assert empty.shape[:2] == (1, 0)


def test_regions_have_no_gradient():
    x, rois = tf.random.normal([1, 9, 7, 2]), tf.constant(_box(1, 1, 8, 9))
    for layer in (layers.RoIPooling(2, 0.5), layers.RoIAlign(2, 0.5)):
        with tf.GradientTape() as tape:
            tape.watch(rois)
            pooled = layer([x, rois])
        assert tape.gradient(pooled, rois) is None


def test_folded_regions_in_a_network_of_unknown_sizes():
    maps, rois = keras.Input([None, None, 2]), keras.Input([None, 4])
    x = layers.RoIPooling(3, 0.5)([maps, rois])
    x = keras.layers.Flatten()(layers.FoldRegions()(x))
    x = layers.UnfoldRegions()([keras.layers.Dense(5)(x), rois])
    assert x.shape == (None, None, 5)
    network = keras.Model([maps, rois], x)
    for count in (3, 6):
        given = tf.random.normal([2, 8, 9, 2]), tf.ones([2, count, 4])
        assert network(given).shape == (2, count, 5)


def _proposals(logits, anchors, deltas=None, **arguments):
    logits = np.asarray(logits, np.float32)
    objectness = np.stack([np.zeros_like(logits), logits], -1)[None]
    deltas = np.zeros((1, len(logits), 4)) if deltas is None else deltas
    layer = layers.RegionProposals(**arguments)
    return layer([objectness, deltas, np.float32(anchors), np.array([[64.0, 64.0]])])


def test_proposals_keep_a_tie_and_drop_what_is_small_or_broken():
    anchors = [
        [0, 0, 40, 40],
        [0, 0, 20, 40],  # half of the first
        [0, 0, 22, 40],  # more than half of both
        [40, 40, 50, 60],  # small
        [30, 40, 90, 64],  # as large as it must be once it is clipped
        [40, 0, 64, 30],
        [44, 44, 64, 64],
    ]
    logits = [5, 4, 3, 9, 2, NAN, INF]
    rois, scores = _proposals(logits, anchors, iou_threshold=0.5)
    expected = [anchors[0], anchors[1], [30, 40, 64, 64], *[[0] * 4] * 4]
    np.testing.assert_array_equal(rois[0], expected)
    expected = 1 / (1 + np.exp(-np.array([5.0, 4, 2])))
    np.testing.assert_allclose(scores[0], [*expected, 0, 0, 0, 0], rtol=1e-5)


def test_proposals_of_certain_scores_keep_their_order():
    """Probabilities that are all 1 in 32 bits."""
    anchors = [[0, 0, 20, 20], [20, 20, 40, 40], [40, 40, 60, 60]]
    rois, scores = _proposals([50, 70, 60], anchors)
    np.testing.assert_array_equal(rois[0], [anchors[1], anchors[2], anchors[0]])
    np.testing.assert_array_equal(scores[0], [1, 1, 1])


def test_proposals_of_broken_deltas():
    deltas = np.zeros((1, 3, 4))
    deltas[0, 0, 0], deltas[0, 1, 3] = NAN, INF
    anchors = [[0, 0, 20, 20], [20, 20, 40, 40], [40, 40, 60, 60]]
    rois, scores = _proposals([3, 2, 1], anchors, deltas)
    assert np.isfinite(rois).all() and np.isfinite(scores).all()
    assert rois[0].numpy().tolist().count([0, 0, 0, 0]) >= 1
    rois, scores = _proposals([NAN] * 3, anchors)
    assert not rois.numpy().any() and not scores.numpy().any()


def test_proposals_have_one_number_in_training_and_another_else():
    lows = np.arange(12)[:, None] * [5.0, 5.0]
    anchors = np.concatenate([lows, lows + 4], -1)
    given = [
        np.zeros((2, 12, 2), np.float32),
        np.zeros((2, 12, 4), np.float32),
        anchors,
        np.array([[64.0, 64], [64, 64]]),
    ]
    layer = layers.RegionProposals((11, 9), (30, 4), min_size=1.0)
    assert layer(given)[0].shape == (2, 4, 4)
    rois, scores = layer(given, training=True)
    assert rois.shape == (2, 12, 4)
    assert np.count_nonzero(scores, axis=-1).tolist() == [11, 11]
    shapes = [(2, 12, 2), (2, 12, 4), (12, 4), (2, 2)]
    assert layer.compute_output_shape(shapes) == [(2, None, 4), (2, None)]


def test_proposals_have_no_gradient():
    objectness, deltas = tf.random.normal([1, 9, 2]), tf.random.normal([1, 9, 4])
    anchors = region_references.scattered_boxes((9,))
    with tf.GradientTape() as tape:
        tape.watch([objectness, deltas])
        found = layers.RegionProposals()([objectness, deltas, anchors, [[64.0, 64.0]]])
    assert tape.gradient(found, [objectness, deltas]) == [None, None]


def test_detections_of_one_class_do_not_suppress_another():
    box, other = [0, 0, 10, 10], [20, 20, 30, 30]
    boxes = np.array([[[box, box], [box, other], [other, other]]], np.float32)
    scores = np.array([[[0.9, 0.8], [0.7, 0.6], [0.04, 0.95]]], np.float32)
    found = layers.Detections(max_detections=4)([scores, boxes, [[True] * 3]])
    np.testing.assert_allclose(found["scores"], [[0.95, 0.9, 0.8, 0]], rtol=1e-6)
    assert found["classes"].numpy().tolist() == [[1, 0, 1, -1]]
    assert found["boxes"].numpy().tolist() == [[other, box, box, [0] * 4]]
    assert found["count"].numpy().tolist() == [3]


def test_detections_of_nothing_of_padding_and_of_broken_values():
    detections = layers.Detections(max_detections=3)
    scores = np.full((3, 2, 2), 0.9, np.float32)
    boxes = np.tile(np.array([0, 0, 8, 8], np.float32), (3, 2, 2, 1))
    scores[0] = NAN
    boxes[1] = INF
    found = detections([scores, boxes, [[True, True]] * 2 + [[False, False]]])
    assert not found["count"].numpy().any() and not found["boxes"].numpy().any()
    assert (found["classes"] == -1).numpy().all()
    none = detections([scores[:, :0], boxes[:, :0], np.zeros((3, 0), bool)])
    assert none["boxes"].shape == (3, 3, 4) and not none["count"].numpy().any()
