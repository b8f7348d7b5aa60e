"""Pooling with places and its inverse, by plain loops over NumPy arrays."""

import itertools

import numpy as np


def windows(shape, size, padding):
    """(row, column, list of (place in the window, row, column of the map))."""
    counts, starts = [], []
    for length in shape[1:3]:
        count = -(-length // size) if padding == "same" else length // size
        counts.append(count)
        starts.append((count * size - length) // 2 if padding == "same" else 0)
    for i, j in np.ndindex(*counts):
        cells = [
            (k, i * size + k // size - starts[0], j * size + k % size - starts[1])
            for k in range(size**2)
        ]
        inside = [c for c in cells if 0 <= c[1] < shape[1] and 0 <= c[2] < shape[2]]
        yield i, j, inside


def _pooled_shape(shape, size, padding):
    rows, columns = (
        -(-n // size) if padding == "same" else n // size for n in shape[1:3]
    )
    return (shape[0], rows, columns, shape[3])


def max_pool_with_switches(x, size=2, padding="same"):
    what = np.zeros(_pooled_shape(x.shape, size, padding), x.dtype)
    where = np.zeros(what.shape, np.int32)
    for i, j, cells in windows(x.shape, size, padding):
        for n, c in itertools.product(range(len(x)), range(x.shape[-1])):
            for place, row, column in reversed(cells):
                if place == cells[-1][0] or x[n, row, column, c] >= what[n, i, j, c]:
                    what[n, i, j, c] = x[n, row, column, c]
                    where[n, i, j, c] = place
    return [what, where]


def max_unpool(what, where, like, size=2, padding="same"):
    x = np.zeros((*like.shape[:3], what.shape[-1]), what.dtype)
    for i, j, cells in windows(x.shape, size, padding):
        for n, c in itertools.product(range(len(x)), range(x.shape[-1])):
            for place, row, column in cells:
                if place == where[n, i, j, c]:
                    x[n, row, column, c] = what[n, i, j, c]
    return x


def _coordinates(place, size):
    row, column = divmod(place, size)
    return [2 * at / (size - 1) - 1 if size > 1 else 0 for at in (column, row)]


def soft_max_pool(x, size=2, beta=1.0, padding="same"):
    what = np.zeros(_pooled_shape(x.shape, size, padding))
    where = np.zeros((*what.shape, 2))
    for i, j, cells in windows(x.shape, size, padding):
        places = np.array([_coordinates(k, size) for k, _, _ in cells])
        for n, c in itertools.product(range(len(x)), range(x.shape[-1])):
            z = np.array([x[n, row, column, c] for _, row, column in cells])
            weights = np.exp(beta * (z.astype(np.float64) - z.max()))
            weights /= weights.sum()
            what[n, i, j, c] = weights @ z
            where[n, i, j, c] = weights @ places
    return [what, where]


def soft_unpool(what, where, like, size=2, padding="same"):
    x = np.zeros((*like.shape[:3], what.shape[-1]))
    for i, j, cells in windows(x.shape, size, padding):
        for n, c in itertools.product(range(len(x)), range(x.shape[-1])):
            position = (where[n, i, j, c] + 1) * (size - 1) / 2
            for place, row, column in cells:
                distance = np.abs(position - np.array(divmod(place, size)[::-1]))
                weight = np.prod(np.maximum(0, 1 - distance))
                x[n, row, column, c] = weight * what[n, i, j, c]
    return x
