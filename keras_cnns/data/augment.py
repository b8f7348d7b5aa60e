"""Random changes of training images, each a pure function of a seed.

An operation takes one standardised image ``(height, width, channels)``, a seed of
two integers and its number, and returns an image of the same size. Zero is the mean
of the data, so padding and cut-out leave mean grey.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from keras_cnns import _addons


def pad_crop(
    image: tf.Tensor, seed: tf.Tensor | Sequence[int], pixels: int
) -> tf.Tensor:
    """Pads by ``pixels`` on every side and crops the old size at random."""
    padded = tf.pad(image, [[pixels, pixels], [pixels, pixels], [0, 0]])
    return tf.image.stateless_random_crop(padded, tf.shape(image), seed)


def flip(image: tf.Tensor, seed: tf.Tensor | Sequence[int], _: object) -> tf.Tensor:
    """Mirrors left and right half of the time."""
    return tf.image.stateless_random_flip_left_right(image, seed)


def cutout(image: tf.Tensor, seed: tf.Tensor | Sequence[int], size: int) -> tf.Tensor:
    """Blanks a square of even ``size`` at a random place; it may overlap the border.

    Source: DeVries and Taylor, arXiv 1708.04552.
    """
    height_width = tf.cast(tf.shape(image)[:2], tf.float32)
    centre = tf.random.stateless_uniform([1, 2], seed) * height_width
    centre = tf.cast(centre, tf.int32)
    blanked = _addons.cutout(image[tf.newaxis], size, centre)[0]
    return tf.ensure_shape(blanked, image.shape)


# name: (operation, default number, the numbers it takes)
OPERATIONS = {
    "pad_crop": (pad_crop, 4, lambda n: n >= 1),
    "flip": (flip, 0, lambda n: n == 0),
    "cutout": (cutout, 8, lambda n: n >= 2 and n % 2 == 0),
}


def random_resized_crop(
    image: tf.Tensor, seed: tf.Tensor | Sequence[int], height: int, width: int
) -> tf.Tensor:
    """A random crop of an image, resized: 8 to 100 % of its area, aspect 3/4 to 4/3.

    Args:
        image: float32 pixels ``(any height, any width, channels)``.
        seed: two integers.
        height, width: output size.

    Source: Szegedy et al., arXiv 1409.4842, section 6.
    """
    shape = tf.shape(image)
    start, size, _ = tf.image.stateless_sample_distorted_bounding_box(
        shape,
        bounding_boxes=tf.zeros([1, 0, 4]),
        seed=seed,
        aspect_ratio_range=(3 / 4, 4 / 3),
        area_range=(0.08, 1.0),
        max_attempts=10,
        use_image_if_no_bounding_boxes=True,
    )
    crop = tf.slice(image, start, size)
    crop = tf.image.resize(crop, (height, width), antialias=True)
    return tf.ensure_shape(crop, [height, width, image.shape[-1]])


def mixup_fraction(seed: tf.Tensor | Sequence[int], alpha: float) -> tf.Tensor:
    """The fraction that an example keeps of itself, drawn from Beta(alpha, alpha).

    Args:
        seed: two integers.
        alpha: parameter of the distribution, > 0.
    """
    seeds = tf.random.experimental.stateless_split(seed, 2)
    first, second = (
        tf.random.stateless_gamma([], seed=seeds[i], alpha=alpha) for i in (0, 1)
    )
    return first / tf.maximum(first + second, 1e-30)


def mixup(
    images: tf.Tensor, labels: tf.Tensor, fractions: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Blends the two examples of each pair of neighbours: rows 0 and 1, 2 and 3, ....

    Args:
        images: ``(batch, height, width, channels)``; the last one of an odd number
            stays as it is.
        labels: probabilities ``(batch, classes)``.
        fractions: ``(batch,)``, what an example keeps of itself; a pair takes that of
            its first.

    Source: Zhang et al., arXiv 1710.09412.
    """
    rows = tf.range(tf.shape(images)[0])
    partners = tf.minimum(tf.bitwise.bitwise_xor(rows, 1), rows[-1])
    kept = tf.gather(fractions, rows - rows % 2)

    def blend(values):
        share = tf.reshape(kept, [-1] + [1] * (len(values.shape) - 1))
        blended = share * values + (1 - share) * tf.gather(values, partners)
        return tf.ensure_shape(blended, values.shape)

    return blend(images), blend(labels)
