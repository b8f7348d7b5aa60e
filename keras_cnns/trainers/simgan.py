"""SimGAN: a refiner that makes simulated images look real."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tensorflow as tf

from keras_cnns import losses
from keras_cnns._checks import check_at_least
from keras_cnns.trainers.adversarial import AdversarialTrainer
from keras_cnns.trainers.history_buffer import HistoryBuffer

if TYPE_CHECKING:
    import numpy as np
    from tensorflow import keras

    from keras_cnns._types import Array


def _derivatives(images):
    """Differences of neighbouring pixels, down and across."""
    down, across = tf.image.image_gradients(images)
    return tf.concat([down, across], -1)


# Features that refined images must keep of simulated ones.
_FEATURES = {
    "identity": tf.identity,
    "channel_mean": lambda images: tf.reduce_mean(images, -1, keepdims=True),
    "derivatives": _derivatives,
}


class SimGAN(AdversarialTrainer):
    """A refiner of simulated images against a discriminator of their patches.

    The first ``refiner_pretraining`` steps train the refiner to return its input, the
    next ``discriminator_pretraining`` the discriminator alone. It reports
    ``discriminator_loss`` (per position of the map: log 4 where it cannot tell them
    apart), ``adversarial_loss`` (per position) and ``self_regularization`` (mean
    absolute change of a value of the features); steps of pretraining report only
    what they train on.

    Args:
        refiner: simulated images to refined ones of the same shape.
        discriminator: images to logits ``(batch, rows, columns, 2)``, channel 0 for
            refined.
        regularization_weight: lambda, of the absolute differences summed over each
            image; too large a value makes the refiner return its input.
        features: psi: ``"identity"``, ``"channel_mean"``, ``"derivatives"``, or a
            network of images.
        refiner_steps, discriminator_steps: updates in each step, K_g and K_d.
        buffer_size: images in the history, which gives half of the discriminator's
            refined images; a multiple of half a minibatch. 0: no history.
        refiner_pretraining, discriminator_pretraining: number of steps.
        **options: of ``AdversarialTrainer``.

    Raises:
        ValueError: if the networks do not fit together or an argument is bad.

    Attributes:
        FEATURES: names of psi.

    Source: Shrivastava et al., arXiv 1612.07828, algorithm 1, equations 1 to 5; lambda
    and the buffer's size are not given there.
    """

    FEATURES = tuple(_FEATURES)

    metric_names = ("discriminator_loss", "adversarial_loss", "self_regularization")

    def __init__(
        self,
        refiner: keras.Model,
        discriminator: keras.Model,
        *,
        regularization_weight: float = 0.5,
        features: str | keras.Model = "identity",
        refiner_steps: int = 2,
        discriminator_steps: int = 1,
        buffer_size: int = 12_800,
        refiner_pretraining: int = 1000,
        discriminator_pretraining: int = 200,
        **options: Any,
    ) -> None:
        super().__init__(refiner, discriminator, **options)
        _check_map(refiner, discriminator)
        check_at_least(
            1, refiner_steps=refiner_steps, discriminator_steps=discriminator_steps
        )
        check_at_least(
            0,
            regularization_weight=regularization_weight,
            buffer_size=buffer_size,
            refiner_pretraining=refiner_pretraining,
            discriminator_pretraining=discriminator_pretraining,
        )
        if isinstance(features, str) and features not in _FEATURES:
            raise ValueError(
                f"features must be a network or one of {', '.join(_FEATURES)}, got "
                f"{features!r}"
            )
        self._weight = regularization_weight
        self._features = _FEATURES[features] if isinstance(features, str) else features
        self.generator_steps = refiner_steps
        self.discriminator_steps = discriminator_steps
        self.phases = (refiner_pretraining, discriminator_pretraining)
        shape = refiner.input_shape[1:]
        self.buffer = HistoryBuffer(buffer_size, shape) if buffer_size else None

    @property
    def minibatches_per_step(self) -> tuple:
        """Minibatches of simulated and of real images per step."""
        simulated = self.generator_steps + self.discriminator_steps
        return simulated, self.discriminator_steps

    @property
    def networks(self) -> dict:
        return {"refiner": self.generator, "discriminator": self.discriminator}

    def checkpointed(self) -> dict:
        buffer = self.buffer
        kept = {"buffer": buffer.images, "buffer_count": buffer.count} if buffer else {}
        return {**super().checkpointed(), **kept}

    def train_step(self, data: tuple) -> dict:
        """Algorithm 1: K_g updates of the refiner, then K_d of the discriminator.

        Args:
            data: (simulated images, real ones), ``minibatches_per_step`` of each.
        """
        simulated, real = self._minibatches(data)
        noise = self.step_noise()
        for images in simulated[: self.generator_steps]:
            self._update_refiner(
                self.refiner_objective, images, self.draw_instance_noise(noise, images)
            )
        for images, real_images in zip(simulated[self.generator_steps :], real):
            self._update_discriminator(images, real_images, noise)
        return self.finish_step()

    def generator_step(self, data: tuple) -> dict:
        """Trains the refiner alone to return its input."""
        simulated, _ = self._minibatches(data)
        for images in simulated[: self.generator_steps]:
            self._update_refiner(self.identity_objective, images)
        return self.finish_step(["self_regularization"])

    def discriminator_step(self, data: tuple) -> dict:
        """Trains the discriminator alone on what the refiner returns so far."""
        simulated, real = self._minibatches(data)
        noise = self.step_noise()
        for images, real_images in zip(simulated[self.generator_steps :], real):
            self._update_discriminator(images, real_images, noise)
        return self.finish_step(["discriminator_loss"], network_moved=False)

    def refiner_objective(self, images: tf.Tensor, on_refined: tf.Tensor) -> tuple:
        """Equations 2 to 4: the adversarial loss and the self-regularisation."""
        refined = self.generator(images, training=True)
        seen = tf.cast(refined, tf.float32) + on_refined
        logits = self.discriminator(seen, training=True)
        adversarial = losses.local_adversarial_loss(logits, is_refined=False)
        kept, report = self._regularization(refined, images)
        loss = tf.reduce_mean(adversarial + self._weight * kept)
        positions = logits.shape[1] * logits.shape[2]
        report["adversarial_loss"] = tf.reduce_mean(adversarial) / positions
        return loss, report

    def identity_objective(self, images: tf.Tensor) -> tuple:
        """The self-regularisation alone."""
        refined = self.generator(images, training=True)
        kept, report = self._regularization(refined, images)
        return tf.reduce_mean(kept), report

    def discriminator_objective(
        self, refined: tf.Tensor, real_images: tf.Tensor
    ) -> tuple:
        """Equation 1, summed over the positions of the map; of noisy images."""
        on_refined = self.discriminator(refined, training=True)
        on_real = self.discriminator(real_images, training=True)
        loss = tf.reduce_mean(
            losses.local_adversarial_loss(on_refined, is_refined=True)
            + losses.local_adversarial_loss(on_real, is_refined=False)
        )
        positions = on_real.shape[1] * on_real.shape[2]
        return loss, {"discriminator_loss": loss / positions}

    def refine(self, images: Array, batch_size: int = 100) -> np.ndarray:
        """Refined images, NumPy, by the averaged weights where there are any."""
        with self.averaged_weights():
            parts = range(0, len(images), batch_size)
            batches = [images[first : first + batch_size] for first in parts]
            refined = [self.generator(batch, training=False) for batch in batches]
            return tf.concat(refined, 0).numpy()

    def _regularization(self, refined, images):
        """Summed change of each image's features, and its mean for the report."""
        before, after = self._features(images), self._features(refined)
        kept = losses.self_regularization(after, before)
        values = tf.cast(tf.size(before[0]), kept.dtype)
        return kept, {"self_regularization": tf.reduce_mean(kept) / values}

    def _update_refiner(self, objective, *inputs):
        self.minimize(objective, self.generator, self.generator_optimizer, *inputs)

    def _update_discriminator(self, images, real_images, noise):
        """Half of the refined images are new ones, half come from the history."""
        refined = tf.cast(self.generator(images, training=True), tf.float32)
        if self.buffer is not None:
            new, others = refined[::2], refined[1::2]
            old = self.buffer.draw(noise, len(others), others)
            refined = tf.concat([new, old], 0)
        self.minimize(
            self.discriminator_objective,
            self.discriminator,
            self.discriminator_optimizer,
            refined + self.draw_instance_noise(noise, refined),
            real_images + self.draw_instance_noise(noise, real_images),
        )
        if self.buffer is not None:
            self.buffer.add(noise, new)

    def _minibatches(self, data):
        """The batches in as many equal parts as the step takes."""
        parts = self.minibatches_per_step
        counts = [images.shape[0] for images in data]
        if None in counts or any(c % p for c, p in zip(counts, parts)):
            raise ValueError(
                f"batches of {counts[0]} simulated and {counts[1]} real images per "
                f"replica cannot be split into {parts[0]} and {parts[1]} minibatches; "
                "give full batches (drop_remainder) of a multiple of that"
            )
        sizes = [count // part for count, part in zip(counts, parts)]
        if sizes[0] != sizes[1]:
            raise ValueError(
                "minibatches of simulated and of real images must be of one size, "
                f"got {sizes[0]} and {sizes[1]} per replica"
            )
        return [tf.split(images, count) for images, count in zip(data, parts)]


def _check_map(refiner, discriminator):
    """Refuses networks that do not fit together."""
    if refiner.output_shape != refiner.input_shape:
        raise ValueError(
            f"{refiner.name} must keep the shape of its images, makes "
            f"{refiner.output_shape[1:]} of {refiner.input_shape[1:]}"
        )
    if None in refiner.input_shape[1:]:
        raise ValueError(
            f"{refiner.name} must know the size of its images, has "
            f"{refiner.input_shape[1:]}"
        )
    made, seen = refiner.output_shape[1:], discriminator.input_shape[1:]
    if any(s not in (None, m) for m, s in zip(made, seen)):
        raise ValueError(
            f"{refiner.name} makes images of {made}, {discriminator.name} takes {seen}"
        )
    shape = discriminator.output_shape
    if len(shape) != 4 or shape[-1] != 2:
        raise ValueError(
            f"{discriminator.name} must give logits (batch, rows, columns, 2), gives "
            f"{shape}"
        )
