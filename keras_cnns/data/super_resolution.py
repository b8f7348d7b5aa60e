"""Pairs of small and large pictures for super-resolution.

Small pictures are made by ``resize_bicubic``, and rounded to bytes as files are. A
training patch has exactly the values that it has in the whole picture's small version:
it is cut out with a margin, which holds all that its pixels depend on, from the picture
mirrored at its border. So no patch needs more than its surroundings resampled.

As elsewhere, the stream of training batches is a pure function of the seed and the
step.
"""

from __future__ import annotations

import dataclasses
import fractions
from typing import TYPE_CHECKING

import tensorflow as tf

from keras_cnns import _luma
from keras_cnns._checks import check_choice, check_count, check_counts, check_flag
from keras_cnns.data.decoding import decode_image
from keras_cnns.data.resampling import resize_bicubic
from keras_cnns.data.sources import Source
from keras_cnns.data.stream import WHOLE, Share, evaluation_stream, training_stream

if TYPE_CHECKING:
    from keras_cnns._types import Array

# Small pixels beyond a patch that its pixels depend on: two taps to enlarge it, and two
# to make those pixels.
_MARGIN = 5
_LEAST = 3  # small pixels of a side, so that scores may leave the outer ones out
_UNITS = 255.0


@dataclasses.dataclass(frozen=True)
class PatchRecipe:
    """How patches are made.

    Attributes:
        scales: what small pictures are enlarged by; of several, one is drawn for each
            patch, for networks of enlarged pictures.
        patch_size: height and width of the large patches, in pixels.
        channels: 1, luma (Y of BT.601, divided by 255), or 3, colour.
        enlarged: whether small patches are enlarged again, by bicubic interpolation.
        augmented: whether patches are mirrored and turned by quarters, at random.
        patches_per_picture: patches cut out of a picture each time it is read.

    Raises:
        ValueError: if a field is bad, or there are several scales without enlarging, or
            a patch without is no multiple of the scale.
    """

    scales: tuple = (2,)
    patch_size: int = 96
    channels: int = 3
    enlarged: bool = False
    augmented: bool = True
    patches_per_picture: int = 1

    def __post_init__(self):
        check_counts("scales", self.scales)
        for scale in self.scales:
            check_count("scales", scale, 2)
        check_count("patch_size", self.patch_size)
        check_choice("channels", self.channels, (1, 3))
        check_flag("enlarged", self.enlarged)
        check_flag("augmented", self.augmented)
        check_count("patches_per_picture", self.patches_per_picture)
        if self.enlarged:
            return
        if len(self.scales) > 1:
            raise ValueError(
                f"scales={self.scales!r}: small patches of several scales differ in "
                "size; only networks of enlarged pictures take them"
            )
        if self.patch_size % self.scales[0]:
            raise ValueError(
                f"patch_size={self.patch_size} must be a multiple of the scale "
                f"{self.scales[0]}"
            )


def small_picture(large: Array, scale: int, antialias: bool = True) -> tf.Tensor:
    """The picture that is to be enlarged, as a file of it would be.

    Args:
        large: ``(height, width, channels)`` of 0 to 255, sides multiples of the scale.
        scale: whole number.
        antialias: as ``resize_bicubic`` takes it.

    Returns:
        float32 of whole numbers from 0 to 255.
    """
    small = resize_bicubic(large, fractions.Fraction(1, scale), antialias)
    return tf.round(tf.clip_by_value(small, 0.0, 255.0))


def whole_multiple(picture: Array, scale: int) -> Array:
    """A picture without its last rows and columns that do not make up a multiple."""
    height, width = tf.unstack(tf.shape(picture)[:2])
    return picture[: height - height % scale, : width - width % scale]


def load_super_resolution_training(
    source: Source,
    batch_size: int,
    start_step: int = 0,
    *,
    recipe: PatchRecipe,
    seed: int = 0,
    share: Share = WHOLE,
) -> tf.data.Dataset:
    """The endless stream of training batches, from any step on.

    Args:
        source: the training split; labels are ignored.
        batch_size: patches per batch, over all replicas.
        start_step: batches to leave out at the beginning of the stream.
        recipe: how patches are made.
        seed: of everything random.
        share: of the pictures of every batch, as ``training_stream`` takes it.

    Returns:
        Dataset of (small patches, or enlarged ones; large patches), float32 ``(batch,
        height, width, channels)`` of 0 to 1. A small one has a ``scale``-th of the
        large one's sides. Enlarged ones are not clipped. A picture that is smaller
        than a patch, or than five small pixels, is an ``InvalidArgumentError``.

    Raises:
        ValueError: if there are fewer pictures than a batch takes, or the batch is no
            multiple of the patches per picture.
    """
    count = recipe.patches_per_picture
    if batch_size % count:
        raise ValueError(
            f"batch_size={batch_size} must be a multiple of patches_per_picture={count}"
        )

    def transform(example_seed, content, _):
        picture = decode_image(source.read(content), 3)
        seeds = _split(example_seed, count)
        pairs = [_patch(picture, one, recipe) for one in tf.unstack(seeds, count)]
        return tuple(tf.stack(patches) for patches in zip(*pairs))

    def finish(*batches):
        return tuple(tf.reshape(x, [-1, *x.shape[2:]]) for x in batches)

    return training_stream(
        source,
        batch_size // count,
        start_step,
        transform,
        finish=finish,
        seed=seed,
        share=share,
    )


