"""Attention from mask features, by an asymmetric Gaussian of trained shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf
from tensorflow import keras

if TYPE_CHECKING:
    from keras_cnns._types import Shape


class _Between(keras.constraints.Constraint):
    """Clips a weight to its limits after each update."""

    def __init__(self, low, high):
        self.low, self.high = low, high

    def __call__(self, w):
        return tf.clip_by_value(w, self.low, self.high)


@keras.saving.register_keras_serializable("keras_cnns")
class LearnableMaskActivation(keras.layers.Layer):
    """g_A, the attention map of learnable bidirectional attention maps.

    ``a exp(-gamma_left (x - mu)^2)`` where x < mu, else
    ``1 + (a - 1) exp(-gamma_right (x - mu)^2)``: it rises from 0 to a at mu, then falls
    to 1. The four scalars are trained; after each update they are clipped to the
    limits of the authors' code: a in [1.01, 6], mu in [0.1, 3], both gammas in
    [0.5, 2]. Computed in float32 or finer.

    Args:
        a: initial height of the peak.
        mu: initial position of the peak.
        gamma_left: initial steepness below the peak.
        gamma_right: initial steepness above it.

    Input and output shape: ``(batch, height, width, channels)``, same dtype.

    Raises:
        ValueError: if an initial value is not a number between its limits.

    Source: Xie et al., arXiv 1909.00968, equation of g_A; initial values there, limits
    in github.com/Vious/LBAM_Pytorch.
    """

    LIMITS = {
        "a": (1.01, 6.0),
        "mu": (0.1, 3.0),
        "gamma_left": (0.5, 2.0),
        "gamma_right": (0.5, 2.0),
    }

    def __init__(
        self,
        a: float = 1.1,
        mu: float = 2.0,
        gamma_left: float = 1.0,
        gamma_right: float = 1.0,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.initial_values = {
            "a": a,
            "mu": mu,
            "gamma_left": gamma_left,
            "gamma_right": gamma_right,
        }
        for name, value in self.initial_values.items():
            low, high = self.LIMITS[name]
            is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not is_number or not low <= value <= high:
                raise ValueError(f"{name} must be in [{low}, {high}], got {value!r}")

    def build(self, input_shape: Shape) -> None:
        self.a, self.mu, self.gamma_left, self.gamma_right = (
            self.add_weight(
                name,
                shape=(),
                initializer=keras.initializers.Constant(value),
                constraint=_Between(*self.LIMITS[name]),
                # float32 although the policy computes in 16 bits
                experimental_autocast=False,
                # all replicas clip to the same value
                aggregation=tf.VariableAggregation.MEAN,
            )
            for name, value in self.initial_values.items()
        )
        super().build(input_shape)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        x = tf.cast(inputs, self.a.dtype)
        squares = tf.square(x - self.mu)
        left = self.a * tf.exp(-self.gamma_left * squares)
        right = 1 + (self.a - 1) * tf.exp(-self.gamma_right * squares)
        return tf.cast(tf.where(x < self.mu, left, right), inputs.dtype)

    def compute_output_shape(self, input_shape: Shape) -> tuple:
        return tuple(input_shape)

    def get_config(self) -> dict:
        return {**super().get_config(), **self.initial_values}
