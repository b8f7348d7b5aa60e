"""Luma of studio range: hand-computed colours, and scikit-image."""

import numpy as np
import pytest
import tensorflow as tf
from skimage.color import rgb2ycbcr

from keras_cnns import _luma

COLOURS = {
    (255, 255, 255): 235,
    (0, 0, 0): 16,
    (255, 0, 0): 81.481,
    (0, 255, 0): 144.553,
    (0, 0, 255): 40.966,
    (100, 150, 200): 136.879412,
}


@pytest.mark.parametrize(("colour", "expected"), COLOURS.items())
def test_golden_colours(colour, expected):
    (value,) = _luma.luma(np.array(colour, float))
    assert value == pytest.approx(expected, abs=1e-6)
    (value,) = _luma.luma(tf.constant(colour, tf.float32)[None])[0].numpy()
    assert value == pytest.approx(expected, abs=1e-4)


def test_all_channels_and_back():
    images = np.random.default_rng(0).integers(0, 256, (2, 5, 4, 3))
    converted = _luma.to_ycbcr(images)
    np.testing.assert_allclose(converted, rgb2ycbcr(images.astype(np.uint8)), atol=1e-9)
    np.testing.assert_allclose(converted[..., :1], _luma.luma(images), atol=1e-9)
    np.testing.assert_allclose(_luma.from_ycbcr(converted), images, atol=1e-9)
    tensors = _luma.from_ycbcr(_luma.to_ycbcr(tf.constant(images, tf.float32)))
    np.testing.assert_allclose(tensors, images, atol=1e-3)


def test_other_channels_are_refused():
    with pytest.raises(ValueError, match=r"3 channels, got the shape \(4, 4, 1\)"):
        _luma.luma(np.zeros([4, 4, 1]))