def load_super_resolution_evaluation(
    source: Source,
    scale: int,
    *,
    channels: int = 3,
    enlarged: bool = False,
    share: Share = WHOLE,
) -> tf.data.Dataset:
    """Every whole picture once, in order, one by one.

    Args:
        source: the split; labels are ignored.
        scale: what small pictures are enlarged by.
        channels, enlarged: as in ``PatchRecipe``.
        share: as ``evaluation_stream`` takes it; of batches of one, the first worker
            has all.

    Returns:
        Dataset of batches of one, as ``load_super_resolution_training`` gives; large
        pictures are cropped to multiples of the scale. One that is smaller than three
        small pixels is an ``InvalidArgumentError``.

    Raises:
        ValueError: if an argument is something else.
    """
    check_count("scale", scale)
    check_choice("channels", channels, (1, 3))
    check_flag("enlarged", enlarged)

    def transform(content, _):
        picture = decode_image(source.read(content), 3)
        with _sides_checked(picture, _LEAST * scale):
            large = whole_multiple(tf.cast(picture, tf.float32), scale)
        return _pair(small_picture(large, scale), large, scale, channels, enlarged)

    return evaluation_stream(source, 1, transform, share)


_split = tf.random.experimental.stateless_split


def _patch(picture, seed, recipe):
    """A random patch of a picture, small or enlarged, and large."""
    seeds = tf.unstack(_split(seed, 4), 4)

    def make(scale):
        return _patch_of_scale(picture, seeds, recipe, scale)

    if len(recipe.scales) == 1:
        return make(recipe.scales[0])
    drawn = tf.random.stateless_uniform([], seeds[3], 0, len(recipe.scales), tf.int32)
    branches = [lambda s=scale: make(s) for scale in recipe.scales]
    return tf.switch_case(drawn, branches)


def _patch_of_scale(picture, seeds, recipe, scale):
    """The same at one scale: region, turn, degradation, place within."""
    size = recipe.patch_size
    # Patches may begin at any pixel, regions at multiples of the scale.
    loose = scale - 1 if recipe.enlarged else 0
    side = -(-(size + loose) // scale) * scale
    region = _region(picture, seeds[0], side, scale)
    if recipe.augmented:
        region = _turned(region, seeds[1])
    margin = _MARGIN * scale
    small, large = small_picture(region, scale), region[margin:-margin, margin:-margin]
    small, large = _pair(small, large, scale, recipe.channels, recipe.enlarged, margin)
    if recipe.enlarged:
        place = _drawn([2], seeds[2], side - size + 1)
        start = tf.concat([place, [0]], 0)
        shape = [size, size, recipe.channels]
        small, large = (tf.slice(x, start, shape) for x in (small, large))
    return small, large


def _region(picture, seed, side, scale):
    """A random square with its margin, of the picture mirrored at its border."""
    picture = whole_multiple(picture, scale)
    sizes, margin = tf.shape(picture)[:2], _MARGIN * scale
    with _sides_checked(picture, max(side, margin)):
        place = scale * _drawn([2], seed, (sizes - side) // scale + 1)
    for axis in (0, 1):
        rows = _mirrored(place[axis] - margin, side + 2 * margin, sizes[axis])
        picture = tf.gather(picture, rows, axis=axis)
    return tf.cast(picture, tf.float32)


def _mirrored(first, count, size):
    """Indices of rows from ``first`` on; those beyond a border are mirrored at it."""
    index = first + tf.range(count)
    index = tf.where(index < 0, -1 - index, index)
    return tf.where(index >= size, 2 * size - 1 - index, index)


def _sides_checked(picture, least):
    """Context in which tensors are made after a picture's size is checked."""
    sizes = tf.shape(picture)[:2]
    words = ["a picture is smaller than the least side", least, "in pixels:", sizes]
    return tf.control_dependencies(
        [tf.debugging.Assert(tf.reduce_all(sizes >= least), words)]
    )


def _drawn(shape, seed, limits):
    """Whole numbers from 0 to below limits."""
    limits = tf.cast(limits, tf.float32)
    values = tf.random.stateless_uniform(shape, seed) * limits
    return tf.cast(tf.minimum(values, limits - 1), tf.int32)


def _turned(region, seed):
    """One of the eight ways in which a square can lie."""
    way = tf.random.stateless_uniform([], seed, 0, 8, tf.int32)
    shape = region.shape
    region = tf.cond(way % 2 == 1, lambda: region[:, ::-1], lambda: region)
    region = tf.image.rot90(region, way // 2)
    return tf.ensure_shape(region, shape)


def _pair(small, large, scale, channels, enlarged, margin=0):
    """Network input and target of 0 to 1; the small picture has the margin, too."""
    if channels == 1:
        small, large = _luma.luma(small), _luma.luma(large)
    if enlarged:
        small = resize_bicubic(small, scale)
    else:
        margin //= scale
    if margin:
        small = small[margin:-margin, margin:-margin]
    return small / _UNITS, large / _UNITS
