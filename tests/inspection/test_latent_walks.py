"""Lines, arcs and sums of latents."""

import math

import numpy as np
import pytest

from keras_cnns import inspection


def test_straight_line_by_hand():
    points = inspection.interpolate([0, 1], [4, -1], num_points=5)
    expected = [[0, 1], [1, 0.5], [2, 0], [3, -0.5], [4, -1]]
    np.testing.assert_allclose(points, expected)


def test_quarter_circle_by_hand():
    points = inspection.interpolate([2, 0], [0, 2], 4, path="spherical")
    angles = np.radians([0, 30, 60, 90])
    expected = 2 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    np.testing.assert_allclose(points, expected, atol=1e-6)


def test_spherical_path_of_parallel_latents_is_straight():
    points = inspection.interpolate([1, 1], [3, 3], 3, path="spherical")
    np.testing.assert_allclose(points, [[1, 1], [2, 2], [3, 3]])


def test_walk_passes_every_latent_once():
    latents = np.array([[0.0, 0], [2, 0], [2, 4]])
    expected = [[0, 0], [1, 0], [2, 0], [2, 2], [2, 4]]
    np.testing.assert_allclose(inspection.walk(latents, num_steps=2), expected)
    nine = np.random.default_rng(0).uniform(-1, 1, (9, 100))
    path = inspection.walk(nine, num_steps=16, path="spherical")
    assert path.shape == (8 * 16 + 1, 100)
    np.testing.assert_allclose(path[::16], nine, atol=1e-6)


def test_arithmetic_by_hand():
    woman = inspection.average_latents([[1, 0], [3, 2], [2, 1]])
    np.testing.assert_allclose(woman, [2, 1])
    result = inspection.combine([woman, [0, 5]], [[1, 1]])
    np.testing.assert_allclose(result, [1, 5])
    turned = inspection.shift([[0, 0], [1, 1]], [2, 4], [-1, 0, 0.5])
    expected = [[[-2, -4], [0, 0], [1, 2]], [[-1, -3], [1, 1], [2, 3]]]
    np.testing.assert_allclose(turned, expected)


def test_neighbours_are_uniform_within_the_radius():
    latent = np.array([3.0, -1.0])
    noise = inspection.neighbours(latent, num_neighbours=4000) - latent
    assert np.abs(noise).max() <= 0.25 + 1e-6
    assert noise.std() == pytest.approx(0.5 / math.sqrt(12), rel=0.03)
    assert noise.mean() == pytest.approx(0, abs=0.005)
    again = inspection.neighbours(latent, num_neighbours=4000) - latent
    np.testing.assert_array_equal(noise, again)


def _generate(latents):
    """Pixels that are squares, so that averages of latents and of pixels differ."""
    return np.asarray(latents, np.float32).reshape(-1, 1, 2, 1) ** 2


def test_vector_arithmetic_against_hand_computed_pixels():
    smiling = [[0.2, 0.0], [0.4, 0.0]]
    neutral = [[0.1, 0.2], [0.1, 0.4]]
    man = [[0.5, 0.9], [0.7, 0.9]]
    study = inspection.vector_arithmetic(
        _generate, [smiling, man], [neutral], num_neighbours=3, radius=0.01
    )
    np.testing.assert_allclose(study.latent, [0.8, 0.6], rtol=1e-6)
    np.testing.assert_allclose(study.result.ravel(), [0.64, 0.36], rtol=1e-5)
    concepts = [[0.09, 0], [0.36, 0.81], [0.01, 0.09]]
    np.testing.assert_allclose(study.concepts.reshape(3, 2), concepts, atol=1e-6)
    control = [0.1 + 0.37 - 0.01, 0 + 0.81 - 0.1]
    np.testing.assert_allclose(study.pixel_control.ravel(), control, rtol=1e-5)
    assert study.neighbours.shape == (3, 1, 2, 1) and len(study.samples) == 3
    assert np.abs(study.neighbours - study.result).max() < 0.02


def test_pixel_control_is_clipped_to_the_range():
    study = inspection.vector_arithmetic(_generate, [[[2.0, 0]], [[1, 1]]], [[[0, 2]]])
    np.testing.assert_allclose(study.pixel_control.ravel(), [1, -1])


def test_jumps_by_hand():
    images = np.array([0.0, 1, 2, 3, 4]).reshape(5, 1, 1, 1) * np.ones((1, 2, 2, 3))
    assert inspection.interpolation_jumps(images) == pytest.approx(0.25)
    jump = np.array([0.0, 0, 3, 3]).reshape(4, 1, 1, 1)
    assert inspection.interpolation_jumps(jump) == 1
    corner = np.array([[0.0, 0], [3, 0], [3, 4]]).reshape(3, 1, 2, 1)
    assert inspection.interpolation_jumps(corner) == pytest.approx(4 / 5)


@pytest.mark.parametrize(
    ("call", "quoted"),
    [
        (lambda i: i.interpolate([0], [0, 1], 3), r"\(1,\) and \(2,\)"),
        (lambda i: i.interpolate([0], [1], 1), "num_points.*got 1"),
        (lambda i: i.interpolate([0], [1], 3, path="round"), "'round'"),
        (lambda i: i.interpolate([0, 0], [0, 1], 3, path="spherical"), "other than 0"),
        (lambda i: i.interpolate([0, 1], [0, -1], 3, path="spherical"), "opposite"),
        (lambda i: i.walk([[0, 1]], 3), r"got shape \(1, 2\)"),
        (lambda i: i.walk([[0, 1], [1, 1]], 0), "num_steps.*got 0"),
        (lambda i: i.average_latents([0.0, 1]), r"got \(2,\)"),
        (lambda i: i.combine([]), "got 0 positive"),
        (lambda i: i.combine([[1, 2]], [[1]]), "one shape"),
        (lambda i: i.shift([[1, 2]], [1], [1]), r"\(1,\) does not fit"),
        (lambda i: i.neighbours([0.0], radius=0.0), "radius.*got 0.0"),
        (lambda i: i.interpolation_jumps([[1.0]]), "got 1"),
        (lambda i: i.interpolation_jumps([[1.0], [1.0]]), "are equal"),
    ],
)
def test_bad_arguments_are_quoted(call, quoted):
    with pytest.raises(ValueError, match=quoted):
        call(inspection)
