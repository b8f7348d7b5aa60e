"""The field of nearest patches against comparing all with all."""

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from scipy.spatial import distance

from keras_cnns import exemplar


def _all_distances(target, source, size=7):
    """Sums of squared differences (target patches, source patches)."""
    vectors = []
    for image in (target, source):
        image = image.reshape(*image.shape[:2], -1)
        windows = sliding_window_view(image, (size, size), axis=(0, 1))
        vectors.append(windows.reshape(windows.shape[0] * windows.shape[1], -1))
    return distance.cdist(*vectors, "sqeuclidean")


def _shifted_noise(seed=0, shape=(40, 40)):
    random = np.random.default_rng(seed)
    target = random.uniform(size=shape)
    source = np.roll(target, (5, 9), (0, 1)) + random.normal(0, 0.1, shape)
    return target, source


@pytest.mark.parametrize("seed", range(6))
def test_close_to_brute_force_and_never_rising(seed):
    """The fact sheet's limit: at most 1.3 times the best mean after 5 iterations."""
    target, source = _shifted_noise(seed)
    best = _all_distances(target, source).min(axis=1).mean()
    means = []
    _, distances = exemplar.match_patches(
        target, source, seed=seed, progress=lambda fraction, mean: means.append(mean)
    )
    assert len(means) == 5 and (np.diff(means) <= 0).all()
    assert distances.mean() == pytest.approx(means[-1], rel=1e-5)
    assert best * (1 - 1e-5) <= means[-1] <= 1.3 * best
    assert means[0] < 5 * best


def test_each_distance_falls_with_more_iterations():
    target, source = _shifted_noise()
    fields = [
        exemplar.match_patches(target, source, num_iterations=count)[1]
        for count in range(1, 8)
    ]
    assert all((b <= a).all() for a, b in zip(fields, fields[1:]))
    assert (fields[-1] < fields[0]).any()


@pytest.mark.parametrize("shapes", [((20, 31), (26, 18)), ((15, 15, 3), (22, 19, 3))])
@pytest.mark.parametrize("size", [3, 7])
def test_distances_are_those_of_the_matches(shapes, size):
    random = np.random.default_rng(0)
    target, source = (random.integers(256, size=shape) for shape in shapes)
    matches, distances = exemplar.match_patches(target, source, patch_size=size)
    rows, columns = (length - size + 1 for length in shapes[0][:2])
    assert matches.shape == (2, rows, columns) and distances.shape == (rows, columns)
    assert distances.dtype == np.float32
    per_row = shapes[1][1] - size + 1
    places = (matches[0] * per_row + matches[1]).ravel()
    expected = _all_distances(target, source, size)[np.arange(len(places)), places]
    np.testing.assert_allclose(distances.ravel(), expected, rtol=1e-5)


def test_an_image_finds_itself():
    image = np.random.default_rng(0).uniform(size=(30, 34, 3))
    matches, distances = exemplar.match_patches(image, image, num_iterations=12)
    np.testing.assert_array_equal(matches, np.indices(matches.shape[1:]))
    assert distances.max() == 0


def test_only_usable_patches_are_found():
    target, source = _shifted_noise()
    usable = np.random.default_rng(1).random((34, 34)) < 0.2
    matches, distances = exemplar.match_patches(target, source, usable=usable)
    assert usable[tuple(matches)].all()
    best = _all_distances(target, source)[:, usable.ravel()].min(axis=1)
    assert (distances.ravel() >= best * (1 - 1e-5)).all()
    one = np.zeros((34, 34), bool)
    one[3, 8] = True
    matches, _ = exemplar.match_patches(target, source, usable=one)
    assert (matches[0] == 3).all() and (matches[1] == 8).all()


def test_same_seed_same_field():
    target, source = _shifted_noise()
    results = [exemplar.match_patches(target, source, seed=s) for s in (0, 0, 1)]
    for first, second in zip(*results[:2]):
        np.testing.assert_array_equal(first, second)
    assert (results[0][0] != results[2][0]).any()


@pytest.mark.parametrize(
    ("change", "quoted"),
    [
        ({"target": np.zeros((6, 40))}, r"target .* 7 .*\(6, 40\)"),
        ({"source": np.zeros(40)}, r"source .*\(40,\)"),
        ({"source": np.zeros((9, 9), complex)}, "source .* got complex128"),
        ({"source": np.full((9, 9), np.inf)}, "source must be finite"),
        ({"source": np.zeros((9, 9, 3))}, "same channels, got 1 and 3"),
        ({"patch_size": 6}, "patch_size .* got 6"),
        ({"num_iterations": 0}, "num_iterations .* got 0"),
        ({"seed": -1}, "seed .* got -1"),
        ({"usable": np.ones((40, 40), bool)}, r"\(34, 34\) .*\(40, 40\)"),
        ({"usable": np.zeros((34, 34), bool)}, "with 0"),
    ],
)
def test_bad_arguments(change, quoted):
    target, source = _shifted_noise()
    with pytest.raises(ValueError, match=quoted):
        exemplar.match_patches(**{"target": target, "source": source, **change})
