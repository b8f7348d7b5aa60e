"""Scenes: cut-outs on a photograph, with the exact boxes of what is seen of them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from keras_cnns.data.builders.cutouts import Items, Stamps

_SIDES = (0.16, 0.56)  # of an object's longer side, as fractions of the image's
_ASPECT, _TURN = 0.12, 12.0  # largest change of proportions; degrees
_NUMBERS = (0.05, 0.2, 0.25, 0.2, 0.15, 0.15)  # probabilities of 0 to 5 objects
# Least part of an object that is seen: of scenes without and with much overlap.
_LEAST_VISIBLE, _CROWDED = (0.9, 0.4), 0.5
_DIFFICULT = 0.5  # objects of which less is seen
_LEAST_SIDE = 6  # of a visible box, in pixels
_ATTEMPTS = 30  # to find a place
_BEYOND = 0.5  # part of an object that may lie outside of the image
_CHANGES = (0.75, 1.25)  # of a background's brightness, saturation and contrast
_TRUNCATED = 0.25  # probability that it may


@dataclasses.dataclass(frozen=True)
class Placed:
    """One object of a scene.

    Attributes:
        name: of its cut-out.
        label: its class.
        mask: ``(height, width)`` bool, where it is seen: within the image, at least
            half opaque, and not covered by a later one.
        visible: fraction of its own pixels that are seen.
    """

    name: str
    label: int
    mask: np.ndarray
    visible: float

    @property
    def box(self) -> tuple:
        """(y1, x1, y2, x2) of the mask in whole pixels, the last two exclusive."""
        return tight_box(self.mask)

    @property
    def is_difficult(self) -> bool:
        """Whether less than half of it is seen."""
        return self.visible < _DIFFICULT


def tight_box(mask: np.ndarray) -> tuple:
    """(y1, x1, y2, x2) of what is True in an array; four zeros where nothing is."""
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    if not len(rows):
        return (0, 0, 0, 0)
    return (int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1)


def draw_background(photographs: dict, size: int, random: np.random.Generator) -> tuple:
    """A square cut from one of some pictures, scaled, mirrored and coloured at random.

    Args:
        photographs: uint8 pictures by name; grey ones ``(height, width)`` get a colour.
        size: of the square, in pixels.
        random: ``numpy.random.Generator``.

    Returns:
        (name of the picture, uint8 ``(size, size, 3)``).
    """
    name = sorted(photographs)[random.integers(len(photographs))]
    image = Image.fromarray(photographs[name])
    shorter = min(image.size)
    side = int(random.uniform(min(size, shorter), shorter + 1))
    left, top = (random.integers(length - side + 1) for length in image.size)
    box = (left, top, left + side, top + side)
    image = image.resize((size, size), Image.Resampling.BICUBIC, box, reducing_gap=2)
    pixels = np.asarray(image, np.float32)
    if random.random() < 0.5:
        pixels = pixels[:, ::-1]
    if pixels.ndim == 2:
        pixels = pixels[..., np.newaxis] * random.uniform(0.55, 1, 3)
    return name, _recoloured(pixels, random.uniform(*_CHANGES, 3))


def _recoloured(pixels, factors):
    """Pixels with other brightness, saturation and contrast."""
    brightness, saturation, contrast = factors.astype(np.float32)
    grey = pixels.mean(-1, keepdims=True)
    middle = grey.mean()
    pixels = grey + saturation * (pixels - grey)
    pixels = brightness * (middle + contrast * (pixels - middle))
    return np.clip(pixels, 0, 255).astype(np.uint8)


def draw_scene(
    background: np.ndarray, stock: Stamps | Items, random: np.random.Generator
) -> tuple:
    """Puts 0 to 5 objects on a background, later ones over earlier ones.

    Args:
        background: ``(size, size, 3)`` uint8.
        stock: has ``class_names`` and ``draw(label, random)``, a ``Cutout``.
        random: ``numpy.random.Generator``.

    Returns:
        (image, uint8 of the background's shape; list of ``Placed``).
    """
    image, placed = background, []
    crowded = random.random() < _CROWDED
    for _ in range(random.choice(len(_NUMBERS), p=_NUMBERS)):
        label = int(random.integers(len(stock.class_names)))
        cutout = stock.draw(label, random)
        pixels = _varied(cutout.pixels, background.shape[0], random)
        may_leave = random.random() < _TRUNCATED
        for _ in range(_ATTEMPTS):
            place = _drawn_place(pixels.shape, background.shape, may_leave, random)
            mask, total = _mask_at(pixels, place, background.shape)
            found = [_covered(other, mask) for other in placed]
            found.append(Placed(cutout.name, label, mask, mask.sum() / total))
            if all(map(_is_seen[crowded], found)):
                image, placed = _blended(image, pixels, place), found
                break
    return image, placed


def _sees(least):
    def is_seen(one):
        top, left, bottom, right = one.box
        return one.visible >= least and min(bottom - top, right - left) >= _LEAST_SIDE

    return is_seen


_is_seen = [_sees(least) for least in _LEAST_VISIBLE]


def _covered(one, mask):
    """An object over which another one lies."""
    rest = one.mask & ~mask
    share = rest.sum() / max(1, one.mask.sum())
    return dataclasses.replace(one, mask=rest, visible=one.visible * share)


def _varied(pixels, size, random):
    """A cut-out at a random size, a little stretched and turned."""
    longer = size * np.exp(random.uniform(*np.log(_SIDES)))
    stretch = np.exp(random.uniform(-_ASPECT, _ASPECT))
    height, width = pixels.shape[:2]
    scale = longer / max(height * stretch, width)
    new = (max(2, round(width * scale)), max(2, round(height * stretch * scale)))
    image = Image.fromarray(pixels).resize(new, Image.Resampling.BICUBIC)
    image = image.rotate(
        random.uniform(-_TURN, _TURN), Image.Resampling.BICUBIC, expand=True
    )
    return np.asarray(image)


def _drawn_place(shape, area, may_leave, random):
    """(top, left) of a cut-out, perhaps partly outside."""
    place = []
    for length, whole in zip(shape[:2], area[:2]):
        beyond = int(length * _BEYOND) if may_leave else 0
        low, high = -beyond, whole - length + beyond
        place.append(int(random.integers(min(low, high), max(low, high) + 1)))
    return tuple(place)


def _windows(shape, place, area):
    """Slices of a cut-out, and of the image, where they meet."""
    own, within = [], []
    for length, start, whole in zip(shape[:2], place, area[:2]):
        first, last = max(0, start), min(whole, start + length)
        own.append(slice(first - start, max(first, last) - start))
        within.append(slice(first, max(first, last)))
    return tuple(own), tuple(within)


def _mask_at(pixels, place, area):
    """(where a cut-out is more than half opaque within the image, its pixels in all)"""
    opaque = pixels[..., 3] > 127
    own, within = _windows(pixels.shape, place, area)
    mask = np.zeros(area[:2], bool)
    mask[within] = opaque[own]
    return mask, max(1, opaque.sum())


def _blended(image, pixels, place):
    own, within = _windows(pixels.shape, place, image.shape)
    image, part = image.copy(), pixels[own].astype(np.uint16)
    alpha = part[..., 3:]
    image[within] = (alpha * part[..., :3] + (255 - alpha) * image[within] + 127) // 255
    return image
