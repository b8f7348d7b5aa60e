"""Parallel lines: distributions of which only the Wasserstein distance has a gradient.

Arjovsky, Chintala, Bottou, "Wasserstein GAN", arXiv 1701.07875, example 1: the real
examples are (0, u), the generated ones (theta, u), u uniform in [0, 1). Their
Jensen-Shannon divergence is log 2 for every theta but 0, so that it has no slope that a
generator could follow; their Wasserstein distance is the absolute value of theta.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from tensorflow import keras

from keras_cnns import losses
from keras_cnns._checks import check_count, check_positive
from keras_cnns.inspection.discriminator_probe import (
    dense_discriminator,
    generator_gradient,
)
from keras_cnns.inspection.frozen_generator import (
    DiscriminatorTraining,
    FrozenGeneratorGAN,
    FrozenGeneratorWassersteinGANGP,
)
from keras_cnns.trainers import Latents

_LATENTS = Latents(1, "unit_uniform")
_NUM_POINTS = 8192


@dataclasses.dataclass(frozen=True)
class ParallelLines:
    """Exact values for lines at a distance.

    Attributes:
        jensen_shannon: divergence in nats.
        kullback_leibler: divergence, both ways.
        wasserstein: distance.
        penalized_wasserstein: what WGAN-GP's estimate tends to: its penalty lets the
            critic's slope grow to 1 + distance / (2 weight).
    """

    jensen_shannon: float
    kullback_leibler: float
    wasserstein: float
    penalized_wasserstein: float


@dataclasses.dataclass(frozen=True)
class LineEstimates:
    """Estimates of trained networks for lines at a distance.

    Attributes:
        distance: theta.
        exact: ``ParallelLines``.
        discriminator_loss: log 4 at chance level.
        jensen_shannon: log 2 minus half of it.
        original_slope: derivative by theta of the mean of log(1 - D).
        alternative_slope: that of -log D.
        wasserstein: estimate of a critic with gradient penalty.
        wasserstein_slope: derivative of that estimate by theta, at a fixed critic.
    """

    distance: float
    exact: ParallelLines
    discriminator_loss: float
    jensen_shannon: float
    original_slope: float
    alternative_slope: float
    wasserstein: float
    wasserstein_slope: float


def exact_distances(distance: float, penalty_weight: float = 10.0) -> ParallelLines:
    """The closed forms.

    Args:
        distance: theta.
        penalty_weight: lambda of WGAN-GP.

    Raises:
        ValueError: if ``penalty_weight`` is not positive.

    Source: arXiv 1701.07875, example 1. Of the penalty: for a slope s on the segment
    between two points, s d - weight (s - 1)^2 is largest at s = 1 + d / (2 weight).
    """
    check_positive("penalty_weight", penalty_weight)
    width = abs(distance)
    return ParallelLines(
        jensen_shannon=math.log(2) if width else 0.0,
        kullback_leibler=math.inf if width else 0.0,
        wasserstein=width,
        penalized_wasserstein=width * (1 + width / (2 * penalty_weight)),
    )


def estimate_distances(
    distance: float,
    *,
    num_steps: int = 1500,
    batch_size: int = 64,
    learning_rate: float = 3e-3,
    units: Sequence[int] = (64, 64),
    penalty_weight: float = 10.0,
    seed: int = 0,
) -> LineEstimates:
    """Trains a discriminator and a critic on lines at a distance.

    Args:
        distance: theta.
        num_steps: updates of each of the two.
        batch_size: real points, and generated ones, in a step.
        learning_rate: of Adam; the critic's falls to 0 linearly, its beta_1 is 0.5.
        units: of the hidden layers of both.
        penalty_weight: lambda of WGAN-GP.
        seed: of everything random but the networks' weights; for repeatable ones call
            ``keras.utils.set_random_seed`` first.

    Raises:
        ValueError: if an argument is bad.
    """
    exact = exact_distances(distance, penalty_weight)
    check_count("num_steps", num_steps)
    check_positive("learning_rate", learning_rate)
    generator = _line_generator(distance)
    points = np.random.default_rng(seed).uniform(size=(_NUM_POINTS, 1))
    reals = np.concatenate([np.zeros_like(points), points], 1).astype(np.float32)
    trainers = [
        FrozenGeneratorGAN(
            generator, dense_discriminator([2], units), latents=_LATENTS, seed=seed
        ),
        FrozenGeneratorWassersteinGANGP(
            generator,
            dense_discriminator([2], units),
            latents=_LATENTS,
            penalty_weight=penalty_weight,
            discriminator_steps=1,
            seed=seed,
        ),
    ]
    falling = keras.optimizers.schedules.PolynomialDecay(learning_rate, num_steps, 0.0)
    adam = keras.optimizers.Adam
    for trainer, optimizer in zip(trainers, (adam(learning_rate), adam(falling, 0.5))):
        training = DiscriminatorTraining(trainer, optimizer, reals, batch_size, seed)
        training.advance(num_steps)
    networks = [trainer.discriminator for trainer in trainers]
    return _estimates(distance, exact, generator, networks, points)


def _estimates(distance, exact, generator, networks, points):
    """Measures a discriminator and a critic on the same points of both lines."""
    latents = tf.constant(points, tf.float32)
    fakes = generator(latents)
    reals = tf.concat([tf.zeros_like(latents), latents], 1)
    discriminator, critic = networks
    loss = tf.reduce_mean(
        losses.discriminator_loss(discriminator(reals), discriminator(fakes))
    )
    estimate = -tf.reduce_mean(
        losses.wasserstein_critic_loss(critic(reals), critic(fakes))
    )

    def slope(network, generator_loss):
        gradient = generator_gradient(generator, network, generator_loss)
        return float(gradient(latents, tf.constant([0, 0]))[0])

    return LineEstimates(
        distance=float(distance),
        exact=exact,
        discriminator_loss=float(loss),
        jensen_shannon=math.log(2) - float(loss) / 2,
        original_slope=slope(discriminator, losses.minimax_generator_loss),
        alternative_slope=slope(discriminator, losses.non_saturating_generator_loss),
        wasserstein=float(estimate),
        # The real line does not move: the estimate has the slope of -f(G(z)).
        wasserstein_slope=slope(critic, losses.wasserstein_generator_loss),
    )


def _line_generator(distance):
    """Latents u to points (theta, u); theta is its only parameter."""
    latents = keras.Input([1])
    return keras.Model(latents, _Shifted(distance)(latents), name="line")


class _Shifted(keras.layers.Layer):
    """Puts a trainable number before each value."""

    def __init__(self, start):
        super().__init__()
        self.number = self.add_weight(
            name="theta", shape=[], initializer=keras.initializers.Constant(start)
        )

    def call(self, inputs):
        return tf.concat([tf.zeros_like(inputs) + self.number, inputs], axis=1)
