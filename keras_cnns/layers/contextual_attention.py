"""Attention that fills the foreground with patches of the valid background."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import tensorflow as tf
from tensorflow import keras

from keras_cnns._checks import check_choice, check_count, check_flag, check_odd

if TYPE_CHECKING:
    from keras_cnns._types import Shape

MASKED_SCORES = ("zero", "excluded")
MASK_SAMPLINGS = ("nearest", "minimum")
_SMALLEST_NORM = 1e-4
_ADDED_SQUARE = 1e-4
# Each pixel lies in two patches on each axis.
_COPIES = 4


def _windows(maps, size):
    """(batch, places, size * size * channels): the window of each place; 0 outside."""
    shape = tf.shape(maps)
    height, width, around = shape[1], shape[2], size // 2
    margins = [around, around]
    padded = tf.pad(maps, [[0, 0], margins, margins, [0, 0]])
    shifted = [
        padded[:, i : i + height, j : j + width]
        for i in range(size)
        for j in range(size)
    ]
    depth = size * size * maps.shape[-1]
    return tf.reshape(tf.concat(shifted, -1), [shape[0], height * width, depth])


def _diagonal_sum(scores, size):
    """Each score with those whose two places are both moved by the same step.

    That is a convolution with an identity matrix as kernel and "same" padding.
    """
    rows, columns = tf.shape(scores)[1], tf.shape(scores)[2]
    margins = [size // 2, size // 2]
    padded = tf.pad(scores, [[0, 0], margins, margins])
    return sum(padded[:, i : i + rows, i : i + columns] for i in range(size))


def _transposed(scores, foreground_size, background_size):
    """Both lists of places by columns of their grids, instead of rows."""
    shape = tf.shape(scores)
    scores = tf.reshape(scores, [shape[0], *foreground_size, *background_size])
    return tf.reshape(tf.transpose(scores, [0, 2, 1, 4, 3]), shape)


def _propagate(scores, foreground_size, background_size, size):
    """Adds up the scores of neighbours by rows, then by columns."""
    scores = _diagonal_sum(scores, size)
    scores = _transposed(scores, foreground_size, background_size)
    scores = _diagonal_sum(scores, size)
    return _transposed(scores, foreground_size[::-1], background_size[::-1])


def _large_patches(maps, rate):
    """(batch, places, 4 * rate * rate * channels): patches of 2 * rate, every rate.

    Each is four neighbours of a grid of squares, which starts half a square outside.
    """
    shape, channels = tf.shape(maps), maps.shape[-1]
    height, width = shape[1] // rate, shape[2] // rate
    margins = [rate // 2, rate - rate // 2]
    squares = tf.pad(maps, [[0, 0], margins, margins, [0, 0]])
    squares = tf.reshape(
        squares, [shape[0], height + 1, rate, width + 1, rate, channels]
    )
    squares = tf.transpose(squares, [0, 1, 3, 2, 4, 5])
    corners = [
        squares[:, i : i + height, j : j + width] for i in (0, 1) for j in (0, 1)
    ]
    depth = _COPIES * rate * rate * channels
    return tf.reshape(tf.stack(corners, 3), [shape[0], height * width, depth])


def _paste(patches, size, rate, channels):
    """The reverse of ``_large_patches``: overlapping patches are added up."""
    height, width = size
    corners = tf.reshape(patches, [-1, height, width, _COPIES, rate, rate, channels])
    total = 0.0
    for i in (0, 1):
        for j in (0, 1):
            squares = tf.transpose(corners[:, :, :, 2 * i + j], [0, 1, 3, 2, 4, 5])
            maps = tf.reshape(squares, [-1, height * rate, width * rate, channels])
            rows, columns = [i * rate, (1 - i) * rate], [j * rate, (1 - j) * rate]
            total += tf.pad(maps, [[0, 0], rows, columns, [0, 0]])
    start = rate // 2
    return total[:, start : start + height * rate, start : start + width * rate]


@keras.saving.register_keras_serializable("keras_cnns")
class ContextualAttention(keras.layers.Layer):
    """Builds each place of the foreground from patches of the valid background.

    1. Foreground and background are subsampled: the first of every ``rate`` rows and
       columns is kept. Each place of these grids has a patch of ``patch_size``.
    2. The score of two places is the scalar product of their patches, that of the
       background normalised (by a norm of at least 1e-4): the cosine, times the norm of
       the foreground's patch.
    3. Propagation: the scores of ``propagation_size`` neighbours, shifted alike in both
       grids, are added up by rows and then by columns. Neighbours are those in the list
       of places: the last place of a row is followed by the first of the next.
    4. A place of the background is valid where all of its patch is; outside of the
       image counts as valid. A softmax over the background, of the scores times
       ``softmax_factor``, gives the attention; other places get none.
    5. Patches of the background at full size, ``2 * rate`` wide and ``rate`` apart, are
       inserted, weighted by attention, added up where they overlap, and divided by 4.
       Pixels in the outermost ``rate - rate // 2`` rows and columns at the end, and
       ``rate // 2`` at the start, lie in fewer patches and come out darker.

    Matching and softmax are computed in float32 where the policy has 16 bits.

    Args:
        patch_size: odd width of the patches that are compared.
        rate: how many times coarser the grids are at which patches are compared.
        propagation_size: odd number of neighbours whose scores are added up; 1 for no
            propagation.
        softmax_factor: factor of the scores before the softmax.
        masked_scores: ``"zero"``: scores that are not valid become 0, as in the
            authors' code; they take part in the softmax, so that the attention of a
            place sums to less than 1. ``"excluded"``: they are left out of the softmax;
            attention sums to 1.
        mask_sampling: how masks are subsampled. ``"nearest"`` takes the first pixel
            of each square, as published. With ``"minimum"`` a square is valid only if
            all its pixels are; from ``patch_size`` 3 on no hole pixel is then ever
            copied.
        return_attention: whether the attention is returned too.
        regularised_norm: whether 1e-4 is added to each square of a patch, as ports in
            PyTorch have it, in place of the least norm.

    Input: a list of three.
        foreground: ``(batch, height, width, channels)``.
        background: ``(batch, background height, background width, channels)``.
        masks: ``(batch, mask height, mask width, 1)`` of the background, 1 (0.5 and
            above) for valid pixels, 0 for holes; as large as the background or a whole
            number of times larger, such as masks of images. No gradient goes to them.
        Heights and widths of the first two are multiples of ``rate``.

    Output shape: that of the foreground. With ``return_attention`` a list of it and the
    attention, ``(batch, height / rate, width / rate, background height / rate,
    background width / rate)``. Where no place of the background is valid, both are 0.

    Raises:
        ValueError: if an argument is bad, or, on building, an input's shape.

    Source: Yu, Lin, Yang, Shen, Lu, Huang, arXiv 1801.07892, section 4.1, and the
    authors' code. Deviation: that subsamples with aligned corners, which takes the
    first row of each pair in the upper half of the image and the second below; here it
    is always the first.
    """

    def __init__(
        self,
        patch_size: int = 3,
        rate: int = 2,
        propagation_size: int = 3,
        softmax_factor: float = 10.0,
        masked_scores: str = "zero",
        mask_sampling: str = "nearest",
        return_attention: bool = False,
        regularised_norm: bool = False,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        check_odd("patch_size", patch_size, 1)
        check_count("rate", rate)
        check_odd("propagation_size", propagation_size, 1)
        is_number = isinstance(softmax_factor, (int, float)) and not isinstance(
            softmax_factor, bool
        )
        if not is_number or not 0 < softmax_factor < math.inf:
            raise ValueError(
                f"softmax_factor must be a positive number, got {softmax_factor!r}"
            )
        check_choice("masked_scores", masked_scores, MASKED_SCORES)
        check_choice("mask_sampling", mask_sampling, MASK_SAMPLINGS)
        check_flag("return_attention", return_attention)
        check_flag("regularised_norm", regularised_norm)
        self.patch_size = patch_size
        self.rate = rate
        self.propagation_size = propagation_size
        self.softmax_factor = softmax_factor
        self.masked_scores = masked_scores
        self.mask_sampling = mask_sampling
        self.return_attention = return_attention
        self.regularised_norm = regularised_norm

    def build(self, input_shape: Sequence[Shape]) -> None:
        if not isinstance(input_shape, list) or len(input_shape) != 3:
            raise ValueError(
                "ContextualAttention takes [foreground, background, masks], got "
                f"shapes {input_shape}"
            )
        foreground, background, masks = map(tuple, input_shape)
        if foreground[-1] is None or foreground[-1] != background[-1]:
            raise ValueError(
                "foreground and background need the same, known number of channels; "
                f"got {foreground} and {background}"
            )
        for shape in (foreground, background):
            if any(size is not None and size % self.rate for size in shape[1:3]):
                raise ValueError(
                    f"height and width must be multiples of rate={self.rate}, "
                    f"got {shape}"
                )
        pairs = zip(masks[1:3], background[1:3])
        if masks[-1] != 1 or any(None not in p and p[0] % p[1] for p in pairs):
            raise ValueError(
                "masks must have one channel and a whole number of times the height "
                f"and width of the background {background}, got {masks}"
            )
        super().build(input_shape)

    def call(self, inputs: Sequence[tf.Tensor]) -> tf.Tensor | list[tf.Tensor]:
        foreground, background, masks = inputs
        rate = self.rate
        sizes = [
            (tf.shape(maps)[1] // rate, tf.shape(maps)[2] // rate)
            for maps in (foreground, background)
        ]
        valid = self._valid_places(masks, *sizes[1])
        scores = self._scores(foreground, background)
        if self.propagation_size > 1:
            scores = _propagate(scores, *sizes, self.propagation_size)
        attention = tf.cast(self._attention(scores, valid), self.compute_dtype)
        patches = attention @ _large_patches(background, rate) / _COPIES
        output = _paste(patches, sizes[0], rate, background.shape[-1])
        output = tf.ensure_shape(output, foreground.shape)
        if not self.return_attention:
            return output
        grid = [tf.shape(foreground)[0], *sizes[0], *sizes[1]]
        return [output, tf.reshape(attention, grid)]

    def _scores(self, foreground, background):
        """(batch, foreground places, background places), 32 bits or more."""
        rate = self.rate
        dtype = "float64" if self.compute_dtype == "float64" else "float32"
        foreground, background = (
            _windows(tf.cast(maps[:, ::rate, ::rate], dtype), self.patch_size)
            for maps in (foreground, background)
        )
        squares = background**2 + (_ADDED_SQUARE if self.regularised_norm else 0.0)
        squares = tf.reduce_sum(squares, axis=-1, keepdims=True)
        # The root of a maximum: the maximum of a root has no gradient at 0.
        norms = tf.sqrt(tf.maximum(squares, _SMALLEST_NORM**2))
        return tf.matmul(foreground, background / norms, transpose_b=True)

    def _valid_places(self, masks, height, width):
        """(batch, 1, background places), True where all of the patch is valid."""
        shape = tf.shape(masks)
        rows, columns = shape[1] // height, shape[2] // width
        squares = tf.reshape(masks, [shape[0], height, rows, width, columns, 1])
        if self.mask_sampling == "minimum":
            masks = tf.reduce_min(squares, axis=[2, 4])
        else:
            masks = squares[:, :, 0, :, 0]
        holes = tf.cast(masks < 0.5, self.compute_dtype)
        holes = tf.reduce_max(_windows(holes, self.patch_size), axis=-1)
        return holes[:, None] == 0

    def _attention(self, scores, valid):
        """Softmax over the valid places of the background; 0 elsewhere."""
        masked = 0.0 if self.masked_scores == "zero" else scores.dtype.min
        scores = tf.where(valid, scores * self.softmax_factor, masked)
        return tf.where(valid, tf.nn.softmax(scores), 0.0)

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> tuple | list[tuple]:
        foreground, background = (tuple(shape) for shape in input_shape[:2])
        if not self.return_attention:
            return foreground
        grid = [
            None if size is None else size // self.rate
            for size in (*foreground[1:3], *background[1:3])
        ]
        return [foreground, (foreground[0], *grid)]

    def get_config(self) -> dict:
        own = (
            "patch_size",
            "rate",
            "propagation_size",
            "softmax_factor",
            "masked_scores",
            "mask_sampling",
            "return_attention",
            "regularised_norm",
        )
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}
