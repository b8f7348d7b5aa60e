"""What arrays of a weight file must be, whatever its format."""

import math
import os
from collections.abc import Mapping

_LONGEST_NAME = 300


def check_arrays(path: str, arrays: Mapping) -> None:
    """Refuses arrays that no network has, or that stand for more than the file holds.

    To be called before values are copied: a small file may declare, or share among
    many names, more than the memory holds.

    Args:
        path: of the file.
        arrays: by name, anything with ``shape`` and ``dtype``.

    Raises:
        ValueError: if a name is no name, a number format is not floating point, an
            array is empty, or together they take more bytes than the file.
    """
    declared = 0
    for name, array in arrays.items():
        if len(name) > _LONGEST_NAME or not name.isprintable():
            raise ValueError(f"{name[:20]!r}... is not the name of a weight")
        if array.dtype.kind != "f" and array.dtype.name != "bfloat16":
            raise ValueError(
                f"{name} is of the format {array.dtype}; weights are floating-point "
                "numbers"
            )
        if 0 in array.shape:
            raise ValueError(f"{name} has the shape {array.shape}, it is empty")
        declared += math.prod(array.shape) * array.dtype.itemsize
    size = os.path.getsize(path)
    if declared > size:
        raise ValueError(
            f"its arrays stand for {declared} bytes, the file has {size}; a weight "
            "file holds each value once"
        )
