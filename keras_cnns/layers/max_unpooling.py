"""Max pooling that keeps where each maximum was, and its inverse."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf
from tensorflow import keras

from keras_cnns.layers._pooling_windows import UnpoolingLayer, WindowLayer

if TYPE_CHECKING:
    from keras_cnns._types import Shape


@keras.saving.register_keras_serializable("keras_cnns")
class MaxPoolWithSwitches2D(WindowLayer):
    """The largest value of each window, and its place: "what" and "where".

    Of equal values the first counts, row by row, as in
    ``tf.nn.max_pool_with_argmax``, which XLA cannot compile. The gradient goes to that
    value alone.

    Args:
        pool_size: height and width of the windows, and the step between them.
        padding: ``"valid"`` or ``"same"``, as of ``keras.layers.MaxPooling2D``.

    Input shape: ``(batch, height, width, channels)``.
    Output shape: list of two, ``(batch, rows, columns, channels)`` each: the maxima, of
    the input's dtype, and their places, int32: row * pool_size + column within the
    window.

    Raises:
        ValueError: if an argument is bad.

    Source: Zhao et al., arXiv 1506.02351, section 3; the switches of Zeiler and
    Fergus, arXiv 1311.2901.
    """

    def call(self, inputs: tf.Tensor) -> list[tf.Tensor]:
        windows = self.part(inputs, inputs.dtype.min)
        places = _places(self.pool_size)
        maxima = tf.reduce_max(windows, [2, 4], keepdims=True)
        is_largest = windows == maxima
        if inputs.dtype.is_floating:
            is_largest |= tf.math.is_nan(windows)  # the maximum is NaN, too
        where = tf.where(is_largest, places, self.pool_size**2)
        where = tf.reduce_min(where, [2, 4], keepdims=True)
        what = tf.where(where == places, windows, tf.zeros_like(windows))
        shape, _ = self.compute_output_shape(inputs.shape)
        what, where = tf.reduce_sum(what, [2, 4]), tf.squeeze(where, [2, 4])
        return [tf.ensure_shape(what, shape), tf.ensure_shape(where, shape)]

    def compute_output_shape(self, input_shape: Shape) -> list[tuple]:
        batch, height, width, channels = input_shape
        sides = map(self.windows_along, (height, width))
        shape = (batch, *sides, channels)
        return [shape, shape]


@keras.saving.register_keras_serializable("keras_cnns")
class MaxUnpool2D(UnpoolingLayer):
    """Puts each value to its place in its window, zeros elsewhere.

    The gradient goes to "what" alone.

    Args:
        pool_size, padding: as of the ``MaxPoolWithSwitches2D`` that gave the places.

    Input shape: list of "what" and "where", as that layer gives them, and if height or
    width of the pooled maps is no multiple of ``pool_size``, these maps or others of
    their size, ``(batch, height, width, any)``.
    Output shape: ``(batch, height, width, channels)``, dtype of "what"; without a third
    input ``pool_size`` times the pooled sides.

    Raises:
        ValueError: if an argument is bad.

    Source: as of ``MaxPoolWithSwitches2D``.
    """

    def spread(self, what: tf.Tensor, where: tf.Tensor) -> tf.Tensor:
        what, where = (x[:, :, tf.newaxis, :, tf.newaxis] for x in (what, where))
        is_there = where == _places(self.pool_size)
        return tf.where(is_there, what, tf.zeros_like(what))


def _places(size):
    """Places in a window, of the shape that parted maps have."""
    return tf.reshape(tf.range(size**2), [1, 1, size, 1, size, 1])
