"""Filling holes of images, and proposing boxes of objects, without a network.

``selective_search`` proposes boxes.

All fills take ``(image, mask, *, seed=0, progress=None, **options)``: a uint8 image
``(height, width)``, ``(height, width, 1)`` or ``(height, width, 3)`` of any size, and a
mask ``(height, width)`` or ``(height, width, 1)`` in which 1 is valid and 0 hole. They
return a new uint8 image of the same shape, in which valid pixels are unchanged, and are
deterministic for a seed. Neither TensorFlow nor Keras is loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from keras_cnns.exemplar._inputs import image_fill
from keras_cnns.exemplar.criminisi import fill_criminisi
from keras_cnns.exemplar.patch_match import match_patches
from keras_cnns.exemplar.patch_match_fill import fill_patch_match
from keras_cnns.exemplar.selective_search import (
    SELECTIVE_SEARCH_MODES,
    selective_search,
)
from keras_cnns.exemplar.simple_fills import fill_biharmonic, fill_mean, fill_nearest

METHODS = {
    "biharmonic": fill_biharmonic,
    "criminisi": fill_criminisi,
    "mean": fill_mean,
    "nearest": fill_nearest,
    "patch_match": fill_patch_match,
}


def fill(
    image: np.ndarray,
    mask: np.ndarray,
    method: str = "patch_match",
    *,
    seed: int = 0,
    progress: Callable[[float], object] | None = None,
    **options: Any,
) -> np.ndarray:
    """Fills the hole of an image by a named method.

    Args:
        image: uint8 ``(height, width)``, ``(height, width, 1)`` or
            ``(height, width, 3)``; what lies under the hole has no effect.
        mask: ``(height, width)`` or ``(height, width, 1)``, bool or numbers 0 and 1;
            1 = valid, 0 = hole.
        method: one of ``METHODS``.
        seed: of random numbers, a whole number.
        progress: called with the fraction done, rising to 1, or None.
        **options: those of the method.

    Returns:
        uint8, of the image's shape; valid pixels are unchanged.

    Raises:
        ValueError: if the method, an option, the image or the mask is bad: another
            size, another value than 0 and 1, no valid pixel.
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {sorted(METHODS)}, got {method!r}")
    return METHODS[method](image, mask, seed=seed, progress=progress, **options)


__all__ = [
    "METHODS",
    "SELECTIVE_SEARCH_MODES",
    "fill",
    "fill_biharmonic",
    "fill_criminisi",
    "fill_mean",
    "fill_nearest",
    "fill_patch_match",
    "image_fill",
    "match_patches",
    "selective_search",
]
