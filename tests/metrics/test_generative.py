"""Inception Score, Frechet distance, precision and recall: formulas written plainly."""

import tracemalloc

import numpy as np
import pytest
from scipy import linalg, stats
from sklearn.neighbors import NearestNeighbors

from keras_cnns import metrics


def _normal(count, dimension, seed, mean=0.0, deviation=1.0):
    random = np.random.default_rng(seed)
    return random.normal(mean, deviation, (count, dimension))


def _plain_inception_score(probabilities):
    marginal = probabilities.mean(axis=0)
    return np.exp(np.mean([stats.entropy(row, marginal) for row in probabilities]))


def _confident(classes, num_classes=10, certainty=0.9999):
    rest = (1 - certainty) / (num_classes - 1)
    return np.eye(num_classes)[classes] * (certainty - rest) + rest


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_inception_score_against_scipy(kind):
    probabilities = np.random.default_rng(0).dirichlet(np.ones(7) / 5, 101)
    probabilities = probabilities.astype(kind)
    score, deviation = metrics.inception_score(probabilities)
    assert score == pytest.approx(_plain_inception_score(probabilities), rel=1e-6)
    assert deviation is None
    parts = np.split(probabilities, [33, 67])  # 101 / 3, 202 / 3, down
    expected = [_plain_inception_score(part) for part in parts]
    found = metrics.inception_score(probabilities, num_splits=3)
    assert found == pytest.approx((np.mean(expected), np.std(expected)), rel=1e-6)


def test_inception_score_counts_the_classes_of_sure_answers():
    classes = np.arange(1000) % 10
    assert metrics.inception_score(_confident(classes))[0] == pytest.approx(9.99, 2e-3)
    assert metrics.inception_score(np.eye(10)[classes])[0] == pytest.approx(10)
    assert metrics.inception_score(np.eye(10)[classes % 5])[0] == pytest.approx(5)
    same = np.tile(_confident([3]), (50, 1))
    assert metrics.inception_score(same)[0] == pytest.approx(1)
    unsure = np.full((50, 10), 0.1)
    assert metrics.inception_score(unsure)[0] == pytest.approx(1)


def test_inception_score_of_small_parts_reads_low():
    """100 draws of 10 classes: log K less about (K - 1) / (2 * 100)."""
    classes = np.random.default_rng(0).integers(0, 10, 1000)
    score, deviation = metrics.inception_score(_confident(classes), num_splits=10)
    assert score == pytest.approx(10 * np.exp(-9 / 200), abs=0.2)
    assert 0 < deviation < 0.5


@pytest.mark.parametrize(
    ("probabilities", "num_splits", "quoted"),
    [
        (np.full((4, 2), 0.4), 1, "sums go from 0.8 to 0.8"),
        (np.array([[1.5, -0.5], [0.5, 0.5]]), 1, "the smallest is -0.5"),
        (np.full((4, 2), 0.5), 3, "num_splits=3 .* of the 4 examples"),
        (np.full((4, 2), 0.5), 0, "num_splits .* got 0"),
        (np.full((1, 2), 0.5), 1, "at least 2 vectors, got 1"),
        (np.full(4, 0.25), 1, r"of shape \(4,\)"),
    ],
)
def test_inception_score_of_bad_input(probabilities, num_splits, quoted):
    with pytest.raises(ValueError, match=quoted):
        metrics.inception_score(probabilities, num_splits)


def _plain_frechet_distance(a, b):
    covariances = [np.cov(x, rowvar=False) for x in (a, b)]
    root = linalg.sqrtm(covariances[0] @ covariances[1]).real
    means = ((a.mean(0) - b.mean(0)) ** 2).sum()
    return means + np.trace(covariances[0] + covariances[1] - 2 * root)


