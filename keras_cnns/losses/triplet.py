"""Losses of three images, two of which belong together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

from keras_cnns._checks import check_positive

if TYPE_CHECKING:
    from keras_cnns._types import Array


def triplet_hinge(
    anchor: Array, positive: Array, negative: Array, margin: float = 1.0
) -> tf.Tensor:
    """How far a pair is from being nearer than a pair of strangers, by a margin.

    Args:
        anchor, positive, negative: features ``(batch, units)``; the first two belong
            together.
        margin: of squared distances, positive.

    Returns:
        ``(batch,)`` float32: ``max(0, |a - p|^2 - |a - n|^2 + margin)``.

    Raises:
        ValueError: if ``margin`` is not positive.

    Source: Jaderberg et al., arXiv 1506.02025, appendix on co-localisation.
    """
    check_positive("margin", margin)
    anchor, *others = (tf.cast(x, tf.float32) for x in (anchor, positive, negative))
    near, far = (tf.reduce_sum((anchor - x) ** 2, -1) for x in others)
    return tf.nn.relu(near - far + margin)
