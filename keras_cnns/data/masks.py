"""Masks of holes: drawn at random, rectangles, and files.

Everywhere in this package a mask is float32 ``(height, width, 1)`` with 1 at valid
pixels and 0 in holes. On disk it is an image whose white pixels, 128 and more, are
holes; ``read_mask`` and ``write_mask`` convert between the two.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import numpy as np
from absl import logging

from keras_cnns import _masks
from keras_cnns._masks import HOLE_RATIO_BINS
from keras_cnns.data import decoding
from keras_cnns.data.folders import list_images
from keras_cnns.data.hole_sizes import check_size, is_range, mask_of_holes
from keras_cnns.data.images import write_image
from keras_cnns.data.irregular_masks import irregular_mask

__all__ = [
    "HOLE_RATIO_BINS",
    "irregular_mask",
    "read_mask",
    "read_mask_files",
    "rectangle_mask",
    "write_mask",
]

_THRESHOLD = 128


def rectangle_mask(
    height: int,
    width: int,
    seed: int | Sequence[int],
    *,
    heights: tuple,
    widths: tuple,
    border: int = 0,
) -> np.ndarray:
    """One rectangular hole of random size and position.

    Args:
        height, width: size of the mask, in pixels.
        seed: whole number >= 0, or several; the mask is a function of it.
        heights, widths: (smallest, largest) height and width of the hole, in pixels,
            both inclusive.
        border: pixels along each side that stay valid.

    Returns:
        float32 ``(height, width, 1)``.

    Raises:
        ValueError: if a range or the border is bad, a hole would not fit inside the
            border, or it would be the whole image.
    """
    check_size(height, width, border)
    random = np.random.default_rng(seed)
    spans = []
    for name, length, range_ in (
        ("heights", height, heights),
        ("widths", width, widths),
    ):
        if not is_range(range_, 1, length - 2 * border):
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
    return mask_of_holes(holes)


def read_mask(path: str, shape: tuple | None = None) -> np.ndarray:
    """A mask from an image file, whose white pixels are holes.

    It is decoded to grey as images are (``decoding.decode_image``). Values of 128 and
    more are hole; a warning is logged if there are any but 0 and 255.

    Args:
        path: image file.
        shape: (height, width) of the image it is for; None for any.

    Returns:
        float32 ``(height, width, 1)``, 1 = valid. It may be without holes.

    Raises:
        ValueError: if the file is no image that can be decoded, has another size than
            ``shape``, or is all hole.
        FileNotFoundError: if there is no such file.
    """
    holes, is_grey = _read_holes(path)
    if shape is not None and holes.shape != tuple(shape):
        raise ValueError(
            f"mask {path} is {holes.shape[0]}x{holes.shape[1]} (height x width), "
            f"but the image is {shape[0]}x{shape[1]}"
        )
    _check_has_valid(holes, path)
    if is_grey:
        _warn_of_grey([path])
    return mask_of_holes(holes)


def read_mask_files(folder: str, shape: tuple) -> Iterator[np.ndarray]:
    """All masks in a folder, in the order of their names.

    Masks of another size are resized to ``shape`` by nearest neighbour, without keeping
    their aspect. One warning at the end covers all masks with grey values.

    Args:
        folder: holds image files and nothing else.
        shape: (height, width) of the masks.

    Yields:
        float32 ``(height, width, 1)``, as ``read_mask`` returns them.

    Raises:
        ValueError: as ``read_mask`` for any of the files, or if the folder does not
            exist, is empty, or holds other files.
    """
    paths = list_images(folder)
    if not paths:
        raise ValueError(f"{folder!r} is no folder, or holds no masks")
    grey = []
    for path in paths:
        holes, is_grey = _read_holes(path)
        rows, columns = (
            (np.arange(new) * 2 + 1) * old // (2 * new)
            for new, old in zip(shape, holes.shape)
        )
        holes = holes[rows][:, columns]
        _check_has_valid(holes, path)
        grey += [path] * is_grey
        yield mask_of_holes(holes)
    if grey:
        _warn_of_grey(grey)


def write_mask(path: str, mask: np.ndarray) -> None:
    """Writes a mask as a PNG file, whose white pixels are holes.

    Args:
        path: file that ends in ``.png``.
        mask: ``(height, width)`` or ``(height, width, 1)``, 1 = valid, 0 = hole.

    Raises:
        ValueError: if the extension or the mask is bad.
        OSError: if the file cannot be written; no partial file is left.
    """
    mask = _masks.check_mask(mask)
    holes = mask.reshape(*mask.shape[:2], 1) == 0
    write_image(path, np.where(holes, np.uint8(255), np.uint8(0)))


def _read_holes(path):
    """(bool ``(height, width)`` with True in holes, whether there are grey values)."""
    pixels = decoding.read_image(path, "mask", channels=1)[..., 0]
    return pixels >= _THRESHOLD, bool(((pixels != 0) & (pixels != 255)).any())


def _check_has_valid(holes, path):
    if holes.all():
        raise ValueError(
            f"mask {path} is all hole (white): there is nothing to fill it from; valid "
            "pixels are black"
        )


def _warn_of_grey(paths):
    logging.warning(
        "mask %s%s has grey values; those of %d and more are taken as hole, the others "
        "as valid",
        os.fspath(paths[0]),
        f" (and {len(paths) - 1} more)" if len(paths) > 1 else "",
        _THRESHOLD,
    )
