"""Log-likelihood under a Gaussian Parzen window of samples.

How Goodfellow et al. (arXiv 1406.2661, table 1) and Mirza and Osindero (1411.1784,
table 1) score generators without a density: a Gaussian is laid over every sample,
its width is chosen on validation data, and the mixture's log-likelihood of test data is
reported. The estimate varies much and says little in high dimensions; numbers compare
only with equal counts of samples, on pixels of the same range (there [0, 1]).
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
from absl import logging

from keras_cnns import _progress
from keras_cnns._checks import check_count
from keras_cnns.metrics._vectors import (
    centred,
    check_pair,
    check_vectors,
    squared_distances,
    squared_norms,
)

if TYPE_CHECKING:
    from keras_cnns._types import Array

_SIGMAS = np.logspace(-1, 0, 10)


@dataclasses.dataclass(frozen=True)
class ParzenEstimate:
    """Result of ``parzen_estimate``.

    Attributes:
        mean: mean log-likelihood of the test points, in nats.
        standard_error: of that mean over the test points; the scatter of the samples
            and of sigma is not in it.
        sigma: the width that was chosen.
        at_edge: whether it is the smallest or largest of the grid, so that a better one
            may lie outside.
        num_samples, num_validation, num_test: numbers of points.
    """

    mean: float
    standard_error: float
    sigma: float
    at_edge: bool
    num_samples: int
    num_validation: int
    num_test: int

    def to_json(self) -> dict:
        """The estimate as JSON values."""
        return dataclasses.asdict(self)


def parzen_log_likelihood(
    samples: Array, points: Array, sigma: float, batch_size: int = 256
) -> np.ndarray:
    """Log-density of points under a mixture of Gaussians around samples.

    ``log mean_j N(point; sample_j, sigma^2 I)``.

    Args:
        samples: centres ``(count, dimension)``.
        points: where to evaluate ``(points, dimension)``.
        sigma: standard deviation of each Gaussian, in the samples' unit; positive.
        batch_size: points per step; a step takes about ``16 * batch_size * count``
            bytes.

    Returns:
        ``(points,)`` float64, in nats.

    Raises:
        ValueError: if samples or points are bad, their dimensions differ, or sigma or
            ``batch_size`` is not positive.
    """
    samples, points = check_pair("samples", samples, "points", points, min_count=1)
    _check_sigmas([sigma], 1)
    return _log_likelihoods(samples, points, [sigma], batch_size)[0]


def cross_validated_sigma(
    samples: Array,
    validation: Array,
    sigmas: Array | None = None,
    batch_size: int = 256,
) -> tuple:
    """The width under which validation points are most likely.

    Args:
        samples: centres ``(count, dimension)``.
        validation: points ``(points, dimension)`` that are neither samples nor test.
        sigmas: at least three increasing widths to choose from; None: ten from 0.1 to
            1, evenly spaced on a log scale.
        batch_size: as in ``parzen_log_likelihood``.

    Returns:
        (sigma, whether it is the grid's smallest or largest, which is also logged as a
        warning).

    Raises:
        ValueError: if samples, points or widths are bad.
    """
    names = ("samples", "validation")
    samples, validation = check_pair(names[0], samples, names[1], validation, 1)
    sigmas = np.asarray(_SIGMAS if sigmas is None else sigmas, np.float64)
    _check_sigmas(sigmas, 3)
    means = _log_likelihoods(samples, validation, sigmas, batch_size).mean(axis=1)
    best = int(means.argmax())
    at_edge = best in (0, len(sigmas) - 1)
    if at_edge:
        logging.warning(
            "the best Parzen width, %.4g, is at the edge of the grid from %.4g to %.4g:"
            " a better one may lie outside",
            sigmas[best], sigmas[0], sigmas[-1],
        )  # fmt: skip
    return float(sigmas[best]), at_edge


def parzen_estimate(
    samples: Array,
    validation: Array,
    test: Array,
    sigmas: Array | None = None,
    batch_size: int = 256,
) -> ParzenEstimate:
    """Mean log-likelihood of test points, with the width chosen on validation points.

    The papers take 10,000 samples and pixels in [0, 1].

    Args:
        samples: of the generator, ``(count, dimension)``.
        validation, test: different real points ``(points, dimension)``.
        sigmas, batch_size: as in ``cross_validated_sigma``.

    Raises:
        ValueError: if an array is bad, dimensions differ, or there are fewer than two
            test points.
    """
    check_pair("samples", samples, "test", test, 1)
    test = check_vectors("test", test)
    sigma, at_edge = cross_validated_sigma(samples, validation, sigmas, batch_size)
    values = parzen_log_likelihood(samples, test, sigma, batch_size)
    return ParzenEstimate(
        mean=float(values.mean()),
        standard_error=float(values.std(ddof=1) / np.sqrt(len(values))),
        sigma=sigma,
        at_edge=at_edge,
        num_samples=len(samples),
        num_validation=len(validation),
        num_test=len(test),
    )


def _check_sigmas(sigmas, min_count):
    sigmas = np.asarray(sigmas)
    is_list = sigmas.ndim == 1 and sigmas.dtype.kind in "fiu"
    is_good = is_list and np.isfinite(sigmas).all() and (sigmas > 0).all()
    if not is_good or len(sigmas) < min_count or (np.diff(sigmas) <= 0).any():
        wanted = "positive"
        if min_count > 1:
            wanted = f"at least {min_count} positive numbers that increase"
        raise ValueError(f"sigma must be {wanted}, got {sigmas.tolist()!r}")


def _log_likelihoods(samples, points, sigmas, batch_size):
    """``(sigmas, points)``; distances are the same for all widths."""
    check_count("batch_size", batch_size)
    samples, points = centred(samples, points)
    norms = squared_norms(samples)
    dimension = samples.shape[1]
    values = np.empty((len(sigmas), len(points)))
    starts = range(0, len(points), batch_size)
    for start in _progress.track(starts, "Parzen windows"):
        chosen = slice(start, start + batch_size)
        distances = squared_distances(points[chosen], samples, norms)
        # The nearest sample's term is taken out of the sum, which is then >= 1.
        nearest = distances.min(axis=1)
        distances -= nearest[:, np.newaxis]
        for row, sigma in zip(values, sigmas):
            terms = np.exp(distances / (-2 * sigma**2)).mean(axis=1)
            row[chosen] = np.log(terms) - nearest / (2 * sigma**2)
            row[chosen] -= dimension * np.log(sigma * np.sqrt(2 * np.pi))
    return values
