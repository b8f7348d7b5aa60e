"""Parallel lines: closed forms by hand, and what trained networks make of them."""

import math

import pytest
from tensorflow import keras

from keras_cnns import inspection


def test_closed_forms():
    apart = inspection.exact_distances(-0.5, penalty_weight=2.0)
    assert apart.jensen_shannon == math.log(2)
    assert apart.kullback_leibler == math.inf
    assert apart.wasserstein == 0.5
    assert apart.penalized_wasserstein == pytest.approx(0.5 * 1.125)
    together = inspection.exact_distances(0.0)
    assert together == inspection.ParallelLines(0.0, 0.0, 0.0, 0.0)


def test_penalty_shifts_the_best_slope():
    """Of s d - weight (s - 1)^2, tried for many slopes."""
    distance, weight = 1.5, 3.0
    slopes = [i / 10_000 for i in range(30_000)]
    best = max(slopes, key=lambda s: s * distance - weight * (s - 1) ** 2)
    exact = inspection.exact_distances(distance, weight)
    assert exact.penalized_wasserstein == pytest.approx(best * distance, abs=1e-3)


def test_estimates_on_lines_apart():
    found = inspection.estimate_distances(1.0, num_steps=400)
    assert found.discriminator_loss < 0.01
    assert abs(found.original_slope) < 0.05
    assert found.wasserstein == pytest.approx(1.05, abs=0.05)
    assert found.wasserstein_slope == pytest.approx(1.05, abs=0.1)
    assert found.jensen_shannon == pytest.approx(
        math.log(2) - found.discriminator_loss / 2
    )


@pytest.mark.parametrize(
    ("options", "quoted"),
    [({"num_steps": 0}, "0"), ({"penalty_weight": -1.0}, "-1.0")],
)
def test_bad_arguments_are_quoted(options, quoted):
    with pytest.raises(ValueError, match=quoted):
        inspection.estimate_distances(1.0, **options)


@pytest.mark.slow
@pytest.mark.parametrize("distance", [0.1, 0.5, 1.0, 2.0])
def test_only_the_wasserstein_distance_has_a_slope(distance):
    keras.utils.set_random_seed(0)
    found = inspection.estimate_distances(distance)
    assert found.discriminator_loss < 1e-3
    assert found.jensen_shannon >= 0.69
    assert abs(found.original_slope) < 1e-2
    assert abs(found.alternative_slope) > 5
    exact = found.exact
    assert 0.98 * exact.wasserstein <= found.wasserstein
    assert found.wasserstein <= 1.03 * exact.penalized_wasserstein
    assert 0.95 <= found.wasserstein_slope <= 1.15


@pytest.mark.slow
def test_lines_on_top_of_each_other_cannot_be_told():
    keras.utils.set_random_seed(0)
    found = inspection.estimate_distances(0.0)
    assert found.discriminator_loss == pytest.approx(math.log(4), abs=0.005)
    assert found.wasserstein == pytest.approx(0, abs=0.005)
