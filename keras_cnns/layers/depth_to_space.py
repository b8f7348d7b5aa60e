"""Depth to space: maps of many channels to larger maps of few."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf
from tensorflow import keras

from keras_cnns._checks import check_count

if TYPE_CHECKING:
    from keras_cnns._types import Shape


@keras.saving.register_keras_serializable("keras_cnns")
class DepthToSpace(keras.layers.Layer):
    """Lays the channels of a pixel out as a square of ``size`` x ``size`` pixels.

    Of C channels of output, channel ``(i * size + j) * C + c`` goes to row i, column j
    of the square, channel c: TensorFlow's order. PyTorch's ``PixelShuffle`` has
    ``c * size ** 2 + i * size + j``, the same for one channel alone.

    Args:
        size: factor of height and width.

    Input shape: ``(batch, height, width, size ** 2 * channels)``.
    Output shape: ``(batch, size * height, size * width, channels)``, same dtype.

    Raises:
        ValueError: if ``size`` is not a whole number of at least 2, or channels do not
            fill squares.

    Source: Shi et al., ESPCN, arXiv 1609.05158, equation 4.
    """

    def __init__(self, size: int = 2, **kwargs) -> None:
        super().__init__(**kwargs)
        check_count("size", size, 2)
        self.size = size

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        self.compute_output_shape(inputs.shape)  # which checks the channels
        return tf.nn.depth_to_space(inputs, self.size)

    def compute_output_shape(self, input_shape: Shape) -> tuple:
        batch, height, width, channels = input_shape
        if channels % self.size**2:
            raise ValueError(
                f"size={self.size} needs a multiple of {self.size**2} channels, got "
                f"{channels}"
            )
        larger = [side and self.size * side for side in (height, width)]
        return (batch, *larger, channels // self.size**2)

    def get_config(self) -> dict:
        return {**super().get_config(), "size": self.size}
