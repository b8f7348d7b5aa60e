"""Refined images beside simulated and real ones."""

import numpy as np

from keras_cnns.figures.grids import image_grid

_SCALE = 4  # pixels of the grid for one of an image


def refinement_grid(
    simulated: np.ndarray,
    refined: np.ndarray,
    real: np.ndarray,
    path: str,
    columns: int,
) -> None:
    """Writes rows of simulated images above refined ones, real ones beside both.

    Args:
        simulated: ``(rows * columns, height, width, channels)`` in [-1, 1].
        refined: the same number, each made of the simulated one in its place.
        real: twice as many.
        path: PNG file to write.
        columns: images in a row at either side.

    Raises:
        ValueError: if the numbers of images do not fit.
        OSError: naming ``path``, if writing fails.
    """
    rows, rest = divmod(len(simulated), columns)
    if rest or len(refined) != len(simulated) or len(real) != 2 * len(simulated):
        raise ValueError(
            f"{len(simulated)} simulated, {len(refined)} refined and {len(real)} real "
            f"images do not fill rows of {columns}: as many refined as simulated "
            "ones, a multiple of the columns, and twice as many real ones are needed"
        )
    image = simulated.shape[1:]
    shape = (rows, 1, columns, *image)
    left = np.concatenate([simulated.reshape(shape), refined.reshape(shape)], 1)
    gap = np.ones_like(left[:, :, :1])  # white
    image_grid(
        np.concatenate([left, gap, real.reshape(left.shape)], 2).reshape(-1, *image),
        path,
        2 * columns + 1,
        row_labels=["simulated", "refined"] * rows,
        column_labels=[""] * (columns + 1) + ["real"] + [""] * (columns - 1),
        scale=_SCALE,
    )
