"""Regions of images as crops of one size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import tensorflow as tf
from tensorflow import keras

from keras_cnns._boxes import finite_boxes, round_half_away
from keras_cnns._checks import check_count

if TYPE_CHECKING:
    from keras_cnns._types import Shape


@keras.saving.register_keras_serializable("keras_cnns")
class WarpedCrops(keras.layers.Layer):
    """Crops regions, with something around them, and resizes each to a square.

    A region is enlarged about its centre so that it fills the crop but for ``context``
    pixels at each edge, and its edges are rounded to pixels. What of it is inside of
    the image is resized, bilinear and without regard to its proportions, to its part of
    the crop; the rest is 0, the mean of images that are normalised. Regions have no
    gradient.

    Args:
        size: height and width of the crops, in pixels.
        context: in pixels of the crop, at each edge; less than half of ``size``.

    Input: list of images ``(batch, height, width, channels)``, whose height and width
    may be unknown, and regions ``(batch, R, 4)``, continuous boxes in pixels; a region
    without area inside of the image gives zeros.
    Output: ``(batch, R, size, size, channels)``, the layer's compute dtype.

    Raises:
        ValueError: if ``size`` or ``context`` is something else.

    Source: Girshick et al., arXiv 1311.2524, section 2.1 and appendix A: 227 pixels and
    a context of 16.
    """

    def __init__(self, size: int, context: int = 16, **kwargs) -> None:
        super().__init__(autocast=False, **kwargs)  # 16 bits are too few for boxes
        check_count("size", size)
        check_count("context", context, 0)
        if 2 * context >= size:
            raise ValueError(
                f"context must be less than half of size={size}, got {context!r}"
            )
        self.size = size
        self.context = context

    def call(self, inputs: Sequence[tf.Tensor]) -> tf.Tensor:
        images, rois = inputs
        images = tf.cast(images, self.compute_dtype)
        shape, channels = tf.shape(images), images.shape[-1]
        low, high = self._enlarged(finite_boxes(rois))
        rows, columns = (
            self._samples(low[..., i], high[..., i], shape[1 + i]) for i in (0, 1)
        )
        flat = tf.reshape(images, [shape[0], shape[1] * shape[2], channels])
        crops = 0
        for down, down_weights in zip(*rows):
            for along, along_weights in zip(*columns):
                places = down[..., :, None] * shape[2] + along[..., None, :]
                weights = down_weights[..., :, None] * along_weights[..., None, :]
                weights = tf.cast(weights, images.dtype)[..., None]
                crops += weights * tf.gather(flat, places, batch_dims=1)
        return crops

    def _enlarged(self, rois):
        """Corners of regions with their context, in whole pixels."""
        growth = self.size / (self.size - 2 * self.context)
        centres = (rois[..., :2] + rois[..., 2:]) / 2
        halves = tf.nn.relu(rois[..., 2:] - rois[..., :2]) / 2 * growth
        return round_half_away(centres - halves), round_half_away(centres + halves)

    def _samples(self, low, high, length):
        """For each pixel of a crop along one axis two pixels of the image, and weights.

        Returns:
            Two pairs of tensors ``(batch, R, size)``: int32 and float32.
        """
        length = tf.cast(length, tf.float32)
        inside_low, inside_high = tf.maximum(low, 0.0), tf.minimum(high, length)
        inside = tf.nn.relu(inside_high - inside_low)
        scale = self.size / tf.maximum(high - low, 1.0)
        before = round_half_away(tf.nn.relu(-low) * scale)
        count = tf.minimum(round_half_away(inside * scale), self.size - before)
        place = tf.range(self.size, dtype=tf.float32) - before[..., None]
        is_inside = (place >= 0) & (place < count[..., None])
        step = inside / tf.maximum(count, 1.0)
        place = inside_low[..., None] + (place + 0.5) * step[..., None] - 0.5
        last = inside_high[..., None] - 1
        place = tf.maximum(tf.minimum(place, last), inside_low[..., None])
        first = tf.floor(place)
        second_weight = place - first
        weights = (
            tf.where(is_inside, weight, 0.0)
            for weight in (1 - second_weight, second_weight)
        )
        pixels = (
            tf.cast(tf.clip_by_value(pixel, 0.0, length - 1), tf.int32)
            for pixel in (first, tf.minimum(first + 1, last))
        )
        return tuple(pixels), tuple(weights)

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> tuple:
        images, rois = input_shape
        return (images[0], rois[1], self.size, self.size, images[-1])

    def get_config(self) -> dict:
        return {**super().get_config(), "size": self.size, "context": self.context}
