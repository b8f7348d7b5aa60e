"""Pixels to image files, without loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from keras_cnns import _files
from keras_cnns.data.preprocessing import VALUE_RANGES, check_value_range

if TYPE_CHECKING:
    from keras_cnns._types import Array


def write_image(path: str, pixels: Array) -> None:
    """Writes pixels as a PNG file, without loss.

    Args:
        path: file that ends in ``.png``.
        pixels: uint8 ``(height, width, 1)`` or ``(height, width, 3)``.

    Raises:
        ValueError: if the extension or the pixels are bad.
        OSError: if the file cannot be written; no partial file is left.
    """
    if not path.lower().endswith(".png"):
        raise ValueError(f"an image is written as a .png file, got {path!r}")
    pixels = np.asarray(pixels)
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] not in (1, 3):
        raise ValueError(
            "pixels must be uint8 (height, width, channels) with 1 or 3 channels, got "
            f"{pixels.dtype} of shape {pixels.shape}"
        )
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    with _files.atomic_file(path) as file:
        image.save(file, format="PNG")


def to_bytes(images: Array, value_range: str = "signed") -> np.ndarray:
    """Converts images to bytes.

    Args:
        images: ``(count, height, width, channels)``, 1 or 3 channels.
        value_range: ``"signed"`` for [-1, 1], ``"unit"`` for [0, 1]; values
            outside are clipped.

    Returns:
        The same shape, uint8.

    Raises:
        ValueError: if the shape is wrong, there are no images, or values are NaN.
    """
    check_value_range(value_range)
    images = np.asarray(images, np.float32)
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or not images.size:
        raise ValueError(
            "images must be (count, height, width, channels) with 1 or 3 channels, "
            f"got {images.shape}"
        )
    if np.isnan(images).any():
        raise ValueError(f"images hold {int(np.isnan(images).sum())} values NaN")
    low, high = VALUE_RANGES[value_range]
    return np.rint((np.clip(images, low, high) - low) / (high - low) * 255).astype(
        np.uint8
    )
