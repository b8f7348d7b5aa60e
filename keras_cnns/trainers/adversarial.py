"""What adversarial trainers share: two networks, two optimizers, instance noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from keras_cnns._checks import check_at_least
from keras_cnns.trainers import distribution, optimizers
from keras_cnns.trainers.sampling import sample_generator
from keras_cnns.trainers.step_noise import Latents
from keras_cnns.trainers.stepwise import StepwiseTrainer, loss_scaled

if TYPE_CHECKING:
    import numpy as np
    from tensorflow import keras

    from keras_cnns._types import Optimizer
    from keras_cnns.trainers.step_noise import InstanceNoise, StepNoise


class AdversarialTrainer(StepwiseTrainer):
    """Two networks that train against each other.

    A subclass defines ``train_step``, the algorithm of its paper, and the losses that
    it passes to ``minimize``; with ``phases``, also ``generator_step`` and
    ``discriminator_step``, which train one network alone.

    Args:
        generator: latents, or images to refine, to images.
        discriminator: images to logits or scores.
        instance_noise: ``InstanceNoise`` on the discriminator's inputs, in both
            networks' updates; None: none.
        **options: of ``StepwiseTrainer``; sampling uses the averaged weights.

    Attributes:
        generator_steps, discriminator_steps: updates of each network in a step.
        phases: number of the first steps, in which the generator trains alone, and of
            the next ones, in which the discriminator does.
    """

    generator_steps = discriminator_steps = 1
    phases = (0, 0)

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        *,
        instance_noise: InstanceNoise | None = None,
        **options: Any,
    ) -> None:
        super().__init__(generator, **options)
        if self._enable_xla:
            distribution.check_compilable(discriminator)
        self.generator = generator
        self.discriminator = discriminator
        self._instance_noise = instance_noise

    def compile(
        self, generator_optimizer: Optimizer, discriminator_optimizer: Optimizer
    ) -> None:
        """Sets the optimizers; under ``mixed_float16`` their losses are scaled.

        Raises:
            ValueError: if both are one object: each keeps the moments of one network.
        """
        if generator_optimizer is discriminator_optimizer:
            raise ValueError("generator and discriminator need an optimizer each")
        super().compile(generator_optimizer)
        self.generator_optimizer = self.optimizer
        self.discriminator_optimizer = loss_scaled(discriminator_optimizer)
        optimizers.build_slots(
            self.discriminator_optimizer, self.discriminator.trainable_variables
        )

    def checkpointed(self) -> dict:
        return {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "generator_optimizer": self.generator_optimizer,
            "discriminator_optimizer": self.discriminator_optimizer,
            **self.counted(),
        }

    @property
    def networks(self) -> dict:
        return {"generator": self.generator, "discriminator": self.discriminator}

    def next_step(self) -> Callable[[tuple], dict]:
        """``train_step``, after the phases in which one network trains alone."""
        generator_alone, discriminator_alone = self.phases
        if self.steps_done < generator_alone:
            return self.generator_step
        if self.steps_done < generator_alone + discriminator_alone:
            return self.discriminator_step
        return self.train_step

    def count_updates(self, steps: int, steps_per_epoch: int) -> tuple:
        """What the schedules of both networks count.

        Args:
            steps: of the whole run.
            steps_per_epoch: of an epoch.

        Returns:
            (updates of the generator, those in an epoch), the same of the
            discriminator.
        """
        generator_alone, discriminator_alone = self.phases
        return tuple(
            ((steps - idle) * each, steps_per_epoch * each)
            for idle, each in (
                (discriminator_alone, self.generator_steps),
                (generator_alone, self.discriminator_steps),
            )
        )

    def set_discriminator_steps(self, count: int | None) -> None:
        """Sets ``discriminator_steps``; None leaves those of the class.

        Raises:
            ValueError: if the number is not positive.
        """
        if count is not None:
            check_at_least(1, discriminator_steps=count)
            self.discriminator_steps = count

    def draw_instance_noise(self, noise: StepNoise, images: tf.Tensor) -> tf.Tensor:
        """Instance noise to add to a batch of images; 0 without."""
        if self._instance_noise is None:
            return tf.zeros([1] * images.shape.rank)
        return self._instance_noise.std(self.step) * noise.normal(images.shape)


class LatentTrainer(AdversarialTrainer):
    """An adversarial trainer whose generator starts from latents.

    A subclass defines ``discriminator_objective`` and ``generator_objective``.

    Args:
        generator: latents ``(batch, size)``, or ``[latents, labels]``, to images.
        discriminator: images, or ``[images, labels]``, to ``(batch, 1)``.
        latents: ``Latents``, or the number of standard normal values.
        discriminator_steps: discriminator updates for each of the generator. Each takes
            its own minibatch: pass batches of that many minibatches. None: as many as
            the class has.
        **options: of ``AdversarialTrainer``.

    Raises:
        ValueError: if networks and latents do not fit together, or an argument is bad.
    """

    is_conditional = False

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        *,
        latents: Latents,
        discriminator_steps: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(generator, discriminator, **options)
        latents = latents if isinstance(latents, Latents) else Latents(latents)
        self.set_discriminator_steps(discriminator_steps)
        _check_networks(generator, discriminator, latents, self.is_conditional)
        self.latents = latents

    def train_step(self, data: tuple) -> dict:
        """The papers' algorithm 1: the discriminator's updates, then the generator's.

        Args:
            data: (images, labels).
        """
        noise = self.step_noise()
        self.update_generator(noise, *self.train_discriminator(data, noise))
        return self.finish_step()

    def train_discriminator(self, data: tuple, noise: StepNoise) -> tuple:
        """An update for each minibatch; returns the last one."""
        for images, labels in split_batch(data, self.discriminator_steps):
            self.update_discriminator(noise, images, labels)
        return images, labels

    def update_discriminator(
        self, noise: StepNoise, images: tf.Tensor, labels: tf.Tensor
    ) -> None:
        """One update by ``discriminator_objective``, on a minibatch."""
        self.minimize(
            self.discriminator_objective,
            self.discriminator,
            self.discriminator_optimizer,
            images,
            labels,
            noise.latents(self.latents, len(images)),
            *self.draw_positions(noise, images),
            self.draw_instance_noise(noise, images),
            self.draw_instance_noise(noise, images),
        )

    def draw_positions(self, noise: StepNoise, images: tf.Tensor) -> list:
        """What else the discriminator's objective takes, after the latents."""
        return []

    def update_generator(
        self, noise: StepNoise, images: tf.Tensor, labels: tf.Tensor
    ) -> None:
        """One update by ``generator_objective``.

        Args:
            noise: ``StepNoise``.
            images, labels: the discriminator's last minibatch, for its size and
                conditions.
        """
        self.minimize(
            self.generator_objective,
            self.generator,
            self.generator_optimizer,
            noise.latents(self.latents, len(images)),
            labels,
            self.draw_instance_noise(noise, images),
        )

    def generate(
        self, latents: tf.Tensor, labels: tf.Tensor, training: bool = True
    ) -> tf.Tensor:
        """The generator's images, float32; conditional networks use ``labels``."""
        given = [latents, labels] if self.is_conditional else latents
        return tf.cast(self.generator(given, training=training), tf.float32)

    def discriminate(
        self, images: tf.Tensor, labels: tf.Tensor, training: bool = True
    ) -> tf.Tensor:
        """The discriminator's logits or scores."""
        given = [images, labels] if self.is_conditional else images
        return self.discriminator(given, training=training)

    def sample(
        self,
        count: int,
        *,
        seed: int = 0,
        labels: Sequence[int] | np.ndarray | None = None,
        batch_size: int = 100,
    ) -> np.ndarray:
        """Generated images, by the averaged weights where there are any.

        Args:
            count: number of images.
            seed: of their latents.
            labels: ``(count,)`` class numbers, for conditional networks only.
            batch_size: images generated at once.

        Returns:
            NumPy ``(count, height, width, channels)``, float32.

        Raises:
            ValueError: if labels are missing, superfluous or of another length.
        """
        with self.averaged_weights():
            return sample_generator(
                self.generator,
                self.latents,
                count,
                seed=seed,
                labels=labels,
                batch_size=batch_size,
            )


