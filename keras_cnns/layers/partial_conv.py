"""Partial convolution: of valid pixels only, with masks that grow.

It masks pixels. PCONV, which is pruning by patterns, masks weights:
``keras_cnns.compression.pruning``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import tensorflow as tf
from tensorflow import keras

from keras_cnns.layers.mask_renormalization import renormalize

if TYPE_CHECKING:
    from keras_cnns._types import Shape


@keras.saving.register_keras_serializable("keras_cnns")
class PartialConv2D(keras.layers.Conv2D):
    """Convolution of the valid pixels, scaled as if all of the window were valid.

    With S the sum of the masks in a window and N that of ones: ``x' = W^T (X * M) N / S
    + b`` where S > 0, else 0; the new mask is 1 where S > 0, else 0. The bias comes
    after the scaling. Zeros that pad the border count as a hole, so that borders are
    scaled too. S is summed in float32 or finer, and no gradient flows into masks.

    Args:
        filters: number of output channels.
        kernel_size: height and width of the kernel.
        strides: along height and width.
        padding: ``"same"`` or ``"valid"``.
        dilation_rate: along height and width.
        use_bias: whether there is a bias.
        kernel_initializer, bias_initializer: initial weights.
        kernel_regularizer, bias_regularizer: penalties on the weights.
        **kwargs: what every layer takes: ``name``, ``dtype``, ``trainable``.

    Input: list of features ``(batch, height, width, channels)`` and masks
    ``(batch, height, width, 1)``, or of as many channels as the features, 1 at valid
    pixels and 0 in holes.
    Output: list of features ``(batch, height', width', filters)`` and masks, of 1
    channel where they had 1, else of ``filters`` equal channels.

    Raises:
        ValueError: if ``padding`` is another one, on an argument of ``Conv2D`` that is
            not listed here, or, on building, if the masks have other channels.

    Source: Liu et al., arXiv 1804.07723, equations 1 and 2; the order of scaling and
    bias is that of github.com/NVIDIA/partialconv.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, int],
        strides: int | tuple[int, int] = 1,
        padding: str = "same",
        dilation_rate: int | tuple[int, int] = 1,
        use_bias: bool = True,
        kernel_initializer: str
        | dict
        | keras.initializers.Initializer = "glorot_uniform",
        bias_initializer: str | dict | keras.initializers.Initializer = "zeros",
        kernel_regularizer: str | dict | keras.regularizers.Regularizer | None = None,
        bias_regularizer: str | dict | keras.regularizers.Regularizer | None = None,
        **kwargs,
    ) -> None:
        if padding not in ("same", "valid"):
            raise ValueError(f"padding must be 'same' or 'valid', got {padding!r}")
        other = set(kwargs) - {"name", "dtype", "trainable"}
        if other:
            raise ValueError(f"PartialConv2D takes no {', '.join(sorted(other))}")
        super().__init__(
            filters,
            kernel_size,
            strides=strides,
            padding=padding,
            dilation_rate=dilation_rate,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            **kwargs,
        )
        self.input_spec = None

    def build(self, input_shape: Sequence[Shape]) -> None:
        features, masks = (tuple(shape) for shape in input_shape)
        if masks[-1] not in (1, features[-1]):
            raise ValueError(
                f"the masks of features with {features[-1]} channels must have 1 or "
                f"{features[-1]} channels, got {masks[-1]}"
            )
        self.kernel = self.add_weight(
            "kernel",
            (*self.kernel_size, features[-1], self.filters),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                "bias",
                (self.filters,),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
            )
        self.built = True  # Conv2D's own build is for features alone

    def call(self, inputs: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        features, masks = inputs
        scale, valid = renormalize(
            masks, self.kernel_size, self.strides, self.padding, self.dilation_rate
        )
        x = self.convolution_op(features * tf.stop_gradient(masks), self.kernel)
        x *= tf.cast(scale, x.dtype)
        valid = tf.cast(valid, x.dtype)
        if self.use_bias:
            x = tf.nn.bias_add(x, self.bias) * valid
        if masks.shape[-1] > 1:
            valid = tf.repeat(valid, self.filters, axis=-1)
        return [x, valid]

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> list[tuple]:
        features, masks = input_shape
        shape = tuple(super().compute_output_shape(tuple(features)))
        return [shape, shape if masks[-1] > 1 else (*shape[:-1], 1)]

    def get_config(self) -> dict:
        config = super().get_config()
        own = ("filters", "kernel_size", "strides", "padding", "dilation_rate")
        weights = ("use_bias", "kernel_initializer", "bias_initializer")
        penalties = ("kernel_regularizer", "bias_regularizer")
        kept = ("name", "trainable", "dtype", *own, *weights, *penalties)
        return {name: config[name] for name in kept}
