"""Irregular holes: thick strokes, ellipses and random walks, drawn at random.

They replace the masks of Liu et al., arXiv 1804.07723, which were made from
occlusions in videos. Zigzag strokes are from Yu et al., arXiv 1806.03589; all ranges
are our own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from keras_cnns._masks import HOLE_RATIO_BINS
from keras_cnns.data.hole_sizes import hole_counts, mask_of_holes

ALL_RATIOS = (HOLE_RATIO_BINS[0][0], HOLE_RATIO_BINS[-1][1])


def irregular_mask(
    height: int,
    width: int,
    seed: int | Sequence[int],
    *,
    hole_ratios: tuple = ALL_RATIOS,
    border: int = 0,
) -> np.ndarray:
    """Irregular holes that cover a fraction of the image within a range.

    The number of hole pixels is drawn first, uniformly from the range. Shapes are added
    until it is reached; of the last one, only the part nearest to its start is taken,
    so that the range is always met. The same seed and a range of larger ratios give the
    same shapes and more.

    Args:
        height, width: size of the mask, in pixels.
        seed: whole number >= 0, or several; the mask is a function of it.
        hole_ratios: (low, high]: the fraction of pixels that are hole.
        border: pixels along each side that stay valid.

    Returns:
        float32 ``(height, width, 1)``, 1 = valid, 0 = hole.

    Raises:
        ValueError: if the size, the range or the border is bad, or no number of pixels
            inside the border fits the range.
    """
    fewest, most = hole_counts(height, width, hole_ratios, border)
    random = np.random.default_rng(seed)
    missing = random.integers(fewest, most, endpoint=True)
    inside = np.zeros((height, width), bool)
    inside[border : height - border, border : width - border] = True
    free = inside.copy()  # may become hole
    while missing:
        # From a free pixel, so that every shape adds at least one and the loop ends.
        places = np.flatnonzero(free)
        start = divmod(int(places[random.integers(len(places))]), width)
        added = _draw_shape(height, width, start, random) & free
        if np.count_nonzero(added) > missing:
            added = _nearest(added, start, missing)
        free &= ~added
        missing -= np.count_nonzero(added)
    return mask_of_holes(inside & ~free)


def _nearest(pixels, start, count):
    """The ``count`` pixels that are nearest to the start."""
    rows, columns = np.nonzero(pixels)
    distances = (rows - start[0]) ** 2 + (columns - start[1]) ** 2
    chosen = np.argsort(distances, kind="stable")[:count]
    nearest = np.zeros_like(pixels)
    nearest[rows[chosen], columns[chosen]] = True
    return nearest


def _draw_shape(height, width, start, random):
    """A shape of random kind, bool ``(height, width)``; its start belongs to it."""
    image = Image.new("L", (width, height))
    shape = _SHAPES[random.choice(len(_SHAPES), p=_FRACTIONS)]
    # Sizes are fractions of the shorter side; points are (x, y).
    shape(ImageDraw.Draw(image), np.array(start[::-1]), min(height, width), random)
    pixels = np.array(image, bool)
    pixels[start] = True
    return pixels


def _stroke(draw, start, side, random):
    """A thick zigzag line with round ends."""
    count = random.integers(2, 6)
    turns = random.uniform(0.2, 1.6, count) * (-1) ** np.arange(count)
    directions = random.uniform(0, 2 * np.pi) + np.cumsum(turns)
    points = _path(start, directions, random.uniform(0.08, 0.35, count) * side)
    thickness = _pixels(random.uniform(0.05, 0.2) * side)
    draw.line(points, fill=1, width=thickness, joint="curve")
    for x, y in (points[0], points[-1]):
        radius = thickness / 2
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=1)


def _ellipse(draw, start, side, random):
    """A filled ellipse around its start, rotated at random."""
    radii = random.uniform(0.04, 0.2, 2) * side
    angles = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    turn = random.uniform(0, np.pi)
    along, across = radii[0] * np.cos(angles), radii[1] * np.sin(angles)
    x = start[0] + along * np.cos(turn) - across * np.sin(turn)
    y = start[1] + along * np.sin(turn) + across * np.cos(turn)
    draw.polygon(list(zip(x.tolist(), y.tolist())), fill=1)


def _walk(draw, start, side, random):
    """A thin line that wanders in small steps."""
    count = random.integers(15, 60)
    turns = random.normal(0, 0.5, count)
    directions = random.uniform(0, 2 * np.pi) + np.cumsum(turns)
    points = _path(start, directions, np.full(count, 0.03 * side))
    draw.line(points, fill=1, width=_pixels(random.uniform(0.02, 0.07) * side))


def _path(start, directions, lengths):
    """Points (x, y) of a line that takes these steps."""
    steps = np.stack([np.cos(directions), np.sin(directions)], axis=1)
    points = start + np.cumsum(steps * lengths[:, np.newaxis], axis=0)
    return [tuple(start.tolist()), *map(tuple, points.tolist())]


def _pixels(length):
    return max(1, round(length))


_SHAPES = (_stroke, _ellipse, _walk)
_FRACTIONS = (0.5, 0.2, 0.3)
