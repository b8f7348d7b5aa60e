"""Anchors: the boxes that a region proposal network starts from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf
from tensorflow import keras

from keras_cnns._checks import check_choice, check_count, check_positive

if TYPE_CHECKING:
    from keras_cnns._types import Shape

ANCHOR_STYLES = ("caffe", "centred")


def base_anchors(
    stride: int,
    sizes: Sequence[float],
    ratios: Sequence[float] = (0.5, 1.0, 2.0),
    style: str = "caffe",
) -> np.ndarray:
    """The anchors of the first cell of a map.

    Args:
        stride: pixels per cell.
        sizes: sides in pixels of the anchors of ratio 1.
        ratios: height over width.
        style: ``"caffe"``, about the centre of the cell; a box of one stride is given
            the ratio, rounded, and enlarged. ``"centred"``, about the upper left corner
            of the cell, of exact sides until the corners are rounded.

    Returns:
        float32 ``(ratios * sizes, 4)``, continuous boxes; sizes vary fastest.

    Raises:
        ValueError: if an argument is something else.

    Source: Ren et al., arXiv 1506.01497, section 3.1.1, and its code in Python, for
    ``"caffe"``; torchvision for ``"centred"``.
    """
    _check_anchors(stride, sizes, ratios, style)
    ratios, sizes = np.array(ratios, np.float64)[:, None], np.array(sizes, np.float64)
    if style == "caffe":
        widths = np.maximum(np.round(np.sqrt(stride**2 / ratios)), 1)
        heights = np.maximum(np.round(widths * ratios), 1)
        widths, heights = widths * sizes / stride, heights * sizes / stride
        corners = np.stack([-heights, -widths, heights, widths], -1) / 2 + stride / 2
    else:
        heights, widths = sizes * np.sqrt(ratios), sizes / np.sqrt(ratios)
        corners = np.round(np.stack([-heights, -widths, heights, widths], -1) / 2)
    return corners.reshape(-1, 4).astype(np.float32)


def _check_anchors(stride, sizes, ratios, style):
    check_count("stride", stride)
    check_choice("style", style, ANCHOR_STYLES)
    for name, values in (("sizes", sizes), ("ratios", ratios)):
        if not isinstance(values, (tuple, list)) or not values:
            raise ValueError(f"{name} must be positive numbers, got {values!r}")
        for value in values:
            check_positive(f"each of {name}={values!r}", value)


@keras.saving.register_keras_serializable("keras_cnns")
class Anchors(keras.layers.Layer):
    """The anchors of every cell of a map.

    Args:
        stride, sizes, ratios, style: as ``base_anchors`` takes them.

    Input shape: ``(batch, height, width, channels)``; height and width may be unknown.
    Output shape: ``(height * width * anchors, 4)``, float32 whatever the policy,
    continuous boxes in pixels by row, column and anchor; some reach out of the image.

    Raises:
        ValueError: as ``base_anchors``.
    """

    def __init__(
        self,
        stride: int,
        sizes: Sequence[float],
        ratios: Sequence[float] = (0.5, 1.0, 2.0),
        style: str = "caffe",
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self._base = base_anchors(stride, sizes, ratios, style)
        self.stride = stride
        self.sizes = tuple(sizes)
        self.ratios = tuple(ratios)
        self.style = style

    @property
    def num_anchors(self) -> int:
        """How many anchors a cell has."""
        return len(self._base)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        height, width = (inputs.shape[i] or tf.shape(inputs)[i] for i in (1, 2))
        rows = tf.cast(tf.range(height) * self.stride, tf.float32)
        columns = tf.cast(tf.range(width) * self.stride, tf.float32)
        y, x = tf.meshgrid(rows, columns, indexing="ij")
        shifts = tf.stack([y, x, y, x], -1)[:, :, None]
        return tf.reshape(shifts + self._base, [-1, 4])

    def compute_output_shape(self, input_shape: Shape) -> tuple:
        height, width = input_shape[1:3]
        is_known = height is not None and width is not None
        return (height * width * self.num_anchors if is_known else None, 4)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "stride": self.stride,
            "sizes": self.sizes,
            "ratios": self.ratios,
            "style": self.style,
        }
