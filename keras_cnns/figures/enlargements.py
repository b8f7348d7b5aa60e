"""Enlarged pictures beside each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from keras_cnns.figures.grids import image_grid

_SHOWN_SIDE = 192  # pixels that small crops are shown at, at most


def enlargement_grid(
    columns: Mapping[str, np.ndarray],
    path: str,
    row_labels: Sequence[str] | None = None,
) -> None:
    """Writes a row for each picture, a column for each way in which it was made.

    Args:
        columns: by name, pictures in the same order, uint8 ``(count, height, width,
            channels)``; pixels of small ones are repeated.
        path: PNG file to write.
        row_labels: text at the left of each row, or None.

    Raises:
        ValueError: if their shapes differ or cannot be shown.
        OSError: naming ``path``, if writing fails.
    """
    made = {name: np.stack(pictures) for name, pictures in columns.items()}
    shapes = {name: pictures.shape for name, pictures in made.items()}
    if len(set(shapes.values())) != 1:
        raise ValueError(f"pictures of several shapes cannot be compared: {shapes}")
    rows = np.stack(list(made.values()), 1)
    height, width = rows.shape[2:4]
    image_grid(
        rows.reshape(-1, *rows.shape[2:]) / np.float32(255),
        path,
        len(made),
        value_range="unit",
        row_labels=row_labels,
        column_labels=list(made),
        scale=max(1, _SHOWN_SIDE // max(height, width)),
    )
