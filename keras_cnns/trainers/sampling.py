"""What a generator is given to draw images, and the images that it makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import tensorflow as tf

from keras_cnns import _progress

if TYPE_CHECKING:
    import numpy as np
    from tensorflow import keras

    from keras_cnns._types import Array
    from keras_cnns.trainers.step_noise import Latents


def sample_generator(
    generator: keras.Model,
    latents: Latents,
    count: int,
    *,
    seed: int = 0,
    labels: Sequence[int] | np.ndarray | None = None,
    batch_size: int = 100,
) -> np.ndarray:
    """Images of a generator; the arguments are those of ``LatentTrainer.sample``."""
    inputs = draw_inputs(generator, latents, count, seed=seed, labels=labels)
    return generate(generator, inputs, batch_size)


def draw_inputs(
    generator: keras.Model,
    latents: Latents,
    count: int,
    *,
    seed: int = 0,
    labels: Sequence[int] | np.ndarray | None = None,
) -> list:
    """What ``sample_generator`` gives the generator, for the same arguments.

    Returns:
        List of the latents ``(count, size)`` and, of conditional generators, one-hot
        labels ``(count, classes)``; float32 tensors.

    Raises:
        ValueError: if labels are missing, superfluous, of another length or unknown.
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count!r}")
    is_conditional = len(generator.inputs) > 1
    number = None if labels is None else len(labels)
    if number != (count if is_conditional else None):
        wanted = f"{count} class numbers" if is_conditional else "no labels"
        given = "none" if number is None else f"{number} of them"
        raise ValueError(f"{generator.name} takes {wanted}, got {given}")
    drawn = latents.draw(count, tf.constant([seed, -1], tf.int64))
    if not is_conditional:
        return [drawn]
    classes = generator.inputs[1].shape[-1]
    wrong = [label for label in labels if not 0 <= label < classes]
    if wrong:
        raise ValueError(
            f"class numbers must be from 0 to {classes - 1}, got {wrong[0]}"
        )
    return [drawn, tf.one_hot(labels, classes)]


def generate(
    generator: keras.Model, inputs: Sequence[Array], batch_size: int = 100
) -> np.ndarray:
    """Images that a generator makes of its inputs.

    Args:
        generator: ``keras.Model``.
        inputs: list of arrays of one length, one for each input.
        batch_size: images generated at once.

    Returns:
        NumPy ``(count, height, width, channels)``, float32.
    """
    images = []
    for first in _progress.track(range(0, len(inputs[0]), batch_size), "samples"):
        batch = [tf.constant(one[first : first + batch_size]) for one in inputs]
        images.append(generator(batch if batch[1:] else batch[0], training=False))
    return tf.concat(images, 0).numpy()
