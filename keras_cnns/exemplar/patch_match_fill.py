"""Filling with PatchMatch: every patch over the hole resembles a valid one."""

import dataclasses
from collections.abc import Callable

import numpy as np
from scipy import ndimage

from keras_cnns._checks import check_count, check_odd
from keras_cnns.exemplar._inputs import image_fill
from keras_cnns.exemplar.criminisi import fill_criminisi
from keras_cnns.exemplar.patch_match import PatchField
from keras_cnns.exemplar.patches import fully_known, usable_patch_size

# Factor by which a patch's weight falls per pixel of distance from valid pixels.
_FALL = 1.3
# Distances (per value of a patch) below this are as good as none.
_NOISE = 4.0
# Rounds per level: coarser ones cost little and decide the layout.
_COARSE_FACTOR = 2
# Matches come from the coarser level, so that far jumps are not needed.
_JUMPS = (4, 1)


@dataclasses.dataclass(frozen=True)
class _Level:
    """One size of the image.

    Attributes:
        image: float32 ``(height, width, channels)``, 0 in the hole.
        known: bool ``(height, width)``.
    """

    image: np.ndarray
    known: np.ndarray

    @property
    def num_unknown(self):
        return self.known.size - int(self.known.sum())


@image_fill
def fill_patch_match(
    image: np.ndarray,
    mask: np.ndarray,
    seed: int,
    progress: Callable[[float], object],
    patch_size: int = 7,
    num_rounds: int = 8,
    smallest_side: int = 32,
) -> np.ndarray:
    """Fills a hole so that each patch over it resembles a valid one.

    On an image pyramid, from coarse to fine, two steps alternate: the patches that
    touch the hole are matched with those that do not (``match_patches``), and each hole
    pixel becomes the weighted mean of what the matches of all patches over it have
    there. The weight falls with the match's distance, and with the patch's distance
    from valid pixels. The coarsest level starts from ``fill_criminisi``, each finer one
    from the matches of the one before, at twice the offset.

    Args:
        image: uint8 ``(height, width)``, ``(height, width, 1)`` or
            ``(height, width, 3)``.
        mask: ``(height, width)`` or ``(height, width, 1)``; 1 = valid, 0 = hole.
        seed: of the random matches.
        progress: called with the fraction of the work that is done.
        patch_size: height and width of a patch, odd, in pixels of each level. Where
            all such patches touch the hole, the next smaller odd size is taken and a
            warning logged.
        num_rounds: rounds of matching and voting on the finest level; each coarser one
            has twice as many.
        smallest_side: the pyramid ends before the shorter side falls below this.

    Returns:
        uint8, of the image's shape; valid pixels are unchanged.

    Raises:
        ValueError: if an argument is bad, or every patch of 3 x 3 touches the hole.

    Source: Barnes et al., SIGGRAPH 2009, after Wexler, Shechtman and Irani, "Space-time
    completion of video", PAMI 29(3), 2007, for the alternation and the weight by
    distance from the valid pixels (unverified: the papers were not at hand). The weight
    by the match's distance, the start on the coarsest level and the numbers of rounds
    are our choice.
    """
    check_odd("patch_size", patch_size)
    check_count("num_rounds", num_rounds)
    check_count("smallest_side", smallest_side)
    size = usable_patch_size(mask, patch_size)
    levels = _pyramid(image, mask, size, smallest_side)
    random = np.random.default_rng(seed)
    rounds = [num_rounds * _COARSE_FACTOR**depth for depth in range(len(levels))]
    report = _Work(levels, rounds, progress)
    estimate, field = _start(levels[-1], size, random)
    for depth in reversed(range(len(levels))):
        level = levels[depth]
        if depth < len(levels) - 1:
            estimate, field = _refine(level, size, random, estimate, field)
        for _ in range(rounds[depth]):
            field.set_target(estimate)
            field.improve(_JUMPS)
            estimate = _vote(level, field, estimate, size)
            report.advance(level)
    return np.rint(estimate).clip(0, 255).astype(np.uint8)


class _Work:
    """Reports progress; a round costs as much as its level has hole pixels."""

    def __init__(self, levels, rounds, progress):
        self._progress = progress
        self._done = 0
        self._total = sum(
            count * level.num_unknown for level, count in zip(levels, rounds)
        )

    def advance(self, level):
        self._done += level.num_unknown
        self._progress(self._done / self._total)


