"""Checks of masks, and the hole-ratio bins of inpainting comparisons.

Everywhere in this package a mask is float32 ``(height, width, 1)`` with 1 at valid
pixels and 0 in holes.
"""

from typing import Optional

import numpy as np

# (low, high]: lower bounds are not in a bin, upper ones are. The bins of Liu et al.,
# arXiv 1804.07723, section 4.2.
HOLE_RATIO_BINS = (
    (0.01, 0.1),
    (0.1, 0.2),
    (0.2, 0.3),
    (0.3, 0.4),
    (0.4, 0.5),
    (0.5, 0.6),
)


def check_mask(mask) -> np.ndarray:
    """Checks a mask and returns it as an array.

    Args:
        mask: ``(height, width)`` or ``(height, width, 1)``, 1 = valid, 0 = hole.

    Raises:
        ValueError: if it has another shape, or a value other than 0 and 1.
    """
    array = np.asarray(mask)
    is_flat = array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 1)
    if not is_flat or not array.size:
        raise ValueError(
            "a mask must have the shape (height, width) or (height, width, 1), got "
            f"{array.shape}"
        )
    _refuse_other_values("a mask", array)
    return array


def check_masks(masks, shape: tuple) -> np.ndarray:
    """Masks of a batch of images, float64, 1 = valid, 0 = hole.

    Args:
        masks: ``(batch, height, width, 1)``.
        shape: of the images, ``(batch, height, width, channels)``.

    Raises:
        ValueError: if they have another shape, or values other than 0 and 1.
    """
    masks = np.asarray(masks, np.float64)
    if masks.shape != (*shape[:3], 1):
        raise ValueError(
            f"masks must have the shape {(*shape[:3], 1)}, got {masks.shape}"
        )
    _refuse_other_values("masks", masks)
    return masks


def _refuse_other_values(name, array):
    is_other = (array != 0) & (array != 1)
    if is_other.any():
        raise ValueError(
            f"{name} must hold 1 (valid) and 0 (hole) only, got {array[is_other][0]}"
        )


def hole_ratio(mask) -> float:
    """The fraction of pixels that are hole, 0 to 1.

    Args, Raises: as ``check_mask``.
    """
    mask = check_mask(mask)
    return np.count_nonzero(mask == 0) / mask.size


def hole_ratio_bin(mask) -> Optional[tuple]:
    """The bin of ``HOLE_RATIO_BINS`` that a mask belongs to; None if there is none.

    Args, Raises: as ``check_mask``.
    """
    ratio = hole_ratio(mask)
    return next((b for b in HOLE_RATIO_BINS if b[0] < ratio <= b[1]), None)


def bin_name(ratios: tuple) -> str:
    """Name of a bin (low, high] of hole ratios, such as ``"10%-20%"``."""
    low, high = ratios
    return f"{low:.0%}-{high:.0%}"
