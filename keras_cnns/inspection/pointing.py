"""Whether maps point at what they explain, where the object's box is known."""

from typing import NamedTuple

import numpy as np


class Pointing(NamedTuple):
    """How much of maps lies in boxes.

    Attributes:
        hits: fraction of the maps whose maximum is in the box; a map without a positive
            value has none.
        energy: mean fraction of the positive values' sum that is in the box, of the
            maps that have such values; NaN if none has.
        area: mean fraction of the image that the box takes, which is the energy of a
            map of one value.
    """

    hits: float
    energy: float
    area: float


def pointing_game(maps: np.ndarray, boxes: np.ndarray) -> Pointing:
    """The pointing game, and the same with the whole map in place of its maximum.

    Args:
        maps: ``(count, height, width)``, signed; what is positive points.
        boxes: ``(count, 4)`` whole pixels (y1, x1, y2, x2), the last two exclusive.

    Raises:
        ValueError: if there is not one box for each map, or a box holds no pixel.

    Source: Zhang et al., arXiv 1608.00507 (here without a margin around the object);
    Wang et al., arXiv 1910.01279 (energy).
    """
    maps, boxes = np.maximum(np.asarray(maps, np.float64), 0), np.asarray(boxes)
    if maps.ndim != 3 or boxes.shape != (len(maps), 4) or not len(maps):
        raise ValueError(
            f"maps (count, height, width) need boxes (count, 4), got {maps.shape} and "
            f"{boxes.shape}"
        )
    hits, energies, areas = [], [], []
    for values, box in zip(maps, boxes):
        top, left, bottom, right = map(int, box)
        inside = np.zeros(values.shape, bool)
        inside[max(0, top) : max(0, bottom), max(0, left) : max(0, right)] = True
        if not inside.any():
            raise ValueError(f"box {box.tolist()} holds no pixel of {values.shape}")
        total = values.sum()
        hits.append(total > 0 and bool(inside.flat[values.argmax()]))
        areas.append(inside.mean())
        if total > 0:
            energies.append(values[inside].sum() / total)
    energy = float(np.mean(energies)) if energies else float("nan")
    return Pointing(float(np.mean(hits)), energy, float(np.mean(areas)))
