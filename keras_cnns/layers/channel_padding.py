"""Zero channels appended to a map: the parameter-free shortcut of ResNet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf
from tensorflow import keras

if TYPE_CHECKING:
    from keras_cnns._types import Shape


@keras.saving.register_keras_serializable("keras_cnns")
class ChannelPadding(keras.layers.Layer):
    """Appends zero channels until the map has ``filters`` of them.

    Args:
        filters: number of output channels, at least the number of input channels.

    Input shape: ``(batch, height, width, channels)``.
    Output shape: ``(batch, height, width, filters)``, same dtype.

    Raises:
        ValueError: if ``filters`` is not a positive integer, or, on building, if it
            is smaller than the number of input channels.

    Source: He et al., arXiv 1512.03385, section 3.3, option A.
    """

    def __init__(self, filters: int, **kwargs) -> None:
        super().__init__(**kwargs)
        if not isinstance(filters, int) or filters < 1:
            raise ValueError(f"filters must be a positive integer, got {filters!r}")
        self.filters = filters

    def build(self, input_shape: Shape) -> None:
        channels = input_shape[-1]
        if channels is None or channels > self.filters:
            raise ValueError(
                f"ChannelPadding(filters={self.filters}) needs an input with a known "
                f"number of channels, at most {self.filters}; got {channels}"
            )
        self._missing = self.filters - channels
        super().build(input_shape)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return tf.pad(inputs, [[0, 0], [0, 0], [0, 0], [0, self._missing]])

    def compute_output_shape(self, input_shape: Shape) -> tuple:
        return (*input_shape[:-1], self.filters)

    def get_config(self) -> dict:
        return {**super().get_config(), "filters": self.filters}
