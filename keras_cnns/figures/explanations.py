"""Maps beside the image that they explain, and over it."""

from collections.abc import Sequence

import numpy as np

from keras_cnns.figures.grids import image_grid, signed_heat

_SMALLEST_SIDE = 160  # pixels that the shorter side is enlarged to, about
_PALE = 0.45  # of the image under a map
_CLIPPED = 99.5  # percentile of absolute values from which a map has full strength


def explanation_grid(
    path: str, image: np.ndarray, rows: Sequence, random_maps: bool = False
) -> None:
    """Writes a row for each map: image, map, map over the image.

    Red is positive, blue negative, white 0; each map is in full strength from its
    99.5th percentile on, so that single pixels do not hide the others.

    Args:
        path: PNG file to write.
        image: ``(height, width, channels)`` in [0, 1], 1 or 3 channels.
        rows: list of (label, map ``(height, width)``) or, with ``random_maps``, of
            (label, map, the same by random weights), which gets a column of its own.
        random_maps: whether there are such maps.

    Raises:
        ValueError: if an image or a map cannot be shown.
        OSError: naming ``path``, if writing fails.
    """
    image = np.broadcast_to(image, (*image.shape[:2], 3)).astype(np.float32)
    shown = []
    for _, *maps in rows:
        colours = [map_colours(values) for values in maps]
        shown += [image, colours[0], over_image(image, colours[0]), *colours[1:]]
    columns = ["image", "map", "over the image"]
    image_grid(
        np.stack(shown),
        path,
        columns=len(columns) + random_maps,
        value_range="unit",
        row_labels=[label for label, *_ in rows],
        column_labels=[*columns, "by random weights"][: len(columns) + random_maps],
        scale=max(1, round(_SMALLEST_SIDE / min(image.shape[:2]))),
    )


def map_colours(values: np.ndarray) -> np.ndarray:
    """A map ``(height, width)`` as colours ``(height, width, 3)`` in [0, 1]."""
    values = np.asarray(values, np.float32)
    limit = np.percentile(np.abs(values), _CLIPPED)
    if limit > 0:
        values = np.clip(values, -limit, limit)
    return signed_heat(values[None, ..., None])[0]


def over_image(image: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Colours of a map over the image in pale grey, ``(height, width, 3)``."""
    grey = image.mean(axis=-1, keepdims=True)
    return (1 - _PALE + _PALE * grey) * colours
