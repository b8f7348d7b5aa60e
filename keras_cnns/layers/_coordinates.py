"""Coordinates of [-1, 1] and the cells of a map, by two conventions.

With aligned corners -1 and 1 are the centres of the first and the last cell of an axis;
without, they are the outer edges of these cells.
"""

import tensorflow as tf


def coordinate_dtype(layer) -> str:
    """Of the coordinates in a layer: 16 bits are too few for them."""
    return "float64" if layer.compute_dtype == "float64" else "float32"


def cell_coordinates(length, align_corners, dtype):
    """The coordinates of the centres of an axis's cells, ``(length,)``.

    Args:
        length: int32 scalar. The one cell of an axis is in its middle, at 0.
        align_corners: the convention.
        dtype: of the coordinates.
    """
    places = tf.cast(2 * tf.range(length), dtype)
    length = tf.cast(length, dtype)
    if align_corners:
        return (places - (length - 1)) / tf.maximum(length - 1, 1)
    return (places + 1 - length) / length


def cell_places(coordinates, length, align_corners):
    """Where coordinates are on an axis; 0 is the centre of the first cell, 1 that of
    the second.

    Args:
        coordinates: a tensor.
        length: cells of the axis, int32 scalar.
        align_corners: the convention.
    """
    length = tf.cast(length, coordinates.dtype)
    if align_corners:
        return (coordinates + 1) * (length - 1) / 2
    return ((coordinates + 1) * length - 1) / 2
