"""Images scaled as detectors take them: the short side to a length, the long one no
longer than another, on a canvas of one size.

Everything is scaled by exactly one factor, so that boxes are too: pixels are taken
where they lie, and the sides that are rounded to whole pixels are the image's only.
"""

from __future__ import annotations

import tensorflow as tf

from keras_cnns._checks import check_each_count

_NEAR = 1e-3  # pixels from a whole number that come from rounding


def check_sides(short_side: int, long_side: int) -> None:
    """Refuses all but positive whole numbers, the second one not the smaller."""
    check_each_count(short_side=short_side, long_side=long_side)
    if long_side < short_side:
        raise ValueError(
            f"long_side={long_side!r} must be at least short_side={short_side!r}"
        )


def image_scale(
    height: int | tf.Tensor, width: int | tf.Tensor, short_side: int, long_side: int
) -> tf.Tensor:
    """What images are scaled by: ``min(short_side / short, long_side / long)``.

    Args:
        height, width: of the image, whole numbers or such tensors.
        short_side, long_side: the lengths, in pixels.

    Returns:
        Scalar float32.

    Source: Girshick, "Fast R-CNN", 2015, section 5.2.
    """
    height, width = (tf.cast(side, tf.float32) for side in (height, width))
    return tf.minimum(
        short_side / tf.minimum(height, width), long_side / tf.maximum(height, width)
    )


def scaled_image(image: tf.Tensor, scale: tf.Tensor) -> tf.Tensor:
    """An image scaled by one factor, bilinear, antialiased where it gets smaller.

    Args:
        image: ``(height, width, channels)``.
        scale: scalar float32.

    Returns:
        float32 of the scaled sides, rounded, halves down, and at least 1.
    """

    def scaled():
        size = tf.cast(tf.shape(image)[:2], tf.float32)
        return tf.raw_ops.ScaleAndTranslate(
            images=image[tf.newaxis],
            size=_rounded(size * scale),
            # Of a side that is less than a pixel, all is in that pixel.
            scale=tf.maximum(scale, 1 / size),
            translation=tf.zeros([2]),
            kernel_type="triangle",
            antialias=True,
        )[0]

    found = tf.cond(scale == 1, lambda: tf.cast(image, tf.float32), scaled)
    return tf.ensure_shape(found, [None, None, image.shape[-1]])


def _rounded(sides):
    return tf.maximum(tf.cast(tf.math.ceil(sides - 0.5), tf.int32), 1)


def canvas_size(image_shape: tuple, short_side: int, long_side: int) -> tuple:
    """Height and width of the canvas on which scaled images lie.

    Args:
        image_shape: ``(height, width, ...)`` of all images; None where they differ.
        short_side, long_side: the lengths, in pixels.

    Returns:
        The size of the scaled images; where they differ, a square of ``long_side``.
    """
    check_sides(short_side, long_side)
    if None in tuple(image_shape[:2]):
        return (long_side, long_side)
    height, width = image_shape[:2]
    scale = image_scale(height, width, short_side, long_side)
    sides = _rounded(tf.constant([height, width], tf.float32) * scale)
    return tuple(int(side) for side in sides)


def on_canvas(image: tf.Tensor, canvas: tuple) -> tf.Tensor:
    """An image at the upper left of a canvas, zeros below it and to its right."""
    height, width = tf.unstack(tf.shape(image)[:2])
    image = tf.pad(image, [[0, canvas[0] - height], [0, canvas[1] - width], [0, 0]])
    return tf.ensure_shape(image, [*canvas, image.shape[-1]])


def snapped(values: tf.Tensor) -> tf.Tensor:
    """Pixels that are whole but for rounding, as whole numbers."""
    whole = tf.round(values)
    return tf.where(tf.abs(values - whole) < _NEAR, whole, values)
