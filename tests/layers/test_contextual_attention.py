"""Contextual attention against the published steps, written out place by place."""

import numpy as np
import pytest
import scipy.signal
import tensorflow as tf
from tensorflow import keras

from keras_cnns.layers import ContextualAttention


def _window(maps, y, x, size):
    """What is around a place, 0 outside."""
    around = size // 2
    padded = np.pad(maps, [(around, around), (around, around), (0, 0)])
    return padded[y : y + size, x : x + size]


def _propagated(scores, grids, size):
    """The published convolutions with an identity matrix, before and after swapping."""
    (height, width), (rows, columns) = grids
    kernel = np.eye(size)
    scores = scipy.signal.correlate2d(scores, kernel, mode="same")
    scores = scores.reshape(height, width, rows, columns).transpose(1, 0, 3, 2)
    scores = scores.reshape(width * height, columns * rows)
    scores = scipy.signal.correlate2d(scores, kernel, mode="same")
    scores = scores.reshape(width, height, columns, rows).transpose(1, 0, 3, 2)
    return scores.reshape(height * width, rows * columns)


def _published(
    foreground, background, holes, rate=2, patch=3, propagation=3, factor=10.0
):
    """One example. ``holes`` is 1 to fill, of the size of the background."""
    f, b, m = (maps[::rate, ::rate] for maps in (foreground, background, holes))
    grids = f.shape[:2], b.shape[:2]
    filters = [_window(b, *place, patch) for place in np.ndindex(grids[1])]
    filters = [x / max(np.sqrt((x**2).sum()), 1e-4) for x in filters]
    scores = np.array(
        [
            [(_window(f, *place, patch) * kernel).sum() for kernel in filters]
            for place in np.ndindex(grids[0])
        ]
    )
    scores = _propagated(scores, grids, propagation)
    is_known = [_window(m, *place, patch).mean() == 0 for place in np.ndindex(grids[1])]
    is_known = np.array(is_known, float)
    scores = factor * scores * is_known
    exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
    attention = exponentials / exponentials.sum(axis=1, keepdims=True) * is_known
    return _pasted(attention, background, grids, rate), attention


def _pasted(attention, background, grids, rate):
    """A transposed convolution with stride, whose kernels are the raw patches."""
    before, after = rate // 2, rate - rate // 2
    margins = [(before, after), (before, after), (0, 0)]
    raw = np.pad(background, margins)
    (height, width), size = grids[0], 2 * rate
    shape = ((height + 1) * rate, (width + 1) * rate, background.shape[-1])
    canvas = np.zeros(shape)
    for i, (y, x) in enumerate(np.ndindex(grids[0])):
        for j, (row, column) in enumerate(np.ndindex(grids[1])):
            part = raw[row * rate : row * rate + size, column * rate :][:, :size]
            canvas[y * rate : y * rate + size, x * rate : x * rate + size] += (
                attention[i, j] * part
            )
    return canvas[before : before + height * rate, before : before + width * rate] / 4


def _random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def _masks(*shape, fraction=0.1, seed=1):
    drawn = np.random.default_rng(seed).random(size=shape)
    return (drawn >= fraction).astype(np.float32)


@pytest.mark.parametrize(
    ("rate", "patch", "propagation", "background_size"),
    [(2, 3, 3, (8, 12)), (2, 3, 1, (8, 12)), (1, 3, 3, (5, 4)), (3, 5, 5, (18, 21))],
)
def test_against_the_published_steps(rate, patch, propagation, background_size):
    foreground = _random(2, 4 * rate, 3 * rate, 3)
    background = _random(2, *background_size, 3, seed=1)
    masks = _masks(2, *background_size, 1, fraction=0.1 if patch == 3 else 0.03)
    layer = ContextualAttention(
        patch, rate, propagation, softmax_factor=0.5, return_attention=True
    )
    output, attention = layer([foreground, background, masks])
    assert 0 < np.count_nonzero(attention) < attention.numpy().size
    for i in range(2):  # every example has a mask of its own
        expected = _published(
            *(foreground[i], background[i], 1 - masks[i]), rate, patch, propagation, 0.5
        )
        np.testing.assert_allclose(output[i], expected[0], atol=1e-5)
        flat = attention[i].numpy().reshape(expected[1].shape)
        np.testing.assert_allclose(flat, expected[1], atol=1e-5)
    shapes = layer.compute_output_shape([foreground.shape, background.shape, None])
    assert shapes == [output.shape, attention.shape]


