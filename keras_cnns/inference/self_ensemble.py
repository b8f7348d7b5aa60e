"""The mean of a network's answers to a picture turned and mirrored."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from keras_cnns._types import Array

_TRANSFORMS = tuple((turns, mirrored) for turns in range(4) for mirrored in (0, 1))


def self_ensemble(
    function: Callable[[np.ndarray], Array], images: np.ndarray
) -> np.ndarray:
    """The mean over the eight turned and mirrored versions, each turned back.

    Args:
        function: from images ``(batch, height, width, channels)`` to images, maybe of
            other sizes and channels; height and width may be swapped.
        images: of any height and width.

    Returns:
        What ``function`` gives of images as they are, averaged; not rounded.

    Source: Lim et al., EDSR, arXiv 1707.02921, section 3.4, "geometric self-ensemble".
    """
    total = 0.0
    for turns, mirrored in _TRANSFORMS:
        changed = np.rot90(images, turns, (1, 2))
        if mirrored:
            changed = changed[:, :, ::-1]
        made = np.asarray(function(np.ascontiguousarray(changed)))
        if mirrored:
            made = made[:, :, ::-1]
        total = total + np.rot90(made, -turns, (1, 2))
    return total / len(_TRANSFORMS)
