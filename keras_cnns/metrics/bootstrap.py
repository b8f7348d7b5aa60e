"""Confidence intervals of detection, by drawing the images anew."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_cnns import _progress
from keras_cnns._checks import check_choice, check_count, check_within
from keras_cnns.metrics.detection import INTERPOLATIONS, mean_of_known

if TYPE_CHECKING:
    from keras_cnns.metrics.detection import ClassMatches


def bootstrap_interval(
    matches: Sequence[ClassMatches],
    interpolation: str = "all-point",
    *,
    confidence: float = 0.95,
    num_resamples: int = 1000,
    seed: int = 0,
) -> tuple:
    """Interval of the mean average precision, by drawing the images anew.

    Images are drawn with replacement as often as there are images; the interval holds
    the middle part of the values so found.

    Args:
        matches: list of ``ClassMatches``, from ``match_detections``.
        interpolation: as of ``voc_average_precision``.
        confidence: part of the values within the interval, in (0, 1).
        num_resamples: how many times the images are drawn.
        seed: of the drawing.

    Returns:
        (lower, upper), NaN if there are no objects; drawings without objects are left
        out.

    Raises:
        ValueError: if an argument is bad.

    Source: Efron, "Bootstrap methods: another look at the jackknife", 1979, the
    percentile interval.
    """
    check_choice("interpolation", interpolation, INTERPOLATIONS)
    check_within("confidence", confidence, "(0, 1)")
    check_count("num_resamples", num_resamples)
    check_count("seed", seed, 0)
    random = np.random.default_rng(seed)
    num_images = len(matches[0].num_objects) if matches else 0
    values = []
    draws = range(num_resamples if num_images else 0)
    for _ in _progress.track(draws, "bootstrap"):
        drawn = random.integers(num_images, size=num_images)
        weights = np.bincount(drawn, minlength=num_images)
        values.append(
            mean_of_known(
                [m.average_precision(interpolation, weights) for m in matches]
            )
        )
    values = [v for v in values if not np.isnan(v)]
    if not values:
        return float("nan"), float("nan")
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
