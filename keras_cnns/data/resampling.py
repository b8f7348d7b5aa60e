"""Bicubic resampling as super-resolution has it: MATLAB's ``imresize``.

Low-resolution images and the bicubic baseline of the literature are MATLAB's: Keys'
kernel of a = -0.5, stretched by the factor where images shrink (antialiasing),
centres of pixels at half numbers, the border mirrored with its last pixel. Nothing that
comes with TensorFlow is that:

- ``tf.image.resize(..., "bicubic", antialias=True)`` leaves out what lies beyond the
  border and divides by the rest: pixels near it are off by up to 16 grey levels on
  noise. So do Pillow and PyTorch.
- Without ``antialias`` it takes its kernel from a coarse table (0.15 grey levels off at
  x3), and aliases where images shrink.
- XLA compiles neither.

What a network was trained on is what its scores hold for.

Here an axis is multiplied by a matrix that depends on sizes alone, so that it runs on
all devices, within XLA, and has a gradient.
"""

from __future__ import annotations

import fractions
from typing import TYPE_CHECKING

import tensorflow as tf

from keras_cnns._checks import is_number, is_whole

if TYPE_CHECKING:
    from keras_cnns._types import Array

_A = -0.5  # Keys' parameter
_WIDTH = 4  # of the kernel, in pixels of the larger image


def resize_bicubic(
    images: Array, scale: float | fractions.Fraction, antialias: bool = True
) -> tf.Tensor:
    """Images enlarged or shrunk by MATLAB's ``imresize``, not rounded.

    Args:
        images: ``(height, width, channels)`` or ``(batch, height, width, channels)``,
            any number type; sizes may be unknown.
        scale: factor of both sides; a whole number, a fraction such as
            ``fractions.Fraction(1, 3)`` or a float near to one.
        antialias: whether the kernel is stretched where images shrink.

    Returns:
        float32 (float64 of float64) of sides ``ceil(side * scale)``. Overshoots beyond
        the range of the images are not clipped.

    Raises:
        ValueError: if images have another rank, or the scale is not positive.
    """
    images = tf.convert_to_tensor(images)
    if images.shape.rank not in (3, 4):
        raise ValueError(
            "images must be (height, width, channels), or a batch of them, got "
            f"{images.shape}"
        )
    if images.dtype != tf.float64:
        images = tf.cast(images, tf.float32)
    rows, columns = (
        tf.cast(_weights(images, axis, scale, antialias), images.dtype)
        for axis in (-3, -2)
    )
    images = tf.einsum("ph,...hwc->...pwc", rows, images)
    return tf.einsum("qw,...pwc->...pqc", columns, images)


def resampling_weights(
    length: int | tf.Tensor, scale: float | fractions.Fraction, antialias: bool = True
) -> tf.Tensor:
    """The matrix that resizes one axis.

    Args:
        length: pixels of the axis, a whole number or a scalar tensor.
        scale, antialias: as in ``resize_bicubic``.

    Returns:
        float64 ``(ceil(length * scale), length)``; rows sum to 1.

    Raises:
        ValueError: if the scale is not positive.

    Source: Keys, "Cubic convolution interpolation for digital image processing", 1981,
    equation 15; conventions of MATLAB's ``imresize``.
    """
    scale = exact_scale(scale)
    kernel_scale = float(min(scale, 1)) if antialias else 1.0
    width = _WIDTH / kernel_scale
    length = tf.cast(length, tf.int64)
    count = -(-length * scale.numerator // scale.denominator)
    centres = (tf.cast(tf.range(count), tf.float64) + 0.5) / float(scale) - 0.5
    taps = tf.range(int(-(-width // 1)) + 2, dtype=tf.int64)
    first = tf.cast(tf.floor(centres - width / 2), tf.int64)
    places = first[:, tf.newaxis] + taps
    distances = centres[:, tf.newaxis] - tf.cast(places, tf.float64)
    weights = _keys(kernel_scale * distances)
    weights /= tf.reduce_sum(weights, 1, keepdims=True)
    outputs = tf.broadcast_to(tf.range(count)[:, tf.newaxis], tf.shape(places))
    indices = tf.stack([outputs, _mirrored(places, length)], -1)
    return tf.scatter_nd(indices, weights, tf.stack([count, length]))


def exact_scale(scale: float | fractions.Fraction) -> fractions.Fraction:
    """A factor as a fraction, so that sizes do not depend on rounding.

    Raises:
        ValueError: if it is no positive number.
    """
    known = is_whole(scale) or is_number(scale) or isinstance(scale, fractions.Fraction)
    if not known or not 0 < scale < 1000:
        raise ValueError(f"scale must be a positive number, got {scale!r}")
    return fractions.Fraction(scale).limit_denominator(1000)


def _weights(images, axis, scale, antialias):
    """Weights of an axis; constants where its length is known."""
    length = images.shape[axis]
    if length is not None:
        with tf.init_scope():
            return resampling_weights(length, scale, antialias).numpy()
    length = tf.shape(images)[axis]
    return resampling_weights(length, scale, antialias)


def _keys(distances):
    """Keys' cubic, of distances in pixels."""
    x = tf.abs(distances)
    near = ((_A + 2) * x - (_A + 3)) * x**2 + 1
    far = ((_A * x - 5 * _A) * x + 8 * _A) * x - 4 * _A
    return tf.where(x <= 1, near, tf.where(x <= 2, far, tf.zeros_like(x)))


def _mirrored(places, length):
    """Places beyond the border, back within: ... 1 0 | 0 1 ... n-1 | n-1 ..."""
    places = tf.math.floormod(places, 2 * length)
    return tf.minimum(places, 2 * length - 1 - places)
