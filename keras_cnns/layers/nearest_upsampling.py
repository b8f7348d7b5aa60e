"""Nearest-neighbour upsampling with a gradient that XLA can compile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf
from tensorflow import keras

if TYPE_CHECKING:
    from keras_cnns._types import Shape


@keras.saving.register_keras_serializable("keras_cnns")
class NearestUpsampling2D(keras.layers.Layer):
    """Repeats every value in a square of ``size`` x ``size``.

    As ``keras.layers.UpSampling2D`` with nearest interpolation, which XLA cannot train
    through: it has no ``ResizeNearestNeighborGrad``.

    Args:
        size: factor of height and width.

    Input shape: ``(batch, height, width, channels)``.
    Output shape: ``(batch, size * height, size * width, channels)``, same dtype.

    Raises:
        ValueError: if ``size`` is not a positive integer.
    """

    def __init__(self, size: int = 2, **kwargs) -> None:
        super().__init__(**kwargs)
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise ValueError(f"size must be a positive integer, got {size!r}")
        self.size = size

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        x = tf.repeat(tf.repeat(inputs, self.size, axis=1), self.size, axis=2)
        return tf.ensure_shape(x, self.compute_output_shape(inputs.shape))

    def compute_output_shape(self, input_shape: Shape) -> tuple:
        batch, height, width, channels = input_shape
        larger = [side and self.size * side for side in (height, width)]
        return (batch, *larger, channels)

    def get_config(self) -> dict:
        return {**super().get_config(), "size": self.size}
