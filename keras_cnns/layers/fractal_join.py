"""Join of a fractal network: a weighted mean of the columns that meet in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import tensorflow as tf
from tensorflow import keras

if TYPE_CHECKING:
    from keras_cnns._types import Shape


@keras.saving.register_keras_serializable("keras_cnns")
class FractalJoin(keras.layers.Layer):
    """Sum of maps, weighted by one row of ``FractalDropPath``'s weights.

    The weights sum to 1 and those of the kept maps are equal, so that it is the
    element-wise mean of the kept maps.

    Args:
        row: the join's row in the weights.

    Input shape:
        List of two or more maps of one shape, of neighbouring columns up to the
        deepest one, and the weights ``(joins, columns)``.

    Output shape:
        That of one map.
    """

    def __init__(self, row: int, **kwargs) -> None:
        super().__init__(**kwargs)
        if not isinstance(row, int) or row < 0:
            raise ValueError(f"row must be a whole number of at least 0, got {row!r}")
        self.row = row

    def build(self, input_shape: Sequence[Shape]) -> None:
        *maps, (rows, columns) = [tuple(shape) for shape in input_shape]
        if len(maps) < 2 or len(set(maps)) > 1:
            raise ValueError(f"a join takes two or more maps of one shape, got {maps}")
        if self.row >= rows or len(maps) > columns:
            raise ValueError(
                f"row={self.row} and {len(maps)} maps do not fit weights of shape "
                f"({rows}, {columns})"
            )
        super().build(input_shape)

    def call(self, inputs: Sequence[tf.Tensor]) -> tf.Tensor:
        *maps, weights = inputs
        weights = tf.unstack(weights[self.row, -len(maps) :])
        return tf.add_n([weight * x for weight, x in zip(weights, maps)])

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> tuple:
        return tuple(input_shape[0])

    def get_config(self) -> dict:
        return {**super().get_config(), "row": self.row}