def _periodic_example():
    """An image of one repeated tile, the same with a hole, and the mask."""
    tile = _random(8, 8, 3)
    image = np.tile(tile - tile.mean(axis=(0, 1)), (4, 4, 1))[None]
    masks = np.ones((1, 32, 32, 1), np.float32)
    masks[:, 12:20, 12:20] = 0
    return image, image * masks, masks


@pytest.mark.parametrize("masked_scores", ["zero", "excluded"])
def test_fills_a_hole_of_a_periodic_image(masked_scores):
    image, known, masks = _periodic_example()
    layer = ContextualAttention(masked_scores=masked_scores, return_attention=True)
    output, attention = layer([image, known, masks])
    error, mean_fill = (
        np.mean((filled - image)[:, 12:20, 12:20] ** 2) for filled in (output, 0.0)
    )
    assert error < 0.01 * mean_fill
    attention = attention.numpy()[0]
    for row, column in np.ndindex(16, 16):  # 4x4 patches from 2 * row - 1 on
        touches_rows = 12 - 4 < 2 * row - 1 < 20
        if touches_rows and 12 - 4 < 2 * column - 1 < 20:
            assert not attention[:, :, row, column].any()
    sums = attention.sum(axis=(2, 3))
    assert sums.max() < 1 + 1e-5
    if masked_scores == "excluded":
        np.testing.assert_allclose(sums, 1, rtol=1e-5)


def test_masks_of_a_larger_size_are_thinned_out():
    features, masks = _random(1, 8, 8, 2), _masks(1, 32, 32, 1)
    layer = ContextualAttention()
    expected = layer([features, features, masks[:, ::4, ::4]])
    np.testing.assert_array_equal(layer([features, features, masks]), expected)


def test_minimum_never_copies_from_a_hole_of_any_form():
    foreground, background = _random(2, 16, 16, 2), _random(2, 16, 16, 2, seed=1)
    masks = np.ones((2, 32, 32, 1), np.float32)
    masks[0, 7, 9] = masks[1, 25, 3] = masks[1, 0, 31] = 0
    other = background + 100 * (1 - masks.reshape(2, 16, 2, 16, 2, 1).min((2, 4)))
    for mask_sampling, is_equal in (("minimum", True), ("nearest", False)):
        layer = ContextualAttention(mask_sampling=mask_sampling)
        outputs = [layer([foreground, b, masks]) for b in (background, other)]
        assert np.array_equal(*outputs) == is_equal


@pytest.mark.parametrize("masked_scores", ["zero", "excluded"])
@pytest.mark.parametrize("known", [0.0, 1.0])
def test_all_hole_and_no_hole(masked_scores, known):
    features = tf.constant(_random(1, 8, 8, 2))
    layer = ContextualAttention(masked_scores=masked_scores)
    with tf.GradientTape() as tape:
        tape.watch(features)
        output = layer([features, features, tf.fill([1, 8, 8, 1], known)])
    gradient = tape.gradient(output, features)
    assert np.isfinite(gradient).all()
    assert output.numpy().any() == gradient.numpy().any() == bool(known)


def test_flat_background_has_a_finite_gradient():
    """Patches of zeros have norm 0, whose root has no gradient."""
    zeros = tf.zeros([1, 8, 8, 2])
    with tf.GradientTape() as tape:
        tape.watch(zeros)
        output = ContextualAttention()([zeros, zeros, tf.ones([1, 8, 8, 1])])
    assert np.isfinite(tape.gradient(output, zeros)).all()


