"""Sizes of holes that fit into a mask, and masks from holes."""

from typing import Any

import numpy as np


def mask_of_holes(holes: np.ndarray) -> np.ndarray:
    """The mask of holes given as bool ``(height, width)``, True in holes."""
    return np.where(holes, np.float32(0), np.float32(1))[..., np.newaxis]


def is_range(value: Any, low: float, high: float) -> bool:
    """Whether a value is a non-decreasing pair of numbers within bounds."""
    try:
        first, second = value
        return bool(low <= first <= second <= high)
    except (TypeError, ValueError):
        return False


def check_size(height: int, width: int, border: int) -> None:
    """Refuses a mask without pixels, and a border that leaves no room for holes.

    Raises:
        ValueError: in either case.
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
        hole_ratios: (low, high]: the fraction of pixels that are hole.
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
