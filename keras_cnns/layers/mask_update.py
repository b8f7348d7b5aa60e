"""The next layer's mask of learnable bidirectional attention maps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf
from tensorflow import keras

if TYPE_CHECKING:
    from keras_cnns._types import Shape

# Below it the power's gradient grows without bound.
_SMALLEST = 1e-6


@keras.saving.register_keras_serializable("keras_cnns")
class MaskUpdate(keras.layers.Layer):
    """``max(x, 0) ** exponent``, with finite gradients where x is 0 or negative.

    Computed in float32 or finer. Between 0 and 1e-6 it is constant.

    Args:
        exponent: positive number.

    Input and output shape: ``(batch, height, width, channels)``, same dtype.

    Raises:
        ValueError: if ``exponent`` is not a positive number.

    Source: Xie et al., arXiv 1909.00968, equation of g_M, alpha = 0.8.
    """

    def __init__(self, exponent: float = 0.8, **kwargs) -> None:
        super().__init__(**kwargs)
        is_number = isinstance(exponent, (int, float)) and not isinstance(
            exponent, bool
        )
        if not is_number or not 0 < exponent < float("inf"):
            raise ValueError(f"exponent must be a positive number, got {exponent!r}")
        self.exponent = exponent

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        x = inputs
        if x.dtype != tf.float64:
            x = tf.cast(x, tf.float32)
        # the power must not see 0, not even in the branch that is not taken: 0 times an
        # infinite gradient would be NaN
        power = tf.pow(tf.maximum(x, _SMALLEST), self.exponent)
        return tf.cast(tf.where(x > 0, power, tf.zeros_like(x)), inputs.dtype)

    def compute_output_shape(self, input_shape: Shape) -> tuple:
        return tuple(input_shape)

    def get_config(self) -> dict:
        return {**super().get_config(), "exponent": self.exponent}