@pytest.mark.parametrize("masked_scores", ["zero", "excluded"])
def test_gradient_against_finite_differences(masked_scores):
    masks = np.ones((1, 6, 6, 1))
    masks[:, 0, 0] = 0
    layer = ContextualAttention(
        softmax_factor=0.5, masked_scores=masked_scores, dtype="float64"
    )
    weights = _random(1, 6, 6, 1, seed=2)
    features = np.stack([_random(1, 6, 6, 1, seed=i) for i in (0, 1)])
    features = tf.constant(features, tf.float64)

    def total(both):
        return tf.reduce_sum(weights * layer([both[0], both[1], masks]))

    with tf.GradientTape() as tape:
        tape.watch(features)
        value = total(features)
    gradient = tape.gradient(value, features).numpy()
    assert (np.abs(gradient).max(axis=(1, 2, 3, 4)) > 0.01).all()
    for seed in range(3, 8):  # slopes in directions that are drawn
        step = 1e-5 * _random(2, 1, 6, 6, 1, seed=seed).astype(np.float64)
        slope = (total(features + step) - total(features - step)) / 2
        np.testing.assert_allclose((gradient * step).sum(), slope, rtol=1e-5)


def test_matching_does_not_overflow_in_16_bits():
    foreground, background = (80 * _random(1, 8, 8, 64, seed=i) for i in (0, 1))
    inputs = [foreground, background, np.ones((1, 8, 8, 1), np.float32)]
    expected = ContextualAttention()(inputs)
    output = ContextualAttention(dtype="mixed_float16")(inputs)
    assert output.dtype == tf.float16
    np.testing.assert_allclose(output, expected, atol=0.5)


@pytest.mark.parametrize("mask_sampling", ["nearest", "minimum"])
def test_unknown_sizes_and_xla(mask_sampling):
    symbols = [keras.Input((None, None, channels)) for channels in (2, 2, 1)]
    layer = ContextualAttention(mask_sampling=mask_sampling, return_attention=True)
    model = keras.Model(symbols, layer(symbols))
    inputs = [_random(2, 6, 8, 2), _random(2, 4, 8, 2), _masks(2, 8, 16, 1)]
    compiled = tf.function(model, jit_compile=True)
    for one, other in zip(compiled(inputs), model(inputs)):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "quoted"),
    [
        ({"patch_size": 4}, "patch_size.*odd.*4"),
        ({"rate": 0}, "rate.*0"),
        ({"propagation_size": 2}, "propagation_size.*odd.*2"),
        ({"softmax_factor": -1.0}, "softmax_factor.*-1.0"),
        ({"softmax_factor": float("nan")}, "softmax_factor.*nan"),
        ({"masked_scores": "none"}, "'zero' or 'excluded', got 'none'"),
        ({"mask_sampling": []}, r"'nearest' or 'minimum', got \[\]"),
        ({"return_attention": 1}, "return_attention.*1"),
    ],
)
def test_bad_arguments_are_quoted(arguments, quoted):
    with pytest.raises(ValueError, match=quoted):
        ContextualAttention(**arguments)


@pytest.mark.parametrize(
    ("shapes", "quoted"),
    [
        ([(1, 8, 8, 2), (1, 8, 8, 3), (1, 8, 8, 1)], r"channels.*\(1, 8, 8, 3\)"),
        ([(1, 7, 8, 2), (1, 8, 8, 2), (1, 8, 8, 1)], r"rate=2.*\(1, 7, 8, 2\)"),
        ([(1, 8, 8, 2), (1, 8, 8, 2), (1, 12, 8, 1)], r"masks.*\(1, 12, 8, 1\)"),
        ([(1, 8, 8, 2), (1, 8, 8, 2), (1, 8, 8, 2)], r"one channel.*\(1, 8, 8, 2\)"),
        ([(1, 8, 8, 2), (1, 8, 8, 2)], "foreground, background, masks"),
    ],
)
def test_bad_shapes_are_quoted(shapes, quoted):
    with pytest.raises(ValueError, match=quoted):
        ContextualAttention()([tf.ones(shape) for shape in shapes])
