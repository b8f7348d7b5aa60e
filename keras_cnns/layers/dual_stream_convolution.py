"""The convolution of ResNet in ResNet: two streams, one with a shortcut."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf
from tensorflow import keras

if TYPE_CHECKING:
    from keras_cnns._types import Shape


@keras.saving.register_keras_serializable("keras_cnns")
class DualStreamConv2D(keras.layers.Conv2D):
    """Convolves two streams at once and adds the first stream's shortcut.

    The map holds a residual and a transient stream, each half of the channels. Every
    output stream sees both input streams, and the residual one also gets its own input:
    directly where the shape stays, else through a 1x1 projection. Both are linear, so
    the shortcut is added to the centre of the kernel, from the residual to the residual
    stream, and one plain convolution computes all.

    The weight called ``kernel`` is the difference from that shortcut. A regularizer, or
    a trainer's weight decay, thus pulls the convolution towards the shortcut and not
    towards zero.

    Args:
        filters: number of output channels, of both streams together.
        kernel_size: odd height and width of the kernel.
        strides: stride along height and width; padding is symmetric.
        kernel_initializer: of the difference, and of a projection.
        kernel_regularizer: of the difference.
        **kwargs: what every layer takes: ``name``, ``dtype``, ``trainable``.

    Input shape: ``(batch, height, width, channels)`` with an even number of channels.
    Output shape: ``(batch, height / strides, width / strides, filters)``, rounded up.

    Raises:
        ValueError: if ``filters`` is not a positive even number, ``kernel_size`` not an
            odd one, or, on building, if the number of channels is odd or unknown.

    Source: Targ, Almeida, Lyman, arXiv 1603.08029 ("ResNet Init").
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, int] = 3,
        strides: int | tuple[int, int] = 1,
        kernel_initializer: str
        | dict
        | keras.initializers.Initializer = "glorot_uniform",
        kernel_regularizer: str | dict | keras.regularizers.Regularizer | None = None,
        **kwargs,
    ) -> None:
        if not isinstance(filters, int) or filters < 1 or filters % 2:
            raise ValueError(
                f"filters must be a positive even integer, got {filters!r}"
            )
        other = set(kwargs) - {"name", "dtype", "trainable"}
        if other:
            raise ValueError(f"DualStreamConv2D takes no {', '.join(sorted(other))}")
        super().__init__(
            filters,
            kernel_size,
            strides=strides,
            use_bias=False,
            kernel_initializer=kernel_initializer,
            kernel_regularizer=kernel_regularizer,
            **kwargs,
        )
        if self.kernel_size[0] % 2 == 0 or self.kernel_size[1] % 2 == 0:
            raise ValueError(f"kernel_size must be odd, got {kernel_size!r}")

    def build(self, input_shape: Shape) -> None:
        channels = input_shape[-1]
        if channels is None or channels % 2:
            raise ValueError(
                "DualStreamConv2D needs an input with a known, even number of "
                f"channels; got {channels}"
            )
        super().build(input_shape)
        self.projection = None
        if channels != self.filters or self.strides != (1, 1):
            kernel_initializer = self.kernel_initializer
            self.projection = self.add_weight(
                "projection",
                (1, 1, channels // 2, self.filters // 2),
                # another instance: one that is not seeded would repeat its values
                initializer=kernel_initializer.from_config(
                    kernel_initializer.get_config()
                ),
                dtype=self.dtype,
            )

    def augmented_kernel(self) -> tf.Tensor:
        """The kernel of the equivalent ordinary convolution."""
        kernel = tf.convert_to_tensor(self.kernel)
        shortcut = self.projection
        if shortcut is None:
            shortcut = tf.eye(self.filters // 2, dtype=kernel.dtype)[None, None]
        height, width = (size // 2 for size in self.kernel_size)
        inputs, outputs = (size // 2 for size in kernel.shape[2:])
        around = [[height, height], [width, width], [0, inputs], [0, outputs]]
        return kernel + tf.pad(shortcut, around)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        height, width = (size // 2 for size in self.kernel_size)
        inputs = tf.pad(inputs, [[0, 0], [height, height], [width, width], [0, 0]])
        return self.convolution_op(inputs, self.augmented_kernel())

    def compute_output_shape(self, input_shape: Shape) -> tuple:
        sizes = [
            None if size is None else -(-size // stride)
            for size, stride in zip(input_shape[1:3], self.strides)
        ]
        return (input_shape[0], *sizes, self.filters)

    def get_config(self) -> dict:
        config = super().get_config()
        own = ("filters", "kernel_size", "strides", "kernel_initializer")
        kept = ("name", "trainable", "dtype", *own, "kernel_regularizer")
        return {name: config[name] for name in kept}
