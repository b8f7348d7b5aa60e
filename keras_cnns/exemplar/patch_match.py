"""PatchMatch: approximate nearest neighbours of patches in another image.

The nearest-neighbour field starts at random; good matches propagate to neighbours, and
random candidates are tried at shrinking distances from the current ones (Barnes et al.
2009). The paper scans the image and propagates from pixel to pixel; here all pixels are
updated at once, from neighbours at several distances, in all four directions. A
candidate replaces a match only if it is nearer, so that no distance grows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from keras_cnns._checks import check_count, check_odd

_JUMPS = (8, 4, 2, 1)
_DIRECTIONS = ((1, 0), (0, 1), (-1, 0), (0, -1))


class PatchField:
    """Matches of target patches in a source image; patches are named by their corners.

    Args:
        target, source: ``(height, width, channels)``, sizes may differ.
        size: height and width of a patch.
        wanted: which target patches to match, bool
            ``(height - size + 1, width - size + 1)``.
        usable: which source patches are candidates, bool likewise; at least one.
        random: a ``numpy.random.Generator``.

    Attributes:
        corners: ``(2, count)``, rows and columns of the target patches.
        matches: ``(2, count)``, rows and columns of their matches.
        distances: ``(count,)`` float32, sums of squared differences.
        index: position of a target patch in these, -1 if it is not matched.
    """

    def __init__(
        self,
        target: np.ndarray,
        source: np.ndarray,
        size: int,
        wanted: np.ndarray,
        usable: np.ndarray,
        random: np.random.Generator,
    ) -> None:
        self._size = size
        self._random = random
        self._usable = usable
        self._width = source.shape[1]
        self._source = _strips(source, size)
        self.corners = np.stack(np.nonzero(wanted))
        self.index = np.full(wanted.shape, -1)
        self.index[wanted] = np.arange(self.corners.shape[1])
        choices = np.stack(np.nonzero(usable))
        drawn = random.integers(choices.shape[1], size=self.corners.shape[1])
        self.matches = choices[:, drawn]
        self.set_target(target)

    def set_target(self, target: np.ndarray) -> None:
        """Takes another target image of the same size and updates all distances."""
        strips = _strips(target, self._size)
        places = self.corners[0] * target.shape[1] + self.corners[1]
        self._target = [
            strips[places + row * target.shape[1]] for row in range(self._size)
        ]
        everything = np.arange(len(places))
        self.distances = np.full(len(places), np.inf, np.float32)
        self._take_nearer(self.matches, everything)

    def set_matches(self, matches: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        """Replaces some matches by others that are usable, whatever their distance.

        Args:
            matches: ``(2, count)``; unusable ones are ignored.
            chosen: ``(count,)``, the target patches that they belong to.

        Returns:
            Which of the field's matches were replaced, bool.
        """
        matches, chosen = self._usable_of(matches, chosen)
        self.distances[chosen] = np.inf
        self._take_nearer(matches, chosen)
        replaced = np.zeros(len(self.distances), bool)
        replaced[chosen] = True
        return replaced

    def try_matches(self, matches: np.ndarray, chosen: np.ndarray) -> None:
        """Replaces matches by others that are usable and nearer.

        Args:
            matches, chosen: as of ``set_matches``.
        """
        others = (matches != self.matches[:, chosen]).any(axis=0)
        matches, chosen = self._usable_of(matches[:, others], chosen[others])
        self._take_nearer(matches, chosen)

    def _usable_of(self, matches, chosen):
        """Those that lie in the source image and are candidates."""
        limits = np.array(self._usable.shape)[:, np.newaxis]
        keep = ((matches >= 0) & (matches < limits)).all(axis=0)
        matches, chosen = matches[:, keep], chosen[keep]
        keep = self._usable[tuple(matches)]
        return matches[:, keep], chosen[keep]

    def _take_nearer(self, matches, chosen):
        """Compares row by row and drops candidates that are farther already."""
        places = matches[0] * self._width + matches[1]
        distances = np.zeros(len(chosen), np.float32)
        for row in range(self._size):
            difference = self._source[places + row * self._width]
            difference -= self._target[row][chosen]
            distances += np.einsum("ij,ij->i", difference, difference)
            alive = distances < self.distances[chosen]
            if not alive.all():
                chosen, places = chosen[alive], places[alive]
                distances, matches = distances[alive], matches[:, alive]
        self.matches[:, chosen] = matches
        self.distances[chosen] = distances

    def propagate(self, jump: int) -> None:
        """Tries the matches of the neighbours at a distance, shifted accordingly."""
        limits = np.array(self.index.shape)[:, np.newaxis]
        for direction in _DIRECTIONS:
            shift = jump * np.array(direction)[:, np.newaxis]
            neighbours = self.corners - shift
            inside = ((neighbours >= 0) & (neighbours < limits)).all(axis=0)
            chosen = np.flatnonzero(inside)
            found = self.index[tuple(neighbours[:, chosen])]
            chosen, found = chosen[found >= 0], found[found >= 0]
            self.try_matches(self.matches[:, found] + shift, chosen)

    def search(self) -> None:
        """Tries random matches around the current ones, at halving distances."""
        radius = max(self._usable.shape)
        everything = np.arange(self.corners.shape[1])
        while radius >= 1:
            steps = self._random.integers(-radius, radius + 1, self.matches.shape)
            self.try_matches(self.matches + steps, everything)
            radius //= 2

    def improve(self, jumps: Iterable[int] = _JUMPS) -> None:
        """One iteration: propagation, then random search."""
        for jump in jumps:
            self.propagate(jump)
        self.search()


def _strips(image, size):
    """Each pixel's row of ``size`` pixels from there on, ``(pixels, size * channels)``.

    A view; strips that run over the image's right edge belong to no patch.
    """
    values = np.ascontiguousarray(image, np.float32)
    channels = values.shape[2]
    return sliding_window_view(values.reshape(-1), size * channels)[::channels]


def match_patches(
    target: np.ndarray,
    source: np.ndarray,
    *,
    patch_size: int = 7,
    num_iterations: int = 5,
    seed: int = 0,
    usable: np.ndarray | None = None,
    progress: Callable[[float, float], object] | None = None,
) -> tuple:
    """Approximate nearest neighbours of all patches of an image in another.

    Args:
        target, source: ``(height, width)`` or ``(height, width, channels)`` numbers;
            sizes may differ, channels may not.
        patch_size: height and width of a patch, odd.
        num_iterations: of propagation and random search.
        seed: of the random matches.
        usable: which source patches are candidates, by top left corner, bool
            ``(height - patch_size + 1, width - patch_size + 1)``; None: all.
        progress: called after each iteration with the fraction done and the mean
            distance, or None.

    Returns:
        (matches, distances): the rows and columns of the found patches' top left
        corners, int ``(2, rows, columns)``, and sums of squared differences, float32
        ``(rows, columns)``, by the target patch's top left corner.

    Raises:
        ValueError: if an image or an argument is bad.

    Source: Barnes, Shechtman, Finkelstein and Goldman, "PatchMatch: a randomized
    correspondence algorithm for structural image editing", SIGGRAPH 2009. The patch
    size and the number of iterations are unverified: the paper was not at hand.
    """
    check_odd("patch_size", patch_size)
    check_count("num_iterations", num_iterations)
    check_count("seed", seed, 0)
    target = _check_numbers("target", target, patch_size)
    source = _check_numbers("source", source, patch_size)
    if target.shape[2] != source.shape[2]:
        raise ValueError(
            f"target and source must have the same channels, got {target.shape[2]} "
            f"and {source.shape[2]}"
        )
    usable = _check_usable(usable, _num_corners(source, patch_size))
    wanted = np.ones(_num_corners(target, patch_size), bool)
    random = np.random.default_rng(seed)
    field = PatchField(target, source, patch_size, wanted, usable, random)
    for iteration in range(num_iterations):
        field.improve()
        if progress is not None:
            fraction = (iteration + 1) / num_iterations
            progress(fraction, float(field.distances.mean(dtype=np.float64)))
    return (
        field.matches.reshape(2, *wanted.shape),
        field.distances.reshape(wanted.shape),
    )


def _num_corners(image, size):
    return tuple(length - size + 1 for length in image.shape[:2])


def _check_numbers(name, image, patch_size):
    image = np.asarray(image)
    is_image = image.ndim in (2, 3) and image.dtype.kind in "fiub"
    if not is_image or min(image.shape[:2]) < patch_size:
        raise ValueError(
            f"{name} must be numbers of shape (height, width) or (height, width, "
            f"channels), at least {patch_size} on each side, got {image.dtype} of "
            f"shape {image.shape}"
        )
    if not np.isfinite(image).all():
        raise ValueError(f"{name} must be finite, got NaN or infinity")
    return image.reshape(*image.shape[:2], -1)


def _check_usable(usable, shape):
    if usable is None:
        return np.ones(shape, bool)
    usable = np.asarray(usable)
    if usable.shape != shape or usable.dtype != bool or not usable.any():
        raise ValueError(
            f"usable must be bool of shape {shape} with a true value, got "
            f"{usable.dtype} of shape {usable.shape} with {int(usable.sum())}"
        )
    return usable
