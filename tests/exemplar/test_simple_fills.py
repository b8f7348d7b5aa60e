"""Simple fills against scikit-image and brute force."""

import numpy as np
import pytest
from skimage import data, restoration

from keras_cnns import exemplar


def _random_scene(shape=(17, 23, 3), fraction=0.4, seed=0):
    random = np.random.default_rng(seed)
    image = random.integers(256, size=shape).astype(np.uint8)
    return image, random.random(shape[:2]) > fraction


def test_mean_by_hand():
    image = np.array([[[10, 0], [20, 3], [99, 99]]], np.uint8)[..., [0, 1, 1]]
    filled = exemplar.fill_mean(image, np.array([[1, 1, 0]]))
    np.testing.assert_array_equal(filled[0, 2], [15, 2, 2])


@pytest.mark.parametrize("shape", [(17, 23), (17, 23, 3)])
def test_mean_of_valid_pixels(shape):
    image, mask = _random_scene(shape)
    filled = exemplar.fill_mean(image, mask)
    expected = np.rint(image[mask].astype(np.float64).mean(axis=0))
    assert (filled[~mask] == expected).all()


@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.95])
def test_nearest_against_all_distances(fraction):
    """Each hole pixel has the colour of one of the nearest valid pixels."""
    image, mask = _random_scene(fraction=fraction)
    filled = exemplar.fill_nearest(image, mask)
    known = np.argwhere(mask)
    for place in np.argwhere(~mask):
        distances = ((known - place) ** 2).sum(axis=1)
        nearest = known[distances == distances.min()]
        colours = image[nearest[:, 0], nearest[:, 1]]
        assert (colours == filled[tuple(place)]).all(axis=1).any()


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("is_grey", [False, True])
def test_biharmonic_is_scikit_images(split, is_grey):
    image = data.astronaut()[100:140, 200:248]
    image = image[..., 1] if is_grey else image
    mask = np.ones(image.shape[:2], bool)
    mask[10:20, 8:30] = mask[30:33, 40:] = False
    damaged = np.where(mask if is_grey else mask[..., None], image, np.uint8(0))
    surface = restoration.inpaint_biharmonic(
        damaged,
        ~mask,
        split_into_regions=split,
        channel_axis=None if is_grey else -1,
    )
    filled = exemplar.fill_biharmonic(image, mask, split_into_regions=split)
    np.testing.assert_array_equal(filled, np.rint(surface * 255).astype(np.uint8))


def test_biharmonic_continues_a_ramp():
    """A linear ramp is biharmonic: it is continued, where the mean is far off."""
    image = np.broadcast_to(4 * np.arange(48), (40, 48)).astype(np.uint8)
    mask = np.ones(image.shape, bool)
    mask[10:30, 12:36] = False
    errors = exemplar.fill_biharmonic(image, mask).astype(int) - image
    assert np.abs(errors).max() <= 2
