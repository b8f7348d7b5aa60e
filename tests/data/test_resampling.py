"""Bicubic resampling against numbers worked out by hand and MATLAB's rules in NumPy."""

import fractions

import numpy as np
import pytest
import tensorflow as tf

from keras_cnns import data

HALF, THIRD = fractions.Fraction(1, 2), fractions.Fraction(1, 3)


def statement(line, scale, antialias=True):
    """One axis by the rules as they are published, counted from 1, pixel by pixel."""
    shrinks = antialias and scale < 1
    stretch, width = (float(scale), 4 / float(scale)) if shrinks else (1.0, 4.0)
    length = len(line)
    mirrored = np.concatenate([line, line[::-1]])
    result = []
    for i in range(1, int(np.ceil(round(length * float(scale), 9))) + 1):
        u = i / float(scale) + 0.5 * (1 - 1 / float(scale))
        left = int(np.floor(u - width / 2))
        total = weight = 0.0
        for place in range(left, left + int(np.ceil(width)) + 2):
            d = abs(stretch * (u - place))
            if d <= 1:
                k = 1.5 * d**3 - 2.5 * d**2 + 1
            elif d <= 2:
                k = -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2
            else:
                k = 0.0
            total += k * mirrored[(place - 1) % (2 * length)]
            weight += k
        result.append(total / weight)
    return np.array(result)


def resized_line(line, scale, **options):
    """A line, repeated to an image, resized; all rows of it are equal."""
    image = np.tile(np.array(line, np.float32)[None, :, None], (6, 1, 1))
    rows = data.resize_bicubic(image, scale, **options).numpy()[..., 0]
    assert np.ptp(rows, axis=0).max() < 1e-4
    return rows[0]


@pytest.mark.parametrize(
    ("length", "scale", "row", "expected"),
    [
        (8, HALF, 1, "-0.046875 0.113281 0.433594 0.433594 0.113281 -0.035156 "
         "-0.011719 0"),
        (8, HALF, 0, "0.546875 0.398438 0.101562 -0.035156 -0.011719 0 0 0"),
        (9, THIRD, 1, " ".join(str(n / 27) for n in (-1, 0, 3, 7, 9, 7, 3, 0, -1))),
    ],
)  # fmt: skip
def test_golden_weights(length, scale, row, expected):
    weights = data.resampling_weights(length, scale)
    np.testing.assert_allclose(
        weights[row], np.fromstring(expected, sep=" "), atol=6e-7
    )
    np.testing.assert_allclose(tf.reduce_sum(weights, 1), 1, rtol=1e-12)


def test_golden_weights_without_antialiasing():
    weights = data.resampling_weights(8, HALF, antialias=False)[1]
    np.testing.assert_allclose(weights, [0, -1 / 16, 9 / 16, 9 / 16, -1 / 16, 0, 0, 0])


@pytest.mark.parametrize(
    ("line", "scale", "expected"),
    [
        (range(10, 81, 10), 0.5, (14.492188, 34.882812, 55.117188, 75.507812)),
        (
            (0, 0, 255, 255) * 2,
            0.5,
            (16.933594, 218.144531, 36.855469, 238.066406),
        ),
        (
            (10, 20, 40, 80),
            2,
            (9.0625, 11.5625, 16.5625, 23.828125, 33.359375, 49.53125, 72.34375, 83.75),
        ),
    ],
)
def test_golden_lines(line, scale, expected):
    np.testing.assert_allclose(resized_line(line, scale), expected, atol=1e-4)


@pytest.mark.parametrize("scale", [2, 3, 4, HALF, THIRD, 0.25, 0.6, 1])
@pytest.mark.parametrize("length", [1, 2, 7, 12, 101])
def test_against_the_published_rules(length, scale):
    line = np.random.default_rng(length).uniform(0, 255, length)
    actual = resized_line(line, scale)
    np.testing.assert_allclose(actual, statement(line, scale), atol=1e-3)


def test_images_of_unknown_size_in_batches_by_xla():
    images = np.random.default_rng(0).integers(0, 256, (2, 13, 11, 3), np.uint8)
    rows = np.apply_along_axis(statement, 1, images.astype(float), THIRD)
    expected = np.apply_along_axis(statement, 2, rows, THIRD)
    plain = data.resize_bicubic(images, THIRD)
    signature = [tf.TensorSpec([None, None, None, 3], tf.uint8)]
    unknown = tf.function(
        lambda x: data.resize_bicubic(x, THIRD), input_signature=signature
    )
    compiled = tf.function(lambda x: data.resize_bicubic(x, THIRD), jit_compile=True)
    for result in (plain, unknown(images), compiled(images)):
        np.testing.assert_allclose(result, expected, atol=1e-3)
    one = data.resize_bicubic(images[0], THIRD)
    np.testing.assert_allclose(one, expected[0], atol=1e-3)


def test_is_not_tensorflows():
    """Which the reason for the module is: it differs at the border, not within."""
    noise = 255 * np.random.default_rng(0).integers(0, 2, (30, 30, 1))
    noise = noise.astype(np.float32)
    ours = data.resize_bicubic(noise, HALF)
    theirs = tf.image.resize(noise, [15, 15], "bicubic", antialias=True)
    error = np.abs(ours - theirs)
    assert error.max() > 5 and error[3:-3, 3:-3].max() < 1e-3


@pytest.mark.parametrize("scale", [0, -2, float("nan"), "2", True, None])
def test_bad_scales_are_refused(scale):
    with pytest.raises(ValueError, match=f"scale must be.*{scale!r}"):
        data.resize_bicubic(np.zeros([4, 4, 1]), scale)


def test_other_ranks_are_refused():
    with pytest.raises(ValueError, match=r"\(4, 4\)"):
        data.resize_bicubic(np.zeros([4, 4]), 2)
