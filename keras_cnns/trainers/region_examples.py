"""Images as features of their regions, and which region is an example of what."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Callable, NamedTuple

import numpy as np
import tensorflow as tf

from keras_cnns import _boxes

_TOLERANCE = 0.01  # of the last regions to the boxes that they are, in pixels


class Method(NamedTuple):
    """What a paper takes for examples.

    Attributes:
        is_negative: from the largest IoU of a region with any object of a class.
        is_pair: from a region's IoU with the object that it overlaps most, whether box
            regression learns from it.
        is_thinned: whether of two negatives that overlap by more than 0.7 the first one
            alone is kept.
    """

    is_negative: Callable
    is_pair: Callable
    is_thinned: bool


METHODS = {
    "rcnn": Method(lambda iou: iou < 0.3, lambda iou: iou > 0.6, False),
    "sppnet": Method(lambda iou: iou <= 0.3, lambda iou: iou >= 0.5, True),
}
_THINNING_IOU = 0.7
# As graphs, which take a tenth of the time of their operations one by one
_LISTS = [tf.TensorSpec([None, 4]), tf.TensorSpec([None, 4])]


@tf.function(input_signature=_LISTS, autograph=False)
def _pairwise_iou(first, second):
    return _boxes.pairwise_iou(first, second)


@tf.function(input_signature=_LISTS, autograph=False)
def _encode_boxes(boxes, references):
    return _boxes.encode_boxes(boxes, references)


class RegionExample(NamedTuple):
    """The regions of an image, the last of which are the boxes of its objects.

    Attributes:
        features: ``(R, D)`` float32, what is classified.
        pooled: ``(R, F)`` float32, what boxes are regressed from.
        rois: ``(R, 4)`` float32, continuous boxes in pixels.
        boxes: ``(G, 4)`` float32, those of the objects.
        labels: ``(G,)`` whole numbers, the objects' classes from 0 on.
        ignored: ``(G,)`` bool, crowds and difficult objects: the regions that overlap
            them are examples of nothing.
    """

    features: np.ndarray
    pooled: np.ndarray
    rois: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    ignored: np.ndarray

    def object_rows(self, of: np.ndarray) -> np.ndarray:
        """What stands for the objects ``(G, ...)`` in ``features`` or ``pooled``."""
        return of[len(of) - len(self.boxes) :]


def checked_examples(
    examples: Callable[[], Iterator[dict]], num_classes: int
) -> Iterator[RegionExample]:
    """Yields what ``examples()`` yields as ``RegionExample``.

    Raises:
        ValueError: telling the number of the image, if it is not what
            ``fit_region_classifiers`` takes, or of other dimensions than the first.
    """
    sizes = None
    for number, given in enumerate(examples()):
        try:
            example = _checked(given, num_classes)
            sizes = sizes or _sizes(example)
            if _sizes(example) != sizes:
                raise ValueError(
                    f"dimensions of features and pooled must be {sizes} as in the "
                    f"first, got {_sizes(example)}"
                )
        except ValueError as error:
            raise ValueError(f"example {number}: {error}") from error
        yield example


def _sizes(example):
    return example.features.shape[1], example.pooled.shape[1]


def _checked(given, num_classes):
    missing = [name for name in RegionExample._fields if name not in given]
    if missing:
        raise ValueError(f"it has no {', '.join(missing)}")
    rows, count = len(given["rois"]), len(given["boxes"])
    example = RegionExample(
        features=_numbers("features", given["features"], (rows, None)),
        pooled=_numbers("pooled", given["pooled"], (rows, None)),
        rois=_numbers("rois", given["rois"], (rows, 4)),
        boxes=_numbers("boxes", given["boxes"], (count, 4)),
        labels=_shaped("labels", given["labels"], (count,), "iu"),
        ignored=_shaped("ignored", given["ignored"], (count,), "b"),
    )
    last = example.object_rows(example.rois)
    if last.shape != example.boxes.shape or not np.allclose(
        last, example.boxes, rtol=0, atol=_TOLERANCE
    ):
        raise ValueError(f"its last {count} rois must be its boxes")
    sides = example.boxes[:, 2:] - example.boxes[:, :2]
    if (sides <= 0).any():
        raise ValueError("each of its boxes must have a height and a width above 0")
    if count and not 0 <= example.labels.min() <= example.labels.max() < num_classes:
        raise ValueError(
            f"labels must be in [0, {num_classes}), got "
            f"{sorted({int(label) for label in example.labels})!r:.100}"
        )
    return example


def _numbers(name, values, shape):
    values = _shaped(name, values, shape, "fiu").astype(np.float32, copy=False)
    if not np.isfinite(values).all():
        raise ValueError(f"{name} must be finite, it holds NaN or infinity")
    return values


def _shaped(name, values, shape, kinds):
    values = np.asarray(values)
    fits = values.ndim == len(shape) and all(
        want is None and have or want == have for want, have in zip(shape, values.shape)
    )
    if not fits or (values.size and values.dtype.kind not in kinds):
        wanted = str(tuple("any" if n is None else n for n in shape)).replace("'", "")
        raise ValueError(
            f"{name} must be of shape {wanted}, got {values.dtype} of shape "
            f"{values.shape}"
        )
    return values if values.size else values.astype(bool if kinds == "b" else kinds[0])


def negatives(example: RegionExample, num_classes: int, method: Method) -> np.ndarray:
    """Which regions are negatives of each class.

    Boxes of objects of other classes are among them. Those that are ignored count as
    objects of every class; regions without area are not used.

    Returns:
        ``(R, num_classes)`` bool.
    """
    iou = _pairwise_iou(example.rois, example.boxes).numpy()
    overlaps = np.zeros((num_classes, len(iou)), np.float32)
    np.maximum.at(
        overlaps, example.labels, np.where(example.ignored, np.float32(0), iou).T
    )
    for_all = iou[:, example.ignored].max(axis=1, initial=0)
    is_negative = method.is_negative(np.maximum(overlaps, for_all)).T
    is_negative &= (example.rois[:, :2] < example.rois[:, 2:]).all(
        axis=1, keepdims=True
    )
    return _thinned(is_negative, example.rois) if method.is_thinned else is_negative


def _thinned(is_negative, rois):
    """Without those that overlap one that is kept and stands before them too much."""
    kept = is_negative.copy()
    close = np.triu(_pairwise_iou(rois, rois).numpy() > _THINNING_IOU, 1)
    for row in np.flatnonzero(close.any(axis=1)):
        kept[close[row]] &= ~kept[row]
    return kept


def pairs(example: RegionExample, method: Method) -> tuple:
    """Regions that box regression learns from: indices, their objects', and targets.

    A region goes with the object that it overlaps most, the first of several; those
    whose object is ignored are left out. The boxes of the objects are among them.

    Returns:
        ``(P,)``, ``(P,)`` and ``(P, 4)`` float32, the shifts and scalings to the
        objects.
    """
    if not len(example.boxes):
        return np.zeros(0, int), np.zeros(0, int), np.zeros((0, 4), np.float32)
    iou = _pairwise_iou(example.rois, example.boxes).numpy()
    best = iou.argmax(axis=1)
    is_pair = method.is_pair(iou.max(axis=1)) & ~example.ignored[best]
    rows = np.flatnonzero(is_pair)
    objects = best[rows]
    targets = _encode_boxes(example.boxes[objects], example.rois[rows])
    return rows, objects, targets.numpy()
