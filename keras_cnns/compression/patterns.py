"""Patterns of 3x3 kernels: which four of the nine weights stay.

A kernel is what connects one input channel with one filter. Its weights are numbered by
rows, 0 to 8; 4 is the centre, which every pattern keeps. Arrays of kernels are ``(9,
number of kernels)`` here, arrays of patterns ``(number of patterns, 9)``.

Sources: Ma et al., "PCONV", AAAI 2020, arXiv 1909.05073 (the four fixed patterns); Niu
et al., "PatDNN", ASPLOS 2020, arXiv 2001.00138 (natural patterns, the library).
"""

from collections.abc import Sequence

import numpy as np

from keras_cnns._checks import check_count

CENTRE, KEPT = 4, 4
# The centre with three of its four neighbours: T-shapes. Used equally they have the
# mean of an enhanced Laplacian of Gaussian, each neighbour in three of four kernels.
FIXED_PATTERNS = ((3, 4, 5, 7), (1, 4, 5, 7), (1, 3, 4, 7), (1, 3, 4, 5))


def natural_patterns(kernels: np.ndarray) -> np.ndarray:
    """The centre and the three weights of largest magnitude around it.

    Args:
        kernels: ``(9, n)``.

    Returns:
        bool ``(9, n)``, four True in each column; of equal magnitudes the first stay.
    """
    magnitude = np.abs(kernels)
    magnitude[CENTRE] = np.inf
    kept = np.argsort(-magnitude, axis=0, kind="stable")[:KEPT]
    patterns = np.zeros(magnitude.shape, bool)
    np.put_along_axis(patterns, kept, True, axis=0)
    return patterns


def pattern_library(kernels: np.ndarray, num_patterns: int = 8) -> tuple:
    """The natural patterns that most kernels have.

    Args:
        kernels: ``(9, n)``, of all layers together; those that are 0 do not count.
        num_patterns: how many patterns, 56 at most; the papers use 6, 8 or 12.

    Returns:
        Tuples of the weights that stay, the most frequent pattern first; of equally
        frequent ones that of the lower code (the sum of 2 to the power of each). There
        are fewer where fewer occur.

    Raises:
        ValueError: if ``num_patterns`` is no positive whole number, or all are 0.
    """
    check_count("num_patterns", num_patterns)
    kernels = kernels[:, np.any(kernels != 0, axis=0)]
    if not kernels.shape[1]:
        raise ValueError("all 3x3 kernels are 0: there are no patterns in them")
    bits = 1 << np.arange(len(kernels))
    codes, counts = np.unique(bits @ natural_patterns(kernels), return_counts=True)
    chosen = codes[np.argsort(-counts, kind="stable")][:num_patterns]
    return tuple(tuple(np.flatnonzero(code & bits).tolist()) for code in chosen)


def best_patterns(
    kernels: np.ndarray, library: Sequence[tuple[int, ...]]
) -> np.ndarray:
    """The pattern of a library that keeps most of each kernel's L2 norm.

    Args:
        kernels: ``(9, n)``.
        library: tuples of the weights that stay.

    Returns:
        bool ``(9, n)``; of patterns that keep as much the first in the library.
    """
    rows = np.zeros((len(library), len(kernels)), bool)
    for row, kept in zip(rows, library):
        row[list(kept)] = True
    retained = rows.astype(np.float64) @ np.square(kernels, dtype=np.float64)
    return rows[np.argmax(retained, axis=0)].T
