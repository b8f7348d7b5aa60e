"""Square patches of images, cut around their holes."""

import tensorflow as tf


def hole_corners(masks: tf.Tensor, size: int) -> tf.Tensor:
    """Upper left corners of squares around the centres of holes.

    The centre is that of the hole's bounding box; the square is shifted into the image.
    Without a hole it is in the middle.

    Args:
        masks: ``(batch, height, width, 1)``, 1 for valid pixels.
        size: height and width of the square, no larger than the image.

    Returns:
        int32 ``(batch, 2)``, row and column of the upper left pixel.
    """
    hole = masks[..., 0] < 0.5
    return tf.stack(
        [_begin(tf.reduce_any(hole, 2), size), _begin(tf.reduce_any(hole, 1), size)], 1
    )


def _begin(is_hole, size):
    """First index of the span around the hole's centre, ``(batch,)``."""
    length = tf.shape(is_hole)[1]
    places = tf.range(length)
    first = tf.reduce_min(tf.where(is_hole, places, length), 1)
    last = tf.reduce_max(tf.where(is_hole, places, -1), 1)
    # Without a hole, first + last is length - 1 as well: the middle of the image.
    return tf.clip_by_value((first + last + 1 - size) // 2, 0, length - size)


def random_corners(uniform: tf.Tensor, masks: tf.Tensor, size: int) -> tf.Tensor:
    """Upper left corners of squares anywhere in the images.

    Args:
        uniform: ``(batch, 2)``, values in [0, 1) that decide the position.
        masks: for the height and width of the images.
        size: height and width of the square.

    Returns:
        As ``hole_corners``.
    """
    room = tf.cast(tf.shape(masks)[1:3] - size + 1, uniform.dtype)
    return tf.minimum(tf.cast(uniform * room, tf.int32), tf.shape(masks)[1:3] - size)


def cut(images: tf.Tensor, corners: tf.Tensor, size: int) -> tf.Tensor:
    """The squares of images at their upper left corners.

    Args:
        images: ``(batch, height, width, channels)``.
        corners: int32 ``(batch, 2)``.
        size: height and width of the squares.

    Returns:
        ``(batch, size, size, channels)``.
    """
    rows = corners[:, :1] + tf.range(size)
    columns = corners[:, 1:] + tf.range(size)
    strips = tf.gather(images, rows, axis=1, batch_dims=1)
    return tf.gather(strips, columns, axis=2, batch_dims=1)
