"""Arrays of numbers in one ``.npz`` file: equal arrays give equal files.

It is an archive that is not compressed, as ``numpy.savez`` writes it. A reader gets no
more than the file holds, whatever its headers tell, and nothing in it is called.
"""

import io
import math
import os
import zipfile
from collections.abc import Mapping

import numpy as np

from keras_cnns import _files

_KINDS = "biuf"  # of NumPy's formats: bool, whole numbers, floating point
_ENDING = ".npy"


def write_arrays(path: str, arrays: Mapping, durable: bool = False) -> None:
    """Writes arrays of numbers by name, as ``atomic_file`` does.

    Raises:
        OSError: naming ``path``, if writing fails.
    """
    values = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    with _files.atomic_file(path, durable) as file:
        np.savez(file, **values)


def read_arrays(path: str, names, kind: str) -> dict:
    """The arrays in a file of ``write_arrays``; they cannot be changed.

    Args:
        path: of the file.
        names: of the arrays that it must hold, and no others.
        kind: what it should be, such as ``"region classifiers"``.

    Raises:
        ValueError: naming the file, if it holds anything else or cannot be read.
    """
    with _files.reading(path, kind), zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        given = [member.filename for member in members]
        if sorted(given) != sorted(name + _ENDING for name in names):
            raise ValueError(f"it holds {given[:9]!r:.300}, not {', '.join(names)}")
        if any(member.compress_type != zipfile.ZIP_STORED for member in members):
            raise ValueError("its arrays are compressed")
        size = os.path.getsize(path)
        if sum(member.file_size for member in members) > size:
            raise ValueError(f"its arrays are larger than the file, of {size} bytes")
        return {name: _array(name, archive.read(name + _ENDING)) for name in names}


def _array(name, content):
    """The array in the content of an ``.npy`` file, which is not copied."""
    file = io.BytesIO(content)
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError(f"{name} is of another version of NumPy's format")
    shape, is_by_column, numbers = np.lib.format.read_array_header_1_0(file)
    if numbers.kind not in _KINDS or is_by_column:
        raise ValueError(f"{name} is of the format {numbers!s:.50}, or not by rows")
    stored = len(content) - file.tell()
    if min(shape, default=0) < 0 or math.prod(shape) * numbers.itemsize != stored:
        raise ValueError(
            f"{name} has the shape {shape!r:.50} of {numbers}, but {stored} bytes"
        )
    return np.frombuffer(content, numbers, offset=file.tell()).reshape(shape)
