"""What a refiner makes of simulated pictures: to look at, and as a data set."""

import os

import numpy as np
from PIL import Image

from keras_cnns import _files
from keras_cnns.data import sources
from keras_cnns.inspection.figures import picture_grid, to_bytes

_BATCH = 100  # pictures refined at a time
_SCALE = 4  # pixels of the grid for one of a picture


def refinement_grid(simulated, refined, real, path, columns) -> None:
    """Writes rows of simulated pictures above refined ones, real ones beside both.

    Args:
        simulated: ``(rows * columns, height, width, channels)`` in [-1, 1].
        refined: the same number, each made of the simulated one in its place.
        real: twice as many.
        path: PNG file to write.
        columns: pictures in a row at either side.

    Raises:
        ValueError: if the numbers of pictures do not fit.
        OSError: naming ``path``, if writing fails.
    """
    rows, rest = divmod(len(simulated), columns)
    if rest or len(refined) != len(simulated) or len(real) != 2 * len(simulated):
        raise ValueError(
            f"{len(simulated)} simulated, {len(refined)} refined and {len(real)} real "
            f"pictures do not fill rows of {columns}: as many refined as simulated "
            "ones, a multiple of the columns, and twice as many real ones are needed"
        )
    picture = simulated.shape[1:]
    shape = (rows, 1, columns, *picture)
    left = np.concatenate([simulated.reshape(shape), refined.reshape(shape)], 1)
    gap = np.ones_like(left[:, :, :1])  # white
    picture_grid(
        np.concatenate([left, gap, real.reshape(left.shape)], 2).reshape(-1, *picture),
        path,
        2 * columns + 1,
        row_labels=["simulated", "refined"] * rows,
        column_labels=[""] * (columns + 1) + ["real"] + [""] * (columns - 1),
        scale=_SCALE,
    )


def refine_source(refiner, preprocessing, source, folder) -> int:
    """Refines a split into ``<folder>/<class>/<number>.png``, all of it or nothing.

    Args:
        refiner: pictures in [-1, 1] to such of the same shape.
        preprocessing: how pictures become its inputs.
        source: ``Source`` of the pictures.
        folder: a new folder.

    Returns:
        How many pictures were written.

    Raises:
        FileExistsError: if the folder exists.
    """
    examples = source.examples.map(
        lambda content, label: (preprocessing(source.read(content)), label)
    )
    names = [sources.folder_name(name) for name in source.class_names]
    number = 0
    with _files.whole_folder(folder) as partial:
        for name in names:
            os.makedirs(os.path.join(partial, name), exist_ok=True)
        for images, labels in examples.batch(_BATCH).as_numpy_iterator():
            refined = to_bytes(refiner(images, training=False))
            for picture, label in zip(refined, labels):
                is_grey = picture.shape[-1] == 1
                image = Image.fromarray(picture[..., 0] if is_grey else picture)
                image.save(os.path.join(partial, names[label], f"{number:06d}.png"))
                number += 1
    return number
