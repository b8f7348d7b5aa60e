"""Images with their holes set to 0."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import tensorflow as tf
from tensorflow import keras

if TYPE_CHECKING:
    from keras_cnns._types import Shape


@keras.saving.register_keras_serializable("keras_cnns")
class ValidPixels(keras.layers.Layer):
    """Images times masks, and exactly 0 where a mask is 0.

    A product alone would let infinities and NaN through, and a large value that
    float16 makes infinite.

    Input: list of images ``(batch, height, width, channels)`` and masks
    ``(batch, height, width, 1)`` or of as many channels, 1 at valid pixels, 0 in holes.
    Output: the images' shape, the policy's dtype.
    """

    def call(self, inputs: Sequence[tf.Tensor]) -> tf.Tensor:
        images, masks = inputs
        return tf.where(masks > 0, images * masks, tf.zeros_like(images))

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> tuple:
        return tuple(input_shape[0])
