"""Generative adversarial nets, plain and conditional."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tensorflow as tf

from keras_cnns import losses
from keras_cnns.trainers.adversarial import LatentTrainer

if TYPE_CHECKING:
    from tensorflow import keras

_GENERATOR_LOSSES = {
    "non_saturating": losses.non_saturating_generator_loss,
    "minimax": losses.minimax_generator_loss,
}


class GAN(LatentTrainer):
    """The minimax game of a generator and a discriminator.

    It reports ``discriminator_loss`` (log 4 at the optimum), ``generator_loss`` and
    ``discriminator_accuracy``, the fraction of images that are classified correctly.

    Args:
        discriminator: images to logits ``(batch, 1)``.
        generator_loss: ``"non_saturating"``, -log D(G(z)), or ``"minimax"``,
            log(1 - D(G(z))).
        generator, **options: of ``LatentTrainer``, whose ``discriminator_steps`` are k
            in the paper.

    Raises:
        ValueError: if the networks do not fit together or an argument is bad.

    Source: Goodfellow et al., arXiv 1406.2661, algorithm 1; k = 1 in its experiments.
    The released code updates both networks at once from one set of generated images;
    here each update draws its own, as the algorithm has it.
    """

    metric_names = ("discriminator_loss", "generator_loss", "discriminator_accuracy")

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        *,
        generator_loss: str = "non_saturating",
        **options: Any,
    ) -> None:
        super().__init__(generator, discriminator, **options)
        if generator_loss not in _GENERATOR_LOSSES:
            raise ValueError(
                f"generator_loss must be one of {', '.join(_GENERATOR_LOSSES)}, got "
                f"{generator_loss!r}"
            )
        self._generator_loss = _GENERATOR_LOSSES[generator_loss]

    def discriminator_objective(
        self,
        images: tf.Tensor,
        labels: tf.Tensor,
        latents: tf.Tensor,
        on_real: tf.Tensor,
        on_fake: tf.Tensor,
    ) -> tuple:
        """Mean of -log D(x) - log(1 - D(G(z))), and what is reported."""
        fakes = tf.stop_gradient(self.generate(latents, labels))
        real_logits = self.discriminate(images + on_real, labels)
        fake_logits = self.discriminate(fakes + on_fake, labels)
        loss = tf.reduce_mean(losses.discriminator_loss(real_logits, fake_logits))
        correct = [real_logits > 0, fake_logits < 0]
        accuracy = tf.reduce_mean(tf.cast(correct, tf.float32))
        return loss, {"discriminator_loss": loss, "discriminator_accuracy": accuracy}

    def generator_objective(
        self, latents: tf.Tensor, labels: tf.Tensor, on_fake: tf.Tensor
    ) -> tuple:
        """Mean of the generator's loss, and what is reported."""
        fakes = self.generate(latents, labels)
        logits = self.discriminate(fakes + on_fake, labels)
        loss = tf.reduce_mean(self._generator_loss(logits))
        return loss, {"generator_loss": loss}


class ConditionalGAN(GAN):
    """The same game given labels: D(x|y) against G(z|y).

    Real and generated examples are scored with the labels of the same real minibatch,
    so that both have one distribution of labels; there is no loss for mismatched pairs.

    Args:
        generator: ``[latents, labels]`` to images, or to vectors.
        discriminator: ``[images, labels]`` to logits ``(batch, 1)``.
        latents, **options: as in ``GAN``. Labels are whatever the networks take:
            ``(batch, classes)`` one-hot, or any other vectors.

    Source: Mirza and Osindero, arXiv 1411.1784, equation 2.
    """

    is_conditional = True