def split_batch(data: tuple, parts: int) -> list:
    """A batch in equal parts, one for each discriminator step.

    Args:
        data: (images, labels or masks).
        parts: number of parts.

    Returns:
        List of such pairs.

    Raises:
        ValueError: if the batch cannot be split evenly.
    """
    count = data[0].shape[0]
    if count is None or count % parts:
        raise ValueError(
            f"a batch of {count} images per replica cannot be split into "
            f"{parts} discriminator steps; give full batches (drop_remainder) of a "
            "multiple of that; several workers know the size of an endless stream only "
            "(repeat)"
        )
    return list(zip(*(tf.split(values, parts) for values in data)))


def _check_networks(generator, discriminator, latents, is_conditional):
    """Refuses networks that do not fit together."""
    count = 2 if is_conditional else 1
    for network in (generator, discriminator):
        if len(network.inputs) != count:
            wanted = "an input and labels" if is_conditional else "one input"
            raise ValueError(
                f"{network.name} has {len(network.inputs)} inputs; this trainer needs "
                f"networks with {wanted}"
            )
    size = generator.inputs[0].shape[-1]
    if size != latents.size:
        raise ValueError(
            f"{generator.name} takes latents of {size} values, got {latents.size}"
        )
    made, seen = generator.output_shape[1:], tuple(discriminator.inputs[0].shape[1:])
    if len(made) != len(seen) or any(
        None not in (m, s) and m != s for m, s in zip(made, seen)
    ):
        raise ValueError(
            f"{generator.name} makes images of {made}, {discriminator.name} takes "
            f"{seen}"
        )
    if discriminator.output_shape[1:] != (1,):
        raise ValueError(
            f"{discriminator.name} must give one value for each image, gives "
            f"{discriminator.output_shape[1:]}"
        )
