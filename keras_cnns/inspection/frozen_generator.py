"""Training a discriminator or a critic against a frozen generator."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from tensorflow import keras

from keras_cnns._checks import check_count
from keras_cnns.trainers import GAN, WassersteinGANGP


class _FrozenGenerator:
    """Steps without the generator's updates, and the generator in inference mode.

    Its batch normalisation is frozen too.
    """

    def generate(self, latents, labels, training=False):
        return super().generate(latents, labels, training=training)

    def train_step(self, data):
        """One update of the discriminator for each minibatch of the batch."""
        self.train_discriminator(data, self.step_noise())
        return self.finish_step(network_moved=False)


class FrozenGeneratorGAN(_FrozenGenerator, GAN):
    """Algorithm 1 of GANs without the generator's updates; arguments are ``GAN``'s."""


class FrozenGeneratorWassersteinGANGP(_FrozenGenerator, WassersteinGANGP):
    """The critic's part of WGAN-GP's algorithm 1; arguments are its trainer's."""


class DiscriminatorTraining:
    """Trains the discriminator of a trainer above, some steps at a time.

    Args:
        trainer: ``FrozenGeneratorGAN`` or ``FrozenGeneratorWassersteinGANGP``, not
            compiled yet.
        optimizer: of its discriminator.
        images: real examples ``(count, ...)``.
        batch_size: of them in a step; at most ``count``.
        seed: of their order.

    Raises:
        ValueError: if there are fewer examples than one batch.
    """

    def __init__(
        self,
        trainer: FrozenGeneratorGAN | FrozenGeneratorWassersteinGANGP,
        optimizer: keras.optimizers.Optimizer,
        images: np.ndarray,
        batch_size: int,
        seed: int = 0,
    ) -> None:
        check_count("batch_size", batch_size)
        images = np.asarray(images, np.float32)
        if len(images) < batch_size:
            raise ValueError(
                f"batch_size={batch_size} is more than the {len(images)} examples"
            )
        trainer.compile(keras.optimizers.SGD(), optimizer)  # the first one is not used
        self._batches = iter(
            tf.data.Dataset.from_tensor_slices(images)
            .shuffle(len(images), seed=seed)
            .repeat()
            .batch(batch_size, drop_remainder=True)
            .map(lambda batch: (batch, tf.zeros([batch_size, 0])))
        )

        @tf.function
        def train(batches, num_steps):
            for _ in tf.range(num_steps):
                trainer.train_step(next(batches))

        self._train = train

    def advance(self, num_steps: int) -> None:
        """Trains ``num_steps`` steps more."""
        self._train(self._batches, tf.constant(num_steps))
