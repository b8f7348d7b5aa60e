"""Criminisi's exemplar fill: copies patches, first where structures enter the hole."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from skimage import color

from keras_cnns._checks import check_count, check_flag, check_odd
from keras_cnns.exemplar._inputs import image_fill
from keras_cnns.exemplar.fill_front import FillFront
from keras_cnns.exemplar.patches import PatchSearch, fully_known, usable_patch_size

# Lab in sixteenths: whole numbers make distances exact, and ties too.
_LAB_STEPS = 16


def _rgb_values(image):
    return image.astype(np.float64)


def _lab_values(image):
    return np.rint(color.rgb2lab(image) * _LAB_STEPS)


COLOUR_SPACES = {"lab": _lab_values, "rgb": _rgb_values}


@image_fill
def fill_criminisi(
    image: np.ndarray,
    mask: np.ndarray,
    progress: Callable[[float], object],
    patch_size: int = 9,
    colour_space: str = "lab",
    search_radius: int | None = None,
    has_data_term: bool = True,
) -> np.ndarray:
    """Fills a hole with copies of valid patches, by priority.

    The hole pixel of the highest priority (see ``FillFront``) is taken; the patch
    around it is compared with all patches without hole, by the sum of squared
    differences over its valid or already filled pixels; its other pixels are copied
    from the most similar one, the first in reading order of several. Near the image's
    edge the part of the patch that lies inside is used.

    The time grows with the hole's pixels times those of the whole image, or of the
    square within ``search_radius``: large images need a radius.

    Args:
        image: uint8 ``(height, width)``, ``(height, width, 1)`` or
            ``(height, width, 3)``.
        mask: ``(height, width)`` or ``(height, width, 1)``; 1 = valid, 0 = hole.
        seed: has no effect.
        progress: called with the fraction of the hole that is filled.
        patch_size: height and width of a patch, odd, in pixels: a little more than the
            largest element of the texture. Where all such patches touch the hole, the
            next smaller odd size is taken and a warning logged.
        colour_space: in which colours are compared, "lab" (CIE Lab, in steps of 1/16)
            or "rgb"; grey images are compared by their grey levels.
        search_radius: largest distance of a copied patch, in pixels, doubled where
            there is none; None: the whole image.
        has_data_term: whether the priority has the data term; False: confidence alone.

    Returns:
        uint8, of the image's shape; valid pixels are unchanged.

    Raises:
        ValueError: if an argument is bad, or every patch of 3 x 3 touches the hole.

    Source: Criminisi, Perez and Toyama, "Region filling and object removal by
    exemplar-based image inpainting", IEEE TIP 13(9), 2004. That patches are compared in
    Lab is what notes on the paper quote from it; the paper itself was not at hand.
    """
    check_odd("patch_size", patch_size)
    if colour_space not in COLOUR_SPACES:
        raise ValueError(
            f"colour_space must be one of {sorted(COLOUR_SPACES)}, got {colour_space!r}"
        )
    if search_radius is not None:
        check_count("search_radius", search_radius)
    check_flag("has_data_term", has_data_term)
    size = usable_patch_size(mask, patch_size)
    space = colour_space if image.shape[2] == 3 else "rgb"
    search = _SourceSearch(COLOUR_SPACES[space](image), mask, size, search_radius)
    front = FillFront(image, mask, size, has_data_term)
    return _fill(image, search, front, size, progress)


def _fill(image, search, front, size, progress):
    reach = size // 2
    padded = np.pad(image, ((reach, reach), (reach, reach), (0, 0)))
    num_unknown, num_filled = front.num_unknown, 0
    centre = front.first()
    while centre is not None:
        unknown = ~front.known_patch(*centre)
        source = search.find(centre, ~unknown)
        copied = image[_window(source, size)]
        padded[_window(centre, size)][unknown] = copied[unknown]
        search.copy(source, centre, unknown)
        num_filled += front.close(*centre, copied)
        progress(num_filled / num_unknown)
        centre = front.first()
    return padded[reach:-reach, reach:-reach]


def _window(corner, size):
    """The patch at a corner, which is its centre in an image padded by its reach."""
    return tuple(slice(start, start + size) for start in corner)


class _SourceSearch:
    """Finds the patch to copy among those without hole."""

    def __init__(self, values, known, size, radius):
        reach = size // 2
        self._size = size
        self._radius = radius
        self._values = values
        self._usable = fully_known(known, size)
        self._current = np.pad(values, ((reach, reach), (reach, reach), (0, 0)))
        self._whole = None
        if radius is None:
            self._whole = PatchSearch(values, self._usable, size)

    def find(self, centre, known):
        """Corner of the patch most like the known part of the one around a pixel."""
        patch = self._current[_window(centre, self._size)]
        if self._whole is not None:
            return self._whole.find(patch, known)
        top, left, near = self._near(centre)
        rows, columns = (length + self._size - 1 for length in near.shape)
        values = self._values[top : top + rows, left : left + columns]
        row, column = PatchSearch(values, near, self._size).find(patch, known)
        return top + row, left + column

    def _near(self, centre):
        """The smallest square of corners around a pixel with a usable one."""
        radius = self._radius
        while True:
            corner = [place - self._size // 2 for place in centre]
            top, left = (max(place - radius, 0) for place in corner)
            bottom, right = (max(place + radius + 1, 0) for place in corner)
            near = self._usable[top:bottom, left:right]
            if near.any():
                return top, left, near
            radius *= 2

    def copy(self, source, centre, unknown):
        """Copies a source to the unknown pixels of the patch around a pixel."""
        copied = self._values[_window(source, self._size)]
        self._current[_window(centre, self._size)][unknown] = copied[unknown]
