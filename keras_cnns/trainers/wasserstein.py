"""What Wasserstein trainers share: the losses of generator and penalised critic."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import tensorflow as tf
from tensorflow import keras

from keras_cnns import losses
from keras_cnns.trainers.adversarial import LatentTrainer
from keras_cnns.trainers.stepwise import is_loss_scaled

if TYPE_CHECKING:
    from keras_cnns._types import Optimizer


class WassersteinTrainer(LatentTrainer):
    """A generator that raises the critic's scores of its images."""

    discriminator_steps = 5

    def generator_objective(
        self, latents: tf.Tensor, labels: tf.Tensor, on_fake: tf.Tensor
    ) -> tuple:
        """Mean of -f(G(z)), and what is reported."""
        fakes = self.generate(latents, labels) + on_fake
        scores = self.discriminate(fakes, labels)
        loss = tf.reduce_mean(losses.wasserstein_generator_loss(scores))
        return loss, {"generator_loss": loss}


def check_penalized(critic: keras.Model, penalty_weight: float) -> None:
    """Refuses a critic or a weight that does not suit a gradient penalty.

    Raises:
        ValueError: if the weight is not positive, or the critic has batch
            normalisation.
    """
    if not penalty_weight > 0:
        raise ValueError(f"penalty_weight must be positive, got {penalty_weight!r}")
    for layer in critic.submodules:
        if isinstance(layer, keras.layers.BatchNormalization):
            raise ValueError(
                f"layer {layer.name} of {critic.name} is a batch normalisation; the "
                "gradient penalty needs a critic without; layer normalisation is fine"
            )


def penalized_critic_loss(
    score: Callable,
    reals: tf.Tensor | Sequence[tf.Tensor],
    fakes: tf.Tensor | Sequence[tf.Tensor],
    fractions: tf.Tensor | Sequence[tf.Tensor],
    *,
    optimizer: Optimizer,
    penalty_weight: float,
    weights: tf.Tensor | Sequence[tf.Tensor] | None = None,
) -> tuple:
    """E f(fake) - E f(real) and the gradient penalty between the two.

    Losses of several critics, each with its own images, are summed.

    Args:
        score: function of images to scores, ``(batch, 1)``; of a list, to a list.
        reals, fakes: images ``(batch, ...)``, or a list with those of each critic.
        fractions: positions of the penalty from real (0) to fake (1), in the form of
            ``reals``.
        optimizer: the critic's; if it scales the loss, the gradients by images are
            scaled too: in 16 bits they would vanish like any other.
        penalty_weight: lambda.
        weights: factors of the gradients before their norm is taken, in the form of
            ``reals``; None: 1.

    Returns:
        (loss, dict of ``critic_loss``, ``gradient_penalty`` before its weight and
        ``wasserstein_estimate``), scalars.

    Source: Gulrajani et al., arXiv 1704.00028, equation 3.
    """
    scores = score(reals), score(fakes)
    difference = sum_of_means(losses.wasserstein_critic_loss, *scores)
    between = tf.nest.map_structure(
        lambda real, fake, fraction: real + fraction * (fake - real),
        reals,
        fakes,
        fractions,
    )
    gradients = _input_gradients(score, between, optimizer)
    if weights is not None:
        gradients = tf.nest.map_structure(tf.multiply, gradients, weights)
    penalty = sum_of_means(losses.gradient_penalty, gradients)
    loss = difference + penalty_weight * penalty
    return loss, {
        "critic_loss": loss,
        "gradient_penalty": penalty,
        "wasserstein_estimate": -difference,
    }


def sum_of_means(
    loss: Callable[..., tf.Tensor], *values: tf.Tensor | Sequence[tf.Tensor]
) -> tf.Tensor:
    """The mean of a loss, ``(batch,)``, summed over critics.

    Args:
        loss: function of ``values``.
        *values: tensors, or lists with one for each critic.
    """
    by_critic = zip(*map(tf.nest.flatten, values))
    return tf.add_n([tf.reduce_mean(loss(*each)) for each in by_critic])


def _input_gradients(score, inputs, optimizer):
    """Gradient of each example's score by its input, in the form of ``inputs``."""
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        scores = score(inputs)
        if is_loss_scaled(optimizer):
            scores = tf.nest.map_structure(optimizer.get_scaled_loss, scores)
    gradients = tape.gradient(scores, inputs)
    if is_loss_scaled(optimizer):
        flat = optimizer.get_unscaled_gradients(tf.nest.flatten(gradients))
        gradients = tf.nest.pack_sequence_as(gradients, flat)
    return gradients
