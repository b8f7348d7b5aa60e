"""Detections: what is left of the scored boxes of all classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import tensorflow as tf
from tensorflow import keras

from keras_cnns._boxes import suppress_overlapping
from keras_cnns._checks import check_count, check_within

if TYPE_CHECKING:
    from keras_cnns._types import Shape


@keras.saving.register_keras_serializable("keras_cnns")
class Detections(keras.layers.Layer):
    """The best boxes of each class that overlap none better of it, the best over all.

    Args:
        iou_threshold: a box goes that overlaps a better one of its class by more; in
            [0, 1].
        min_score: scores must be above it.
        max_detections: of an image, over all classes.

    Input: list of scores ``(batch, R, K)`` of the foreground classes, boxes
    ``(batch, R, K, 4)``, one for each class, and valid ``(batch, R)``, bool, False for
    regions that are padding.
    Output: dict of ``boxes`` ``(batch, max_detections, 4)`` and ``scores``
    ``(batch, max_detections)``, float32 whatever the policy, by falling score;
    ``classes`` ``(batch, max_detections)``, int32 from 0; ``count`` ``(batch,)``,
    int32. Past the count, classes are -1 and the others 0. Scores and boxes that are
    not finite never win.

    Raises:
        ValueError: if an argument is something else.

    Source: Girshick, arXiv 1504.08083, section 2.2, and its code, which keeps 100
    detections of an image.
    """

    def __init__(
        self,
        iou_threshold: float = 0.3,
        min_score: float = 0.05,
        max_detections: int = 100,
        **kwargs,
    ) -> None:
        super().__init__(autocast=False, **kwargs)  # 16 bits are too few for boxes
        check_within("iou_threshold", iou_threshold, "[0, 1]")
        check_within("min_score", min_score, "(-inf, inf)")
        check_count("max_detections", max_detections)
        self.iou_threshold = iou_threshold
        self.min_score = min_score
        self.max_detections = max_detections

    def call(self, inputs: Sequence[tf.Tensor]) -> dict[str, tf.Tensor]:
        scores, boxes, valid = inputs
        scores, boxes = tf.cast(scores, tf.float32), tf.cast(boxes, tf.float32)
        scores = tf.where(tf.cast(valid, tf.bool)[..., None], scores, tf.float32.min)
        if not scores.shape[1]:  # perhaps none, which cannot be gathered from
            scores = tf.pad(
                scores, [[0, 0], [0, 1], [0, 0]], constant_values=tf.float32.min
            )
            boxes = tf.pad(boxes, [[0, 0], [0, 1], [0, 0], [0, 0]])
        shape, num_classes = tf.shape(scores), scores.shape[2]
        batch, available = shape[0], scores.shape[1] or shape[1]
        # Each class of each image is one list.
        scores = tf.reshape(tf.transpose(scores, [0, 2, 1]), [-1, available])
        boxes = tf.reshape(tf.transpose(boxes, [0, 2, 1, 3]), [-1, available, 4])
        kept, is_found = suppress_overlapping(
            boxes, scores, self.max_detections, self.iou_threshold, self.min_score
        )
        scores = tf.where(
            is_found, tf.gather(scores, kept, batch_dims=1), tf.float32.min
        )
        boxes = tf.gather(boxes, kept, batch_dims=1)
        scores = tf.reshape(scores, [batch, num_classes * self.max_detections])
        boxes = tf.reshape(boxes, [batch, num_classes * self.max_detections, 4])
        scores, order = tf.math.top_k(scores, self.max_detections)
        is_found = scores > self.min_score
        boxes = tf.gather(boxes, order, batch_dims=1)
        return {
            "boxes": tf.where(is_found[..., None], boxes, 0.0),
            "scores": tf.where(is_found, scores, 0.0),
            "classes": tf.where(is_found, order // self.max_detections, -1),
            "count": tf.reduce_sum(tf.cast(is_found, tf.int32), -1),
        }

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> dict[str, tuple]:
        batch, count = input_shape[0][0], self.max_detections
        return {
            "boxes": (batch, count, 4),
            "scores": (batch, count),
            "classes": (batch, count),
            "count": (batch,),
        }

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "iou_threshold": self.iou_threshold,
            "min_score": self.min_score,
            "max_detections": self.max_detections,
        }
