"""Sampling from a trained generator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from tensorflow import keras

from keras_cnns import applications
from keras_cnns.runs import read_run
from keras_cnns.trainers import Latents, draw_inputs, generate

if TYPE_CHECKING:
    from keras_cnns.runs.record import Run


class GeneratorSampler:
    """Draws images from a generator.

    Args:
        generator: ``keras.Model`` of latents, or of latents and one-hot labels.
        kind: of its latents, as ``Latents`` takes it.
        class_names: tuple of names; of generators without labels those of the data.
        value_range: ``"signed"`` or ``"unit"``, of the images.

    Attributes:
        generator, class_names, value_range: as given.
        latents: its ``Latents``.
    """

    def __init__(
        self,
        generator: keras.Model,
        kind: str,
        class_names: Sequence[str] = (),
        value_range: str = "signed",
    ) -> None:
        self.generator = generator
        self.latents = Latents(generator.inputs[0].shape[-1], kind)
        self.class_names = class_names
        self.value_range = value_range

    @property
    def is_conditional(self) -> bool:
        """Whether the generator takes labels."""
        return len(self.generator.inputs) > 1

    def __call__(
        self,
        count: int,
        *,
        seed: int = 0,
        labels: Sequence[int] | np.ndarray | None = None,
    ) -> np.ndarray:
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
        return self.generate(self.draw_inputs(count, seed=seed, labels=labels))

    def draw_inputs(
        self,
        count: int,
        *,
        seed: int = 0,
        labels: Sequence[int] | np.ndarray | None = None,
    ) -> list:
        """What the generator is given for the images of these arguments.

        Returns:
            List of the latents ``(count, size)`` and, of conditional generators,
            one-hot labels ``(count, classes)``; float32 arrays.

        Raises:
            ValueError: as calling it.
        """
        drawn = draw_inputs(
            self.generator, self.latents, count, seed=seed, labels=labels
        )
        return [values.numpy() for values in drawn]

    def generate(self, inputs: Sequence[np.ndarray]) -> np.ndarray:
        """Images of inputs.

        Args:
            inputs: as ``draw_inputs`` returns them; labels need not be one-hot.

        Returns:
            ``(count, height, width, channels)`` float32 in ``value_range``.
        """
        return generate(self.generator, inputs)


class Sampler(GeneratorSampler):
    """Draws images from the generator of a run, with its averaged weights.

    Args:
        run: ``Run`` of the task ``generation``, or its folder.

    Attributes:
        run: the ``Run``; beside those of ``GeneratorSampler``.

    Raises:
        ValueError: if the folder holds no such run, or its weights cannot be read.
    """

    def __init__(self, run: str | Run) -> None:
        self.run = read_run(run, "generation")
        config = self.run.config
        super().__init__(
            self.run.load("generator"),
            config.details.get("latents"),
            config.class_names,
            config.preprocessing.value_range,
        )

    def load_discriminator(self) -> keras.Model:
        """The trained discriminator or critic."""
        return self.run.load("discriminator")


def load_sampler(name: str, path: str, kind: str) -> GeneratorSampler:
    """The sampler of a generator whose weights stand in a file.

    Args:
        name: of a generator in the registry.
        path: of an ``.h5`` file or, where the family reads them, of a PyTorch state
            dict.
        kind: of the latents, as ``Latents`` takes it.

    Returns:
        A ``GeneratorSampler``; classes are named by their numbers.

    Raises:
        ValueError: if the file is of another network.
        OSError: if it cannot be read.
    """
    generator = applications.create_with_weights(name, path)
    info = applications.model_info(name)
    classes = map(str, range(*info.condition_shape)) if info.condition_shape else ()
    value_range = "unit" if info.preprocessing == "unit" else "signed"
    return GeneratorSampler(generator, kind, tuple(classes), value_range)
