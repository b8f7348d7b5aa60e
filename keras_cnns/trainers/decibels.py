"""Peak signal-to-noise ratios that training reports."""

import numpy as np
import tensorflow as tf

# An image without error has no finite ratio; it counts as 100 dB.
_LEAST_ERROR = 1e-10


def decibels(error: tf.Tensor) -> tf.Tensor:
    """PSNR of images, at most 100 dB.

    Args:
        error: ``(batch, height, width, channels)``, differences of images to the true
            ones, as fractions of the range of values.

    Returns:
        ``(batch,)``, in dB, of the type of ``error``.
    """
    squares = tf.maximum(tf.reduce_mean(error**2, [1, 2, 3]), _LEAST_ERROR)
    return -10 / np.log(10) * tf.math.log(squares)
