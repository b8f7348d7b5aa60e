"""Square patches of an image: which are valid, and which is most like another.

A patch is named by its top left corner; an image of height H has ``H - size + 1`` rows
of corners.
"""

import numpy as np
from absl import logging
from scipy import fft, ndimage

_SMALLEST = 3


def fully_known(known: np.ndarray, size: int) -> np.ndarray:
    """Which patches have valid pixels only.

    Args:
        known: bool ``(height, width)``.
        size: height and width of a patch; at most the image's.

    Returns:
        bool ``(height - size + 1, width - size + 1)``, by top left corner.
    """
    reach = size // 2
    inner = ndimage.binary_erosion(known, np.ones((size, size), bool))
    rows, columns = (length - size + 1 for length in known.shape)
    return inner[reach : reach + rows, reach : reach + columns]


def usable_patch_size(known: np.ndarray, size: int) -> int:
    """A patch size, or the next smaller odd one with a patch of valid pixels only.

    Args:
        known: bool ``(height, width)``.
        size: the preferred size, odd.

    Returns:
        An odd number between 3 and ``size``; a warning is logged if it is smaller.

    Raises:
        ValueError: if every patch of 3 x 3 touches the hole.
    """
    for smaller in range(size, _SMALLEST - 1, -2):
        if smaller <= min(known.shape) and fully_known(known, smaller).any():
            if smaller < size:
                logging.warning(
                    "no fully known patch of %d x %d in an image of %d x %d: "
                    "patches of %d x %d are used",
                    size, size, *known.shape, smaller, smaller,
                )  # fmt: skip
            return smaller
    raise ValueError(
        f"no patch of {_SMALLEST} x {_SMALLEST} is fully known in an image of "
        f"{known.shape[0]} x {known.shape[1]} with {int(known.sum())} valid pixels: "
        'there is nothing to copy; "mean", "nearest" and "biharmonic" need no patch'
    )


class PatchSearch:
    """Finds the patch with the least weighted sum of squared differences.

    All patches are compared at once, by correlation in the frequency domain. For whole
    numbers whose squared differences sum to less than some 1e11 the result is exact:
    errors of the transforms are rounded away.

    Args:
        values: whole numbers ``(height, width, channels)``.
        usable: which patches are candidates, bool, by top left corner.
        size: height and width of a patch.
    """

    def __init__(self, values: np.ndarray, usable: np.ndarray, size: int) -> None:
        self._usable = usable
        self._size = size
        self._shape = [fft.next_fast_len(n, real=True) for n in values.shape[:2]]
        planes = np.moveaxis(values, -1, 0).astype(np.float64)
        planes = np.concatenate([(planes**2).sum(axis=0, keepdims=True), planes])
        self._spectra = fft.rfft2(planes, self._shape)

    def find(self, patch: np.ndarray, weights: np.ndarray) -> tuple:
        """Top left corner of the patch most like another, the first of equals.

        Args:
            patch: whole numbers ``(size, size, channels)``.
            weights: 0 or 1, ``(size, size)``; what to compare.

        Returns:
            (row, column) of the corner.
        """
        weights = weights.astype(np.float64)
        planes = -2 * np.moveaxis(patch, -1, 0) * weights
        kernels = fft.rfft2(np.concatenate([weights[np.newaxis], planes]), self._shape)
        spectrum = (self._spectra * kernels.conj()).sum(axis=0)
        rows, columns = self._usable.shape
        # The sum of the patch's own squares is the same for all and left out.
        distances = np.rint(fft.irfft2(spectrum, self._shape)[:rows, :columns])
        distances[~self._usable] = np.inf
        return np.unravel_index(distances.argmin(), distances.shape)
