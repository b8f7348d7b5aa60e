"""Sets of vectors ``(count, dimension)``: checks, and distances block by block."""

from collections.abc import Iterator

import numpy as np

# Values of one block of a distance matrix: 32 MB in float64.
_BLOCK_VALUES = 1 << 22
# Of the largest squared norm: squared distances that differ by less are equal.
ROUNDING = 1e-12


def check_vectors(name: str, values, min_count: int = 2) -> np.ndarray:
    """Checks a set of vectors and returns it as an array.

    Args:
        name: their name in errors.
        values: ``(count, dimension)`` numbers.
        min_count: least number of vectors.

    Raises:
        ValueError: if they are not two-dimensional, too few, empty, or not finite.
    """
    array = np.asarray(values)
    if array.ndim != 2 or not array.shape[1] or array.dtype.kind not in "fiub":
        raise ValueError(
            f"{name} must be numbers of shape (count, dimension), got {array.dtype} "
            f"of shape {array.shape}"
        )
    if len(array) < min_count:
        raise ValueError(
            f"{name} must hold at least {min_count} vectors, got {len(array)}"
        )
    if not np.isfinite(array).all():
        bad = int((~np.isfinite(array)).any(axis=1).sum())
        raise ValueError(
            f"{name} must be finite; {bad} of {len(array)} vectors hold NaN or infinity"
        )
    return array


def check_pair(first_name: str, first, second_name: str, second, min_count=2) -> tuple:
    """Checks two sets of vectors of one dimension.

    Raises:
        ValueError: if one is not a set of vectors, or their dimensions differ.
    """
    first = check_vectors(first_name, first, min_count)
    second = check_vectors(second_name, second, min_count)
    if first.shape[1] != second.shape[1]:
        raise ValueError(
            f"{first_name} and {second_name} must have the same dimension, got "
            f"{first.shape[1]} and {second.shape[1]}"
        )
    return first, second


def centred(first: np.ndarray, second: np.ndarray) -> tuple:
    """Both in float64, less the mean of the first, for more exact distances."""
    mean = first.mean(axis=0, dtype=np.float64)
    return first - mean, second - mean


def row_blocks(num_rows: int, num_columns: int) -> Iterator[slice]:
    """Blocks of rows of a matrix that fit into memory."""
    step = max(1, _BLOCK_VALUES // num_columns)
    for start in range(0, num_rows, step):
        yield slice(start, min(start + step, num_rows))


def squared_norms(vectors: np.ndarray) -> np.ndarray:
    """Squared Euclidean norms ``(count,)``."""
    return np.einsum("ij,ij->i", vectors, vectors)


def squared_distances(rows, columns, column_norms) -> np.ndarray:
    """Squared Euclidean distances ``(rows, columns)``, by one matrix product.

    Args:
        rows, columns: float64 vectors, preferably ``centred``.
        column_norms: ``squared_norms(columns)``.
    """
    distances = rows @ columns.T
    distances *= -2
    distances += squared_norms(rows)[:, np.newaxis]
    distances += column_norms
    return np.maximum(distances, 0, out=distances)
