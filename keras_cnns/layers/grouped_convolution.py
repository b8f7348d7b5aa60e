"""Convolution in groups that trains on every device."""

from __future__ import annotations

import tensorflow as tf
from tensorflow import keras

# Of one plain convolution: few enough to waste little work on zeros, many enough to
# leave few convolutions, of which each takes XLA time to compile.
_CHANNELS = 32


@keras.saving.register_keras_serializable("keras_cnns")
class GroupedConv2D(keras.layers.Conv2D):
    """``Conv2D(groups=...)`` made of plain convolutions.

    Same arguments, same weights (kernel ``(height, width, channels / groups,
    filters)``), same values as ``keras.layers.Conv2D``. TensorFlow 2.15 has no gradient
    of a grouped convolution on CPUs without oneDNN, nor in float16 or float64 on any
    CPU, and Keras' way round it, XLA, is many times slower there. Here groups of few
    channels are bundled up to 32 channels, with zeros in the kernel between the groups,
    and each bundle is one plain convolution.

    Input shape: ``(batch, height, width, channels)``.
    Output shape: ``(batch, height', width', filters)``, dtype of the policy.

    Raises:
        ValueError: if ``data_format`` is ``"channels_first"``, or ``groups`` does not
            divide filters and channels.

    Source: Krizhevsky et al., "ImageNet Classification with Deep Convolutional Neural
    Networks", NIPS 2012, section 3.5; Xie et al., arXiv 1611.05431, section 3.3.
    """

    def __init__(
        self, filters: int, kernel_size: int | tuple[int, int], **kwargs
    ) -> None:
        super().__init__(filters, kernel_size, **kwargs)
        if self.data_format != "channels_last":
            raise ValueError(
                f"data_format must be 'channels_last', got {self.data_format!r}"
            )

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        if self.groups == 1:
            return super().call(inputs)
        kernels = self._bundled_kernels()
        parts = tf.split(inputs, len(kernels), axis=-1)
        outputs = tf.concat(list(map(self.convolution_op, parts, kernels)), axis=-1)
        if self.use_bias:
            outputs = tf.nn.bias_add(outputs, self.bias)
        return outputs if self.activation is None else self.activation(outputs)

    def _bundled_kernels(self):
        """A kernel for each bundle of groups, zero between its groups."""
        height, width, channels, filters = self.kernel.shape
        bundle = max(
            size
            for size in range(1, self.groups + 1)
            if self.groups % size == 0 and size * channels <= max(_CHANNELS, channels)
        )
        kernel = tf.convert_to_tensor(self.kernel)
        if bundle > 1:
            per_group = [height, width, 1, channels, -1, bundle, filters // self.groups]
            own = tf.reshape(
                tf.eye(bundle, dtype=kernel.dtype), [bundle, 1, 1, bundle, 1]
            )
            kernel = tf.reshape(
                tf.reshape(kernel, per_group) * own,
                [height, width, bundle * channels, filters],
            )
        return tf.split(kernel, self.groups // bundle, axis=-1)
