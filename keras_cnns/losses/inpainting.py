"""Inpainting losses: one value per example, in float32.

Masks are 1 at valid pixels and 0 in the hole. Images and masks may have 16
bits; they are cast before anything is computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import tensorflow as tf

if TYPE_CHECKING:
    from keras_cnns._types import Array

DISTANCES = ("axis", "euclidean")


def composite(output: Array, images: Array, masks: Array) -> tf.Tensor:
    """Valid pixels from the image, the hole from a network's output.

    Args:
        output: ``(batch, height, width, channels)``, of the network.
        images: the complete images, of the same shape.
        masks: ``(batch, height, width, 1)``, 1 for valid pixels.

    Returns:
        float32, of the shape of ``images``.
    """
    output, images, masks = _float32(output), _float32(images), _float32(masks)
    return masks * images + (1 - masks) * output


def valid_l1(output: Array, images: Array, masks: Array) -> tf.Tensor:
    """Absolute differences on valid pixels, ``(batch,)``; arguments of ``composite``.

    They are averaged over all values of an image, including the hole.

    Source: Liu et al., arXiv 1804.07723, section 3.3, L_valid.
    """
    return _mean(_float32(masks) * _distance(output, images))


def hole_l1(output: Array, images: Array, masks: Array) -> tf.Tensor:
    """Absolute differences in the hole, ``(batch,)``, averaged over all values.

    Source: Liu et al., arXiv 1804.07723, section 3.3, L_hole.
    """
    return _mean((1 - _float32(masks)) * _distance(output, images))


def hole_mean_squared_error(output: Array, images: Array, masks: Array) -> tf.Tensor:
    """Squared differences in the hole, ``(batch,)``, averaged over all values.

    Source: Iizuka et al., SIGGRAPH 2017, equation 2, which has the sum of squares; the
    mean, as of Torch's criterion, does not depend on the images' size (unverified which
    one their loss weight belongs to).
    """
    difference = _float32(output) - _float32(images)
    return _mean((1 - _float32(masks)) * difference**2)


def valid_mean_l1(output: Array, images: Array, masks: Array) -> tf.Tensor:
    """Mean absolute difference over valid pixels alone, ``(batch,)``; 0 without any.

    Source: released code of Yu et al., arXiv 1801.07892, ``ae_loss``; the code divides
    by the fraction of valid pixels of the whole batch, here of each image.
    """
    return _weighted_mean(_distance(output, images), _float32(masks))


def discounted_l1(
    output: Array,
    images: Array,
    masks: Array,
    discount: float = 0.9,
    distance: str = "axis",
) -> tf.Tensor:
    """Absolute differences in the hole, weighted less far from valid pixels.

    Each value has the weight ``discount ** d``, d the distance in pixels from the
    nearest valid one. The weighted differences are summed and divided
    by the number of values in the hole; 0 where there is no hole.

    Args:
        output, images, masks: as ``composite`` takes them.
        discount: gamma, in (0, 1]; 0.99 in the paper, 0.9 in its code.
        distance: ``"axis"``, in the row or the column, whichever is nearer;
            ``"euclidean"``, in any direction. They agree for rectangular holes.

    Returns:
        ``(batch,)``.

    Raises:
        ValueError: if ``discount`` or ``distance`` is something else.

    Source: Yu et al., arXiv 1801.07892, section 3.3; released code,
    ``spatial_discounting_mask``, which takes the larger one of the weights of both
    axes, for a fixed rectangle, and counts from 0 at its upper and left edge.
    """
    check_discount(discount, distance)
    weights = discount ** distance_to_valid(masks, distance)
    hole = 1 - _float32(masks)
    return _weighted_mean(weights * _distance(output, images), hole)


def check_discount(discount: float, distance: str) -> None:
    """Refuses what ``discounted_l1`` does not take.

    Raises:
        ValueError: if the discount is not in (0, 1], or the distance is unknown.
    """
    if not 0 < discount <= 1:
        raise ValueError(f"discount must be in (0, 1], got {discount!r}")
    if distance not in DISTANCES:
        choices = ", ".join(DISTANCES)
        raise ValueError(f"distance must be one of {choices}, got {distance!r}")


def distance_to_valid(masks: Array, distance: str = "axis") -> tf.Tensor:
    """Distance of each pixel from the nearest valid one, in pixels.

    Args:
        masks: ``(batch, height, width, 1)``, 1 for valid pixels.
        distance: ``"axis"`` or ``"euclidean"``.

    Returns:
        float32 of the same shape: 0 for valid pixels; infinite where the row and the
        column (for ``"euclidean"``, the whole image) have no valid pixel.

    Raises:
        ValueError: if ``distance`` is something else.
    """
    check_discount(1.0, distance)
    starts = tf.where(_float32(masks) > 0, 0.0, float("inf"))
    columns = _along(starts, 1)
    if distance == "axis":
        return tf.minimum(columns, _along(starts, 2))
    return _euclidean(columns)


def _along(distances, axis):
    """Distance to the nearest zero in both directions of one axis.

    Doubling the shift takes as many rounds as the length has binary digits.
    """
    length = tf.shape(distances)[axis]
    size = distances.shape[axis]
    rounds = (size - 1).bit_length() if size is not None else 16
    ahead = back = distances
    for shift in (2**i for i in range(rounds)):
        ahead = tf.minimum(ahead, _shifted(ahead, shift, axis, length) + shift)
        back = tf.minimum(back, _shifted(back, -shift, axis, length) + shift)
    return tf.minimum(ahead, back)


def _shifted(values, shift, axis, length):
    """Values shifted along an axis; infinite where nothing is shifted in."""
    places = tf.range(length)
    is_inside = places >= shift if shift > 0 else places < length + shift
    shape = [length if i == axis else 1 for i in range(4)]
    rolled = tf.roll(values, shift, axis)
    return tf.where(tf.reshape(is_inside, shape), rolled, float("inf"))


def _euclidean(columns):
    """Distances in the plane from those along columns, one other column at a time.

    Source: Felzenszwalb and Huttenlocher, Theory of Computing 8 (2012), section 2.
    """
    places = tf.range(tf.shape(columns)[2], dtype=tf.float32)[:, tf.newaxis]

    def nearer(found, other):
        squares, place = other
        apart = (places - place) ** 2
        return tf.minimum(found, squares[:, :, tf.newaxis] + apart)

    squares = tf.transpose(columns**2, [2, 0, 1, 3])
    start = tf.fill(tf.shape(columns), float("inf"))
    return tf.sqrt(tf.foldl(nearer, (squares, places[:, 0]), start))


def perceptual(features: Sequence[Array], targets: Sequence[Array]) -> tf.Tensor:
    """Mean absolute difference of feature maps, summed over the layers.

    Args:
        features: list of maps ``(batch, height, width, channels)``, of the output.
        targets: those of the true images.

    Returns:
        ``(batch,)``.

    Source: Liu et al., arXiv 1804.07723, equation 2, for one of its two images.
    """
    return tf.add_n([_mean(_distance(f, t)) for f, t in zip(features, targets)])


def gram_matrix(features: Array) -> tf.Tensor:
    """F F^T / (C H W) of feature maps.

    Args:
        features: ``(batch, height, width, channels)``.

    Returns:
        ``(batch, channels, channels)``, float32. Each factor is divided first, so that
        large features do not overflow.

    Source: Liu et al., arXiv 1804.07723, equations 3 and 4.
    """
    features = _float32(features)
    shape = tf.shape(features)
    values = tf.cast(shape[1] * shape[2] * shape[3], features.dtype)
    flat = tf.reshape(features, [shape[0], -1, shape[3]]) / tf.sqrt(values)
    return tf.matmul(flat, flat, transpose_a=True)


def style(features: Sequence[Array], targets: Sequence[Array]) -> tf.Tensor:
    """Mean absolute difference of Gram matrices, summed over the layers.

    Args:
        features, targets: as ``perceptual`` takes them.

    Returns:
        ``(batch,)``.

    Source: Liu et al., arXiv 1804.07723, equations 3 and 4; the mean over C x C values
    is the sum with their factor 1 / C^2.
    """
    return tf.add_n(
        [
            _mean(_distance(gram_matrix(f), gram_matrix(t)))
            for f, t in zip(features, targets)
        ]
    )


def total_variation(composites: Array, masks: Array) -> tf.Tensor:
    """Absolute differences of neighbours in the hole and one pixel around it.

    Args:
        composites: ``(batch, height, width, channels)``, float of any range.
        masks: ``(batch, height, width, 1)``, 1 for valid pixels.

    Returns:
        ``(batch,)``: the differences down and across, of pairs that both lie in the
        hole dilated by one pixel (all eight neighbours), summed and divided by the
        number of all values of an image.

    Source: Liu et al., arXiv 1804.07723, equation 6.
    """
    images = _float32(composites)
    region = tf.nn.max_pool2d(1 - _float32(masks), 3, 1, "SAME")
    down = tf.abs(images[:, 1:] - images[:, :-1]) * region[:, 1:] * region[:, :-1]
    across = tf.abs(images[:, :, 1:] - images[:, :, :-1])
    across *= region[:, :, 1:] * region[:, :, :-1]
    values = tf.cast(tf.size(images) / tf.shape(images)[0], images.dtype)
    return (tf.reduce_sum(down, [1, 2, 3]) + tf.reduce_sum(across, [1, 2, 3])) / values


def _float32(values):
    return tf.cast(tf.convert_to_tensor(values), tf.float32)


def _distance(first, second):
    return tf.abs(_float32(first) - _float32(second))


def _mean(values):
    """Of each example."""
    return tf.reduce_mean(values, axis=list(range(1, values.shape.rank)))


def _weighted_mean(values, weights):
    """Sum of the weighted values by the sum of the weights; 0 where that is 0.

    Values of weight 0 count as 0 even where they are infinite or no number.
    """
    weights = tf.broadcast_to(weights, tf.shape(values))
    values = tf.where(weights > 0, values, 0.0)
    axes = list(range(1, values.shape.rank))
    total = tf.reduce_sum(weights, axes)
    return tf.math.divide_no_nan(tf.reduce_sum(weights * values, axes), total)
