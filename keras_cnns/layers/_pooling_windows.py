"""Pooling windows side by side: maps parted into them, and put together again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import tensorflow as tf
from tensorflow import keras

from keras_cnns._checks import check_choice, check_count

if TYPE_CHECKING:
    from keras_cnns._types import Shape


class WindowLayer(keras.layers.Layer):
    """What layers over windows share that lie side by side, stride equal to size.

    Args:
        pool_size: height and width of a window.
        padding: ``"valid"`` leaves out what fills no window, ``"same"`` adds cells
            without a value before and after, TensorFlow's way.

    Raises:
        ValueError: if an argument is bad.
    """

    def __init__(self, pool_size: int = 2, padding: str = "valid", **kwargs) -> None:
        super().__init__(**kwargs)
        check_count("pool_size", pool_size)
        check_choice("padding", padding, ("valid", "same"))
        self.pool_size, self.padding = pool_size, padding

    def get_config(self) -> dict:
        own = {"pool_size": self.pool_size, "padding": self.padding}
        return {**super().get_config(), **own}

    def windows_along(self, length):
        """Number of windows along a side; None of an unknown one."""
        if length is None:
            return None
        missing = self.pool_size - 1 if self.padding == "same" else 0
        return (length + missing) // self.pool_size

    def part(self, x, fill):
        """Windows ``(batch, rows, size, columns, size, channels)`` of maps.

        Args:
            x: ``(batch, height, width, channels)``.
            fill: value of cells that are added.
        """
        height, width = _sides(x)
        rows, columns = map(self.windows_along, (height, width))
        if self.padding == "valid":
            x = x[:, : rows * self.pool_size, : columns * self.pool_size]
        else:
            margins = [self._margins(n) for n in (height, width)]
            x = tf.pad(x, [(0, 0), *margins, (0, 0)], constant_values=fill)
        size = self.pool_size
        return tf.reshape(x, [-1, rows, size, columns, size, x.shape[-1]])

    def join(self, windows, height=None, width=None):
        """Maps of windows; the inverse of ``part``.

        Args:
            windows: ``(batch, rows, size, columns, size, channels)``.
            height, width: of the maps that were parted; None: all cells of all windows.

        Returns:
            ``(batch, height, width, channels)``, 0 where no window was.
        """
        size, shape = self.pool_size, tf.shape(windows)
        sides = [windows.shape[i] or shape[i] for i in (1, 3)]
        covered = [size * count for count in sides]
        x = tf.reshape(windows, [-1, *covered, windows.shape[-1]])
        if height is None:
            return x
        if self.padding == "valid":
            ends = [(0, n - have) for n, have in zip((height, width), covered)]
            return tf.pad(x, [(0, 0), *ends, (0, 0)])
        top, left = (self._margins(n)[0] for n in (height, width))
        return x[:, top : top + height, left : left + width]

    def _margins(self, length):
        """Cells added before and after a side."""
        missing = -length % self.pool_size
        return missing // 2, missing - missing // 2


class UnpoolingLayer(WindowLayer):
    """What layers share that put pooled values back to where they came from.

    They have ``spread(what, where)``, which returns windows ``(batch, rows, size,
    columns, size, channels)``.
    """

    def call(self, inputs: Sequence[tf.Tensor]) -> tf.Tensor:
        what, where, *pooled = inputs
        sides = map(_sides, pooled)
        maps = self.join(self.spread(what, where), *next(sides, ()))
        shape = self.compute_output_shape([x.shape for x in inputs])
        return tf.ensure_shape(maps, shape)

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> tuple:
        batch, rows, columns, channels = input_shape[0]
        if len(input_shape) > 2:
            return (batch, *input_shape[2][1:3], channels)
        sides = [count and self.pool_size * count for count in (rows, columns)]
        return (batch, *sides, channels)


def _sides(x):
    """Height and width of maps, tensors where they are unknown."""
    return [x.shape[i] or tf.shape(x)[i] for i in (1, 2)]
