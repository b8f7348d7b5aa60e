"""Sampling from a trained generator."""

import numpy as np
from tensorflow import keras

from keras_cnns.runs import read_run
from keras_cnns.trainers import Latents, sample_generator


class Sampler:
    """Draws images from the generator of a run, with its averaged weights.

    Args:
        run: ``Run`` of the task ``generation``, or its folder.

    Attributes:
        run: the ``Run``.
        generator: ``keras.Model`` of latents, or of latents and one-hot labels.
        latents: its ``Latents``.
        class_names: tuple of names; of generators without labels those of the data.
        value_range: ``"signed"`` or ``"unit"``, of the images.

    Raises:
        ValueError: if the folder holds no such run, or its weights cannot be read.
    """

    def __init__(self, run):
        self.run = read_run(run, "generation")
        self.generator = self.run.load("generator")
        size = self.generator.inputs[0].shape[-1]
        self.latents = Latents(size, self.run.config.details.get("latents"))
        self.class_names = self.run.config.class_names
        self.value_range = self.run.config.preprocessing.value_range

    @property
    def is_conditional(self) -> bool:
        """Whether the generator takes labels."""
        return len(self.generator.inputs) > 1

    def __call__(self, count, *, seed=0, labels=None) -> np.ndarray:
        """Images, as ``trainers.sample_generator`` draws them.

        Args:
            count: how many.
            seed: of their latents.
            labels: ``(count,)`` class numbers, for conditional generators only.

        Returns:
            ``(count, height, width, channels)`` float32 in ``value_range``.

        Raises:
            ValueError: if labels are missing, superfluous or of another length.
        """
        return sample_generator(
            self.generator, self.latents, count, seed=seed, labels=labels
        )

    def load_discriminator(self) -> keras.Model:
        """The trained discriminator or critic."""
        return self.run.load("discriminator")
