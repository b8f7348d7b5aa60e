"""Channels in a new order, so that groups exchange what they found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf
from tensorflow import keras

if TYPE_CHECKING:
    from keras_cnns._types import Shape


@keras.saving.register_keras_serializable("keras_cnns")
class ChannelShuffle(keras.layers.Layer):
    """Gives every group of the next convolution channels from every group before.

    Channel ``i`` of group ``g`` becomes channel ``i * groups + g``.

    Args:
        groups: number of groups; divides the number of channels.

    Input shape: ``(batch, height, width, channels)``.
    Output shape: the same, same dtype.

    Raises:
        ValueError: if ``groups`` is not a positive integer, or, on building, if it does
            not divide the number of channels.

    Source: Zhang et al., arXiv 1707.01083, section 3.1.
    """

    def __init__(self, groups: int, **kwargs) -> None:
        super().__init__(**kwargs)
        if isinstance(groups, bool) or not isinstance(groups, int) or groups < 1:
            raise ValueError(f"groups must be a positive integer, got {groups!r}")
        self.groups = groups

    def build(self, input_shape: Shape) -> None:
        channels = input_shape[-1]
        if channels is None or channels % self.groups:
            raise ValueError(
                f"ChannelShuffle(groups={self.groups}) needs an input with a known "
                f"number of channels that it divides; got {channels}"
            )
        self._channels_per_group = channels // self.groups
        super().build(input_shape)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        shape = tf.shape(inputs)
        grouped = tf.concat([shape[:-1], [self.groups, self._channels_per_group]], 0)
        x = tf.transpose(tf.reshape(inputs, grouped), [0, 1, 2, 4, 3])
        return tf.ensure_shape(tf.reshape(x, shape), inputs.shape)

    def compute_output_shape(self, input_shape: Shape) -> tuple:
        return tuple(input_shape)

    def get_config(self) -> dict:
        return {**super().get_config(), "groups": self.groups}
