"""Average pooling to a given size, whatever the size of the map."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf
from tensorflow import keras

if TYPE_CHECKING:
    from keras_cnns._types import Shape


@keras.saving.register_keras_serializable("keras_cnns")
class AdaptiveAveragePooling2D(keras.layers.Layer):
    """Averages a map over ``size * size`` windows that cover it.

    Of n rows, window i takes those from ``floor(i * n / size)`` up to, without it,
    ``ceil((i + 1) * n / size)``, and columns likewise; neighbours overlap where n is no
    multiple of ``size``. This is PyTorch's ``AdaptiveAvgPool2d``.

    Args:
        size: height and width of the output, a positive integer.

    Input shape: ``(batch, height, width, channels)``; height and width may be unknown.
    Output shape: ``(batch, size, size, channels)``, same dtype.

    Raises:
        ValueError: if ``size`` is not a positive integer.
    """

    def __init__(self, size: int, **kwargs) -> None:
        super().__init__(**kwargs)
        if not isinstance(size, int) or size < 1:
            raise ValueError(f"size must be a positive integer, got {size!r}")
        self.size = size

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        shape = tf.shape(inputs)
        rows = self._weights_of(shape[1], inputs.dtype)
        columns = self._weights_of(shape[2], inputs.dtype)
        return tf.einsum("bhwc,ih,jw->bijc", inputs, rows, columns)

    def _weights_of(self, length, dtype):
        """Matrix ``(size, length)``: the fraction of each row in each window's mean."""
        window = tf.range(self.size)[:, tf.newaxis]
        first = window * length // self.size
        end = -(-(window + 1) * length // self.size)
        position = tf.range(length)[tf.newaxis]
        inside = tf.cast((position >= first) & (position < end), dtype)
        return inside / tf.cast(end - first, dtype)

    def compute_output_shape(self, input_shape: Shape) -> tuple:
        return (input_shape[0], self.size, self.size, input_shape[-1])

    def get_config(self) -> dict:
        return {**super().get_config(), "size": self.size}
