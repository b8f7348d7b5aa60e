"""Convolution of normalised maps that are made again for its gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import tensorflow as tf
from tensorflow import keras

from keras_cnns.layers.batch_normalization_from_moments import is_inference, normalize

if TYPE_CHECKING:
    from keras_cnns._types import Shape


@keras.saving.register_keras_serializable("keras_cnns")
class RecomputingConv2D(keras.layers.Conv2D):
    """Convolution of ReLU(BN(concatenation)) that keeps the parts alone in training.

    Arguments, weights and values are those of ``keras.layers.Conv2D`` on the first
    input. In training that input is not kept for the gradient, but made again from the
    parts, which are kept once however many layers concatenate them; and its gradient is
    passed on to the concatenated maps, mean, scale and offset instead of to it. A chain
    of concatenations, each of the one before and one more part, thus needs memory for
    its parts only, and adds up its gradients in one tensor. In inference all is as in
    ``Conv2D``.

    To the last part a zero is added that is made from the gradient that comes in.
    Without it the recomputation would run as soon as the parts are there, and
    optimizers would merge it with the forward pass; XLA heeds no control dependencies.
    No gradient is passed on before all are computed, so that plain graphs hold the
    recomputed maps of one layer at a time.

    Input shape: list of the rectified maps ``(batch, height, width, channels)``; the
    maps before normalisation, of the same shape; mean, scale and offset
    ``(channels,)`` as ``BatchNormalizationFromMoments`` gives them; and the parts,
    ``(batch, height, width, ...)``, in the order of their channels.
    Output shape: ``(batch, height', width', filters)``.

    Raises:
        ValueError: if ``data_format`` is ``"channels_first"``.

    Source: Pleiss et al., arXiv 1707.06990, section 3.
    """

    def __init__(
        self, filters: int, kernel_size: int | tuple[int, int], **kwargs
    ) -> None:
        super().__init__(filters, kernel_size, autocast=False, **kwargs)
        if self.data_format != "channels_last":
            raise ValueError(
                f"data_format must be 'channels_last', got {self.data_format!r}"
            )
        self.input_spec = None  # of one input

    def build(self, input_shape: Sequence[Shape]) -> None:
        super().build(input_shape[0])
        self.input_spec = None

    def call(
        self, inputs: Sequence[tf.Tensor], training: bool | None = None
    ) -> tf.Tensor:
        rectified, maps, *coefficients = inputs[:5]
        rectified, maps, *parts = (
            tf.cast(x, self.compute_dtype) for x in [rectified, maps, *inputs[5:]]
        )
        if is_inference(training):
            return super().call(rectified)
        kernel = tf.convert_to_tensor(self.kernel)
        outputs = self._convolve(rectified, parts, kernel, maps, *coefficients)
        if self.use_bias:
            outputs = tf.nn.bias_add(outputs, self.bias)
        return outputs if self.activation is None else self.activation(outputs)

    def _convolve(self, rectified, parts, *sources):
        """Convolution of ``rectified`` with the gradients of the ``sources`` alone."""

        @tf.custom_gradient
        def convolve(kernel, maps, mean, scale, offset):
            def gradient(upstream):
                zero = _zero_that_needs(upstream)
                again = tf.concat([*parts[:-1], parts[-1] + zero], axis=-1)
                inputs = [kernel, again, mean, scale, offset]
                with tf.GradientTape() as tape:
                    tape.watch(inputs)
                    x = tf.nn.relu(normalize(again, mean, scale, offset))
                    outputs = self.convolution_op(x, kernel)
                return tf.tuple(tape.gradient(outputs, inputs, upstream))

            return self.convolution_op(tf.stop_gradient(rectified), kernel), gradient

        return convolve(*sources)

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> tuple:
        # Keras' own ``build`` asks for the shape of the first input alone.
        first = input_shape[0] if isinstance(input_shape, list) else input_shape
        return tuple(super().compute_output_shape(first))


def _zero_that_needs(x):
    """0 of the dtype of ``x``, which no optimizer knows before ``x``; or NaN."""
    first = tf.reshape(x, [-1])[:1]
    return tf.reduce_sum(tf.where(tf.math.is_nan(first), first, tf.zeros_like(first)))
