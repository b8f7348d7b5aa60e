"""Maps sampled at any places, which learn where to go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import tensorflow as tf
from tensorflow import keras

from keras_cnns._checks import check_choice, check_flag
from keras_cnns.layers._coordinates import cell_places, coordinate_dtype

if TYPE_CHECKING:
    from keras_cnns._types import Shape

PADDINGS = ("zeros", "border")


@keras.saving.register_keras_serializable("keras_cnns")
class BilinearSampler(keras.layers.Layer):
    """The bilinear mean of the four cells around each place of a grid.

    Maps and grid have gradients. At the centre of a cell that of the place is the
    difference to the next cell, so that a transformer which starts as the identity
    learns; a tent function, ``max(0, 1 - |x|)``, has no gradient there.

    Args:
        padding: what is outside: ``"zeros"``, or ``"border"``, the nearest cell, where
            places have no gradient.
        align_corners: whether -1 and 1 are the centres of the border cells, as in the
            paper; if not, they are the outer edges of these cells.

    Input: list of maps ``(batch, height, width, channels)``, whose height and width may
    be unknown, and a grid ``(batch, rows, columns, 2)`` of x and y, as of
    ``SamplingGrid``; it is used with 32 bits at least.
    Output: ``(batch, rows, columns, channels)``, the layer's compute dtype. A place
    that is NaN gives NaN.

    Raises:
        ValueError: if an argument is something else; on building, if a shape is.

    Source: Jaderberg, Simonyan, Zisserman, Kavukcuoglu, arXiv 1506.02025, section 3.3.
    """

    def __init__(
        self, padding: str = "zeros", align_corners: bool = True, **kwargs
    ) -> None:
        super().__init__(autocast=False, **kwargs)  # 16 bits are too few for places
        check_choice("padding", padding, PADDINGS)
        check_flag("align_corners", align_corners)
        self.padding = padding
        self.align_corners = align_corners

    def build(self, input_shape: Sequence[Shape]) -> None:
        is_one = isinstance(input_shape, tf.TensorShape)
        maps, grid = map(tuple, (input_shape, ()) if is_one else input_shape)
        if len(maps) != 4 or maps[-1] is None or len(grid) != 4 or grid[-1] != 2:
            raise ValueError(
                "BilinearSampler takes maps (batch, height, width, channels) and a "
                f"grid (batch, rows, columns, 2), got {maps} and {grid}"
            )
        super().build(input_shape)

    def places(self, grid: tf.Tensor, maps: tf.Tensor) -> tf.Tensor:
        """A grid's coordinates as places on the maps.

        Args:
            grid, maps: the layer's inputs.

        Returns:
            The grid's shape, x and y in cells: 0 is the centre of the first.
        """
        grid, shape = tf.cast(grid, coordinate_dtype(self)), tf.shape(maps)
        axes = (
            cell_places(grid[..., i], shape[2 - i], self.align_corners) for i in (0, 1)
        )
        return tf.stack(list(axes), -1)

    def call(self, inputs: Sequence[tf.Tensor]) -> tf.Tensor:
        maps, grid = inputs
        shape, places = tf.shape(maps), self.places(grid, maps)
        maps = tf.cast(maps, places.dtype)
        flat = tf.reshape(maps, [shape[0], shape[1] * shape[2], maps.shape[-1]])
        columns, rows = (self._cells(places[..., i], shape[2 - i]) for i in (0, 1))
        values = 0
        for row, row_weight in rows:
            for column, column_weight in columns:
                cells = tf.gather(flat, row * shape[2] + column, batch_dims=1)
                values += (row_weight * column_weight)[..., None] * cells
        return tf.cast(values, self.compute_dtype)

    def _cells(self, places, length):
        """The two cells of an axis at either side of each place, and their weights."""
        first, last = tf.floor(places), tf.cast(length - 1, places.dtype)
        after = places - first
        pairs = []
        for cell, weight in ((first, 1 - after), (first + 1, after)):
            inside = tf.clip_by_value(cell, 0, last)
            if self.padding == "zeros":
                is_outside = (cell < 0) | (cell > last)  # False of NaN
                weight = tf.where(~is_outside, weight, 0)
            index = tf.cast(inside, tf.int32)  # any number, of a place that is NaN
            pairs.append((tf.clip_by_value(index, 0, length - 1), weight))
        return pairs

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> tuple:
        maps, grid = input_shape
        return (*grid[:3], maps[-1])

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "padding": self.padding,
            "align_corners": self.align_corners,
        }
