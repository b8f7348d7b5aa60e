"""The gradients that a generator gets from a nearly perfect discriminator.

Arjovsky and Bottou, "Towards Principled Methods for Training Generative Adversarial
Networks", arXiv 1701.04862. A generator is frozen and a fresh discriminator
trained against it; after some steps, the generator's gradients are measured: those of
the original cost log(1 - D) vanish, those of -log D grow and scatter. Noise on the
discriminator's inputs keeps both bounded.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns import _progress, losses
from keras_cnns._checks import check_count, check_counts, check_positive
from keras_cnns.inspection.frozen_generator import (
    DiscriminatorTraining,
    FrozenGeneratorGAN,
)
from keras_cnns.trainers import InstanceNoise

if TYPE_CHECKING:
    from keras_cnns._types import Array
    from keras_cnns.trainers.step_noise import Latents


@dataclasses.dataclass(frozen=True)
class GradientStatistics:
    """Norm and variance of the gradients of several minibatches.

    Attributes:
        norm: of their mean.
        variance: mean squared distance to their mean, unbiased: the sum of the
            parameters' variances.
    """

    norm: float
    variance: float


@dataclasses.dataclass(frozen=True)
class ProbeRecord:
    """The state after some steps of the discriminator.

    Attributes:
        step: number of its updates.
        loss: mean of -log D(x) - log(1 - D(G(z))); log 4 for equal distributions.
        accuracy: fraction of real and generated examples that are classified correctly.
        jensen_shannon: estimate log 2 - loss / 2 of the divergence, at most log 2; a
            lower bound up to sampling error.
        original: ``GradientStatistics`` of log(1 - D(G(z))), by the generator's
            parameters.
        alternative: those of -log D(G(z)).
    """

    step: int
    loss: float
    accuracy: float
    jensen_shannon: float
    original: GradientStatistics
    alternative: GradientStatistics


def dense_discriminator(
    image_shape: Sequence[int], units: Sequence[int] = (512, 512)
) -> keras.Model:
    """A fresh discriminator of dense layers with ReLU.

    Args:
        image_shape: shape of one example, such as ``(height, width, channels)``.
        units: of the hidden layers.

    Returns:
        A ``keras.Model`` from examples to logits ``(batch, 1)``.

    Raises:
        ValueError: if ``units`` are not positive whole numbers.
    """
    check_counts("units", units)
    examples = keras.Input(image_shape)
    x = layers.Flatten()(examples)
    for width in units:
        x = layers.Dense(width, activation="relu")(x)
    x = layers.Dense(1, dtype="float32")(x)
    return keras.Model(examples, x, name="dense_discriminator")


def generator_gradient(
    generator: keras.Model,
    discriminator: keras.Model,
    loss: Callable[[tf.Tensor], tf.Tensor],
    noise_std: float = 0.0,
) -> Callable[..., tf.Tensor]:
    """A function that returns the gradient of a generator's loss for a minibatch.

    Args:
        generator: latents to examples; in inference mode.
        discriminator: examples to logits ``(batch, 1)``; in inference mode.
        loss: function of logits to ``(batch,)``, such as
            ``losses.non_saturating_generator_loss``.
        noise_std: standard deviation of the normal noise added to the examples.

    Returns:
        A function of latents ``(batch, latent_size)`` and a seed of the noise (two
        integers) to the gradient of the mean loss by all trainable parameters of the
        generator, one vector.
    """

    @tf.function
    def gradient(latents, seed):
        with tf.GradientTape() as tape:
            examples = tf.cast(generator(latents, training=False), tf.float32)
            noise = tf.random.stateless_normal(tf.shape(examples), seed, alg="philox")
            logits = discriminator(examples + noise_std * noise, training=False)
            value = tf.reduce_mean(loss(logits))
        gradients = tape.gradient(value, generator.trainable_variables)
        return tf.concat([tf.reshape(part, [-1]) for part in gradients], 0)

    return gradient


def gradient_statistics(gradients: Sequence[Array]) -> GradientStatistics:
    """Norm of the mean, and variance.

    Args:
        gradients: vectors of equal length, one per minibatch, two at least.

    Raises:
        ValueError: if there are fewer than two.
    """
    count, total, squares = 0, 0.0, 0.0
    for gradient in gradients:
        gradient = np.asarray(gradient, np.float64)
        count, total = count + 1, total + gradient
        squares += float(gradient @ gradient)
    if count < 2:
        raise ValueError(f"two gradients at least are needed, got {count}")
    squared_norm = float(total @ total) / count**2
    variance = max(0.0, squares - count * squared_norm) / (count - 1)
    return GradientStatistics(math.sqrt(squared_norm), variance)


def probe_discriminator(
    generator: keras.Model,
    latents: Latents,
    images: np.ndarray,
    discriminator: keras.Model,
    *,
    record_steps: Sequence[int] = (1, 5, 25, 100, 400, 1000, 4000),
    noise_std: float = 0.0,
    batch_size: int = 64,
    learning_rate: float = 1e-3,
    num_minibatches: int = 20,
    seed: int = 0,
) -> tuple:
    """Trains a discriminator against a frozen generator and records its state.

    Args:
        generator: latents ``(batch, latent_size)`` to examples; it is not changed.
        latents: ``Latents`` of the generator.
        images: real examples ``(count, ...)`` for training and, with as many generated
            ones, for measurement.
        discriminator: examples to logits ``(batch, 1)``, such as
            ``dense_discriminator`` makes; it is trained.
        record_steps: numbers of updates after which to measure, increasing.
        noise_std: standard deviation of the normal noise, new each time, on the
            discriminator's inputs in training and measurement; 0 for none.
        batch_size: real examples, and generated ones, in a minibatch.
        learning_rate: of the discriminator's Adam.
        num_minibatches: minibatches whose gradients are measured.
        seed: of everything random but the discriminator's weights.

    Returns:
        Tuple of ``ProbeRecord``, one for each of ``record_steps``.

    Raises:
        ValueError: if an argument is bad or networks and examples do not fit.

    Source: Arjovsky and Bottou, arXiv 1701.04862, figures 1 to 3, where networks are
    those of DCGAN and the discriminator gets 4000 updates. Noise: section 3; the scale
    of their experiments is not published.
    """
    _check_steps(record_steps)
    check_positive("learning_rate", learning_rate)
    if not noise_std >= 0:
        raise ValueError(f"noise_std must be >= 0, got {noise_std!r}")
    noise = InstanceNoise(noise_std, noise_std) if noise_std else None
    trainer = FrozenGeneratorGAN(
        generator, discriminator, latents=latents, instance_noise=noise, seed=seed
    )
    training = DiscriminatorTraining(
        trainer, keras.optimizers.Adam(learning_rate), images, batch_size, seed
    )
    measure = _Measurement(
        trainer, images, noise_std, (num_minibatches, batch_size), seed
    )
    records, done = [], 0
    with _progress.bar(desc="discriminator", total=record_steps[-1]) as bar:
        for step in record_steps:
            training.advance(step - done)
            bar.update(step - done)
            done = step
            records.append(measure(step))
    return tuple(records)


def _check_steps(record_steps):
    check_counts("record_steps", record_steps)
    if list(record_steps) != sorted(set(record_steps)):
        raise ValueError(f"record_steps must increase, got {record_steps!r}")


class _Measurement:
    """Measures a trainer's networks, each time on the same latents and noise."""

    def __init__(self, trainer, images, noise_std, minibatches, seed):
        count, batch_size = minibatches
        check_count("num_minibatches", count)
        generator, discriminator = trainer.generator, trainer.discriminator
        latents = trainer.latents
        self._discriminator = discriminator
        fakes = trainer.sample(len(images), seed=seed)
        rng = np.random.default_rng(seed)
        self._reals, self._fakes = (
            (part + noise_std * rng.normal(size=part.shape)).astype(np.float32)
            for part in (np.asarray(images, np.float32), fakes)
        )
        self._minibatches = [
            (latents.draw(batch_size, pair), pair)
            for pair in tf.constant([[seed, -2 - i] for i in range(count)], tf.int64)
        ]
        self._gradients = [
            generator_gradient(generator, discriminator, loss, noise_std)
            for loss in (
                losses.minimax_generator_loss,
                losses.non_saturating_generator_loss,
            )
        ]

    def __call__(self, step):
        real_logits, fake_logits = (
            self._discriminator.predict(part, batch_size=1024, verbose=0)
            for part in (self._reals, self._fakes)
        )
        loss = float(np.mean(losses.discriminator_loss(real_logits, fake_logits)))
        correct = [np.mean(real_logits > 0), np.mean(fake_logits < 0)]
        original, alternative = (
            gradient_statistics(gradient(*given) for given in self._minibatches)
            for gradient in self._gradients
        )
        return ProbeRecord(
            step=step,
            loss=loss,
            accuracy=float(np.mean(correct)),
            jensen_shannon=math.log(2) - loss / 2,
            original=original,
            alternative=alternative,
        )


def ratio_spreads(
    batch_sizes: Sequence[int], num_means: int = 20_000, seed: int = 0
) -> dict:
    """Spread of means of noisy gradients, by the number averaged.

    Where the perfect discriminator and its gradient are 0, independent normal errors
    of both make a coordinate of the gradient of -log D a ratio of normal variables. It
    has a Cauchy distribution: no mean, and averaging does not narrow it.

    Args:
        batch_sizes: numbers of ratios that are averaged.
        num_means: number of averages for each.
        seed: of the errors.

    Returns:
        Interquartile range of the averages by batch size; that of a standard Cauchy
        variable is 2 for every one.

    Raises:
        ValueError: if a number is bad.

    Source: Arjovsky and Bottou, arXiv 1701.04862, theorem 2.6 (unverified).
    """
    check_counts("batch_sizes", batch_sizes)
    check_count("num_means", num_means)
    rng = np.random.default_rng(seed)
    spreads = {}
    for size in batch_sizes:
        total = np.zeros(num_means)
        for _ in range(size):
            total += rng.normal(size=num_means) / rng.normal(size=num_means)
        low, high = np.percentile(total / size, [25, 75])
        spreads[size] = float(high - low)
    return spreads
