"""Parzen windows against scikit-learn, SciPy and densities that are known."""

import tracemalloc

import numpy as np
import pytest
from scipy import special, stats
from sklearn import datasets
from sklearn.neighbors import KernelDensity

from keras_cnns import metrics


def _random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


@pytest.mark.parametrize("dimension", [1, 2, 64])
@pytest.mark.parametrize("sigma", [0.1, 0.7, 3.0])
@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_against_scikit_learn(dimension, sigma, batch_size):
    samples, points = _random(50, dimension), _random(20, dimension, seed=1) * 2 + 1
    density = KernelDensity(kernel="gaussian", bandwidth=sigma).fit(samples)
    found = metrics.parzen_log_likelihood(samples, points, sigma, batch_size)
    assert found.shape == (20,) and found.dtype == np.float64
    np.testing.assert_allclose(found, density.score_samples(points), rtol=1e-9)


def test_one_sample_is_a_gaussian():
    sample, points = _random(1, 5), _random(8, 5, seed=1)
    expected = stats.multivariate_normal(sample[0], 0.25 * np.eye(5)).logpdf(points)
    found = metrics.parzen_log_likelihood(sample, points, 0.5)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_far_points_neither_vanish_nor_lose_digits(kind):
    """784 pixels and narrow windows: exp() of the exponents is 0 in any precision."""
    random = np.random.default_rng(0)
    samples = random.random((40, 784)).astype(kind) + kind(1000)
    points = random.random((9, 784)).astype(kind) + kind(1000)
    differences = points[:, None].astype(np.float64) - samples[None].astype(np.float64)
    exponents = -(differences**2).sum(-1) / (2 * 0.1**2)
    assert (np.exp(exponents) == 0).all()
    expected = special.logsumexp(exponents, axis=1) - np.log(40)
    expected -= 784 * np.log(0.1 * np.sqrt(2 * np.pi))
    found = metrics.parzen_log_likelihood(samples, points, 0.1)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_standard_normal_in_two_dimensions():
    """Its mean log-density is -log(2 pi) - 1 = -2.8379."""
    random = np.random.default_rng(0)
    samples, validation, test = (
        random.normal(size=(count, 2)) for count in (10_000, 1000, 30_000)
    )
    estimate = metrics.parzen_estimate(samples, validation, test)
    assert abs(estimate.mean + np.log(2 * np.pi) + 1) < 0.02
    assert not estimate.at_edge and 0.1 < estimate.sigma < 1
    # The smoothed log-density, -|x|^2 / (2 + 2 sigma^2), deviates by 1 / (1 + sigma^2).
    deviation = 1 / (1 + estimate.sigma**2)
    expected = deviation / 30_000**0.5
    assert estimate.standard_error == pytest.approx(expected, rel=0.03)
    counts = (estimate.num_samples, estimate.num_validation, estimate.num_test)
    assert counts == (10_000, 1000, 30_000)
    assert estimate.to_json()["sigma"] == estimate.sigma


MEANS = np.array([[0.0, 0.0, 0.0], [3.0, 0.0, -1.0], [-2.0, 2.0, 2.0]])
DEVIATIONS = np.array([0.6, 1.0, 0.8])
FRACTIONS = np.array([0.5, 0.3, 0.2])


def _draw_mixture(random, count):
    part = random.choice(3, count, p=FRACTIONS)
    return MEANS[part] + DEVIATIONS[part, None] * random.normal(size=(count, 3))


def _mixture_log_density(points):
    logs = [
        np.log(fraction)
        + stats.multivariate_normal(mean, d**2 * np.eye(3)).logpdf(points)
        for fraction, mean, d in zip(FRACTIONS, MEANS, DEVIATIONS)
    ]
    return special.logsumexp(logs, axis=0)


def test_mixture_of_gaussians_within_its_error_bar():
    random = np.random.default_rng(1)
    samples, validation, test = (_draw_mixture(random, n) for n in (20_000, 500, 1000))
    truth = _mixture_log_density(_draw_mixture(random, 400_000)).mean()
    estimate = metrics.parzen_estimate(samples, validation, test)
    assert abs(estimate.mean - truth) < 2 * estimate.standard_error
    spread = _mixture_log_density(test).std() / np.sqrt(1000)
    assert estimate.standard_error == pytest.approx(spread, rel=0.1)


def test_high_dimensions_read_low_and_end_at_the_edge():
    """The trap that the fact sheet measures: 9 nats low in 64 dimensions."""
    random = np.random.default_rng(0)
    samples, validation, test = (
        random.normal(size=(count, 64)) for count in (10_000, 300, 300)
    )
    estimate = metrics.parzen_estimate(samples, validation, test)
    truth = -32 * (np.log(2 * np.pi) + 1)
    assert truth - 12 < estimate.mean < truth - 6
    assert estimate.sigma == 1 and estimate.at_edge


