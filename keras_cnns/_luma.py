"""Luma as super-resolution measures it: ITU-R BT.601 in studio range, 16 to 235.

This is MATLAB's ``rgb2ycbcr``. It is not the full-range 0.299, 0.587, 0.114 of JPEG and
of ``tf.image.rgb_to_grayscale``: a PSNR on that one is 1.3 dB lower for equal errors.
All functions take NumPy arrays, which they compute in float64, and tensors.
"""

import numpy as np
import tensorflow as tf

_OFFSETS = (16.0, 128.0, 128.0)
_FROM_RGB = np.array(
    [
        [65.481, 128.553, 24.966],
        [-37.797, -74.203, 112.0],
        [112.0, -93.786, -18.214],
    ]
)
_TO_RGB = np.linalg.inv(_FROM_RGB)


def luma(images):
    """Y of colour images.

    Args:
        images: ``(..., 3)``, float, R, G and B of 0 to 255.

    Returns:
        ``(..., 1)``, 16 (black) to 235 (white), not rounded.
    """
    return _combined(images, _FROM_RGB[:1] / 255) + _OFFSETS[0]


def to_ycbcr(images):
    """Y, Cb and Cr of colour images.

    Args:
        images: as ``luma`` takes them.

    Returns:
        ``(..., 3)``: Y of 16 to 235, Cb and Cr of 16 to 240, 128 without colour.
    """
    return _combined(images, _FROM_RGB / 255) + _OFFSETS


def from_ycbcr(images):
    """The colours that ``to_ycbcr`` was given.

    Args:
        images: ``(..., 3)``, Y, Cb and Cr.

    Returns:
        ``(..., 3)``, R, G and B; beyond 0 to 255 where there are no such colours.
    """
    return _combined(images - _OFFSETS, _TO_RGB * 255)


def _combined(images, rows):
    """Weighted sums of the last axis, a row of weights each."""
    if images.shape[-1] != rows.shape[1]:
        raise ValueError(
            f"images must have {rows.shape[1]} channels, got the shape {images.shape}"
        )
    kind = images.dtype.name if tf.is_tensor(images) else np.float64
    return images @ rows.T.astype(kind)
