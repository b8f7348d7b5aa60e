"""Max pooling to a given size, whatever the size of the map."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf
from tensorflow import keras

if TYPE_CHECKING:
    from keras_cnns._types import Shape


@keras.saving.register_keras_serializable("keras_cnns")
class AdaptiveMaxPooling2D(keras.layers.Layer):
    """Maxima over ``size * size`` windows that cover a map.

    Of n rows, window i takes those from ``floor(i * n / size)`` up to, without it,
    ``ceil((i + 1) * n / size)``, and columns likewise; neighbours overlap where n is no
    multiple of ``size``. This is PyTorch's ``AdaptiveMaxPool2d``.

    Args:
        size: height and width of the output, a positive integer.

    Input shape: ``(batch, height, width, channels)``; height and width may be unknown.
    Output shape: ``(batch, size, size, channels)``, same dtype.

    Raises:
        ValueError: if ``size`` is not a positive integer.
    """

    def __init__(self, size: int, **kwargs) -> None:
        super().__init__(**kwargs)
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise ValueError(f"size must be a positive integer, got {size!r}")
        self.size = size

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        rows = self._maxima(inputs, axis=1)
        return self._maxima(rows, axis=2)

    def _maxima(self, x, axis):
        """Maxima over the windows of one axis."""
        length = x.shape[axis] or tf.shape(x)[axis]
        maxima = []
        for window in range(self.size):
            first = window * length // self.size
            end = -(-(window + 1) * length // self.size)
            inside = x[:, first:end] if axis == 1 else x[:, :, first:end]
            maxima.append(tf.reduce_max(inside, axis))
        return tf.stack(maxima, axis)

    def compute_output_shape(self, input_shape: Shape) -> tuple:
        return (input_shape[0], self.size, self.size, input_shape[-1])

    def get_config(self) -> dict:
        return {**super().get_config(), "size": self.size}
