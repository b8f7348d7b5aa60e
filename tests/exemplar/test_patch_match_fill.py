"""Filling by PatchMatch on photographs and textures."""

import time

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from skimage import data, transform
from sklearn.datasets import load_sample_image

from keras_cnns import exemplar


def _texture(side=64, seed=0):
    """A random 8 x 8 tile, repeated: what is missing stands elsewhere."""
    tile = np.random.default_rng(seed).integers(256, size=(8, 8, 3))
    return np.tile(tile, (side // 8, side // 8, 1)).astype(np.uint8)


def _mean_error(filled, image, mask):
    return np.abs(filled.astype(float) - image)[~mask].mean()


@pytest.mark.parametrize("seed", range(3))
def test_repeated_tile_is_restored(seed):
    image, mask = _texture(seed=seed), np.ones((64, 64), bool)
    mask[20:41, 22:45] = False
    filled = exemplar.fill_patch_match(image, mask, seed=seed)
    mean = _mean_error(exemplar.fill_mean(image, mask), image, mask)
    assert _mean_error(filled, image, mask) < 0.05 * mean


def _nearest_known_patch(image, mask, size=7):
    """For each patch over the hole, the root mean squared distance to a known one."""
    windows = sliding_window_view(image.astype(float), (size, size), axis=(0, 1))
    known = sliding_window_view(mask, (size, size)).all(axis=(2, 3))
    sources = windows[known].reshape(known.sum(), -1)
    targets = windows[~known].reshape((~known).sum(), -1)
    squares = (targets**2).sum(1)[:, None] - 2 * targets @ sources.T
    squares += (sources**2).sum(1)
    return np.sqrt(squares.min(axis=1).clip(0) / targets.shape[1]).mean()


TEXTURES = {
    "fur": lambda: data.chelsea()[10:74, 150:214],
    "flag": lambda: data.astronaut()[100:164, 10:74],
    "roof": lambda: load_sample_image("china.jpg")[200:264, 100:164],
}


@pytest.mark.parametrize("name", TEXTURES)
def test_patches_look_like_known_ones(name):
    """What the method is after; fills that copy no patch do worse."""
    image, mask = TEXTURES[name](), np.ones((64, 64), bool)
    mask[22:42, 22:42] = False
    found = {
        method: _nearest_known_patch(exemplar.fill(image, mask, method), mask)
        for method in ("patch_match", "mean", "nearest", "biharmonic")
    }
    own = found.pop("patch_match")
    assert own < 0.9 * min(found.values())


def test_options_change_the_result():
    image, mask = data.chelsea()[100:164, 100:164], np.ones((64, 64), bool)
    mask[20:44, 20:44] = False
    results = [
        exemplar.fill_patch_match(image, mask, **options)
        for options in ({}, {"patch_size": 5}, {"num_rounds": 1}, {"smallest_side": 64})
    ]
    assert all((results[0] != other).any() for other in results[1:])


def test_hole_that_vanishes_on_coarse_levels():
    """Scratches of one pixel are known on the next level; the finest one is filled."""
    image, mask = _texture(128), np.ones((128, 128), bool)
    mask[40] = mask[:, 90] = False
    filled = exemplar.fill_patch_match(image, mask)
    assert _mean_error(filled, image, mask) < 5


@pytest.mark.slow
def test_time_for_256_pixels_and_a_quarter_hole():
    """At most 20 s; processor time, so that other work does not count."""
    image = transform.resize(data.astronaut(), (256, 256), anti_aliasing=True)
    image = np.rint(255 * image).astype(np.uint8)
    square, scattered = np.ones((2, 256, 256), bool)
    square[64:192, 64:192] = False
    noise = np.random.default_rng(0).random((16, 16)) < 0.25
    scattered[np.kron(noise, np.ones((16, 16), bool))] = False
    for mask in (square, scattered):
        start = time.process_time()
        exemplar.fill_patch_match(image, mask)
        assert time.process_time() - start < 20
