"""Maximum mean discrepancies against double loops and formulas for normals."""

import itertools

import numpy as np
import pytest
from scipy.spatial import distance
from sklearn.metrics import pairwise

from keras_cnns import metrics


def _normal(count, dimension, seed, mean=0.0, deviation=1.0):
    random = np.random.default_rng(seed)
    return random.normal(mean, deviation, (count, dimension))


def _plain_discrepancy(a, b, kernel):
    """The unbiased estimate, one pair after the other."""
    within = [
        np.mean([kernel(x, y) for x, y in itertools.permutations(vectors, 2)])
        for vectors in (a, b)
    ]
    between = np.mean([kernel(x, y) for x in a for y in b])
    return sum(within) - 2 * between


def test_kernel_distance_against_a_double_loop():
    a, b = _normal(20, 5, 0), _normal(20, 5, 1, 0.3, 1.4)
    expected = _plain_discrepancy(a, b, lambda x, y: (x @ y / 5 + 1) ** 3)
    found = metrics.kernel_distance(a, b, subset_size=20, num_subsets=1)
    assert found.mean == pytest.approx(expected, rel=1e-9)
    assert found.std is None and found.standard_error is None
    # Every subset of all vectors is the same.
    found = metrics.kernel_distance(a, b, subset_size=20, num_subsets=4)
    assert found.mean == pytest.approx(expected, rel=1e-9)
    assert found.std == pytest.approx(0, abs=1e-12)
    assert found.standard_error is None


def test_kernel_distance_averages_over_subsets():
    """Over many subsets it comes near to the estimate from all vectors."""
    a, b = _normal(120, 6, 0), _normal(100, 6, 1, 0.5)

    def total(x, y):
        return pairwise.polynomial_kernel(x, y, degree=3, gamma=1 / 6, coef0=1).sum()

    def own(x):
        return ((x**2).sum(1) / 6 + 1) ** 3

    expected = (total(a, a) - own(a).sum()) / (120 * 119)
    expected += (total(b, b) - own(b).sum()) / (100 * 99)
    expected -= 2 * total(a, b) / (120 * 100)
    found = metrics.kernel_distance(a, b, subset_size=50, num_subsets=1000)
    assert abs(found.mean - expected) < 3 * found.std / np.sqrt(1000)
    fraction = 50 / (100 - 50) + 1 / 1000
    assert found.standard_error == pytest.approx(found.std * fraction**0.5)


def test_kernel_distance_of_equal_normals_is_near_zero():
    """64-d N(0, I) twice, n = 1000: the mean of repetitions is below 0.001."""
    values = [
        metrics.kernel_distance(
            _normal(1000, 64, seed), _normal(1000, 64, 100 + seed), 1000, 1
        ).mean
        for seed in range(5)
    ]
    assert abs(np.mean(values)) < 1e-3
    assert min(values) < 0  # unbiased, so some are


def test_kernel_distance_does_not_hang_on_the_count():
    near = [
        metrics.kernel_distance(
            _normal(count, 16, 0), _normal(count, 16, 1, 0.5), count // 2, 10
        ).mean
        for count in (400, 4000)
    ]
    assert near[0] == pytest.approx(near[1], rel=0.2)


def test_standard_error_is_that_of_repetitions():
    """Sixty pairs of sets scatter as each single one says, within a factor of two."""
    found = [
        metrics.kernel_distance(
            _normal(300, 4, 2 * seed), _normal(300, 4, 2 * seed + 1, 0.5), 100, 50, seed
        )
        for seed in range(60)
    ]
    scatter = np.std([x.mean for x in found], ddof=1)
    assert 0.5 < np.mean([x.standard_error for x in found]) / scatter < 2


def test_seed_decides_which_subsets_are_drawn():
    a, b = _normal(60, 3, 0), _normal(60, 3, 1)
    one, again, other = (
        metrics.kernel_distance(a, b, 20, 5, seed) for seed in (1, 1, 2)
    )
    assert one == again != other


