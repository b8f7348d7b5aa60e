"""Wasserstein GAN with clipped weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from keras_cnns import losses
from keras_cnns.trainers import distribution
from keras_cnns.trainers.stepwise import step_counter
from keras_cnns.trainers.wasserstein import WassersteinTrainer

if TYPE_CHECKING:
    from tensorflow import keras

    from keras_cnns.trainers.step_noise import StepNoise

# The authors' code trains the critic longer: this many updates for each of the first
# generator updates, and for one in every later period.
_WARM_UP_UPDATES, _WARM_UP_GENERATOR_UPDATES, _WARM_UP_PERIOD = 100, 25, 500


class WassersteinGAN(WassersteinTrainer):
    """A critic with clipped weights, and a generator that minimises its estimate.

    It reports ``critic_loss``, ``generator_loss`` and ``wasserstein_estimate``, the
    critic loss's negative: up to a factor that depends on the critic, the distance
    between real and generated images. The factor differs between critics, so that
    estimates of two critics cannot be compared.

    Args:
        discriminator: the critic, images to scores ``(batch, 1)``.
        clip_value: c; after each critic update every trainable weight of the critic,
            those of batch normalisation too, lies in [-c, c].
        critic_warm_up: whether the critic gets 100 updates before each of the first 25
            generator updates and before every 500th, as in the authors' code (not in
            the paper), which counts them as whole multiples of ``discriminator_steps``
            here.
        generator, **options: of ``LatentTrainer``, whose ``discriminator_steps`` are
            n_critic, 5 if left out.

    Raises:
        ValueError: if the networks do not fit together or an argument is bad.

    Source: Arjovsky et al., arXiv 1701.07875, algorithm 1 (c 0.01, n_critic 5, RMSProp
    at 5e-5, batch 64). The authors' code clips before each update, not after it.
    """

    metric_names = ("critic_loss", "generator_loss", "wasserstein_estimate")

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        *,
        clip_value: float = 0.01,
        critic_warm_up: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(generator, discriminator, **options)
        if not clip_value > 0:
            raise ValueError(f"clip_value must be positive, got {clip_value!r}")
        self._clip_value = clip_value
        self._warms_up = critic_warm_up
        self.generator_updates = step_counter("generator_updates")
        self.critic_rounds = step_counter("critic_rounds")

    def checkpointed(self) -> dict:
        return {
            **super().checkpointed(),
            "generator_updates": self.generator_updates,
            "critic_rounds": self.critic_rounds,
        }

    def next_step(self) -> Callable[[tuple], dict]:
        """``train_step``, or ``critic_step`` while the critic warms up."""
        if not self._warms_up:
            return self.train_step
        updates = int(self.generator_updates.numpy())
        rounds = _rounds_before(updates, self.discriminator_steps)
        is_due = int(self.critic_rounds.numpy()) >= rounds
        return self.train_step if is_due else self.critic_step

    def count_updates(self, steps: int, steps_per_epoch: int) -> tuple:
        """As the base class; with a warm-up, the generator's are a mean over epochs."""
        of_generator, of_critic = super().count_updates(steps, steps_per_epoch)
        updates, left = 0, steps
        while self._warms_up and left > 0:
            left -= 1 + _rounds_before(updates, self.discriminator_steps)
            updates += left >= 0
        if self._warms_up:
            of_generator = (updates, updates / (steps / steps_per_epoch))
        return of_generator, of_critic

    def train_step(self, data: tuple) -> dict:
        self.generator_updates.assign_add(1)
        self.critic_rounds.assign(0)
        return super().train_step(data)

    def critic_step(self, data: tuple) -> dict:
        """The critic's part of the algorithm alone."""
        self.train_discriminator(data, self.step_noise())
        self.critic_rounds.assign_add(1)
        names = ("critic_loss", "wasserstein_estimate")
        return self.finish_step(names, network_moved=False)

    def discriminator_objective(
        self,
        images: tf.Tensor,
        labels: tf.Tensor,
        latents: tf.Tensor,
        on_real: tf.Tensor,
        on_fake: tf.Tensor,
    ) -> tuple:
        """Mean of f(G(z)) - f(x), and what is reported."""
        fakes = tf.stop_gradient(self.generate(latents, labels))
        loss = tf.reduce_mean(
            losses.wasserstein_critic_loss(
                self.discriminate(images + on_real, labels),
                self.discriminate(fakes + on_fake, labels),
            )
        )
        return loss, {"critic_loss": loss, "wasserstein_estimate": -loss}

    def update_discriminator(
        self, noise: StepNoise, images: tf.Tensor, labels: tf.Tensor
    ) -> None:
        """One update, whose weights are then clipped."""
        super().update_discriminator(noise, images, labels)
        distribution.clip_variables(
            self.discriminator.trainable_variables, self._clip_value
        )


def _rounds_before(generator_updates, discriminator_steps):
    """Steps of the critic alone before the generator's next update, warming up."""
    is_early = generator_updates < _WARM_UP_GENERATOR_UPDATES
    if not is_early and generator_updates % _WARM_UP_PERIOD:
        return 0
    return -(-_WARM_UP_UPDATES // discriminator_steps) - 1
