"""Losses of enlarged pictures: one value per picture, in float32."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import tensorflow as tf

if TYPE_CHECKING:
    from keras_cnns._types import Array

# SRGAN's factor of VGG's features, which makes their loss as large as that of pixels.
VGG_FEATURE_SCALE = 1 / 12.75


def content(
    features: Sequence[Array],
    targets: Sequence[Array],
    feature_scale: float = VGG_FEATURE_SCALE,
) -> tf.Tensor:
    """Mean squared differences of features times a scale, summed over layers.

    Args:
        features, targets: lists of maps ``(batch, height, width, channels)`` of the
            enlarged and the true pictures, a layer each.
        feature_scale: what the features are multiplied by; its square is the factor of
            the loss, 0.00615 for VGG.

    Returns:
        ``(batch,)``.

    Source: Ledig et al., arXiv 1609.04802, equation 5 and section 3.2. The mean is
    taken over channels too, as of pixels (unverified).
    """
    scaled = (
        feature_scale * (tf.cast(a, tf.float32) - tf.cast(b, tf.float32))
        for a, b in zip(features, targets)
    )
    return tf.add_n([tf.reduce_mean(x**2, [1, 2, 3]) for x in scaled])
