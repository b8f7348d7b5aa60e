"""Spatial pyramid pooling of regions of a map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import tensorflow as tf
from tensorflow import keras

from keras_cnns._boxes import finite_boxes
from keras_cnns._checks import check_counts, check_positive, check_within
from keras_cnns.layers._bin_maxima import bin_edges, bin_grid, bin_maxima

if TYPE_CHECKING:
    from keras_cnns._types import Shape


@keras.saving.register_keras_serializable("keras_cnns")
class RoIPyramidPooling(keras.layers.Layer):
    """Maxima over grids of bins of each region, one grid for each level.

    A region's corners are mapped to cells. Of its n rows, bin i of a level takes those
    from ``floor(i * n / level)`` up to, without it, ``ceil((i + 1) * n / level)``, and
    columns likewise; bins overlap where n is no multiple of the level. Regions have no
    gradient; of equal maxima the first by rows has that of the bin.

    Args:
        levels: bins along rows and along columns of each grid.
        scale: cells of the map per pixel of the regions, such as 1/16.
        offset: None for the paper's mapping: a region's first cell is the one after
            ``floor(first pixel * scale)``, its last one that before
            ``ceil(last pixel * scale)``, all counted from 1. A number for that of the
            released code: the pixel, counted from 0, at the centre of the first cell's
            receptive field, from which all others are counted (20 for ZF-5, 7.5 for
            VGG16); a region then has the cells whose centres it covers.
        margin: in pixels; by how much a cell's centre may be outside of a region that
            has it all the same, where there is an ``offset``. None for the released
            code's 6.5.

    Input: list of features ``(batch, height, width, channels)``, whose height and width
    may be unknown, and regions ``(batch, R, 4)``, continuous boxes in pixels.
    Output: ``(batch, R, sum of levels squared, channels)``, the layer's compute dtype:
    bins by level, row and column.

    Raises:
        ValueError: if an argument is something else, or there is a ``margin`` without
            ``offset``.

    Source: He et al., arXiv 1406.4729, section 4 and appendix A; what is done with a
    region that has no cell is in the released code, ZF-5.
    """

    def __init__(
        self,
        levels: Sequence[int] = (6, 3, 2, 1),
        scale: float = 1 / 16,
        offset: float | None = None,
        margin: float | None = None,
        **kwargs,
    ) -> None:
        super().__init__(autocast=False, **kwargs)  # 16 bits are too few for boxes
        check_counts("levels", levels)
        check_positive("scale", scale)
        if offset is not None:
            check_within("offset", offset, "(-inf, inf)")
        if margin is not None:
            check_within("margin", margin, "[0, inf)")
            if offset is None:
                raise ValueError(f"margin={margin!r} has no effect without offset")
        self.levels = tuple(levels)
        self.scale = scale
        self.offset = offset
        self.margin = margin

    @property
    def num_bins(self) -> int:
        """Bins of a region over all levels."""
        return sum(level**2 for level in self.levels)

    def call(self, inputs: Sequence[tf.Tensor]) -> tf.Tensor:
        features, rois = inputs
        size = tf.shape(features)[1:3]
        first, last = self._cells(finite_boxes(rois))
        # The integer quotient of two cells, counted from 1, for both.
        middle = (first + last + 2) // 2 - 1
        is_missing = first > last
        first, last = (tf.where(is_missing, middle, each) for each in (first, last))
        first, last = (tf.clip_by_value(each, 0, size - 1) for each in (first, last))
        bins = []
        for level in self.levels:
            rows, columns = (
                bin_edges(first[..., i], (last - first)[..., i] + 1, level)
                for i in (0, 1)
            )
            bins.append(bin_grid(rows, columns))
        features = tf.cast(features, self.compute_dtype)
        return bin_maxima(features, tf.concat(bins, 2))

    def _cells(self, rois):
        """First and last cell, counted from 0, ``(batch, R, 2)`` each, int32."""
        low, high = rois[..., :2], rois[..., 2:]
        if self.offset is None:
            first = tf.floor((low + 1) * self.scale)
            last = tf.math.ceil(high * self.scale) - 2
        else:
            margin = 6.5 if self.margin is None else self.margin
            first = tf.floor((low - self.offset + margin) * self.scale + 0.5)
            last = (high - 1 - self.offset - margin) * self.scale - 0.5
            last = tf.math.ceil(last)
        return tf.cast(first, tf.int32), tf.cast(last, tf.int32)

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> tuple:
        features, rois = input_shape
        return (features[0], rois[1], self.num_bins, features[-1])

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "levels": self.levels,
            "scale": self.scale,
            "offset": self.offset,
            "margin": self.margin,
        }
