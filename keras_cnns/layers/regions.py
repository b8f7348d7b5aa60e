"""Regions as examples of a batch, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import tensorflow as tf
from tensorflow import keras

if TYPE_CHECKING:
    from keras_cnns._types import Shape


@keras.saving.register_keras_serializable("keras_cnns")
class FoldRegions(keras.layers.Layer):
    """Makes an example of each region, for layers that know nothing of regions.

    Input shape: ``(batch, R, ...)``; batch and R may be unknown.
    Output shape: ``(batch * R, ...)``, the regions of an image one after the other.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        sizes = tf.shape(inputs)[2:]
        return tf.ensure_shape(
            tf.reshape(inputs, tf.concat([[-1], sizes], 0)),
            self.compute_output_shape(inputs.shape),
        )

    def compute_output_shape(self, input_shape: Shape) -> tuple:
        batch, count, *rest = input_shape
        is_known = batch is not None and count is not None
        return (batch * count if is_known else None, *rest)


@keras.saving.register_keras_serializable("keras_cnns")
class UnfoldRegions(keras.layers.Layer):
    """Undoes ``FoldRegions``.

    Input: list of ``(batch * R, ...)`` and the regions ``(batch, R, 4)``, whose first
    two axes tell the batch's size and R.
    Output shape: ``(batch, R, ...)``.
    """

    def call(self, inputs: Sequence[tf.Tensor]) -> tf.Tensor:
        x, rois = inputs
        shape = tf.concat([tf.shape(rois)[:2], tf.shape(x)[1:]], 0)
        return tf.ensure_shape(
            tf.reshape(x, shape), self.compute_output_shape([x.shape, rois.shape])
        )

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> tuple:
        x, rois = input_shape
        return (*rois[:2], *x[1:])