@pytest.mark.parametrize(
    ("count_a", "count_b", "dimension"), [(200, 150, 12), (40, 60, 1), (9000, 300, 5)]
)
def test_frechet_distance_against_scipy(count_a, count_b, dimension):
    random = np.random.default_rng(0)
    mixing = random.normal(size=(dimension, dimension))
    a = random.normal(size=(count_a, dimension)) @ mixing
    b = random.exponential(size=(count_b, dimension)) * 1.5 + 0.3
    expected = _plain_frechet_distance(a, b) if dimension > 1 else None
    if dimension == 1:  # of deviations s and t it is (m - n)^2 + (s - t)^2
        deviations = a.std(ddof=1), b.std(ddof=1)
        expected = (a.mean() - b.mean()) ** 2 + (deviations[0] - deviations[1]) ** 2
    assert metrics.frechet_distance(a, b) == pytest.approx(expected, rel=1e-6)
    assert metrics.frechet_distance(b, a) == pytest.approx(expected, rel=1e-6)


def test_frechet_distance_of_covariances_without_full_rank():
    """20 vectors in 100 dimensions; the root by eigenvalues of the Gram matrix."""
    a, b = _normal(20, 100, 0), _normal(15, 100, 1, 0.5, 2.0)
    x, y = (v - v.mean(0) for v in (a, b))
    # Nonzero eigenvalues of S_a S_b are those of (X Y^T)(X Y^T)^T / (19 * 14).
    gram = (x @ y.T) @ (x @ y.T).T / (19 * 14)
    root = np.sqrt(np.maximum(linalg.eigvalsh(gram), 0)).sum()
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum()
    expected += (x**2).sum() / 19 + (y**2).sum() / 14 - 2 * root
    assert metrics.frechet_distance(a, b) == pytest.approx(expected, rel=1e-9)
    flat = np.concatenate([a, np.ones((20, 3))], axis=1)
    other = np.concatenate([b, np.ones((15, 3))], axis=1)
    assert metrics.frechet_distance(flat, other) == pytest.approx(expected, rel=1e-9)


def test_frechet_distance_to_itself_and_between_points():
    a = _normal(50, 80, 0)
    assert metrics.frechet_distance(a, a[::-1]) == pytest.approx(0, abs=1e-9)
    constant = np.tile([[1.0, 2.0]], (5, 1))
    assert metrics.frechet_distance(constant, constant + [3, 4]) == pytest.approx(25)


def test_frechet_distance_of_features_far_from_zero():
    a, b = _normal(300, 6, 0), _normal(300, 6, 1)
    expected = metrics.frechet_distance(a, b)
    moved = metrics.frechet_distance(a + 1e5, b + 1e5)
    assert moved == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("count", "expected"), [(200, 11.2), (500, 4.4), (1000, 2.2), (5000, 0.44)]
)
def test_frechet_distance_of_equal_normals_shrinks_with_the_count(count, expected):
    """64-d N(0, I) twice, the fact sheet's values; the mean of five repetitions."""
    found = [
        metrics.frechet_distance(_normal(count, 64, seed), _normal(count, 64, seed + 1))
        for seed in range(0, 10, 2)
    ]
    assert np.mean(found) == pytest.approx(expected, rel=0.04)


def test_frechet_distance_of_normals_against_the_formula():
    """N(0, 1) and N(0.5, 1.5^2): 64 * (0.5^2 + 0.5^2) = 32."""
    a, b = _normal(20_000, 64, 0), _normal(20_000, 64, 1, 0.5, 1.5)
    assert metrics.frechet_distance(a, b) == pytest.approx(32, abs=0.5)
    single = [x.astype(np.float32) for x in (a, b)]
    assert metrics.frechet_distance(*single) == pytest.approx(
        metrics.frechet_distance(a, b), rel=1e-5
    )


def _plain_fraction_inside(points, members, num_neighbours):
    """By scikit-learn's search; the first neighbour of a member is itself."""
    search = NearestNeighbors(n_neighbors=num_neighbours + 1).fit(members)
    radii = search.kneighbors(members)[0][:, -1]
    distances = np.linalg.norm(points[:, None] - members[None], axis=-1)
    return (distances <= radii).any(axis=1).mean()


