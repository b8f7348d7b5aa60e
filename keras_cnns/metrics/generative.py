"""Scores of sets of generated examples against real ones.

All functions take NumPy arrays ``(count, dimension)``: the features of an
``keras_cnns.inference.Embedding``. Scores are comparable only for one embedding and
equal counts; ``keras_cnns.metrics.GenerativeReport`` keeps them with their protocol.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

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

# Rows of a chunk in the decomposition of features.
_CHUNK = 4096


def inception_score(probabilities: Array, num_splits: int = 1) -> tuple:
    """Inception Score: are predictions confident, and classes equally frequent?

    ``exp(mean_x KL(p(y|x) || p(y)))``, from 1 to the number of classes. It never sees a
    real image.

    Args:
        probabilities: ``(count, classes)``; rows sum to 1.
        num_splits: number of consecutive parts that are scored, of sizes that differ by
            one at most; part i of n starts at ``i * count // n``, as in the authors'
            code. Small parts score lower; images sorted by class need one part, or
            shuffling first.

    Returns:
        (mean over the parts, their standard deviation, None for one part).

    Raises:
        ValueError: if these are not probabilities, or there are fewer than two for each
            part.

    Source: Salimans et al., arXiv 1606.03498, section 4.
    """
    probabilities = check_vectors("probabilities", probabilities)
    sums = probabilities.sum(axis=1, dtype=np.float64)
    if probabilities.min() < 0 or np.abs(sums - 1).max() > 1e-3:
        raise ValueError(
            "probabilities must be at least 0 and sum to 1 in each row; the smallest "
            f"is {probabilities.min():.4g}, sums go from {sums.min():.4g} to "
            f"{sums.max():.4g}"
        )
    check_count("num_splits", num_splits)
    if 2 * num_splits > len(probabilities):
        raise ValueError(
            f"num_splits={num_splits} leaves fewer than two of the "
            f"{len(probabilities)} examples in a part"
        )
    starts = [i * len(probabilities) // num_splits for i in range(num_splits + 1)]
    scores = [_score(probabilities[a:b]) for a, b in zip(starts, starts[1:])]
    std = float(np.std(scores)) if num_splits > 1 else None
    return float(np.mean(scores)), std


def _score(probabilities):
    """exp(entropy of the mean - mean of the entropies)."""
    total, entropies = 0.0, 0.0
    for rows in row_blocks(*probabilities.shape):
        block = probabilities[rows].astype(np.float64)
        block /= block.sum(axis=1, keepdims=True)
        total += block.sum(axis=0)
        entropies += _entropy(block)
    count = len(probabilities)
    return np.exp(max(0.0, _entropy(total / count) - entropies / count))


def _entropy(probabilities):
    """Sum of -p log p over all values, with 0 log 0 = 0."""
    logarithms = np.log(np.where(probabilities > 0, probabilities, 1))
    return -(probabilities * logarithms).sum()


def frechet_distance(features_a: Array, features_b: Array) -> float:
    """Squared Frechet distance of the Gaussians with the features' means, covariances.

    ``|m_a - m_b|^2 + Tr(S_a + S_b - 2 (S_a S_b)^(1/2))`` with covariances over
    ``count - 1``; the FID where features are those of Inception. Biased upwards, about
    as 1 / count: sets must be of equal size to compare, and much larger than the
    dimension.

    The trace of the root is the sum of the singular values of ``R_a R_b^T``, where
    ``S = R^T R`` comes from a QR decomposition of the features themselves. No
    covariance is formed, so none needs to be inverted or of full rank.

    Args:
        features_a, features_b: ``(count, dimension)``; counts may differ.

    Returns:
        The distance, >= 0, in the features' unit squared.

    Raises:
        ValueError: if a set is bad, or dimensions differ.

    Source: Heusel et al., arXiv 1706.08500, section 3; Dowson and Landau, "The Frechet
    distance between multivariate normal distributions", 1982.
    """
    pair = check_pair("features_a", features_a, "features_b", features_b)
    means = [features.mean(axis=0, dtype=np.float64) for features in pair]
    root_a, root_b = map(_covariance_root, pair, means)
    traces = (root_a**2).sum() + (root_b**2).sum()
    shared = np.linalg.svd(root_a @ root_b.T, compute_uv=False).sum()
    between = ((means[0] - means[1]) ** 2).sum()
    return max(0.0, float(between + traces - 2 * shared))


def _covariance_root(features, mean):
    """R with ``R^T R`` the covariance, from features chunk by chunk."""
    root = np.empty((0, len(mean)))
    for start in range(0, len(features), _CHUNK):
        chunk = features[start : start + _CHUNK] - mean
        root = np.linalg.qr(np.concatenate([root, chunk]), mode="r")
    return root / np.sqrt(len(features) - 1)


def precision_recall(real: Array, generated: Array, num_neighbours: int = 3) -> tuple:
    """Fractions of generated examples that look real, and of real ones covered.

    A set's region is the union of balls around its members, each up to the member's
    k-th nearest other member. Precision is the fraction of generated vectors in the
    real region, recall that of real vectors in the generated region. Two
    sets of one distribution score below 1. Vectors nearer than a millionth
    of the largest one's length count as equal.

    Args:
        real, generated: ``(count, dimension)``; equally many, because a region shrinks
            as its set grows.
        num_neighbours: k; the paper takes 3.

    Returns:
        (precision, recall), each in [0, 1].

    Raises:
        ValueError: if a set is bad, dimensions or counts differ, or there are not more
            than ``num_neighbours`` vectors.

    Source: Kynkaanniemi et al., arXiv 1904.06991, section 2.
    """
    real, generated = check_pair("real", real, "generated", generated)
    if len(real) != len(generated):
        raise ValueError(
            "real and generated must hold as many vectors, got "
            f"{len(real)} and {len(generated)}"
        )
    check_count("num_neighbours", num_neighbours)
    if num_neighbours >= len(real):
        raise ValueError(
            f"num_neighbours={num_neighbours} needs more than {num_neighbours} "
            f"vectors, got {len(real)}"
        )
    real, generated = centred(real, generated)
    return (
        _fraction_inside(generated, real, num_neighbours),
        _fraction_inside(real, generated, num_neighbours),
    )


def _fraction_inside(points, members, num_neighbours):
    """Fraction of the points that lie in a ball around one of the members."""
    norms = squared_norms(members)
    slack = ROUNDING * max(norms.max(), squared_norms(points).max())
    radii = np.empty(len(members))
    for rows in row_blocks(len(members), len(members)):
        distances = squared_distances(members[rows], members, norms)
        own = np.arange(rows.start, rows.stop)
        distances[own - rows.start, own] = np.inf
        nearest = np.partition(distances, num_neighbours - 1, axis=1)
        radii[rows] = nearest[:, num_neighbours - 1]
    num_inside = 0
    for rows in row_blocks(len(points), len(members)):
        distances = squared_distances(points[rows], members, norms)
        num_inside += int((distances <= radii + slack).any(axis=1).sum())
    return num_inside / len(points)
