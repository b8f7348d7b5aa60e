"""Average precision of detections as the VOC challenge measures it.

Ground truth is a list with a dict for each image: ``boxes`` ``(n, 4)`` as continuous
(y1, x1, y2, x2) in pixels, ``labels`` ``(n,)`` from 0, and where there are such
``ignored`` ``(n,)`` bool (VOC's difficult objects). Detections are a list with a dict
for each image: ``boxes``, ``scores`` ``(n,)`` and ``classes`` ``(n,)``. Rows of label
or class -1 are padding.

Three decisions. Thresholds of recall are the exact fractions i/10 and i/100, so that 3
of 10 objects reach a recall of 0.3; in the released Python code, which adds up 0.1,
they do not, and 11-point values are lower by 1/11 at most. Detections of equal score
stay in their order. Overlaps are those of continuous boxes, which equal VOC's inclusive
ones where both kinds of boxes have been made continuous.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_cnns._checks import check_choice, check_count
from keras_cnns.metrics._boxed_objects import (
    check_detections,
    check_ground_truth,
    check_iou_threshold,
    pairwise_iou,
)

if TYPE_CHECKING:
    from keras_cnns._types import Array

INTERPOLATIONS = ("11-point", "101-point", "all-point")
_THRESHOLDS = {
    "11-point": np.arange(11) / 10,
    "101-point": np.arange(101) / 100,
}
_FALSE, _TRUE, _IGNORED = 0, 1, -1


@dataclasses.dataclass(frozen=True)
class ClassMatches:
    """What the detections of one class are, best first.

    Attributes:
        scores: ``(detections,)``, descending.
        outcomes: ``(detections,)``: 1 for a found object, 0 for a false detection, -1
            for one that does not count.
        images: ``(detections,)``, positions of their images.
        num_objects: ``(images,)``, objects that are to be found in each image.
        num_ignored: ``(images,)``, the other ones.
    """

    scores: np.ndarray
    outcomes: np.ndarray
    images: np.ndarray
    num_objects: np.ndarray
    num_ignored: np.ndarray

    def curve(self, image_weights: np.ndarray | None = None) -> tuple:
        """Recall and precision down to each detection that counts, best first.

        Args:
            image_weights: ``(images,)``, how often each image is there; None: once.

        Returns:
            (recall, precision), float64 ``(detections,)``; recall is NaN where there
            are no objects.
        """
        kept = self.outcomes != _IGNORED
        outcomes, weights, total = self.outcomes[kept], 1, self.num_objects.sum()
        if image_weights is not None:
            weights = image_weights[self.images[kept]]
            total = self.num_objects @ image_weights
        found = np.cumsum(weights * (outcomes == _TRUE))
        wrong = np.cumsum(weights * (outcomes == _FALSE))
        recall = found / total if total else np.full(len(found), np.nan)
        return recall, found / np.maximum(found + wrong, 1)

    def average_precision(
        self, interpolation: str = "all-point", image_weights: np.ndarray | None = None
    ) -> float:
        """``average_precision`` of this class; NaN where there are no objects."""
        recall, precision = self.curve(image_weights)
        weights = 1 if image_weights is None else image_weights
        if not (self.num_objects * weights).sum():
            return float("nan")
        return average_precision(recall, precision, interpolation)


@dataclasses.dataclass(frozen=True)
class MeanAveragePrecision:
    """Mean of the classes' average precision, with the protocol that it depends on.

    Attributes:
        value: mean over the classes that have objects; NaN if none has.
        per_class: by class, NaN where a class has no objects.
        protocol: how it was computed, JSON values.
    """

    value: float
    per_class: tuple
    protocol: dict


def average_precision(
    recall: Array, precision: Array, interpolation: str = "all-point"
) -> float:
    """Average of a precision-recall curve in which precision never rises.

    The precision at a recall is the highest one at that or a higher recall, 0 beyond
    the last.

    Args:
        recall: ``(detections,)`` in [0, 1], rising.
        precision: ``(detections,)`` in [0, 1].
        interpolation: ``"all-point"``: the area under the curve; ``"11-point"`` or
            ``"101-point"``: the mean at recall 0, 0.1, … 1 or 0, 0.01, … 1.

    Returns:
        Average precision in [0, 1].

    Raises:
        ValueError: if the interpolation is unknown or shapes differ.

    Source: Everingham et al., "The PASCAL Visual Object Classes Challenge: a
    retrospective", IJCV 2015, and its development kits of 2007 and 2010.
    """
    check_choice("interpolation", interpolation, INTERPOLATIONS)
    recall, precision = np.asarray(recall, float), np.asarray(precision, float)
    if recall.ndim != 1 or recall.shape != precision.shape:
        raise ValueError(
            "recall and precision must be lists of equal length, got shapes "
            f"{recall.shape} and {precision.shape}"
        )
    highest = np.maximum.accumulate(precision[::-1])[::-1]
    if interpolation == "all-point":
        return float(np.diff(recall, prepend=0) @ highest)
    thresholds = _THRESHOLDS[interpolation]
    reached = np.searchsorted(recall, thresholds)
    return float(np.append(highest, 0)[reached].mean())


def match_detections(
    ground_truth: Sequence[dict],
    detections: Sequence[dict],
    num_classes: int,
    iou_threshold: float = 0.5,
) -> list:
    """Says of each detection whether it finds an object, class by class.

    A detection belongs to the object of its class that it overlaps most, ignored ones
    included. If their IoU exceeds the threshold, it does not count where the object is
    ignored, has found it where no detection of higher score has, and is false
    otherwise, as it is below the threshold.

    Args:
        ground_truth, detections: lists of dicts, see this module; crowds are ignored
            objects here.
        num_classes: number of classes.
        iou_threshold: in (0, 1]; an IoU of exactly the threshold is no match.

    Returns:
        List of ``ClassMatches``, one for each class.

    Raises:
        ValueError: if an argument is bad; names the image.
    """
    check_count("num_classes", num_classes)
    iou_threshold = check_iou_threshold(iou_threshold)
    truths = check_ground_truth(ground_truth, num_classes)
    detections = check_detections(detections, len(truths), num_classes)
    return [
        _match_class(truths, detections, label, iou_threshold)
        for label in range(num_classes)
    ]


def _match_class(truths, detections, label, iou_threshold):
    """All images' detections of one class together, best first."""
    parts = [(np.zeros(0), np.zeros(0, int), np.zeros(0, int))]
    for index, (truth, detected) in enumerate(zip(truths, detections)):
        if label in detected["classes"]:
            scores, outcomes = _match_image(truth, detected, label, iou_threshold)
            parts.append((scores, outcomes, np.full(len(scores), index)))
    scores, outcomes, images = map(np.concatenate, zip(*parts))
    order = np.argsort(-scores, kind="stable")
    left_out = [(t["ignored"] | t["crowd"])[t["labels"] == label] for t in truths]
    return ClassMatches(
        scores=scores[order],
        outcomes=outcomes[order],
        images=images[order],
        num_objects=np.array([np.sum(~flags) for flags in left_out], int),
        num_ignored=np.array([np.sum(flags) for flags in left_out], int),
    )


