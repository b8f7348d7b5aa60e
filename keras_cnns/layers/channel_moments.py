"""Mean and variance of each channel of a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf
from tensorflow import keras

if TYPE_CHECKING:
    from keras_cnns._types import Shape


@keras.saving.register_keras_serializable("keras_cnns")
class ChannelMoments(keras.layers.Layer):
    """Mean and population variance of each channel over batch, height and width.

    Maps that several batch normalisations see need this only once.

    Input shape: ``(batch, height, width, channels)``.
    Output shape: ``(2, channels)``, means and variances, in float32, or float64 for
    maps of float64.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        if inputs.dtype.size < tf.float32.size:
            inputs = tf.cast(inputs, tf.float32)
        return tf.stack(tf.nn.moments(inputs, axes=[0, 1, 2]))

    def compute_output_shape(self, input_shape: Shape) -> tuple:
        return (2, input_shape[-1])
