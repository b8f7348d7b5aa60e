"""Convolutions of small maps as products of matrices."""

from __future__ import annotations

import functools

import numpy as np
import tensorflow as tf
from tensorflow import keras

from keras_cnns.layers.batch_normalization_from_moments import is_inference

_MOST_POSITIONS = 16  # of the smaller maps; convolutions of 8x8 positions are as fast


@keras.saving.register_keras_serializable("keras_cnns")
class MatrixConv2D(keras.layers.Conv2D):
    """``Conv2D`` that trains faster where it gives maps of at most 4x4 positions.

    Same arguments, same weights, same values within rounding as
    ``keras.layers.Conv2D``. On CPUs convolutions of few positions spend most of their
    time on bringing a large kernel into another order, anew in each direction. The
    product of the windows, side by side, and the kernel as it is needs none of that.
    It is used in training, on CPUs, for maps of known size; everything else, exported
    networks too, is ``Conv2D``.

    Input shape: ``(batch, height, width, channels)``.
    Output shape: ``(batch, height', width', filters)``, dtype of the policy.
    """

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        shape = self.compute_output_shape(inputs.shape)
        if not _pays(self, shape, training):
            return super().call(inputs)
        windows = _windows_of(self, inputs.shape)
        kernel = tf.reshape(self.kernel, [-1, self.filters])
        x = tf.reshape(windows.unfold(inputs), [-1, kernel.shape[0]])
        return _finish(self, tf.reshape(x @ kernel, [-1, *shape[1:]]))


@keras.saving.register_keras_serializable("keras_cnns")
class MatrixConv2DTranspose(keras.layers.Conv2DTranspose):
    """``Conv2DTranspose`` that trains faster on maps of at most 4x4 positions.

    It is to ``keras.layers.Conv2DTranspose`` what ``MatrixConv2D`` is to ``Conv2D``.

    Input shape: ``(batch, height, width, channels)``.
    Output shape: ``(batch, height', width', filters)``, dtype of the policy.
    """

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        if not _pays(self, inputs.shape, training):
            return super().call(inputs)
        shape = self.compute_output_shape(inputs.shape)
        windows = _windows_of(self, shape)
        kernel = tf.reshape(self.kernel, [-1, inputs.shape[-1]])
        x = tf.reshape(inputs, [-1, inputs.shape[-1]])
        x = tf.matmul(x, kernel, transpose_b=True)
        return _finish(self, windows.fold(tf.reshape(x, [-1, self.filters])))


def _pays(layer, smaller, training) -> bool:
    """Whether to multiply matrices, by the shape of the smaller maps."""
    _, height, width, _ = smaller
    plain = layer.data_format == "channels_last" and layer.groups == 1
    return (
        plain
        and set(layer.dilation_rate) == {1}
        and None not in (height, width)
        and height * width <= _MOST_POSITIONS
        and not is_inference(training)
        and not tf.config.list_logical_devices("GPU")
    )


def _finish(layer, outputs):
    """Bias and activation."""
    if layer.use_bias:
        outputs = tf.nn.bias_add(outputs, layer.bias)
    return outputs if layer.activation is None else layer.activation(outputs)


def _windows_of(layer, larger):
    """The windows of a layer, by the shape of the larger maps."""
    size = tuple(larger[1:3])
    return _made_windows(size, layer.kernel_size, layer.strides, layer.padding)


class _Windows:
    """Windows of a convolution side by side, and their adjoint, both by look-up.

    Args:
        size: height and width of the larger maps.
        kernel: height and width of a window.
        strides: rows and columns from window to window.
        padding: ``"same"`` or ``"valid"``.
    """

    def __init__(self, size, kernel, strides, padding):
        row, column = map(_cells, size, kernel, strides, [padding] * 2)
        row, column = row[:, None, :, None], column[None, :, None, :]
        count = size[0] * size[1]
        outside = (row < 0) | (row >= size[0]) | (column < 0) | (column >= size[1])
        seen = np.where(outside, count, row * size[1] + column).reshape(-1)
        places = [np.flatnonzero(seen == cell) for cell in range(count)]
        # Cells in fewer windows than others get indices of a row of zeros.
        seen_from = np.full((count, max(map(len, places))), seen.size)
        for cell, found in enumerate(places):
            seen_from[cell, : len(found)] = found
        self._size, self._seen, self._seen_from = size, seen, seen_from

    def unfold(self, maps):
        """Maps ``(batch, height, width, channels)`` to windows.

        Returns:
            ``(batch, positions * cells of a window, channels)``.
        """
        flat = tf.reshape(maps, [-1, self._size[0] * self._size[1], maps.shape[-1]])
        return self._unfold(flat)

    def fold(self, windows):
        """The adjoint of ``unfold``: for each cell the sum of all windows' values."""
        channels = windows.shape[-1]
        windows = tf.reshape(windows, [-1, self._seen.size, channels])
        return tf.reshape(self._fold(windows), [-1, *self._size, channels])

    def _unfold(self, cells):
        look_up = tf.custom_gradient(lambda x: (_rows(x, self._seen), self._fold))
        return look_up(cells)

    def _fold(self, windows):
        add_up = tf.custom_gradient(
            lambda x: (tf.reduce_sum(_rows(x, self._seen_from), 2), self._unfold)
        )
        return add_up(windows)


_made_windows = functools.lru_cache(maxsize=128)(_Windows)


def _cells(length, kernel, stride, padding):
    """Cells along one axis that each window sees, ``(windows, kernel)``."""
    count, before = (length - kernel) // stride + 1, 0
    if padding == "same":
        count = -(-length // stride)
        before = max((count - 1) * stride + kernel - length, 0) // 2
    return np.arange(count)[:, None] * stride + np.arange(kernel) - before


def _rows(x, indices):
    """Rows of ``(batch, rows, channels)`` by index; those after the last are 0."""
    return tf.gather(tf.pad(x, [(0, 0), (0, 1), (0, 0)]), indices, axis=1)
