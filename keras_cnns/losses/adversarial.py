"""Adversarial losses: functions of logits, one value per example, in float32.

``log D`` and ``log(1 - D)`` are computed from logits by softplus, so that they are
finite however confident the discriminator is: -log sigmoid(a) = softplus(-a).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

if TYPE_CHECKING:
    from keras_cnns._types import Array


def discriminator_loss(real_logits: Array, fake_logits: Array) -> tf.Tensor:
    """-log D(x) - log(1 - D(G(z))), what the discriminator minimises.

    Args:
        real_logits: ``(batch, 1)``, discriminator's logits of real examples.
        fake_logits: ``(batch, 1)``, those of generated ones.

    Returns:
        ``(batch,)``; log 4 where the discriminator cannot tell them apart.

    Source: Goodfellow et al., arXiv 1406.2661, equation 1 and algorithm 1.
    """
    return _flat(tf.nn.softplus(-_float32(real_logits))) + _flat(
        tf.nn.softplus(_float32(fake_logits))
    )


def minimax_generator_loss(fake_logits: Array) -> tf.Tensor:
    """log(1 - D(G(z))), ``(batch,)``; saturates where the discriminator is confident.

    Source: Goodfellow et al., arXiv 1406.2661, equation 1.
    """
    return -_flat(tf.nn.softplus(_float32(fake_logits)))


def non_saturating_generator_loss(fake_logits: Array) -> tf.Tensor:
    """-log D(G(z)), ``(batch,)``.

    Source: Goodfellow et al., arXiv 1406.2661, section 3.
    """
    return _flat(tf.nn.softplus(-_float32(fake_logits)))


def wasserstein_critic_loss(real_scores: Array, fake_scores: Array) -> tf.Tensor:
    """f(G(z)) - f(x), ``(batch,)``: its mean's negative estimates the distance.

    Source: Arjovsky et al., arXiv 1701.07875, algorithm 1.
    """
    return _flat(_float32(fake_scores)) - _flat(_float32(real_scores))


def wasserstein_generator_loss(fake_scores: Array) -> tf.Tensor:
    """-f(G(z)), ``(batch,)``.

    Source: Arjovsky et al., arXiv 1701.07875, algorithm 1.
    """
    return -_flat(_float32(fake_scores))


def gradient_penalty(gradients: Array) -> tf.Tensor:
    """(norm - 1)^2 of each example's gradient, ``(batch,)``.

    Args:
        gradients: of the critic's score with respect to its input, ``(batch, ...)``.

    The norm is taken over all axes but the first. Source: Gulrajani et al.,
    arXiv 1704.00028, equation 3; the 1e-12 under the root keeps its own gradient
    finite where the norm is 0.
    """
    gradients = _float32(gradients)
    axes = list(range(1, gradients.shape.rank))
    squares = tf.reduce_sum(gradients**2, axis=axes)
    return (tf.sqrt(squares + 1e-12) - 1) ** 2


def self_regularization(refined: Array, originals: Array) -> tf.Tensor:
    """Summed absolute differences of refined images to their originals.

    Args:
        refined, originals: ``(batch, height, width, channels)``, images or features.

    Returns:
        ``(batch,)``.

    Source: Shrivastava et al., arXiv 1612.07828, equation 4.
    """
    difference = tf.abs(_float32(refined) - _float32(originals))
    return tf.reduce_sum(difference, axis=list(range(1, difference.shape.rank)))


def local_adversarial_loss(logits: Array, is_refined: bool) -> tf.Tensor:
    """Cross-entropy of a map of two-way decisions, summed over its positions.

    Args:
        logits: ``(batch, rows, columns, 2)``, channel 0 for refined, 1 for real.
        is_refined: the target of every position.

    Returns:
        ``(batch,)``.

    Source: Shrivastava et al., arXiv 1612.07828, equations 1, 2 and section 2.3.
    """
    logits = _float32(logits)
    labels = tf.fill(tf.shape(logits)[:-1], 0 if is_refined else 1)
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
    return tf.reduce_sum(losses, axis=[1, 2])


def _float32(values):
    values = tf.convert_to_tensor(values)
    return values if values.dtype == tf.float64 else tf.cast(values, tf.float32)


def _flat(values):
    """(batch, 1) or a map (batch, ...) to one mean per example."""
    return tf.reduce_mean(tf.reshape(values, [tf.shape(values)[0], -1]), axis=1)