@pytest.mark.parametrize("scales", [0.8, [0.5, 2.0, 7.0]])
def test_radial_discrepancy_against_a_double_loop(scales):
    a, b = _normal(15, 4, 0), _normal(12, 4, 1, 0.5)

    def kernel(x, y):
        return sum(
            np.exp(-((x - y) ** 2).sum() / (2 * scale**2))
            for scale in np.atleast_1d(scales)
        )

    expected = _plain_discrepancy(a, b, kernel)
    assert metrics.mmd_rbf(a, b, scales) == pytest.approx(expected, rel=1e-9)
    moved = metrics.mmd_rbf(a + 1e4, b + 1e4, scales)
    assert moved == pytest.approx(expected, rel=1e-6)


def test_radial_discrepancy_against_scikit_learn():
    """Sets that take several blocks, and the median of both together."""
    a, b = _normal(3000, 8, 0), _normal(2500, 8, 1, 0.4)
    scale = np.median(distance.pdist(np.concatenate([a, b])))
    gamma = 1 / (2 * scale**2)
    aa, bb, ab = (
        pairwise.rbf_kernel(x, y, gamma).sum() for x, y in ((a, a), (b, b), (a, b))
    )
    expected = (aa - 3000) / (3000 * 2999) + (bb - 2500) / (2500 * 2499)
    expected -= 2 * ab / (3000 * 2500)
    assert metrics.mmd_rbf(a, b, scale) == pytest.approx(expected, rel=1e-8)
    assert metrics.mmd_rbf(a, b) == pytest.approx(expected, rel=0.05)


def test_radial_discrepancy_of_normals_against_the_formula():
    """X - Y ~ N(m, 2I): E k = (s^2 / (s^2 + 2))^(d/2) exp(-|m|^2 / (2 s^2 + 4))."""
    scale, shift, dimension = 1.5, 0.5, 3
    factor = (scale**2 / (scale**2 + 2)) ** (dimension / 2)
    overlap = np.exp(-dimension * shift**2 / (2 * (scale**2 + 2)))
    expected = 2 * factor * (1 - overlap)
    a, b = _normal(6000, 3, 0), _normal(6000, 3, 1, shift)
    assert metrics.mmd_rbf(a, b, scale) == pytest.approx(expected, rel=0.1)
    assert abs(metrics.mmd_rbf(a, _normal(6000, 3, 2), scale)) < 0.03 * expected


def test_median_distance_against_scipy():
    vectors = _normal(301, 7, 0, 50.0)
    expected = np.median(distance.pdist(vectors))
    assert metrics.median_distance(vectors) == pytest.approx(expected, rel=1e-9)
    many = _normal(9000, 7, 0)
    expected = np.median(distance.pdist(many[:3000]))
    assert metrics.median_distance(many) == pytest.approx(expected, rel=0.02)


def test_bad_input():
    a = _normal(10, 3, 0)
    with pytest.raises(ValueError, match="subset_size=11 is larger .* of 10 vectors"):
        metrics.kernel_distance(a, _normal(20, 3, 1), subset_size=11)
    for name, value in [("subset_size", 1), ("subset_size", 2.5), ("num_subsets", 0)]:
        with pytest.raises(ValueError, match=f"{name} must be a whole .* got {value}"):
            metrics.kernel_distance(a, a, **{"subset_size": 5, name: value})
    for score in (metrics.kernel_distance, metrics.mmd_rbf):
        with pytest.raises(ValueError, match="same dimension, got 3 and 2"):
            score(a, a[:, :2])
        with pytest.raises(ValueError, match="at least 2 vectors, got 1"):
            score(a[:1], a)
        with pytest.raises(ValueError, match="10 of 10 vectors hold NaN"):
            score(a, a * np.nan)
    for scales in (0, [1, -1], [], [[1]], np.nan, np.inf):
        with pytest.raises(ValueError, match="scales must be positive"):
            metrics.mmd_rbf(a, a, scales)
    with pytest.raises(ValueError, match="median distance of 6 vectors is 0"):
        metrics.median_distance(np.ones((6, 2)))
