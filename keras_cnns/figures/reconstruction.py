"""Images above their reconstructions."""

import numpy as np

from keras_cnns._checks import check_count
from keras_cnns.figures.grids import image_grid

_SIDE = 64  # pixels that small images are enlarged to at least


def reconstruction_grid(
    images: np.ndarray, reconstructions: np.ndarray, path: str, columns: int
) -> None:
    """Writes rows of images, each above the row of their reconstructions.

    Args:
        images: ``(count, height, width, channels)`` in [0, 1].
        reconstructions: of the same shape; values outside the range are clipped.
        path: PNG file to write.
        columns: images in a row.

    Raises:
        ValueError: if the shapes differ or cannot be shown.
        OSError: naming ``path``, if writing fails.
    """
    check_count("columns", columns)
    images, made = np.asarray(images), np.asarray(reconstructions)
    if images.shape != made.shape:
        raise ValueError(
            f"images of {images.shape} have reconstructions of {made.shape}"
        )
    rows = []
    for first in range(0, len(images), columns):
        for part in (images, made):
            row = part[first : first + columns]
            missing = [(0, columns - len(row)), (0, 0), (0, 0), (0, 0)]
            rows.append(np.pad(row, missing, constant_values=1))  # white
    image_grid(
        np.concatenate(rows),
        path,
        columns,
        value_range="unit",
        row_labels=["image", "made"] * (len(rows) // 2),
        scale=max(1, _SIDE // max(images.shape[1:3])),
    )
