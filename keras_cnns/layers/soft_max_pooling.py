"""Pooling with a soft maximum and a soft place, and its inverse."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf
from tensorflow import keras

from keras_cnns._checks import check_within
from keras_cnns.layers._pooling_windows import UnpoolingLayer, WindowLayer

if TYPE_CHECKING:
    from keras_cnns._types import Shape


@keras.saving.register_keras_serializable("keras_cnns")
class SoftMaxPool2D(WindowLayer):
    """Mean value and mean place of each window, weighted by ``exp(beta * value)``.

    ``what = sum z exp(beta z) / sum exp(beta z)`` and ``where`` likewise, with the
    coordinates in place of z: mean and centre at ``beta`` 0, maximum and its place as
    it grows. Both have a gradient. Computed in float32 or finer.

    Args:
        pool_size: height and width of the windows, and the step between them.
        beta: inverse temperature, not negative.
        padding: ``"valid"`` or ``"same"``; added cells have no weight.

    Input shape: ``(batch, height, width, channels)``.
    Output shape: list of "what", ``(batch, rows, columns, channels)``, and "where",
    ``(batch, rows, columns, channels, 2)``: x to the right, y downward, from -1 to 1 at
    the centres of the window's first and last cells; 0 in a window of one cell. Dtype
    of the input.

    Raises:
        ValueError: if an argument is bad.

    Source: Zhao et al., arXiv 1506.02351, section 3; its beta is 100. That coordinates
    are from -1 to 1 is unverified.
    """

    def __init__(
        self, pool_size: int = 2, beta: float = 100.0, padding: str = "valid", **kwargs
    ) -> None:
        super().__init__(pool_size, padding, **kwargs)
        check_within("beta", beta, "[0, inf)")
        self.beta = beta

    def call(self, inputs: tf.Tensor) -> list[tf.Tensor]:
        x = inputs
        if x.dtype.size < 4:
            x = tf.cast(x, tf.float32)
        windows = self.part(x, 0)
        is_cell = self.part(tf.ones_like(x[:1, :, :, :1]), 0) > 0
        scores = tf.where(is_cell, self.beta * windows, x.dtype.min)
        scores -= tf.stop_gradient(tf.reduce_max(scores, [2, 4], keepdims=True))
        weights = tf.exp(scores)
        weights /= tf.reduce_sum(weights, [2, 4], keepdims=True)
        places = tf.cast(tf.linspace(-1.0, 1.0, self.pool_size), x.dtype)
        if self.pool_size == 1:
            places = tf.zeros_like(places)
        what = tf.reduce_sum(weights * windows, [2, 4])
        where = [
            tf.reduce_sum(weights * tf.reshape(places, shape), [2, 4])
            for shape in ([1, 1, 1, 1, -1, 1], [1, 1, -1, 1, 1, 1])
        ]
        outputs = [what, tf.stack(where, axis=-1)]
        shapes = self.compute_output_shape(inputs.shape)
        return [
            tf.cast(tf.ensure_shape(output, shape), inputs.dtype)
            for output, shape in zip(outputs, shapes)
        ]

    def compute_output_shape(self, input_shape: Shape) -> list[tuple]:
        batch, height, width, channels = input_shape
        sides = map(self.windows_along, (height, width))
        shape = (batch, *sides, channels)
        return [shape, (*shape, 2)]

    def get_config(self) -> dict:
        return {**super().get_config(), "beta": self.beta}


@keras.saving.register_keras_serializable("keras_cnns")
class SoftUnpool2D(UnpoolingLayer):
    """Parts each value among the four cells that are nearest to its place.

    The weights are bilinear and sum to 1. At the centre of a cell the whole value goes
    there; the gradient of the place is then that towards the next cell to the right or
    below, or in the last cell that from the one before. Weights are computed in float32
    or finer.

    Args:
        pool_size, padding: as of the ``SoftMaxPool2D`` that gave the places.

    Input shape: list of "what" and "where", as that layer gives them, and if height or
    width of the pooled maps is no multiple of ``pool_size``, these maps or others of
    their size, ``(batch, height, width, any)``.
    Output shape: ``(batch, height, width, channels)``, dtype of "what"; without a third
    input ``pool_size`` times the pooled sides.

    Raises:
        ValueError: if an argument is bad.

    Source: Zhao et al., arXiv 1506.02351, leave the form of the unpooling open; that it
    is bilinear is ours.
    """

    def spread(self, what: tf.Tensor, where: tf.Tensor) -> tf.Tensor:
        if where.dtype.size < 4:
            where = tf.cast(where, tf.float32)
        columns, rows = (self._weights(where[..., i]) for i in (0, 1))
        rows = tf.transpose(rows, [0, 1, 4, 2, 3])[:, :, :, :, tf.newaxis]
        columns = tf.transpose(columns, [0, 1, 2, 4, 3])[:, :, tf.newaxis]
        weights = tf.cast(rows * columns, what.dtype)
        return what[:, :, tf.newaxis, :, tf.newaxis] * weights

    def _weights(self, place):
        """Of the cells along one side, on a last axis."""
        size = self.pool_size
        position = (tf.clip_by_value(place, -1, 1) + 1) * (size - 1) / 2
        first = tf.minimum(tf.floor(position), max(size - 2, 0))
        fraction = (position - first)[..., tf.newaxis]
        cell = tf.cast(first, tf.int32)
        at, after = (tf.one_hot(i, size, dtype=place.dtype) for i in (cell, cell + 1))
        return at * (1 - fraction) + after * fraction
