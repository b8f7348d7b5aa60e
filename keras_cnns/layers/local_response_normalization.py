"""Local response normalisation across channels, with Caffe's meaning of alpha."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf
from tensorflow import keras

if TYPE_CHECKING:
    from keras_cnns._types import Shape


@keras.saving.register_keras_serializable("keras_cnns")
class LocalResponseNormalization(keras.layers.Layer):
    """Divides each value by a power of the mean square of its neighbour channels.

    ``y[c] = x[c] / (bias + alpha / n * sum(x[c - r : c + r + 1] ** 2)) ** beta``, where
    r is ``depth_radius`` and n = 2 r + 1, whether or not all n channels exist. Caffe
    and PyTorch divide alpha by n, too. The paper does not, nor does TensorFlow's
    function of the same name, which gets ``alpha / n``: the paper's alpha of 1e-4 is
    5e-4 here.

    The sums are computed in float32: squares overflow in float16, and the function
    does not support float64.

    Args:
        depth_radius: neighbour channels on each side, at least 1.
        bias: positive number that keeps the denominator from 0 (k in the papers).
        alpha: weight of the mean square.
        beta: exponent.

    Input and output shape: ``(batch, height, width, channels)``, same dtype.

    Raises:
        ValueError: if ``depth_radius`` is not a positive integer, ``bias`` not positive
            or ``alpha`` or ``beta`` negative.

    Source: Krizhevsky, Sutskever, Hinton, "ImageNet Classification with Deep
    Convolutional Neural Networks", section 3.3; ``LRNLayer`` of Caffe.
    """

    def __init__(
        self,
        depth_radius: int = 2,
        bias: float = 1.0,
        alpha: float = 1e-4,
        beta: float = 0.75,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        if not isinstance(depth_radius, int) or depth_radius < 1:
            raise ValueError(
                f"depth_radius must be a positive integer, got {depth_radius!r}"
            )
        if not bias > 0:
            raise ValueError(f"bias must be positive, got {bias!r}")
        for name, value in (("alpha", alpha), ("beta", beta)):
            if not value >= 0:
                raise ValueError(f"{name} must be >= 0, got {value!r}")
        self.depth_radius = depth_radius
        self.bias = bias
        self.alpha = alpha
        self.beta = beta

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        outputs = tf.nn.local_response_normalization(
            tf.cast(inputs, tf.float32),
            depth_radius=self.depth_radius,
            bias=self.bias,
            alpha=self.alpha / (2 * self.depth_radius + 1),
            beta=self.beta,
        )
        return tf.cast(outputs, inputs.dtype)

    def compute_output_shape(self, input_shape: Shape) -> tuple:
        return tuple(input_shape)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "depth_radius": self.depth_radius,
            "bias": self.bias,
            "alpha": self.alpha,
            "beta": self.beta,
        }
