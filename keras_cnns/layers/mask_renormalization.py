"""The scale of partial convolution's windows, and which have valid pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf
from tensorflow import keras

if TYPE_CHECKING:
    from keras_cnns._types import Shape


def renormalize(
    masks: tf.Tensor,
    kernel_size: tuple[int, int],
    strides: int | tuple[int, int],
    padding: str,
    dilation_rate: tuple[int, int] = (1, 1),
) -> tuple[tf.Tensor, tf.Tensor]:
    """Size of the window over its sum of masks, and whether that sum is positive.

    Args:
        masks: ``(batch, height, width, channels)``, 1 at valid pixels, 0 in holes.
        kernel_size: height and width of the window.
        strides: of the windows along height and width.
        padding: ``"same"``, with zeros, that is holes, or ``"valid"``.
        dilation_rate: steps between the window's pixels.

    Returns:
        The scale, 0 where the sum is 0, float32 or finer, and a Boolean tensor, both
        ``(batch, height', width', 1)``. No gradient flows through them.
    """
    masks = tf.stop_gradient(masks)
    if masks.dtype != tf.float64:
        masks = tf.cast(masks, tf.float32)
    channels = masks.shape[-1]
    if channels > 1:
        masks = tf.reduce_sum(masks, axis=-1, keepdims=True)
    height, width = kernel_size
    total = tf.nn.conv2d(
        masks,
        tf.ones([height, width, 1, 1], masks.dtype),
        strides,
        padding.upper(),
        dilations=dilation_rate,
    )
    window = tf.constant(height * width * channels, total.dtype)
    return tf.math.divide_no_nan(window, total), total > 0


@keras.saving.register_keras_serializable("keras_cnns")
class MaskRenormalization(keras.layers.Layer):
    """The mask's half of a partial convolution; nothing in it is trained.

    For a window of masks with mean m it returns 1 / m and 1, or 0 and 0 where m is 0;
    zero padding counts.

    Args:
        kernel_size: height and width of the window, a positive whole number.
        strides: of the windows, a positive whole number; padding is ``"same"``.

    Input: masks ``(batch, height, width, channels)``, 1 at valid pixels, 0 in holes.
    Output: list of the scales and the next masks, both ``(batch, height / strides,
    width / strides, 1)``, rounded up.

    Raises:
        ValueError: if an argument is not a positive whole number.

    Source: Liu et al., arXiv 1804.07723, equations 1 and 2.
    """

    def __init__(self, kernel_size: int, strides: int = 1, **kwargs) -> None:
        super().__init__(**kwargs)
        for name, value in (("kernel_size", kernel_size), ("strides", strides)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(
                    f"{name} must be a positive whole number, got {value!r}"
                )
        self.kernel_size = kernel_size
        self.strides = strides

    def call(self, inputs: tf.Tensor) -> list[tf.Tensor]:
        size = (self.kernel_size, self.kernel_size)
        scale, valid = renormalize(inputs, size, self.strides, "same")
        return [tf.cast(scale, inputs.dtype), tf.cast(valid, inputs.dtype)]

    def compute_output_shape(self, input_shape: Shape) -> list[tuple]:
        sizes = [
            None if size is None else -(-size // self.strides)
            for size in input_shape[1:3]
        ]
        return [(input_shape[0], *sizes, 1)] * 2

    def get_config(self) -> dict:
        own = {"kernel_size": self.kernel_size, "strides": self.strides}
        return {**super().get_config(), **own}