@pytest.mark.parametrize("num_neighbours", [1, 3, 10])
def test_precision_and_recall_against_scikit_learn(num_neighbours):
    real, generated = _normal(150, 4, 0), _normal(150, 4, 1, 0.8, 0.7)
    found = metrics.precision_recall(real, generated, num_neighbours)
    assert found == (
        _plain_fraction_inside(generated, real, num_neighbours),
        _plain_fraction_inside(real, generated, num_neighbours),
    )
    assert 0.1 < min(found) < 1


def test_precision_and_recall_by_hand():
    """Of 0, 1, 3, 6 the radii are 1, 1, 2, 3; of 2, 20, 21, 40: 18, 1, 1, 19."""
    real = np.array([[0.0], [1], [3], [6]])
    generated = np.array([[2.0], [20], [21], [40]])
    # 2 is within 1 of 1. 0, 1, 3 and 6 are within 18 of 2.
    assert metrics.precision_recall(real, generated, 1) == (0.25, 1.0)


def _modes(count, seed, modes=range(8), deviation=0.3):
    """A mixture of normals around eight corners in eight dimensions."""
    random = np.random.default_rng(seed)
    centres = 3 * np.eye(8)[random.choice(list(modes), count)]
    return centres + random.normal(0, deviation, (count, 8))


def test_precision_and_recall_tell_what_is_wrong():
    real = _modes(1000, 0)
    same = metrics.precision_recall(real, _modes(1000, 1))
    assert same == pytest.approx((0.86, 0.86), abs=0.06)  # not 1
    precision, recall = metrics.precision_recall(real, _modes(1000, 2, range(4)))
    assert precision == pytest.approx(same[0], abs=0.06)
    assert recall == pytest.approx(0.45, abs=0.06)
    blurred = metrics.precision_recall(real, _modes(1000, 3, deviation=1.2))
    assert blurred[0] < 0.05 and blurred[1] > 0.95
    assert metrics.precision_recall(real, real) == (1.0, 1.0)
    assert metrics.precision_recall(real, real + 100) == (0.0, 0.0)


def test_copies_are_inside_though_their_balls_are_points():
    """Rounding must not push equal vectors out of a ball of radius 0."""
    vectors = np.repeat(_normal(40, 33, 0) * 1e3 + 7, 5, axis=0)
    order = np.random.default_rng(1).permutation(200)
    assert metrics.precision_recall(vectors, vectors[order]) == (1.0, 1.0)
    assert metrics.precision_recall(vectors, vectors + 0.1) == (0.0, 0.0)


def test_distances_are_made_in_blocks():
    real, generated = _normal(5000, 3, 0), _normal(5000, 3, 1)
    tracemalloc.start()
    metrics.precision_recall(real, generated)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 0.6 * 5000 * 5000 * 8


@pytest.mark.parametrize("score", [metrics.frechet_distance, metrics.precision_recall])
@pytest.mark.parametrize(
    ("a", "b", "quoted"),
    [
        (np.zeros((5, 2)), np.zeros((5, 3)), "same dimension, got 2 and 3"),
        (np.zeros((1, 2)), np.zeros((1, 2)), "at least 2 vectors, got 1"),
        (np.zeros((5, 2, 2)), np.zeros((5, 2)), r"got float64 of shape \(5, 2, 2\)"),
        (np.zeros((5, 0)), np.zeros((5, 0)), r"of shape \(5, 0\)"),
        (np.eye(5), np.eye(5) * np.nan, "5 of 5 vectors hold NaN"),
        (np.eye(5), np.where(np.eye(5) == 1, 1, np.inf), "5 of 5 .* infinity"),
    ],
)
def test_bad_features(score, a, b, quoted):
    with pytest.raises(ValueError, match=quoted):
        score(a, b)


def test_bad_input_of_precision_and_recall():
    with pytest.raises(ValueError, match="as many vectors, got 5 and 6"):
        metrics.precision_recall(np.zeros((5, 2)), np.zeros((6, 2)))
    with pytest.raises(ValueError, match="num_neighbours=3 needs more than 3"):
        metrics.precision_recall(np.zeros((3, 2)), np.zeros((3, 2)))
    with pytest.raises(ValueError, match="num_neighbours .* got 0"):
        metrics.precision_recall(np.zeros((5, 2)), np.zeros((5, 2)), 0)
