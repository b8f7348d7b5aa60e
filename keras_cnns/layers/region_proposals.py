"""The regions that a region proposal network proposes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import tensorflow as tf
from tensorflow import keras

from keras_cnns._boxes import clip_boxes, decode_boxes, suppress_overlapping
from keras_cnns._checks import check_count, check_within

if TYPE_CHECKING:
    from keras_cnns._types import Shape


@keras.saving.register_keras_serializable("keras_cnns")
class RegionProposals(keras.layers.Layer):
    """The best anchors, moved as their regression says, without near duplicates.

    Boxes are decoded and clipped to their image; those with a side below ``min_size``
    or with a score or a coordinate that is not finite are dropped; of the best
    ``pre_nms`` that are left, those that overlap a better one are dropped too. Nothing
    of it has a gradient.

    Args:
        pre_nms: how many boxes go into non-maximum suppression at most: in training,
            and else.
        post_nms: how many come out of it at most: in training, and else.
        iou_threshold: a box goes that overlaps a better one by more; in [0, 1].
        min_size: least height and width in pixels of the image as the network sees it.

    Input: list of objectness ``(batch, N, 2)``, logits of background and object; deltas
    ``(batch, N, 4)`` as ``encode_boxes`` makes them, not normalised; anchors
    ``(N, 4)``; sizes ``(batch, 2)``, height and width of the images in pixels.
    Output: list of regions ``(batch, P, 4)``, by falling score, and probabilities
    ``(batch, P)`` of objects, float32 whatever the policy, zeros where there are no
    more; P is the smaller of ``post_nms`` and N.

    Raises:
        ValueError: if an argument is something else.

    Source: Ren et al., arXiv 1506.01497, sections 3.1 and 3.3, and its code in Python.
    """

    def __init__(
        self,
        pre_nms: tuple[int, int] = (12000, 6000),
        post_nms: tuple[int, int] = (2000, 300),
        iou_threshold: float = 0.7,
        min_size: float = 16.0,
        **kwargs,
    ) -> None:
        super().__init__(autocast=False, **kwargs)  # 16 bits are too few for boxes
        for name, pair in (("pre_nms", pre_nms), ("post_nms", post_nms)):
            if not isinstance(pair, (tuple, list)) or len(pair) != 2:
                raise ValueError(f"{name} must be two whole numbers, got {pair!r}")
            for count in pair:
                check_count(f"each of {name}={pair!r}", count)
        check_within("iou_threshold", iou_threshold, "[0, 1]")
        check_within("min_size", min_size, "[0, inf)")
        self.pre_nms = tuple(pre_nms)
        self.post_nms = tuple(post_nms)
        self.iou_threshold = iou_threshold
        self.min_size = min_size

    def call(
        self, inputs: Sequence[tf.Tensor], training: bool | None = None
    ) -> list[tf.Tensor]:
        objectness, deltas, anchors, sizes = map(tf.stop_gradient, inputs)
        boxes = clip_boxes(decode_boxes(deltas, anchors), sizes)
        # Probabilities of 1 could not be told apart.
        logits = tf.cast(objectness, tf.float32)
        margins = logits[..., 1] - logits[..., 0]
        sides = boxes[..., 2:] - boxes[..., :2]
        is_large = tf.reduce_all((sides >= self.min_size) & (sides > 0), -1)
        is_good = is_large & tf.math.is_finite(margins)
        margins = tf.where(is_good, margins, tf.float32.min)
        place = 0 if training else 1
        available = boxes.shape[1] or tf.shape(boxes)[1]
        margins, order = tf.math.top_k(margins, _least(self.pre_nms[place], available))
        boxes = tf.gather(boxes, order, batch_dims=1)
        kept, is_found = suppress_overlapping(
            boxes, margins, _least(self.post_nms[place], available), self.iou_threshold
        )
        boxes, margins = (tf.gather(x, kept, batch_dims=1) for x in (boxes, margins))
        rois = tf.where(is_found[..., None], boxes, 0.0)
        scores = tf.where(is_found, tf.sigmoid(margins), 0.0)
        return [rois, scores]

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> list[tuple]:
        (batch, available), counts = input_shape[0][:2], set(self.post_nms)
        count = None
        if available is not None:
            counts = {min(each, available) for each in counts}
            count = counts.pop() if len(counts) == 1 else None
        return [(batch, count, 4), (batch, count)]

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "pre_nms": self.pre_nms,
            "post_nms": self.post_nms,
            "iou_threshold": self.iou_threshold,
            "min_size": self.min_size,
        }


def _least(limit, count):
    """The smaller one, an int where both are."""
    return min(limit, count) if isinstance(count, int) else tf.minimum(limit, count)
