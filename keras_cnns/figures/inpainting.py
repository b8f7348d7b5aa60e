"""Filled images beside their inputs and the true images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from keras_cnns.data import VALUE_RANGES
from keras_cnns.data.preprocessing import check_value_range
from keras_cnns.figures.grids import image_grid

# Small images are shown at about this height, in pixels.
_SHOWN_HEIGHT = 128


def inpainting_grid(
    images: np.ndarray,
    masks: np.ndarray,
    filled: Mapping[str, np.ndarray],
    path: str,
    value_range: str = "unit",
    row_labels: Sequence[str] | None = None,
) -> None:
    """Writes a row for each image: with its hole in grey, filled, and complete.

    Args:
        images: the complete images, ``(count, height, width, channels)``.
        masks: ``(count, height, width, 1)``, 1 for valid pixels, 0 in the hole.
        filled: dict of images of the shape of ``images`` by the name of the method; a
            column each.
        path: PNG file to write.
        value_range: ``"unit"`` for [0, 1], ``"signed"`` for [-1, 1].
        row_labels: text at the left of each row, or None.

    Raises:
        ValueError: if shapes do not fit together, or values cannot be shown.
        OSError: naming ``path``, if writing fails.
    """
    images, masks = np.asarray(images), np.asarray(masks)
    columns = {name: np.asarray(images) for name, images in filled.items()}
    shapes = [images.shape for images in columns.values()]
    if masks.shape != (*images.shape[:3], 1) or set(shapes) - {images.shape}:
        raise ValueError(
            f"images of {images.shape} cannot be shown beside masks of {masks.shape} "
            f"and filled images of {shapes}"
        )
    check_value_range(value_range)
    grey = sum(VALUE_RANGES[value_range]) / 2
    shown = {"input": np.where(masks > 0, images, grey), **columns, "truth": images}
    rows = np.stack(list(shown.values()), 1)
    image_grid(
        rows.reshape(-1, *images.shape[1:]),
        path,
        len(shown),
        value_range=value_range,
        row_labels=row_labels,
        column_labels=list(shown),
        scale=max(1, _SHOWN_HEIGHT // images.shape[1]),
    )
