"""Near-duplicate images, found by hashes that an auto-encoder learns.

Radford et al., arXiv 1511.06434, section 4.1.1: a small auto-encoder with noise and
dropout is trained on downsampled central crops; the hash of an image is which units of
its code are above 0; of the images with one hash the first is kept. Comparing hashes
takes time linear in their number. The paper removed about 275,000 of some 3 million
bedrooms, with less than 1 % false positives in a sample.

How often the hashes of near-copies and of different images agree depends on the data
and on the length of training: measure both (``collision_rates``) before images are
removed.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow import keras

from keras_cnns._checks import check_count, check_positive
from keras_cnns.applications import DeduplicationAutoencoder
from keras_cnns.runs.callbacks import ProgressBar

_CODE = "code"


@dataclasses.dataclass(frozen=True)
class Duplicates:
    """Which images to keep.

    Attributes:
        kept: indices of the first image of each hash, in order.
        removed: indices of the others, in order.
        groups: for each hash with several images, their indices.
    """

    kept: np.ndarray
    removed: np.ndarray
    groups: tuple


def central_thumbnails(
    images: np.ndarray | Sequence[np.ndarray], size: int = 32
) -> np.ndarray:
    """Largest central squares, resized.

    Args:
        images: ``(count, height, width, channels)``, or a list of images of different
            sizes and equal channels.
        size: height and width of the results, a positive integer.

    Returns:
        ``(count, size, size, channels)`` float32 in the range of the images; bilinear
        with antialias.

    Raises:
        ValueError: if an image has another shape, or ``size`` is bad.
    """
    check_count("size", size)
    thumbnails = []
    for image in images:
        image = np.asarray(image, np.float32)
        if image.ndim != 3 or not image.size:
            raise ValueError(
                f"an image must be (height, width, channels), got {image.shape}"
            )
        side = min(image.shape[:2])
        top, left = ((length - side) // 2 for length in image.shape[:2])
        square = image[top : top + side, left : left + side]
        resized = tf.image.resize(square, (size, size), antialias=True)
        thumbnails.append(resized.numpy())
    return np.stack(thumbnails)


def train_deduplicator(
    images: np.ndarray,
    epochs: int = 40,
    batch_size: int = 128,
    learning_rate: float = 1e-3,
    verbose: int = 0,
    **architecture: Any,
) -> keras.Model:
    """Trains the auto-encoder whose code gives the hashes.

    Adam and the mean squared error, neither of which the paper names. For repeatable
    weights call ``keras.utils.set_random_seed`` first.

    Args:
        images: ``(count, height, width, channels)`` in [0, 1], such as
            ``central_thumbnails`` gives.
        epochs: passes over the images.
        batch_size: images per step.
        learning_rate: of Adam.
        verbose: as of ``keras.Model.fit``.
        **architecture: ``code_size``, ``noise_stddev``, ``dropout_rate`` of
            ``keras_cnns.applications.DeduplicationAutoencoder``.

    Returns:
        The auto-encoder.

    Raises:
        ValueError: if images are outside of [0, 1], or an argument is bad.
    """
    images = _checked(images)
    check_count("epochs", epochs)
    check_count("batch_size", batch_size)
    check_positive("learning_rate", learning_rate)
    autoencoder = DeduplicationAutoencoder(image_shape=images.shape[1:], **architecture)
    autoencoder.compile(keras.optimizers.Adam(learning_rate), "mse")
    bar = ProgressBar(epochs * -(-len(images) // batch_size), description="hashes")
    with contextlib.closing(bar):
        autoencoder.fit(
            images,
            images,
            batch_size=batch_size,
            epochs=epochs,
            verbose=verbose,
            callbacks=[bar],
        )
    return autoencoder


def hash_bits(
    autoencoder: keras.Model, images: np.ndarray, batch_size: int = 1024
) -> np.ndarray:
    """Which units of the code are above 0.

    Args:
        autoencoder: of ``train_deduplicator``.
        images: ``(count, height, width, channels)`` in [0, 1].
        batch_size: images at a time.

    Returns:
        ``(count, code_size)`` bool.

    Raises:
        ValueError: if images are outside of [0, 1].
    """
    check_count("batch_size", batch_size)
    return _bits(autoencoder, _checked(images), batch_size)


def _bits(autoencoder, images, batch_size):
    encoder = keras.Model(autoencoder.inputs, autoencoder.get_layer(_CODE).output)
    batches = range(0, len(images), batch_size)
    codes = [encoder(images[i : i + batch_size], training=False) for i in batches]
    return np.concatenate(codes) > 0


def find_duplicates(
    autoencoder: keras.Model, images: np.ndarray, batch_size: int = 1024
) -> Duplicates:
    """Groups images of equal hashes and keeps the first of each group.

    Args:
        autoencoder, images, batch_size: as of ``hash_bits``.

    Raises:
        ValueError: as ``hash_bits``.
    """
    return group_equal(hash_bits(autoencoder, images, batch_size))


def group_equal(bits: np.ndarray) -> Duplicates:
    """Groups equal hashes.

    Args:
        bits: ``(count, code_size)`` bool.
    """
    indices_of = {}
    for index, row in enumerate(np.packbits(bits, axis=1)):
        indices_of.setdefault(row.tobytes(), []).append(index)
    kept = np.array([indices[0] for indices in indices_of.values()], int)
    return Duplicates(
        kept=kept,
        removed=np.setdiff1d(np.arange(len(bits)), kept),
        groups=tuple(tuple(found) for found in indices_of.values() if len(found) > 1),
    )


def collision_rates(
    autoencoder: keras.Model,
    images: np.ndarray,
    noise: float = 1 / 255,
    batch_size: int = 1024,
    seed: int = 0,
) -> tuple:
    """How often hashes of near-copies agree, and how often those of different images.

    Args:
        autoencoder, images, batch_size: as of ``hash_bits``; two images at least.
        noise: largest difference of the copies' pixels, uniform; positive. They are not
            clipped.
        seed: of the noise.

    Returns:
        Fraction of the images whose hash is that of their copy, and fraction of the
        pairs of different images with equal hashes; both in [0, 1].

    Raises:
        ValueError: if there are fewer than two images, or an argument is bad.
    """
    check_positive("noise", noise)
    images = _checked(images)
    if len(images) < 2:
        raise ValueError(f"two images at least are needed, got {len(images)}")
    generator = np.random.default_rng(seed)
    copies = images + generator.uniform(-noise, noise, images.shape)
    bits = hash_bits(autoencoder, images, batch_size)
    copied = _bits(autoencoder, copies.astype(np.float32), batch_size)
    sizes = [len(group) for group in group_equal(bits).groups]
    equal_pairs = sum(size * (size - 1) for size in sizes)
    pairs = len(images) * (len(images) - 1)
    return float((bits == copied).all(axis=1).mean()), equal_pairs / pairs


def _checked(images):
    images = np.asarray(images, np.float32)
    if images.ndim != 4 or not images.size:
        raise ValueError(
            f"images must be (count, height, width, channels), got {images.shape}"
        )
    low, high = float(images.min()), float(images.max())
    # Resizing may round beyond the ends; NaN fails both comparisons.
    if not (low >= -1e-4 and high <= 1 + 1e-4):
        raise ValueError(f"images must be in [0, 1], got values from {low} to {high}")
    return images