def test_ranking_of_digits_can_invert():
    """Ten class means beat a Gaussian of the right moments; real digits beat both.

    The fact sheet's values on another division of the digits are 8.3, 5.8 and 26.1.
    """
    random = np.random.default_rng(0)
    pixels, labels = datasets.load_digits(return_X_y=True)
    order = random.permutation(len(pixels))
    pixels, labels = pixels[order] / 16, labels[order]
    train, validation, test = np.split(pixels, [1200, 1500])
    means = [train[labels[:1200] == label].mean(axis=0) for label in range(10)]
    moments = train.mean(axis=0), np.cov(train, rowvar=False)
    scores = [
        metrics.parzen_estimate(samples, validation, test).mean
        for samples in (means, random.multivariate_normal(*moments, 10_000), train)
    ]
    assert scores == pytest.approx([8.3, 5.8, 26.1], abs=4)
    assert scores[1] + 1 < scores[0] < scores[2] - 10


@pytest.mark.parametrize(
    ("deviation", "edge"), [(0.01, 0.1), (0.6, None), (1000.0, 1.0)]
)
def test_width_is_chosen_on_validation_and_edges_are_told(deviation, edge, caplog):
    random = np.random.default_rng(0)
    samples, validation = (random.normal(0, deviation, (400, 2)) for _ in range(2))
    with caplog.at_level("WARNING", logger="absl"):
        sigma, at_edge = metrics.cross_validated_sigma(samples, validation)
    assert at_edge == (edge is not None) == ("edge of the grid" in caplog.text)
    grid = 10 ** np.linspace(-1, 0, 10)
    means = [
        KernelDensity(bandwidth=s).fit(samples).score_samples(validation).mean()
        for s in grid
    ]
    assert sigma == pytest.approx(grid[np.argmax(means)])
    assert edge is None or sigma == pytest.approx(edge)


def test_given_widths_are_used():
    samples, validation = _random(300, 2), _random(300, 2, seed=1)
    sigma, at_edge = metrics.cross_validated_sigma(samples, validation, [0.01, 0.3, 9])
    assert sigma == 0.3 and not at_edge


def test_memory_hangs_on_the_batch():
    samples, points = _random(4000, 30), _random(4000, 30, seed=1)
    tracemalloc.start()
    metrics.parzen_log_likelihood(samples, points, 0.5, batch_size=50)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    whole = 4000 * 4000 * 8
    assert peak < 0.1 * whole


@pytest.mark.parametrize(
    ("samples", "points", "sigma", "batch_size", "quoted"),
    [
        (np.zeros((3, 2)), np.zeros((3, 4)), 1, 9, "same dimension, got 2 and 4"),
        (np.zeros((3, 2, 1)), np.zeros((3, 2)), 1, 9, r"shape \(3, 2, 1\)"),
        (np.zeros((0, 2)), np.zeros((3, 2)), 1, 9, "at least 1 vectors, got 0"),
        (np.zeros((3, 2)), np.full((3, 2), np.nan), 1, 9, "3 of 3 vectors hold NaN"),
        (np.zeros((3, 2)), np.array([["a", "b"]]), 1, 9, "must be numbers"),
        (np.zeros((3, 2)), np.zeros((3, 2)), 0, 9, r"positive, got \[0\]"),
        (np.zeros((3, 2)), np.zeros((3, 2)), np.inf, 9, r"positive, got \[inf\]"),
        (np.zeros((3, 2)), np.zeros((3, 2)), 1, 0, "batch_size .* got 0"),
    ],
)
def test_bad_input(samples, points, sigma, batch_size, quoted):
    with pytest.raises(ValueError, match=quoted):
        metrics.parzen_log_likelihood(samples, points, sigma, batch_size)


@pytest.mark.parametrize(
    "sigmas", [[0.1, 0.2], [0.2, 0.1, 0.3], [0.0, 0.1, 0.2], [], [[0.1, 0.2, 0.3]]]
)
def test_bad_grid(sigmas):
    with pytest.raises(ValueError, match="positive numbers that increase, got"):
        metrics.cross_validated_sigma(np.zeros((3, 2)), np.zeros((3, 2)), sigmas)


def test_an_estimate_wants_two_test_points():
    with pytest.raises(ValueError, match="test must hold at least 2 vectors, got 1"):
        metrics.parzen_estimate(np.zeros((3, 2)), np.zeros((3, 2)), np.zeros((1, 2)))
