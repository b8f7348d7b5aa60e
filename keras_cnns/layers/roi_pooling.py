"""Max pooling of regions to a given size, on the grid of the map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import tensorflow as tf
from tensorflow import keras

from keras_cnns._boxes import finite_boxes, round_half_away
from keras_cnns._checks import check_positive, check_size
from keras_cnns.layers._bin_maxima import bin_edges, bin_grid, bin_maxima

if TYPE_CHECKING:
    from keras_cnns._types import Shape


@keras.saving.register_keras_serializable("keras_cnns")
class RoIPooling(keras.layers.Layer):
    """Maxima over ``size * size`` bins of each region of a map.

    A region's first and last pixel inside are scaled and rounded to cells, halves away
    from zero; it has one row and one column at least. Of its n rows, bin i takes those
    from ``floor(i * n / size)`` up to, without it, ``ceil((i + 1) * n / size)``, and
    columns likewise. Bins are cut at the edges of the map. A bin outside of it is 0 and
    has no gradient; of equal maxima the first by rows has it. Regions have no gradient.

    Args:
        size: height and width of the output, a positive integer or a pair of them.
        scale: cells of the map per pixel of the regions, such as 1/16.

    Input: list of features ``(batch, height, width, channels)``, whose height and width
    may be unknown, and regions ``(batch, R, 4)``, continuous boxes in pixels; padding
    of zeros pools the first cell.
    Output: ``(batch, R, *size, channels)``, the layer's compute dtype.

    Raises:
        ValueError: if ``size`` or ``scale`` is something else.

    Source: Girshick, arXiv 1504.08083, section 2.1; the rounding is that of the
    released code.
    """

    def __init__(self, size: int | tuple[int, int], scale: float, **kwargs) -> None:
        super().__init__(autocast=False, **kwargs)  # 16 bits are too few for boxes
        self.size = check_size("size", size)
        check_positive("scale", scale)
        self.scale = scale

    def call(self, inputs: Sequence[tf.Tensor]) -> tf.Tensor:
        features, rois = inputs
        inclusive = finite_boxes(rois) - [0, 0, 1, 1]
        corners = tf.cast(round_half_away(inclusive * self.scale), tf.int32)
        lengths = tf.maximum(corners[..., 2:] - corners[..., :2] + 1, 1)
        rows, columns = (
            bin_edges(corners[..., i], lengths[..., i], self.size[i]) for i in (0, 1)
        )
        features = tf.cast(features, self.compute_dtype)
        maxima = bin_maxima(features, bin_grid(rows, columns))
        shape = tf.shape(maxima)
        grid = [shape[0], shape[1], *self.size, features.shape[-1]]
        return tf.reshape(maxima, grid)

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> tuple:
        features, rois = input_shape
        return (features[0], rois[1], *self.size, features[-1])

    def get_config(self) -> dict:
        return {**super().get_config(), "size": self.size, "scale": self.scale}
