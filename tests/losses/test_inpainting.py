"""Inpainting losses against hand-computed values, NumPy and SciPy."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from keras_cnns import losses

IMAGE_LOSSES = [
    losses.valid_l1,
    losses.hole_l1,
    losses.valid_mean_l1,
    losses.hole_mean_squared_error,
    losses.discounted_l1,
]


def _images(seed=0, shape=(3, 7, 9, 2)):
    """Output, true images and masks with holes of any form."""
    random = np.random.default_rng(seed)
    output, images = random.uniform(size=(2, *shape)).astype(np.float32)
    masks = (random.uniform(size=(*shape[:3], 1)) > 0.4).astype(np.float32)
    return output, images, masks


def test_composite_keeps_valid_pixels_to_the_bit():
    output, images, masks = _images()
    made = losses.composite(output, images, masks).numpy()
    known = np.broadcast_to(masks == 1, images.shape)
    np.testing.assert_array_equal(made[known], images[known])
    np.testing.assert_array_equal(made[~known], output[~known])


def test_by_hand():
    """One image of 2x2 with two channels; the hole is one pixel."""
    images = np.zeros((1, 2, 2, 2))
    output = np.array([[[[4, 0], [1, 1]], [[0, 3], [0, 0]]]])
    masks = np.array([[[[0], [1]], [[1], [1]]]])
    arguments = (output, images, masks)
    np.testing.assert_allclose(losses.hole_l1(*arguments), [4 / 8])
    np.testing.assert_allclose(losses.valid_l1(*arguments), [5 / 8])
    np.testing.assert_allclose(losses.valid_mean_l1(*arguments), [5 / 6])
    np.testing.assert_allclose(losses.hole_mean_squared_error(*arguments), [16 / 8])
    np.testing.assert_allclose(losses.discounted_l1(*arguments), [0.9 * 4 / 2])


def test_means_are_numpys():
    output, images, masks = _images()
    difference, axes = np.abs(output - images), (1, 2, 3)
    for loss, expected in (
        (losses.valid_l1, (masks * difference).mean(axes)),
        (losses.hole_l1, ((1 - masks) * difference).mean(axes)),
        (losses.hole_mean_squared_error, ((1 - masks) * difference**2).mean(axes)),
        (losses.valid_mean_l1, (masks * difference).sum(axes) / masks.sum(axes) / 2),
    ):
        np.testing.assert_allclose(loss(output, images, masks), expected, rtol=1e-5)


@pytest.mark.parametrize("shape", [(4, 12, 17, 1), (2, 1, 5, 1), (2, 33, 2, 1)])
def test_exact_distances_are_scipys(shape):
    masks = _images(3, shape)[2]
    masks[:, 0, 0] = 1
    expected = [ndimage.distance_transform_edt(mask[..., 0] == 0) for mask in masks]
    found = losses.distance_to_valid(masks, "euclidean")[..., 0]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_distances_along_axes():
    mask = np.zeros((1, 4, 5, 1))
    mask[0, 0, 0] = mask[0, 3, 4] = 1
    inf = np.inf
    expected = [[0, 1, 2, 3, 3], [1, inf, inf, inf, 2], [2, inf, inf, inf, 1]]
    expected += [[3, 3, 2, 1, 0]]
    np.testing.assert_array_equal(losses.distance_to_valid(mask)[0, ..., 0], expected)
    nothing_known = losses.distance_to_valid(np.zeros((1, 3, 3, 1)))
    assert np.isinf(nothing_known).all()


@pytest.mark.parametrize("distance", ["axis", "euclidean"])
def test_rectangles_are_discounted_from_their_edges(distance):
    """As the paper's figure has it; sizes are known in a graph or not."""
    masks = np.ones((1, 20, 24, 1), np.float32)
    masks[:, 4:15, 6:21] = 0
    rows, columns = np.arange(1, 12)[:, None], np.arange(1, 16)
    nearest = np.minimum(np.minimum(rows, 12 - rows), np.minimum(columns, 16 - columns))
    weights = 0.99**nearest
    open_sizes = tf.TensorSpec([None, None, None, 1])

    @tf.function(input_signature=[open_sizes] * 3)
    def loss(output, images, masks):
        return losses.discounted_l1(output, images, masks, 0.99, distance)

    ones, zeros = tf.ones([1, 20, 24, 1]), tf.zeros([1, 20, 24, 1])
    np.testing.assert_allclose(loss(ones, zeros, masks), [weights.mean()], rtol=1e-5)


def test_the_released_weights_differ_at_two_edges_only():
    """``gamma ** min(i, height - i)`` starts from 0 at the upper and left edge."""
    masks = np.ones((1, 14, 14, 1), np.float32)
    masks[:, 2:12, 2:12] = 0
    distances = losses.distance_to_valid(masks)[0, 2:12, 2:12, 0].numpy()
    i, j = np.mgrid[:10, :10]
    released = np.maximum(0.9 ** np.minimum(i, 10 - i), 0.9 ** np.minimum(j, 10 - j))
    np.testing.assert_allclose(0.9 ** distances[5:, 5:], released[5:, 5:], rtol=1e-6)