def _match_image(truth, detected, label, iou_threshold):
    """Scores and outcomes of an image's detections of one class, best first."""
    chosen = np.flatnonzero(detected["classes"] == label)
    chosen = chosen[np.argsort(-detected["scores"][chosen], kind="stable")]
    scores = detected["scores"][chosen]
    outcomes = np.full(len(chosen), _FALSE)
    objects = np.flatnonzero(truth["labels"] == label)
    if len(objects):
        overlaps = pairwise_iou(detected["boxes"][chosen], truth["boxes"][objects])
        nearest = overlaps.argmax(axis=1)
        matched = np.flatnonzero(overlaps.max(axis=1) > iou_threshold)
        _, first = np.unique(nearest[matched], return_index=True)
        outcomes[matched[first]] = _TRUE
        ignored = (truth["ignored"] | truth["crowd"])[objects]
        outcomes[matched[ignored[nearest[matched]]]] = _IGNORED
    return scores, outcomes


def voc_average_precision(
    ground_truth: Sequence[dict],
    detections: Sequence[dict],
    label: int,
    *,
    iou_threshold: float = 0.5,
    interpolation: str = "all-point",
) -> float:
    """Average precision of one class.

    Args:
        ground_truth, detections: lists of dicts, see this module.
        label: the class, from 0.
        iou_threshold: as of ``match_detections``.
        interpolation: ``"11-point"`` (VOC 2007), ``"all-point"`` (VOC 2010 and later)
            or ``"101-point"``.

    Returns:
        Average precision in [0, 1]; NaN if there are no objects of the class.

    Raises:
        ValueError: if an argument is bad; names the image.
    """
    check_count("label", label, 0)
    check_choice("interpolation", interpolation, INTERPOLATIONS)
    iou_threshold = check_iou_threshold(iou_threshold)
    truths = check_ground_truth(ground_truth)
    detections = check_detections(detections, len(truths))
    matches = _match_class(truths, detections, label, iou_threshold)
    return matches.average_precision(interpolation)


def mean_average_precision(
    ground_truth: Sequence[dict],
    detections: Sequence[dict],
    num_classes: int,
    *,
    iou_threshold: float = 0.5,
    interpolation: str = "all-point",
) -> MeanAveragePrecision:
    """Mean over classes of the average precision.

    Args:
        ground_truth, detections: lists of dicts, see this module.
        num_classes: number of classes.
        iou_threshold, interpolation: as of ``voc_average_precision``.

    Returns:
        ``MeanAveragePrecision``; classes without objects are not in the mean.

    Raises:
        ValueError: if an argument is bad; names the image.
    """
    check_choice("interpolation", interpolation, INTERPOLATIONS)
    matches = match_detections(ground_truth, detections, num_classes, iou_threshold)
    return mean_of_matches(matches, iou_threshold, interpolation)


def mean_of_matches(
    matches: Sequence[ClassMatches],
    iou_threshold: float,
    interpolation: str = "all-point",
) -> MeanAveragePrecision:
    """``mean_average_precision`` of what ``match_detections`` returned.

    Args:
        matches: list of ``ClassMatches``.
        iou_threshold: that they were made with.
        interpolation: as of ``voc_average_precision``.
    """
    values = [m.average_precision(interpolation) for m in matches]
    protocol = {
        "metric": "VOC average precision",
        "interpolation": interpolation,
        "match": f"IoU > {iou_threshold:g}",
        "recall_thresholds": "exact",
        "ignored_objects": "neither found nor missed",
        "num_images": len(matches[0].num_objects),
        "num_classes": len(matches),
    }
    return MeanAveragePrecision(mean_of_known(values), tuple(values), protocol)


def mean_of_known(values: Iterable[float]) -> float:
    """Mean of numbers that are not NaN; NaN if there are none."""
    values = [v for v in values if not np.isnan(v)]
    return float(np.mean(values)) if values else float("nan")
