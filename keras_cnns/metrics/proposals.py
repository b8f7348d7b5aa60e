"""Recall of proposals: which part of the objects have a box among the first ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_cnns._checks import check_choice, check_count
from keras_cnns.metrics._boxed_objects import (
    check_boxes,
    check_ground_truth,
    check_iou_threshold,
    pairwise_iou,
)

if TYPE_CHECKING:
    from keras_cnns._types import Array

MATCHINGS = ("one_to_one", "any")
# IoU 0.5, 0.55, … 0.95, each the number that is nearest to it.
_AVERAGED = np.arange(50, 100, 5) / 100


def best_overlaps(
    ground_truth: Sequence[dict],
    proposals: Sequence[Array],
    num_proposals: int,
    matching: str = "one_to_one",
) -> np.ndarray:
    """IoU of each object with its proposal.

    Args:
        ground_truth: list of dicts as of ``mean_average_precision``, of any classes;
            ignored objects and crowds are left out.
        proposals: boxes ``(n, 4)`` for each image, best first, as continuous
            (y1, x1, y2, x2); boxes without area, as in padding, find nothing.
        num_proposals: how many of an image's proposals are used.
        matching: ``"one_to_one"``: a proposal belongs to one object, pairs are formed
            from the best covered object on, as in the released code of Faster R-CNN;
            ``"any"``: an object's best proposal may be another one's too, so that no
            IoU is less.

    Returns:
        float64 ``(objects,)`` in [0, 1]; within an image in no particular order.

    Raises:
        ValueError: if an argument is bad; names the image.
    """
    check_count("num_proposals", num_proposals)
    check_choice("matching", matching, MATCHINGS)
    truths = check_ground_truth(ground_truth)
    if len(proposals) != len(truths):
        raise ValueError(
            f"proposals of {len(proposals)} images do not belong to the ground truth "
            f"of {len(truths)}"
        )
    overlaps = [np.zeros(0)]
    for index, (truth, boxes) in enumerate(zip(truths, proposals)):
        boxes = check_boxes(f"proposals[{index}]", boxes)[:num_proposals]
        objects = truth["boxes"][~truth["ignored"] & ~truth["crowd"]]
        table = pairwise_iou(boxes, objects)
        if matching == "one_to_one":
            overlaps.append(_one_to_one(table))
        else:
            overlaps.append(table.max(axis=0, initial=0))
    return np.concatenate(overlaps)


def _one_to_one(table):
    """Overlaps of pairs, the best first; 0 for objects that are left over."""
    overlaps = np.zeros(table.shape[1])
    for pair in range(min(table.shape)):
        row, column = np.unravel_index(table.argmax(), table.shape)
        overlaps[pair] = max(table[row, column], 0)
        table[row] = -1
        table[:, column] = -1
    return overlaps


def proposal_recall(
    ground_truth: Sequence[dict],
    proposals: Sequence[Array],
    num_proposals: int,
    *,
    iou_threshold: float = 0.5,
    matching: str = "one_to_one",
) -> float:
    """Part of the objects that a proposal overlaps by at least a threshold.

    Args:
        ground_truth, proposals, num_proposals, matching: as of ``best_overlaps``.
        iou_threshold: in (0, 1]; an IoU of exactly the threshold counts.

    Returns:
        Recall in [0, 1]; NaN if there are no objects.

    Raises:
        ValueError: if an argument is bad; names the image.
    """
    iou_threshold = check_iou_threshold(iou_threshold)
    overlaps = best_overlaps(ground_truth, proposals, num_proposals, matching)
    return float((overlaps >= iou_threshold).mean()) if overlaps.size else float("nan")


def average_recall(
    ground_truth: Sequence[dict],
    proposals: Sequence[Array],
    num_proposals: int,
    *,
    matching: str = "one_to_one",
) -> float:
    """Mean of the recall over the IoUs 0.5, 0.55, … 0.95.

    Args:
        ground_truth, proposals, num_proposals, matching: as of ``best_overlaps``.

    Returns:
        Average recall in [0, 1]; NaN if there are no objects.

    Raises:
        ValueError: if an argument is bad; names the image.

    Source: Hosang, Benenson, Dollár and Schiele, "What makes for effective detection
    proposals?", 2015, summed as in the released Python code of Faster R-CNN.
    """
    overlaps = best_overlaps(ground_truth, proposals, num_proposals, matching)
    if not overlaps.size:
        return float("nan")
    return float((overlaps[:, np.newaxis] >= _AVERAGED).mean())
