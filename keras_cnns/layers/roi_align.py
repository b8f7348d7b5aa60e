"""Averages of regions, sampled between the cells of a map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import tensorflow as tf
from tensorflow import keras

from keras_cnns._boxes import finite_boxes
from keras_cnns._checks import check_count, check_flag, check_positive, check_size

if TYPE_CHECKING:
    from keras_cnns._types import Shape


@keras.saving.register_keras_serializable("keras_cnns")
class RoIAlign(keras.layers.Layer):
    """Means of bilinear samples in ``size * size`` equal bins of each region.

    Nothing is rounded. A sample less than a cell outside of the map has the value at
    its edge, one further away is 0. Regions have no gradient.

    Args:
        size: height and width of the output, a positive integer or a pair of them.
        scale: cells of the map per pixel of the regions, such as 1/16.
        samples: in each bin, along rows and along columns; a positive integer.
        aligned: whether a cell's value is at its centre. Without, it is at its upper
            left corner, and regions have one cell at least to each side, as in the
            first release.

    Input: list of features ``(batch, height, width, channels)``, whose height and width
    may be unknown, and regions ``(batch, R, 4)``, continuous boxes in pixels.
    Output: ``(batch, R, *size, channels)``, the layer's compute dtype.

    Raises:
        ValueError: if an argument is something else.

    Source: He et al., arXiv 1703.06870, section 3.
    """

    def __init__(
        self,
        size: int | tuple[int, int],
        scale: float,
        samples: int = 2,
        aligned: bool = True,
        **kwargs,
    ) -> None:
        super().__init__(autocast=False, **kwargs)  # 16 bits are too few for boxes
        self.size = check_size("size", size)
        check_positive("scale", scale)
        check_count("samples", samples)
        check_flag("aligned", aligned)
        self.scale = scale
        self.samples = samples
        self.aligned = aligned

    def call(self, inputs: Sequence[tf.Tensor]) -> tf.Tensor:
        features, rois = inputs
        rois = tf.stop_gradient(finite_boxes(rois)) * self.scale
        shape = tf.shape(features)
        low, high = rois[..., :2], rois[..., 2:]
        sides = high - low
        if self.aligned:
            low -= 0.5
        else:
            sides = tf.maximum(sides, 1.0)
        rows, columns = (
            self._weights(low[..., i], sides[..., i], self.size[i], shape[1 + i])
            for i in (0, 1)
        )
        features = tf.cast(features, self.compute_dtype)
        x = tf.einsum("brih,bhwc->briwc", rows, features)
        return tf.einsum("briwc,brjw->brijc", x, columns)

    def _weights(self, low, sides, count, length):
        """What each cell of an axis adds to each bin, ``(batch, R, count, cells)``."""
        offsets = (tf.range(count * self.samples, dtype=tf.float32) + 0.5) / (
            count * self.samples
        )
        places = low[..., None] + offsets * sides[..., None]
        length = tf.cast(length, tf.float32)
        is_near = (places >= -1) & (places <= length)
        places = tf.clip_by_value(places, 0.0, length - 1)[..., None]
        hats = tf.nn.relu(1 - tf.abs(places - tf.range(length)))
        hats *= tf.cast(is_near, tf.float32)[..., None]
        shape = tf.shape(hats)
        bins = tf.stack([shape[0], shape[1], count, self.samples, shape[3]])
        means = tf.reduce_mean(tf.reshape(hats, bins), 3)
        return tf.cast(means, self.compute_dtype)

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> tuple:
        features, rois = input_shape
        return (features[0], rois[1], *self.size, features[-1])

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "size": self.size,
            "scale": self.scale,
            "samples": self.samples,
            "aligned": self.aligned,
        }
