"""Masks of holes: drawn at random, rectangles, and files.

Everywhere in this package a mask is float32 ``(height, width, 1)`` with 1 at valid
pixels and 0 in holes. On disk it is a picture whose white pixels, 128 and more, are
holes; ``read_mask`` and ``write_mask`` are the places that turn one into the other.
"""

import os
from collections.abc import Iterator
from typing import Optional

import numpy as np
from absl import logging
from PIL import Image, UnidentifiedImageError

from keras_cnns import _files, _masks
from keras_cnns._masks import HOLE_RATIO_BINS
from keras_cnns.data.irregular_masks import irregular_mask
from keras_cnns.data.sources import list_images

__all__ = [
    "HOLE_RATIO_BINS",
    "bounding_box",
    "irregular_mask",
    "load_mask_files",
    "read_mask",
    "read_mask_files",
    "rectangle_mask",
    "write_mask",
]

_THRESHOLD = 128
_EIGHT_BIT_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")


def rectangle_mask(
    height: int,
    width: int,
    seed,
    *,
    heights: tuple,
    widths: tuple,
    border: int = 0,
) -> np.ndarray:
    """One rectangular hole of random size and place.

    Args:
        height, width: size of the mask, in pixels.
        seed: whole number >= 0, or several; the mask is a function of it.
        heights, widths: (smallest, largest) height and width of the hole, in pixels,
            both among those drawn.
        border: pixels along each side that stay valid.

    Returns:
        float32 ``(height, width, 1)``.

    Raises:
        ValueError: if a range or the border is bad, a hole would not fit inside the
            border, or it would be the whole picture.
    """
    _masks.check_size(height, width, border)
    random = np.random.default_rng(seed)
    spans = []
    for name, length, range_ in (
        ("heights", height, heights),
        ("widths", width, widths),
    ):
        if not _masks.is_range(range_, 1, length - 2 * border):
            raise ValueError(
                f"{name} must be (smallest, largest) within 1 and "
                f"{length - 2 * border} pixels, got {range_!r}"
            )
        side = random.integers(*range_, endpoint=True)
        start = random.integers(border, length - border - side, endpoint=True)
        spans.append(slice(start, start + side))
    if heights[1] == height and widths[1] == width:
        raise ValueError(
            f"a hole of {heights[1]}x{widths[1]} would leave no valid pixel of "
            f"{height}x{width}"
        )
    holes = np.zeros((height, width), bool)
    holes[tuple(spans)] = True
    return _masks.mask_of_holes(holes)


def bounding_box(mask) -> Optional[tuple]:
    """The smallest rectangle around all holes of a mask, as local critics need it.

    Args:
        mask: ``(height, width)`` or ``(height, width, 1)``, 1 = valid, 0 = hole.

    Returns:
        (top, left, height, width), in pixels; None if there is no hole.

    Raises:
        ValueError: if the mask has another shape or other values.
    """
    mask = _masks.check_mask(mask)
    rows, columns = np.nonzero(mask.reshape(mask.shape[:2]) == 0)
    if not len(rows):
        return None
    top, left = rows.min(), columns.min()
    return tuple(map(int, (top, left, np.ptp(rows) + 1, np.ptp(columns) + 1)))


def read_mask(
    path: str, shape: Optional[tuple] = None, *, resized: bool = False
) -> np.ndarray:
    """A mask from a picture file, whose white pixels are holes.

    Colours are taken by their brightness, and transparency is not looked at. Grey
    values become hole from 128 on; a warning says so.

    Args:
        path: PNG, BMP, GIF or JPEG file of 8 bits.
        shape: (height, width) of the picture it is for; None for any.
        resized: whether a mask of another size is brought to ``shape``, by its nearest
            pixels and without regard to its aspect; otherwise it is refused.

    Returns:
        float32 ``(height, width, 1)``, 1 = valid. It may be without holes.

    Raises:
        ValueError: if the file is no picture of 8 bits, has another size than
            ``shape``, or is all hole.
        FileNotFoundError: if there is no such file.
    """
    holes, is_grey = _read_holes(path, shape, resized)
    if is_grey:
        _warn_of_grey([path])
    return _masks.mask_of_holes(holes)


def read_mask_files(
    folder: str, shape: tuple, *, resized: bool = False
) -> Iterator[np.ndarray]:
    """Every mask in a folder, by name, one after the other; see ``load_mask_files``."""
    paths = list_images(folder)
    if not paths:
        raise ValueError(f"{folder!r} is no folder, or holds no masks")
    grey = []
    for path in paths:
        holes, is_grey = _read_holes(path, shape, resized)
        grey += [path] * is_grey
        yield _masks.mask_of_holes(holes)
    if grey:
        _warn_of_grey(grey)


def load_mask_files(folder: str, shape: tuple, *, resized: bool = False) -> np.ndarray:
    """All masks in a folder, in the order of their names.

    Args:
        folder: holds picture files and nothing else.
        shape, resized: as in ``read_mask``.

    Returns:
        float32 ``(count, height, width, 1)``, 1 = valid.

    Raises:
        ValueError: as ``read_mask`` for any of the files, or if the folder does not
            exist, is empty, or holds other files.
    """
    return np.stack(list(read_mask_files(folder, shape, resized=resized)))


def write_mask(path: str, mask) -> None:
    """Writes a mask as a PNG file, whose white pixels are holes.

    Args:
        path: file that ends in ``.png``, which keeps every pixel as it is.
        mask: ``(height, width)`` or ``(height, width, 1)``, 1 = valid, 0 = hole.

    Raises:
        ValueError: if the ending or the mask is bad.
        OSError: if the file cannot be written; nothing is left of it then.
    """
    if not path.lower().endswith(".png"):
        raise ValueError(f"a mask is written as a .png file, got {path!r}")
    mask = _masks.check_mask(mask)
    pixels = np.where(mask.reshape(mask.shape[:2]) == 0, 255, 0).astype(np.uint8)
    with _files.whole_file(path) as partial:
        Image.fromarray(pixels).save(partial, format="PNG")


def _read_holes(path, shape, resized):
    """(bool ``(height, width)`` with True in holes, whether there are grey values)."""
    try:
        with Image.open(path) as image:
            if image.mode not in _EIGHT_BIT_MODES:
                raise ValueError(
                    f"mask {path} must have 8 bits per pixel and channel, got Pillow's "
                    f"mode {image.mode}"
                )
            pixels = np.asarray(image.convert("L"))
    except FileNotFoundError:
        raise
    except (OSError, SyntaxError, UnidentifiedImageError) as error:
        raise ValueError(f"mask {path} cannot be read: {error}") from error
    holes = pixels >= _THRESHOLD
    if shape is not None and holes.shape != tuple(shape):
        if not resized:
            raise ValueError(
                f"mask {path} is {holes.shape[0]}x{holes.shape[1]} (height x width), "
                f"but the picture is {shape[0]}x{shape[1]}"
            )
        rows, columns = (
            (np.arange(new) * 2 + 1) * old // (2 * new)
            for new, old in zip(shape, holes.shape)
        )
        holes = holes[rows][:, columns]
    if holes.all():
        raise ValueError(
            f"mask {path} is all hole (white): there is nothing to fill it from; valid "
            "pixels are black"
        )
    return holes, bool(((pixels != 0) & (pixels != 255)).any())


def _warn_of_grey(paths):
    logging.warning(
        "mask %s%s has grey values; those of %d and more are taken as hole, the others "
        "as valid",
        os.fspath(paths[0]),
        f" (and {len(paths) - 1} more)" if len(paths) > 1 else "",
        _THRESHOLD,
    )
