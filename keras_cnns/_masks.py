"""What a mask is, and the shares of hole in which inpainting is compared.

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


def mask_of_holes(holes: np.ndarray) -> np.ndarray:
    """The mask of holes that are given as bool ``(height, width)``, True in holes."""
    return np.where(holes, np.float32(0), np.float32(1))[..., np.newaxis]


def check_mask(mask) -> np.ndarray:
    """The mask as an array, refused where it is none.

    Args:
        mask: ``(height, width)`` or ``(height, width, 1)``, 1 = valid, 0 = hole.

    Raises:
        ValueError: if the shape is another one, or a value is neither 0 nor 1.
    """
    array = np.asarray(mask)
    is_flat = array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 1)
    if not is_flat or not array.size:
        raise ValueError(
            "a mask must have the shape (height, width) or (height, width, 1), got "
            f"{array.shape}"
        )
    is_other = (array != 0) & (array != 1)
    if is_other.any():
        raise ValueError(
            f"a mask must hold 1 (valid) and 0 (hole) only, got {array[is_other][0]!r}"
        )
    return array


def check_masks(masks, shape: tuple) -> np.ndarray:
    """Masks of a batch of pictures, float64, 1 = valid, 0 = hole.

    Args:
        masks: ``(batch, height, width, 1)``.
        shape: of the pictures, ``(batch, height, width, channels)``.

    Raises:
        ValueError: if their shape does not suit, or they hold anything but 0 and 1.
    """
    masks = np.asarray(masks, np.float64)
    if masks.shape != (*shape[:3], 1):
        raise ValueError(
            f"masks must have the shape {(*shape[:3], 1)}, got {masks.shape}"
        )
    if not np.isin(masks, (0, 1)).all():
        raise ValueError("masks must hold 1 (valid) and 0 (hole) only")
    return masks


def hole_ratio(mask) -> float:
    """The share of pixels that are hole, 0 to 1.

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


def is_range(value, low, high) -> bool:
    """Whether a value is a pair of numbers that rise, or are equal, within bounds."""
    try:
        first, second = value
        return bool(low <= first <= second <= high)
    except (TypeError, ValueError):
        return False


def check_size(height: int, width: int, border: int) -> None:
    """Refuses a mask without pixels, and a border that leaves no room for holes.

    Raises:
        ValueError: if either is so.
    """
    if min(height, width) < 1:
        raise ValueError(f"a mask must have pixels, got the size {height}x{width}")
    if not 0 <= border < min(height, width) / 2:
        raise ValueError(
            f"border must be at least 0 and less than half of {height}x{width}, got "
            f"{border!r}"
        )


def hole_counts(height: int, width: int, hole_ratios: tuple, border: int) -> tuple:
    """The fewest and the most hole pixels that a range of ratios allows.

    At least one pixel stays valid.

    Args:
        height, width: size of the mask, in pixels.
        hole_ratios: (low, high]: the share of pixels that are hole.
        border: pixels along each side that stay valid.

    Raises:
        ValueError: if the size, the range or the border is bad, or no number of pixels
            inside the border fits the range.
    """
    check_size(height, width, border)
    if not is_range(hole_ratios, 0, 1) or hole_ratios[0] == hole_ratios[1]:
        raise ValueError(
            "hole_ratios must be (low, high) with 0 <= low < high <= 1, got "
            f"{hole_ratios!r}"
        )
    low, high = hole_ratios
    total = height * width
    inside = (height - 2 * border) * (width - 2 * border)
    # By the ratios themselves, since their products with the total are rounded.
    fewest, most = int(low * total), int(high * total) + 1
    while fewest / total <= low:
        fewest += 1
    while most / total > high:
        most -= 1
    most = min(most, inside, total - 1)
    if fewest > most:
        raise ValueError(
            f"hole_ratios={hole_ratios!r} cannot be met: a mask of {height}x{width} "
            f"with a border of {border} has {inside} of {total} pixels for holes"
        )
    return fewest, most
