"""A sum of equal tensors with trained weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import tensorflow as tf
from tensorflow import keras

if TYPE_CHECKING:
    from keras_cnns._types import Shape


@keras.saving.register_keras_serializable("keras_cnns")
class WeightedSum(keras.layers.Layer):
    """``sum_k w_k x_k`` of a list of tensors, w trained and 1 / count at first.

    Input shape: a list of tensors of one shape.
    Output shape: that shape.

    Raises:
        ValueError: if it is called with anything but a list of two or more.

    Source: Kim, Lee, Lee, DRCN, arXiv 1511.04491, equation 7.
    """

    def build(self, input_shape: Sequence[Shape]) -> None:
        if not isinstance(input_shape, list) or len(input_shape) < 2:
            raise ValueError(f"needs a list of two tensors or more, got {input_shape}")
        self.sum_weights = self.add_weight(
            "sum_weights",
            (len(input_shape),),
            initializer=keras.initializers.Constant(1 / len(input_shape)),
        )
        super().build(input_shape)

    def call(self, inputs: Sequence[tf.Tensor]) -> tf.Tensor:
        weights = tf.unstack(self.sum_weights)
        return tf.add_n([w * x for w, x in zip(weights, inputs)])

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        return input_shape[0]
