"""Grids of images as PNG files, and gradients as images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from keras_cnns import _files
from keras_cnns._checks import check_count
from keras_cnns.data import to_bytes

_GAP, _WHITE, _BLACK = 2, 255, 0
_TEXT_MARGIN = 3


def image_grid(
    images: np.ndarray,
    path: str,
    columns: int | None = None,
    value_range: str = "signed",
    row_labels: Sequence[str] | None = None,
    column_labels: Sequence[str] | None = None,
    scale: int = 1,
) -> None:
    """Writes images side by side, row by row, with white lines between them.

    Args:
        images: ``(count, height, width, channels)``, 1 or 3 channels; a last row that
            is not full is filled with white. Values outside the range are clipped.
        path: PNG file to write.
        columns: images in a row; None gives the squarest grid.
        value_range: ``"signed"`` for [-1, 1], ``"unit"`` for [0, 1].
        row_labels: text at the left of each row, or None.
        column_labels: text above each column, or None.
        scale: whole number of pixels that each side of an image's pixel gets.

    Raises:
        ValueError: if the images' shape or values cannot be shown, or numbers of labels
            do not fit.
        OSError: naming ``path``, if writing fails.
    """
    images = to_bytes(images, value_range)
    if columns is None:
        columns = int(np.ceil(np.sqrt(len(images))))
    check_count("columns", columns)
    check_count("scale", scale)
    rows = -(-len(images) // columns)
    for name, labels, count in (
        ("row_labels", row_labels, rows),
        ("column_labels", column_labels, columns),
    ):
        if labels is not None and len(labels) != count:
            raise ValueError(f"{name}={labels!r}: {count} are needed")
    images = images.repeat(scale, axis=1).repeat(scale, axis=2)
    image = _with_labels(
        _tile(images, rows, columns), images.shape[1:3], row_labels, column_labels
    )
    with _files.atomic_file(path) as file:
        image.save(file, format="PNG")


def _tile(images, rows, columns):
    """One array ``(height, width, channels)`` of bytes with all images."""
    count, height, width, channels = images.shape
    down, across = height + _GAP, width + _GAP
    canvas = np.full(
        (rows * down - _GAP, columns * across - _GAP, channels), _WHITE, np.uint8
    )
    for index in range(count):
        top, left = index // columns * down, index % columns * across
        canvas[top : top + height, left : left + width] = images[index]
    return canvas


def _with_labels(canvas, image_size, row_labels, column_labels):
    """The image, with margins that hold the labels."""
    image = Image.fromarray(canvas[..., 0] if canvas.shape[-1] == 1 else canvas)
    if not row_labels and not column_labels:
        return image
    font = ImageFont.load_default()
    left = _margin(row_labels, font, side=2)
    top = _margin(column_labels, font, side=3)
    colour = {"L": _WHITE, "RGB": (_WHITE,) * 3}[image.mode]
    ink = {"L": _BLACK, "RGB": (_BLACK,) * 3}[image.mode]
    whole = Image.new(image.mode, (image.width + left, image.height + top), colour)
    whole.paste(image, (left, top))
    draw = ImageDraw.Draw(whole)
    height, width = image_size
    for index, label in enumerate(row_labels or ()):
        middle = top + index * (height + _GAP) + height // 2
        extent = font.getbbox(str(label))
        place = (_TEXT_MARGIN, middle - (extent[1] + extent[3]) // 2)
        draw.text(place, str(label), fill=ink, font=font)
    for index, label in enumerate(column_labels or ()):
        middle = left + index * (width + _GAP) + width // 2
        extent = font.getbbox(str(label))
        draw.text((middle - extent[2] // 2, 0), str(label), fill=ink, font=font)
    return whole


def _margin(labels, font, side):
    """Pixels that the largest label needs; ``side`` 2 across, 3 down."""
    if not labels:
        return 0
    extents = [int(np.ceil(font.getbbox(str(label))[side])) for label in labels]
    return 2 * _TEXT_MARGIN + max(extents)


def signed_heat(gradients: np.ndarray) -> np.ndarray:
    """Gradients as colours: red above 0, blue below, white at 0.

    Args:
        gradients: ``(count, height, width, channels)``; channels are added.

    Returns:
        ``(count, height, width, 3)`` float32 in [0, 1], each image in full strength at
        its largest absolute value; white where all is 0.
    """
    total = np.asarray(gradients, np.float32).sum(axis=-1)
    strength = total / _largest(total)
    red = 1 - np.maximum(-strength, 0)
    blue = 1 - np.maximum(strength, 0)
    return np.stack([red, np.minimum(red, blue), blue], axis=-1)


def around_grey(gradients: np.ndarray) -> np.ndarray:
    """Gradients as images: middle grey at 0, each image in full strength.

    Args:
        gradients: ``(count, height, width, channels)``.

    Returns:
        The same shape, float32 in [0, 1].
    """
    gradients = np.asarray(gradients, np.float32)
    return 0.5 + 0.5 * gradients / _largest(gradients)


def _largest(values):
    """The largest absolute value of each image, 1 for one that is 0 everywhere."""
    largest = np.abs(values).max(axis=tuple(range(1, values.ndim)), keepdims=True)
    return np.where(largest > 0, largest, 1)
