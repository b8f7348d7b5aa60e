"""Partial convolution: the paper's formula, holes, masks of several channels."""

import numpy as np
import pytest
import tensorflow as tf

from keras_cnns import layers


def _masks(*shape, fraction=0.5, seed=0):
    drawn = np.random.default_rng(seed).random(shape) < fraction
    return drawn.astype(np.float32)


def _normal(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("channels", [1, 3])
def test_constant_image(strides, channels):
    """0.7 times 27 weights of 0.1 is 1.89 wherever anything is known, borders too."""
    layer = layers.PartialConv2D(
        4, 3, strides=strides, kernel_initializer=tf.constant_initializer(0.1)
    )
    masks = _masks(2, 16, 16, channels, fraction=0.15)
    features, updated = layer([tf.fill([2, 16, 16, 3], 0.7), masks])
    features, updated = features.numpy(), updated.numpy()
    is_known = np.broadcast_to(updated > 0, features.shape)
    np.testing.assert_allclose(features[is_known], 1.89, atol=1e-5)
    assert (features[~is_known] == 0).all() and 0.3 < is_known.mean() < 1
    assert updated.shape[-1] == (1 if channels == 1 else 4)
    assert (updated == updated[..., :1]).all() and set(updated.ravel()) == {0, 1}
    # Masks differ from image to image.
    assert (updated[0] != updated[1]).any()


def test_what_is_under_the_hole_has_no_effect():
    layer = layers.PartialConv2D(3, 5, bias_initializer="ones")
    x, masks = _normal(2, 9, 11, 2), _masks(2, 9, 11, 1)
    other = np.where(masks == 1, x, 1e4 * _normal(2, 9, 11, 2, seed=7))
    for first, second in zip(layer([x, masks]), layer([other, masks])):
        np.testing.assert_array_equal(first, second)


def test_bias_stays_out_of_holes_and_of_the_scaling():
    layer = layers.PartialConv2D(
        1, 3, kernel_initializer="zeros", bias_initializer=tf.constant_initializer(2.5)
    )
    masks = np.zeros([1, 9, 9, 1], np.float32)
    masks[0, 4, 4] = 1
    features, updated = (
        y.numpy()[0, ..., 0] for y in layer([_normal(1, 9, 9, 2), masks])
    )
    expected = np.zeros([9, 9])
    expected[3:6, 3:6] = 1
    np.testing.assert_array_equal(updated, expected)
    np.testing.assert_array_equal(features, 2.5 * expected)


def test_hole_of_16_pixels_closes_in_8_layers():
    masks = np.ones([1, 40, 40, 1], np.float32)
    masks[0, 12:28, 12:28] = 0
    state, sums = [_normal(1, 40, 40, 1), masks], [masks.sum()]
    for _ in range(8):
        state = layers.PartialConv2D(1, 3)(state)
        sums.append(float(tf.reduce_sum(state[1])))
    assert sums == sorted(sums) and sums[-2] < 1600 and sums[-1] == 1600


@pytest.mark.parametrize(
    ("size", "strides", "channels", "use_bias"),
    [(3, 1, 1, True), (5, 2, 3, True), (7, 2, 1, False), (4, 2, 3, True)],
)
def test_against_torch(size, strides, channels, use_bias):
    """The formula once more, with PyTorch's convolutions."""
    torch = pytest.importorskip("torch")
    layer = layers.PartialConv2D(
        6, size, strides, use_bias=use_bias, bias_initializer="random_normal"
    )
    x, masks = _normal(2, 12, 14, 3), _masks(2, 12, 14, channels, fraction=0.2)
    ours = [y.numpy() for y in layer([x, masks])]
    # TensorFlow pads an even map so: all for stride 1, one row less at stride 2.
    total = size - strides
    pad = (total // 2, total - total // 2) * 2

    def convolve(maps, kernel):
        maps = torch.nn.functional.pad(
            torch.from_numpy(maps.transpose(0, 3, 1, 2)), pad
        )
        return torch.nn.functional.conv2d(maps, kernel, stride=strides)

    kernel = torch.from_numpy(layer.kernel.numpy().transpose(3, 2, 0, 1).copy())
    total = convolve(masks, torch.ones(1, channels, size, size))
    ratio = channels * size**2 / torch.clamp(total, min=1e-8)
    bias = layer.bias.numpy() if use_bias else np.zeros(6, np.float32)
    bias = torch.from_numpy(bias)[None, :, None, None]
    expected = (convolve(x * masks, kernel) * ratio + bias) * (total > 0)
    np.testing.assert_allclose(
        ours[0], expected.numpy().transpose(0, 2, 3, 1), rtol=1e-3, atol=1e-4
    )
    valid = (total > 0).numpy().transpose(0, 2, 3, 1)
    np.testing.assert_array_equal(ours[1], np.broadcast_to(valid, ours[1].shape))


@pytest.mark.parametrize("known", [0.0, 1.0])
def test_empty_and_full_masks(known):
    layer = layers.PartialConv2D(2, 3, dtype="mixed_float16")
    x = tf.constant(_normal(1, 6, 6, 512))
    with tf.GradientTape() as tape:
        features, updated = layer([x, tf.fill([1, 6, 6, 512], known)])
        loss = tf.reduce_sum(tf.cast(features, tf.float32))
    gradients = tape.gradient(loss, layer.trainable_weights)
    assert (updated.numpy() == known).all() and np.isfinite(features.numpy()).all()
    assert all(np.isfinite(gradient.numpy()).all() for gradient in gradients)
    assert bool(np.any(features != 0)) == bool(known)


def test_masks_of_other_channels_are_refused():
    with pytest.raises(ValueError, match="1 or 3 channels, got 2"):
        layers.PartialConv2D(4, 3)([tf.ones([1, 8, 8, 3]), tf.ones([1, 8, 8, 2])])
    with pytest.raises(ValueError, match="1 or 3 channels, got 2"):
        x = tf.ones([1, 8, 8, 3])
        layers.MaskedConcatenate()([x, x, x, tf.ones([1, 8, 8, 2])])
    with pytest.raises(ValueError, match="two or more pairs"):
        layers.MaskedConcatenate()([x, x, x])


def test_valid_pixels_lets_nothing_through():
    images = np.array([[np.nan, np.inf, 1e30, 0.25]], np.float32)[..., None, None]
    masks = np.array([[0, 0, 0, 1]], np.float32)[..., None, None]
    for policy in ("float32", "mixed_float16"):
        known = layers.ValidPixels(dtype=policy)([images, masks])
        np.testing.assert_array_equal(known.numpy().ravel(), [0, 0, 0, 0.25])
