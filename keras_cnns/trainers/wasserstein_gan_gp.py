"""Wasserstein GAN with a gradient penalty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tensorflow as tf

from keras_cnns.trainers.wasserstein import (
    WassersteinTrainer,
    check_penalized,
    penalized_critic_loss,
)

if TYPE_CHECKING:
    from tensorflow import keras

    from keras_cnns.trainers.step_noise import StepNoise


class WassersteinGANGP(WassersteinTrainer):
    """A critic with a penalty on gradient norms other than 1.

    It reports ``critic_loss`` (penalty included), ``generator_loss``,
    ``gradient_penalty`` (before its weight) and ``wasserstein_estimate``, the mean of
    f(x) - f(G(z)). The penalty biases the estimate: for two points at a distance d it
    is d (1 + d / (2 weight)).

    Args:
        discriminator: the critic, images to scores ``(batch, 1)``; without batch
            normalisation, which would tie each example's gradient to the others.
        penalty_weight: lambda; 10 for images, 0.1 for the paper's 2-D toy data.
        generator, **options: of ``LatentTrainer``, whose ``discriminator_steps`` are
            n_critic, 5 if left out.

    Raises:
        ValueError: if the networks do not fit together, the critic has batch
            normalisation, or an argument is bad.

    Source: Gulrajani et al., arXiv 1704.00028, algorithm 1 (Adam at 1e-4, beta_1 0,
    beta_2 0.9; 0.5 and 0.9 in the released MNIST and plain CIFAR scripts).
    """

    metric_names = (
        "critic_loss",
        "generator_loss",
        "gradient_penalty",
        "wasserstein_estimate",
    )

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        *,
        penalty_weight: float = 10.0,
        **options: Any,
    ) -> None:
        super().__init__(generator, discriminator, **options)
        check_penalized(discriminator, penalty_weight)
        self._penalty_weight = penalty_weight

    def draw_positions(self, noise: StepNoise, images: tf.Tensor) -> list:
        """Where between real and generated images the penalty is taken."""
        return [noise.uniform([len(images)] + [1] * (images.shape.rank - 1))]

    def discriminator_objective(
        self,
        images: tf.Tensor,
        labels: tf.Tensor,
        latents: tf.Tensor,
        fractions: tf.Tensor,
        on_real: tf.Tensor,
        on_fake: tf.Tensor,
    ) -> tuple:
        """Mean of f(G(z)) - f(x) with the penalty, and what is reported."""
        reals = images + on_real
        fakes = tf.stop_gradient(self.generate(latents, labels)) + on_fake
        return penalized_critic_loss(
            lambda images: self.discriminate(images, labels),
            reals,
            fakes,
            fractions,
            optimizer=self.discriminator_optimizer,
            penalty_weight=self._penalty_weight,
        )
