"""Concatenates features and their masks over the channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import tensorflow as tf
from tensorflow import keras

if TYPE_CHECKING:
    from keras_cnns._types import Shape


@keras.saving.register_keras_serializable("keras_cnns")
class MaskedConcatenate(keras.layers.Layer):
    """Concatenates features, and their masks in the same order.

    A mask of 1 channel is repeated for all channels of its features, so that every
    channel of the result has its own. A partial convolution then counts each of them,
    as the U-Net of partial convolutions expects at its skip connections.

    Input: list of features, masks, features, masks and so on, of one height and width;
    each mask has 1 channel or those of its features.
    Output: list of features and masks, both ``(batch, height, width, all channels)``.

    Raises:
        ValueError: on building, if there are not two or more pairs, or a mask has
            another number of channels.

    Source: Liu et al., arXiv 1804.07723, section 3.2.
    """

    def build(self, input_shape: Sequence[Shape]) -> None:
        shapes = [tuple(shape) for shape in input_shape]
        if len(shapes) < 4 or len(shapes) % 2:
            raise ValueError(
                "MaskedConcatenate takes two or more pairs of features and masks, got "
                f"inputs of shapes {shapes}"
            )
        for features, masks in zip(shapes[::2], shapes[1::2]):
            if masks[-1] not in (1, features[-1]):
                raise ValueError(
                    f"a mask of features with {features[-1]} channels must have 1 or "
                    f"{features[-1]} channels, got {masks[-1]}"
                )
        super().build(input_shape)

    def call(self, inputs: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        features, masks = inputs[::2], inputs[1::2]
        repeated = [
            mask if mask.shape[-1] == x.shape[-1] else tf.repeat(mask, x.shape[-1], -1)
            for x, mask in zip(features, masks)
        ]
        return [tf.concat(features, -1), tf.concat(repeated, -1)]

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> list[tuple]:
        channels = sum(shape[-1] for shape in input_shape[::2])
        return [(*input_shape[0][:-1], channels)] * 2
