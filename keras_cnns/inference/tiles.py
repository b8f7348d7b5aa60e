"""Inpainting and enlarging of large images tile by tile."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

# Neighbouring tiles overlap by at least a quarter of their side.
_SHARED = 4


def paint_tiles(
    paint: Callable[[np.ndarray, np.ndarray], np.ndarray],
    image: np.ndarray,
    mask: np.ndarray,
    tile: tuple[int, int],
    progress: Callable[[float], object],
) -> np.ndarray:
    """A network's output on a large image, blended from overlapping tiles.

    Only tiles with a hole are filled. Where several overlap, their weighted mean is
    taken; the weight of a tile falls linearly over the quarter of its side next to its
    border, and is never 0.

    Args:
        paint: function of images ``(1, tile height, tile width, channels)`` and masks
            ``(1, tile height, tile width, 1)`` that returns images.
        image: float32 ``(height, width, channels)``.
        mask: float32 ``(height, width, 1)``, 1 = valid, 0 = hole.
        tile: (height, width) of a tile, at most those of the image.
        progress: called with the fraction of tiles that are done.

    Returns:
        float32 of the image's shape; 0 far from any hole.

    Raises:
        ValueError: if a tile is all hole, so that there is nothing to fill it from.
    """
    rows, columns = (_starts(*lengths) for lengths in zip(mask.shape[:2], tile))
    windows = [
        (slice(row, row + tile[0]), slice(column, column + tile[1]))
        for row in rows
        for column in columns
    ]
    windows = [window for window in windows if not mask[window].all()]
    for row, column in windows:
        if not mask[row, column].any():
            raise ValueError(
                f"the tile of {tile[0]}x{tile[1]} at row {row.start}, column "
                f"{column.start} lies wholly within a hole, so that there is nothing "
                "to fill it from; give a larger tile_size"
            )
    weights = np.outer(_ramp(tile[0]), _ramp(tile[1]))[..., np.newaxis]
    weights = weights.astype(np.float32)
    painted, weighed = np.zeros_like(image), np.zeros_like(mask)
    for number, window in enumerate(windows, 1):
        output = paint(image[window][np.newaxis], mask[window][np.newaxis])[0]
        painted[window] += weights * output
        weighed[window] += weights
        progress(number / len(windows))
    return np.divide(painted, weighed, out=painted, where=weighed > 0)


def _starts(length, side):
    """Evenly spread first pixels of tiles that cover a length together."""
    step = side - side // _SHARED
    count = 1 - (side - length) // step
    return np.linspace(0, length - side, count).round().astype(int).tolist()


def _ramp(side):
    """Weights along a side: rising, 1 in the middle, falling."""
    places = np.arange(side)
    shared = max(1, side // _SHARED)
    return np.minimum(1, (1 + np.minimum(places, places[::-1])) / shared)


def enlarge_tiles(
    enlarge: Callable[[np.ndarray], np.ndarray],
    image: np.ndarray,
    scale: int,
    tile: int,
    context: int,
    progress: Callable[[float], object] | None,
) -> np.ndarray:
    """A picture enlarged tile by tile, without seams.

    Each tile is enlarged with what lies around it, up to the picture's border, and that
    is cut off again: where the context is what a pixel depends on, tiles give what the
    whole picture would.

    Args:
        enlarge: function of images ``(1, height, width, channels)`` that returns images
            ``scale`` times as large.
        image: ``(height, width, channels)``.
        scale: whole number.
        tile: height and width of a tile, in pixels of ``image``.
        context: pixels around it.
        progress: called with the fraction of tiles that are done, or None.

    Returns:
        uint8 ``(scale * height, scale * width, channels)``, rounded and clipped.
    """
    height, width, channels = image.shape
    large = np.empty((scale * height, scale * width, channels), np.uint8)
    corners = [(y, x) for y in range(0, height, tile) for x in range(0, width, tile)]
    for number, corner in enumerate(corners, start=1):
        inner = [slice(i, min(i + tile, n)) for i, n in zip(corner, image.shape)]
        outer = [
            slice(max(0, part.start - context), min(n, part.stop + context))
            for part, n in zip(inner, image.shape)
        ]
        made = np.asarray(enlarge(image[tuple(outer)][np.newaxis]))[0]
        within = tuple(
            slice(scale * (a.start - b.start), scale * (a.stop - b.start))
            for a, b in zip(inner, outer)
        )
        place = tuple(slice(scale * a.start, scale * a.stop) for a in inner)
        large[place] = np.rint(made[within].clip(0, 255)).astype(np.uint8)
        if progress:
            progress(number / len(corners))
    return large
