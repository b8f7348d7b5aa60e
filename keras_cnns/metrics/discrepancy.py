"""Maximum mean discrepancy: do two sets of features come from one distribution?

All functions take NumPy arrays ``(count, dimension)``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_cnns import _progress
from keras_cnns._checks import check_count
from keras_cnns.metrics._vectors import (
    ROUNDING,
    centred,
    check_pair,
    check_vectors,
    row_blocks,
    squared_distances,
    squared_norms,
)

if TYPE_CHECKING:
    from keras_cnns._types import Array

# Vectors of which the median distance is taken.
_MEDIAN_VECTORS = 2000


@dataclasses.dataclass(frozen=True)
class KernelDistance:
    """Result of ``kernel_distance``.

    Attributes:
        mean: over the subsets; unbiased, so that it may be negative.
        std: standard deviation over the subsets, None for one subset. Some libraries
            print it beside the mean; it depends on the subset size more than on the
            error of the mean.
        standard_error: of the mean, by the delete-d jackknife, None where a subset
            takes a whole set. Up to a few times too large where both sets come from one
            distribution.
    """

    mean: float
    std: float | None
    standard_error: float | None


def kernel_distance(
    features_a: Array,
    features_b: Array,
    subset_size: int = 1000,
    num_subsets: int = 100,
    seed: int = 0,
) -> KernelDistance:
    """Kernel distance (KID): squared MMD with the kernel ``(x.y / dimension + 1)^3``.

    The unbiased estimate, averaged over subsets drawn without replacement, is
    comparable across counts, unlike the Frechet distance.

    The standard deviation over subsets of m vectors, drawn from n, becomes the error of
    the estimate from all n by the factor ``sqrt(m / (n - m))``, to which the drawing
    adds ``1 / sqrt(num_subsets)`` in quadrature; n is the count of the smaller set.

    Args:
        features_a, features_b: ``(count, dimension)``; counts may differ.
        subset_size: vectors of each set in a subset.
        num_subsets: how many subsets are drawn.
        seed: of the drawing.

    Raises:
        ValueError: if a set is bad, dimensions differ, or a subset is larger than a
            set or has fewer than two vectors.

    Source: Binkowski et al., arXiv 1801.01401, section 4; the jackknife: Shao and Wu,
    "A general theory for jackknife variance estimation", 1989.
    """
    pair = check_pair("features_a", features_a, "features_b", features_b)
    check_count("subset_size", subset_size, 2)
    check_count("num_subsets", num_subsets)
    smaller = min(map(len, pair))
    if subset_size > smaller:
        raise ValueError(
            f"subset_size={subset_size} is larger than the smaller set, of {smaller} "
            f"vectors; {max(2, smaller // 2)} would leave room for an error estimate"
        )
    random = np.random.default_rng(seed)
    values = []
    for _ in _progress.track(range(num_subsets), "kernel distance"):
        subsets = [
            features[random.choice(len(features), subset_size, replace=False)]
            for features in pair
        ]
        values.append(_cubic_discrepancy(*(s.astype(np.float64) for s in subsets)))
    std = error = None
    if num_subsets > 1:
        std = float(np.std(values, ddof=1))
    if num_subsets > 1 and subset_size < smaller:
        fraction = subset_size / (smaller - subset_size) + 1 / num_subsets
        error = std * fraction**0.5
    return KernelDistance(float(np.mean(values)), std, error)


def _cubic_discrepancy(a, b):
    """Unbiased squared MMD of two sets with the polynomial kernel of degree 3."""

    def kernel(x, y):
        base = x @ y.T / x.shape[1] + 1
        return base * base * base  # several times faster than base**3

    within = (kernel(a, a), kernel(b, b))
    sums = (matrix.sum() - np.trace(matrix) for matrix in within)
    return _discrepancy(*sums, kernel(a, b).sum(), len(a), len(b))


def _discrepancy(sum_a, sum_b, sum_ab, num_a, num_b):
    """Unbiased squared MMD from kernel sums over pairs of different vectors."""
    within = sum_a / (num_a * (num_a - 1)) + sum_b / (num_b * (num_b - 1))
    return within - 2 * sum_ab / (num_a * num_b)


def median_distance(features: Array) -> float:
    """Median Euclidean distance of pairs, the usual width of a radial kernel.

    Args:
        features: ``(count, dimension)``; of more than 2,000, as many at even distances
            in the order are taken.

    Raises:
        ValueError: if the set is bad, or half of the pairs are equal.
    """
    features = check_vectors("features", features)
    count = min(len(features), _MEDIAN_VECTORS)
    chosen = features[np.linspace(0, len(features) - 1, count).astype(int)]
    chosen, _ = centred(chosen, chosen)
    distances = squared_distances(chosen, chosen, squared_norms(chosen))
    median = np.median(distances[np.triu_indices(count, 1)])
    if median <= ROUNDING * squared_norms(chosen).max():
        raise ValueError(
            f"the median distance of {len(features)} vectors is 0: half of the pairs "
            "are equal; give the width of the kernel"
        )
    return float(np.sqrt(median))


def mmd_rbf(
    features_a: Array, features_b: Array, scales: float | Sequence[float] | None = None
) -> float:
    """Unbiased squared MMD with radial kernels ``exp(-|x - y|^2 / (2 scale^2))``.

    Args:
        features_a, features_b: ``(count, dimension)``; counts may differ.
        scales: widths of the kernels, whose sum is taken, or one width; None: the
            median distance of all vectors of both sets.

    Returns:
        The estimate from all pairs; it may be negative.

    Raises:
        ValueError: if a set or a width is bad, or dimensions differ.

    Source: Gretton et al., "A kernel two-sample test", JMLR 13, 2012, lemma 6.
    """
    a, b = check_pair("features_a", features_a, "features_b", features_b)
    if scales is None:
        scales = median_distance(np.concatenate([a, b]))
    widths = np.atleast_1d(np.asarray(scales, np.float64))
    is_good = widths.ndim == 1 and np.isfinite(widths).all() and (widths > 0).all()
    if not is_good or not len(widths):
        raise ValueError(f"scales must be positive numbers, got {scales!r}")
    a, b = centred(a, b)
    sum_a, sum_b = (
        _radial_sum(x, x, widths) - len(x) * len(widths)  # less each with itself
        for x in (a, b)
    )
    return float(_discrepancy(sum_a, sum_b, _radial_sum(a, b, widths), len(a), len(b)))


def _radial_sum(a, b, widths):
    """Sum of all widths' kernels over all pairs."""
    norms = squared_norms(b)
    total = 0.0
    for rows in row_blocks(len(a), len(b)):
        distances = squared_distances(a[rows], b, norms)
        total += sum(np.exp(distances / (-2 * width**2)).sum() for width in widths)
    return total