def _pyramid(image, known, size, smallest_side):
    """Levels from fine to coarse, each half as large, as long as there is a hole.

    A coarse pixel is the mean of the valid ones of its four, and is valid where at
    least two are.
    """
    levels = [_Level(image.astype(np.float32), known)]
    while min(levels[-1].known.shape) >= 2 * max(smallest_side, size):
        level = _halve(levels[-1])
        if level.known.all() or fully_known(level.known, size).sum() < size**2:
            break
        levels.append(level)
    return levels


def _halve(level):
    height, width = level.known.shape
    # An odd last row or column is repeated.
    pads = ((0, height % 2), (0, width % 2))
    known = np.pad(level.known, pads, mode="edge")
    image = np.pad(level.image, (*pads, (0, 0)), mode="edge")
    counts = _sum_of_four(known[..., np.newaxis].astype(np.float32))
    sums = _sum_of_four(image * known[..., np.newaxis])
    coarse = counts[..., 0] >= 2
    means = sums / np.maximum(counts, 1)
    return _Level(means * coarse[..., np.newaxis], coarse)


def _sum_of_four(image):
    height, width, channels = image.shape
    return image.reshape(height // 2, 2, width // 2, 2, channels).sum(axis=(1, 3))


def _new_field(level, target, size, random):
    """Random matches for all patches that touch the hole."""
    usable = fully_known(level.known, size)
    return PatchField(target, level.image, size, ~usable, usable, random)


def _start(level, size, random):
    """A first estimate of the coarsest level, and random matches for it."""
    image = np.rint(level.image).astype(np.uint8)
    filled = fill_criminisi(image, level.known, patch_size=size)
    known = level.known[..., np.newaxis]
    estimate = np.where(known, level.image, filled.astype(np.float32))
    return estimate, _new_field(level, estimate, size, random)


def _refine(level, size, random, coarse_estimate, coarse_field):
    """Estimate and matches of a level from those of the coarser one."""
    height, width = level.known.shape
    larger = coarse_estimate.repeat(2, axis=0).repeat(2, axis=1)[:height, :width]
    known = level.known[..., np.newaxis]
    estimate = np.where(known, level.image, larger)
    field = _new_field(level, estimate, size, random)
    # Random matches stay where the coarse ones are missing or not usable here.
    halves = np.minimum(
        field.corners // 2, np.array(coarse_field.index.shape)[:, np.newaxis] - 1
    )
    found = coarse_field.index[tuple(halves)]
    chosen = np.flatnonzero(found >= 0)
    shift = coarse_field.matches[:, found[chosen]] - halves[:, chosen]
    matches = field.corners[:, chosen] + 2 * shift
    taken_over = field.set_matches(matches, chosen)
    return _vote(level, field, estimate, size, taken_over), field


def _vote(level, field, estimate, size, voters=None):
    """The image in which each hole pixel is the weighted mean of its matches' pixels.

    Args:
        level: to fill.
        field: matches for all patches that touch the hole.
        estimate: values of pixels without votes.
        size: of the patches.
        voters: which of the field's patches vote, bool; None: all.
    """
    weights = _weights(level, field, size)
    if voters is not None:
        weights = weights * voters
    rows, columns = np.nonzero(~level.known)
    # Corners beyond the image have no patch.
    index = np.pad(field.index, size - 1, constant_values=-1)
    sums = np.zeros((len(rows), level.image.shape[2]))
    totals = np.zeros(len(rows))
    for down in range(size):
        for across in range(size):
            at = rows + size - 1 - down, columns + size - 1 - across
            voter = index[at]
            weight = np.where(voter >= 0, weights[voter], 0)
            match = field.matches[:, voter]
            colours = level.image[match[0] + down, match[1] + across]
            sums += weight[:, np.newaxis] * colours
            totals += weight
    result = estimate.copy()
    voted = totals > 0
    result[rows[voted], columns[voted]] = sums[voted] / totals[voted, np.newaxis]
    return result


def _weights(level, field, size):
    depths = ndimage.distance_transform_edt(~level.known)
    reach = size // 2
    depth = depths[field.corners[0] + reach, field.corners[1] + reach]
    per_value = field.distances / (size**2 * level.image.shape[2])
    return _FALL**-depth / (per_value + _NOISE)