def test_perceptual_sums_the_layers():
    random = np.random.default_rng(1)
    shapes = [(2, 4, 4, 3), (2, 2, 2, 5)]
    first, second = ([random.normal(size=s) for s in shapes] for _ in range(2))
    expected = sum(np.abs(a - b).mean((1, 2, 3)) for a, b in zip(first, second))
    np.testing.assert_allclose(losses.perceptual(first, second), expected, rtol=1e-5)


def test_gram_matrix_by_hand():
    features = np.array([[[[1.0, 2.0], [3.0, 0.0]]]])  # two places, two channels
    expected = np.array([[10.0, 2.0], [2.0, 4.0]]) / 4
    np.testing.assert_allclose(losses.gram_matrix(features)[0], expected, rtol=1e-6)


def test_style_is_numpys():
    random = np.random.default_rng(2)
    shapes = [(2, 4, 3, 3), (2, 2, 2, 5)]
    first, second = ([random.normal(size=s) for s in shapes] for _ in range(2))

    def gram(maps):
        return np.einsum("bhwc,bhwd->bcd", maps, maps) / np.prod(maps.shape[1:])

    expected = sum(
        np.abs(gram(a) - gram(b)).mean((1, 2)) for a, b in zip(first, second)
    )
    np.testing.assert_allclose(losses.style(first, second), expected, rtol=1e-4)


def test_style_of_large_sixteen_bit_features_is_finite():
    """Their plain products would reach 4e8, beyond 65504."""
    features = tf.fill([1, 64, 64, 8], tf.constant(20_000.0, tf.float16))
    gram = losses.gram_matrix(features)
    assert gram.dtype == tf.float32
    np.testing.assert_allclose(gram, np.full((1, 8, 8), 20_000.0**2 / 8), rtol=1e-3)


def test_total_variation_by_hand():
    """A step of 1 in the middle, seen where both neighbours are near the hole."""
    images = np.zeros((1, 6, 6, 1))
    images[:, :, 3:] = 1
    masks = np.ones((1, 6, 6, 1))
    masks[0, 2, 3] = 0  # dilated: rows 1 to 3, columns 2 to 4
    np.testing.assert_allclose(losses.total_variation(images, masks), [3 / 36])
    np.testing.assert_allclose(losses.total_variation(images, np.ones_like(masks)), [0])


def test_total_variation_is_numpys():
    images, _, masks = _images(5)
    region = [ndimage.binary_dilation(m[..., 0] == 0, np.ones((3, 3))) for m in masks]
    region = np.stack(region)[..., None]
    total = 0
    for axis in (1, 2):
        inside = np.logical_and(
            *(np.moveaxis(region, axis, 1)[:, part] for part in (np.s_[1:], np.s_[:-1]))
        )
        steps = np.abs(np.diff(np.moveaxis(images, axis, 1), axis=1))
        total = total + (steps * inside).sum((1, 2, 3))
    expected = total / images[0].size
    np.testing.assert_allclose(
        losses.total_variation(images, masks), expected, rtol=1e-5
    )


@pytest.mark.parametrize("filling", ["hole", "none", "some"])
@pytest.mark.parametrize("distance", ["axis", "euclidean"])
def test_values_and_gradients_are_finite_whatever_the_mask(filling, distance):
    output, images, masks = map(tf.constant, _images())
    masks = {"hole": tf.zeros_like(masks), "none": tf.ones_like(masks)}.get(
        filling, masks
    )
    with tf.GradientTape() as tape:
        tape.watch(output)
        values = [loss(output, images, masks) for loss in IMAGE_LOSSES]
        values.append(losses.discounted_l1(output, images, masks, 0.9, distance))
        made = losses.composite(output, images, masks)
        values.append(losses.total_variation(made, masks))
        values.append(losses.style([output], [images]))
        total = tf.add_n(values)
    assert np.isfinite(total).all()
    assert np.isfinite(tape.gradient(total, output)).all()


def test_sixteen_bits_in_give_thirty_two_out_and_one_value_per_example():
    output, images, masks = (
        tf.cast(values, tf.float16) for values in map(tf.constant, _images())
    )
    values = [loss(output, images, masks) for loss in IMAGE_LOSSES]
    values += [losses.total_variation(output, masks), losses.style([output], [images])]
    values.append(losses.perceptual([output], [images]))
    assert all(v.dtype == tf.float32 and v.shape == (3,) for v in values)
    assert losses.composite(output, images, masks).dtype == tf.float32


@pytest.mark.parametrize("distance", ["axis", "euclidean"])
def test_xla_gives_the_same(distance):
    arguments = tuple(map(tf.constant, _images()))

    def loss(output, images, masks):
        found = losses.discounted_l1(output, images, masks, 0.8, distance)
        return found + losses.total_variation(output, masks)

    compiled = tf.function(loss, jit_compile=True)
    np.testing.assert_allclose(compiled(*arguments), loss(*arguments), rtol=1e-5)


def test_bad_arguments():
    output, images, masks = _images()
    with pytest.raises(ValueError, match="discount .* 1.5"):
        losses.discounted_l1(output, images, masks, 1.5)
    with pytest.raises(ValueError, match="axis, euclidean, got 'city'"):
        losses.discounted_l1(output, images, masks, 0.9, "city")
