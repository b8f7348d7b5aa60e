"""PSNR, SSIM and l1 against formulas written out in NumPy, and scikit-image."""

import math

import numpy as np
import pytest
import tensorflow as tf
from skimage import metrics as skimage_metrics

from keras_cnns import metrics

RANGES = {"bytes": (0, 255), "unit": (0.0, 1.0), "signed": (-1.0, 1.0)}


def _images(name, shape=(3, 24, 31, 3)):
    random = np.random.default_rng(4)
    truth = random.integers(0, 256, shape, np.uint8)
    noise = (
        random.normal(0, 25, shape) * np.linspace(0.2, 2, shape[0])[:, None, None, None]
    )
    images = np.clip(truth + noise, 0, 255).astype(np.uint8)
    if name == "bytes":
        return truth, images
    low, high = RANGES[name]
    return [x / 255 * (high - low) + low for x in (truth, images)]


def _slow_ssim(truth, images, width):
    """Wang et al.'s formulas at every place whose window lies within the image."""
    places = np.arange(-5, 6)
    window = np.exp(-(places[:, None] ** 2 + places**2) / (2 * 1.5**2))
    window = (window / window.sum())[:, :, None]
    c1, c2 = (0.01 * width) ** 2, (0.03 * width) ** 2
    scores = []
    for y in range(5, truth.shape[0] - 5):
        for x in range(5, truth.shape[1] - 5):
            a, b = (p[y - 5 : y + 6, x - 5 : x + 6] for p in (truth, images))
            mean_a, mean_b = ((window * p).sum((0, 1)) for p in (a, b))
            var_a = (window * (a - mean_a) ** 2).sum((0, 1))
            var_b = (window * (b - mean_b) ** 2).sum((0, 1))
            covariance = (window * (a - mean_a) * (b - mean_b)).sum((0, 1))
            scores.append(
                (2 * mean_a * mean_b + c1)
                * (2 * covariance + c2)
                / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
            )
    return np.mean(scores)


@pytest.mark.parametrize("name", RANGES)
def test_psnr_is_the_formula(name):
    truth, images = _images(name)
    low, high = RANGES[name]
    errors = ((truth.astype(float) - images.astype(float)) ** 2).mean((1, 2, 3))
    expected = 20 * np.log10((high - low) / np.sqrt(errors))
    got = metrics.psnr(truth, images, value_range=RANGES[name])
    assert got.shape == (3,) and got.dtype == np.float64
    np.testing.assert_allclose(got, expected, rtol=1e-12)


@pytest.mark.parametrize("name", RANGES)
@pytest.mark.parametrize("channels", [1, 3])
def test_ssim_is_the_formula(name, channels):
    truth, images = _images(name, (2, 14, 17, channels))
    low, high = RANGES[name]
    expected = [
        _slow_ssim(a.astype(float) - low, b.astype(float) - low, high - low)
        for a, b in zip(truth, images)
    ]
    got = metrics.ssim(truth, images, value_range=RANGES[name])
    assert got.shape == (2,) and got.dtype == np.float64
    np.testing.assert_allclose(got, expected, rtol=1e-9)


def test_as_scikit_image_gives_them():
    truth, images = _images("bytes")
    settings = {
        "channel_axis": -1,
        "gaussian_weights": True,
        "sigma": 1.5,
        "use_sample_covariance": False,
    }
    ours = {
        s: getattr(metrics, s)(truth, images, value_range=(0, 255))
        for s in ("psnr", "ssim")
    }
    for i in range(3):
        psnr = skimage_metrics.peak_signal_noise_ratio(truth[i], images[i])
        ssim = skimage_metrics.structural_similarity(truth[i], images[i], **settings)
        assert ours["psnr"][i] == pytest.approx(psnr, abs=1e-6)
        assert ours["ssim"][i] == pytest.approx(ssim, abs=1e-6)


def test_scores_do_not_hang_on_the_range_or_the_kind_of_number():
    for score in (metrics.psnr, metrics.ssim, metrics.mean_absolute_error):
        expected = score(*_images("bytes"), value_range=(0, 255))
        for name in ("unit", "signed"):
            pair = [tf.constant(x, tf.float32) for x in _images(name)]
            got = score(*pair, value_range=RANGES[name])
            np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_one_grey_level_by_hand():
    """A difference of 1 of 255 everywhere: 48.13 dB, an l1 error of 1/255."""
    truth = np.full((1, 12, 12, 3), 100, np.uint8)
    pair = (truth, truth + 1)
    psnr = metrics.psnr(*pair, value_range=(0, 255))
    np.testing.assert_allclose(psnr, 20 * math.log10(255), rtol=1e-12)
    error = metrics.mean_absolute_error(*pair, value_range=(0, 255))
    np.testing.assert_allclose(error, 1 / 255, rtol=1e-12)


def test_equal_images():
    truth, images = _images("unit")
    images[1] = truth[1]
    psnr = metrics.psnr(truth, images, value_range=(0, 1))
    assert np.isinf(psnr).tolist() == [False, True, False]
    assert metrics.ssim(truth, images, value_range=(0, 1))[1] == pytest.approx(1)
    assert metrics.mean_absolute_error(truth, images, value_range=(0, 1))[1] == 0


@pytest.mark.parametrize("score", ["psnr", "ssim", "mean_absolute_error"])
def test_bad_input_is_refused(score):
    score = getattr(metrics, score)
    truth, images = _images("unit")
    with pytest.raises(ValueError, match=r"\(3, 24, 31, 3\) and \(2, 24, 31, 3\)"):
        score(truth, images[:2], value_range=(0, 1))
    with pytest.raises(ValueError, match=r"\(24, 31, 3\)"):
        score(truth[0], images[0], value_range=(0, 1))
    with pytest.raises(
        ValueError, match=r"images must .*=\(0, 1\), got .* to 2.0; clip"
    ):
        score(truth, np.full_like(truth, 2), value_range=(0, 1))
    with pytest.raises(ValueError, match="truth must .* nan"):
        score(np.full_like(truth, np.nan), images, value_range=(0, 1))
    with pytest.raises(ValueError, match=r"value_range .* \(1, 1\)"):
        score(truth, images, value_range=(1, 1))


def test_small_images_have_no_ssim():
    truth = np.zeros((1, 11, 10, 1))
    with pytest.raises(ValueError, match="11x11, got 11x10"):
        metrics.ssim(truth, truth, value_range=(0, 1))
