"""Globally and locally consistent completion: training in three phases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tensorflow as tf

from keras_cnns import losses
from keras_cnns._checks import check_at_least
from keras_cnns.trainers import local_patches
from keras_cnns.trainers.adversarial_inpainting import (
    AdversarialInpaintingTrainer,
    check_discriminator,
    square_size,
)

if TYPE_CHECKING:
    from tensorflow import keras


class GlobalLocalTrainer(AdversarialInpaintingTrainer):
    """The completion network alone, then the discriminator alone, then both.

    The discriminator sees whole images and a patch of each: of filled ones the patch
    around the hole, of true ones a patch anywhere. It reports ``discriminator_loss``
    (log 4 where it cannot tell them apart), ``generator_loss`` (the weighted sum),
    ``hole`` (squared error) and ``adversarial_loss``; phases of one network
    report only what they train on. While the discriminator trains alone, batch
    statistics of the completion network still move, its trained weights do not.

    Args:
        network: as ``InpaintingTrainer`` takes it, one output.
        discriminator: ``[images, patches]`` to logits ``(batch, 1)``; its second
            input gives the size of the patches.
        completion_steps: steps of the first phase.
        discriminator_alone_steps: steps of the second one.
        adversarial_weight: alpha.
        **options: of ``AdversarialInpaintingTrainer``.

    Raises:
        ValueError: if the networks do not fit together or an argument is bad.

    Source: Iizuka et al., SIGGRAPH 2017, algorithm 1: 90,000 and 10,000 steps of
    500,000; alpha is (unverified). The network minimises -log D here, not log(1 - D),
    which saturates after the discriminator's head start.
    """

    metric_names = ("discriminator_loss", "generator_loss", "hole", "adversarial_loss")

    def __init__(
        self,
        network: keras.Model,
        discriminator: keras.Model,
        *,
        completion_steps: int = 90_000,
        discriminator_alone_steps: int = 10_000,
        adversarial_weight: float = 4e-4,
        **options: Any,
    ) -> None:
        super().__init__(
            network, discriminator, adversarial_weight=adversarial_weight, **options
        )
        check_discriminator(discriminator, 2)
        check_at_least(
            0,
            completion_steps=completion_steps,
            discriminator_alone_steps=discriminator_alone_steps,
        )
        self._patch_size = square_size(discriminator, 1)
        self.phases = (completion_steps, discriminator_alone_steps)

    def generator_step(self, data: tuple) -> dict:
        """Trains the completion network alone on the squared error of the hole."""
        self._update_network(self.completion_objective, *data)
        return self.finish_step(["generator_loss", "hole"])

    def discriminator_step(self, data: tuple) -> dict:
        """Trains the discriminator alone on what the network fills so far."""
        self._update_discriminator(*data)
        return self.finish_step(["discriminator_loss"], network_moved=False)

    def train_step(self, data: tuple) -> dict:
        """Algorithm 1 from its third phase on: the discriminator, then the network.

        Args:
            data: (true images, masks).
        """
        self._update_discriminator(*data)
        self._update_network(self.joint_objective, *data)
        return self.finish_step()

    def completion_objective(self, images: tf.Tensor, masks: tf.Tensor) -> tuple:
        """The squared error of the hole."""
        (output,) = self.paint(images, masks)
        loss = _squared_error(output, images, masks)
        return loss, {"generator_loss": loss, "hole": loss}

    def joint_objective(self, images: tf.Tensor, masks: tf.Tensor) -> tuple:
        """Equation 4: the squared error and the adversarial loss."""
        (output,) = self.paint(images, masks)
        error = _squared_error(output, images, masks)
        logits = self._discriminate_filled(output, images, masks)
        adversarial = tf.reduce_mean(losses.non_saturating_generator_loss(logits))
        loss = error + self._adversarial_weight * adversarial
        return loss, {
            "generator_loss": loss,
            "hole": error,
            "adversarial_loss": adversarial,
        }

    def discriminator_objective(
        self, images: tf.Tensor, masks: tf.Tensor, places: tf.Tensor
    ) -> tuple:
        """Equation 3: classification of filled and true images."""
        output = tf.stop_gradient(self.paint(images, masks)[0])
        corners = local_patches.random_corners(places, masks, self._patch_size)
        on_real = self._discriminate(images, corners)
        on_filled = self._discriminate_filled(output, images, masks)
        loss = tf.reduce_mean(losses.discriminator_loss(on_real, on_filled))
        return loss, {"discriminator_loss": loss}

    def _discriminate_filled(self, output, images, masks):
        corners = local_patches.hole_corners(masks, self._patch_size)
        composites = losses.composite(output, images, masks)
        return self._discriminate(composites, corners)

    def _discriminate(self, images, corners):
        patches = local_patches.cut(images, corners, self._patch_size)
        return self.discriminator([images, patches], training=True)

    def _update_network(self, objective, images, masks):
        self.minimize(objective, self.network, self.generator_optimizer, images, masks)

    def _update_discriminator(self, images, masks):
        self.minimize(
            self.discriminator_objective,
            self.discriminator,
            self.discriminator_optimizer,
            images,
            masks,
            self.step_noise().uniform([len(images), 2]),
        )


def _squared_error(output, images, masks):
    return tf.reduce_mean(losses.hole_mean_squared_error(output, images, masks))
