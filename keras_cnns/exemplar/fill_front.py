"""The edge of a hole, and which of its pixels an exemplar fill takes next."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy import ndimage

# Of the data term: the largest level of a channel, and the least value, for flat areas.
_LARGEST = 255.0
_FLOOR = 1e-3
# Bits of a priority that count, some seven digits: far above rounding errors.
_BITS = 24
_EIGHT = np.ones((3, 3), bool)
_SMOOTH = np.array([1.0, 2.0, 1.0])


class FillFront:
    """Confidence, data term and priority of the hole pixels next to valid ones.

    Equations 1 and 2 of the paper: the priority of a pixel p of the front is
    ``C(p) * D(p)``; C(p) is the mean confidence in the patch around p, in which unknown
    pixels count 0; ``D(p) = |isophote . normal| / 255 + 0.001``. The isophote is the
    gradient turned by 90 degrees, and the gradient the largest one within the patch,
    from valid pixels alone: an unknown neighbour is replaced by the pixel itself, else
    the edge of the hole would count as structure. The normal is that of the mask, by
    Sobel's filter. Gradients are those of the sum of the channels, in whole numbers, so
    that ties are exact.

    Pixels outside of the image are not part of a patch.

    Args:
        image: uint8 ``(height, width, channels)``; what lies in the hole has no effect.
        known: bool ``(height, width)``.
        patch_size: odd.
        has_data_term: whether D counts; without it the priority is C.

    Source: Criminisi, Perez and Toyama, IEEE TIP 13(9), 2004, section III. The largest
    gradient in the patch is what notes on the paper quote from it; the 0.001 comes from
    the usual implementations.
    """

    def __init__(
        self,
        image: np.ndarray,
        known: np.ndarray,
        patch_size: int,
        has_data_term: bool = True,
    ) -> None:
        self._reach = patch_size // 2
        self._has_data_term = has_data_term
        self._margin = self._reach + 1
        self._shape = known.shape
        self.num_unknown = int((~known).sum())
        self._known = np.pad(known, self._margin)
        self._inside = np.pad(np.ones(known.shape, bool), self._margin)
        self._largest = _LARGEST * image.shape[2]
        self._levels = np.pad(_sum_of_channels(image), self._margin)
        self._confidence = self._known.astype(np.float64)
        self._gradient = np.zeros((2, *self._known.shape))
        self._magnitude = np.zeros(self._known.shape)
        lengths = [self._patch_lengths(length) for length in known.shape]
        self._areas = np.outer(*lengths)
        self.priorities = np.full(known.shape, -np.inf)
        self._update(0, 0, *known.shape)

    def _patch_lengths(self, length):
        """How much of a patch around each coordinate lies in the image."""
        centres = np.arange(length)
        last = np.minimum(centres + self._reach, length - 1)
        return last - np.maximum(centres - self._reach, 0) + 1

    def first(self) -> tuple | None:
        """(row, column) of the highest priority, the first of equals; None at the end.

        Priorities are compared by their first 24 bits, so that rounding, which differs
        between machines, never decides.
        """
        found = np.unravel_index(self.priorities.argmax(), self._shape)
        return None if self.priorities[found] == -np.inf else found

    def known_patch(self, row: int, column: int) -> np.ndarray:
        """Which pixels of the patch around a pixel are known, bool (size, size)."""
        return self._window(self._known, row, column)

    def _window(self, padded, row, column):
        size = 2 * self._reach + 1
        return padded[row + 1 : row + 1 + size, column + 1 : column + 1 + size]

    def close(self, row: int, column: int, image: np.ndarray) -> int:
        """Fills the patch around a pixel and updates what depends on it.

        Args:
            row, column: of the centre, in the image.
            image: ``(size, size, channels)``, of which the unknown pixels are taken.

        Returns:
            How many pixels have become known.
        """
        confidence = self._window(self._confidence, row, column)
        known = self.known_patch(row, column)
        filled = ~known & self._window(self._inside, row, column)
        value = confidence.sum() / self._areas[row, column]
        confidence[filled] = value
        levels = _sum_of_channels(image)
        self._window(self._levels, row, column)[filled] = levels[filled]
        known[filled] = True
        num_filled = int(filled.sum())
        self._update(
            max(row - self._reach, 0),
            max(column - self._reach, 0),
            min(row + self._reach + 1, self._shape[0]),
            min(column + self._reach + 1, self._shape[1]),
        )
        return num_filled

    def _update(self, top, left, bottom, right):
        """Updates what depends on the pixels of a rectangle."""
        self._update_gradient(top, left, bottom, right)
        far = self._reach + 1
        top, left = max(top - far, 0), max(left - far, 0)
        bottom = min(bottom + far, self._shape[0])
        right = min(right + far, self._shape[1])
        # One more pixel on each side shows which hole pixels have known neighbours.
        margin = self._margin
        around = self._known[
            top + margin - 1 : bottom + margin + 1,
            left + margin - 1 : right + margin + 1,
        ]
        is_front = ndimage.binary_dilation(around, _EIGHT) & ~around
        rows, columns = np.nonzero(is_front[1:-1, 1:-1])
        area = self.priorities[top:bottom, left:right]
        area[...] = -np.inf
        if len(rows):
            area[rows, columns] = self._priority(rows + top, columns + left)

    def _update_gradient(self, top, left, bottom, right):
        """Gradients in a rectangle and one pixel around it."""
        margin = self._margin
        rows = slice(top + margin - 1, bottom + margin + 1)
        columns = slice(left + margin - 1, right + margin + 1)
        known = self._known[rows, columns]
        levels = self._levels[rows, columns]
        for axis in (0, 1):
            difference = np.zeros(levels.shape)
            for step in (1, -1):
                place = [slice(rows.start, rows.stop), columns]
                place[axis] = slice(place[axis].start + step, place[axis].stop + step)
                place = tuple(place)
                counts = known & self._known[place]
                difference += step * np.where(counts, self._levels[place] - levels, 0)
            self._gradient[axis][rows, columns] = difference / 2
        gradient = self._gradient[:, rows, columns]
        self._magnitude[rows, columns] = (gradient**2).sum(axis=0)

    def _priority(self, rows, columns):
        """Priorities of some pixels of the front."""
        size = (2 * self._reach + 1,) * 2
        corners = rows + 1, columns + 1
        confidence = sliding_window_view(self._confidence, size)[corners]
        priority = confidence.sum(axis=(1, 2)) / self._areas[rows, columns]
        if self._has_data_term:
            strongest = sliding_window_view(self._magnitude, size)[corners]
            strongest = strongest.reshape(len(rows), -1).argmax(axis=1)
            down, across = np.divmod(strongest, size[1])
            place = corners[0] + down, corners[1] + across
            gradient = self._gradient[0][place], self._gradient[1][place]
            normal = self._normal(rows, columns)
            strength = np.abs(gradient[1] * normal[0] - gradient[0] * normal[1])
            priority = priority * (strength / self._largest + _FLOOR)
        return _rounded(priority)

    def _normal(self, rows, columns):
        """Unit normals (down, across) of the hole's edge; 0 where it has none."""
        steps = np.arange(-1, 2)
        near_rows = np.clip(rows[:, np.newaxis] + steps, 0, self._shape[0] - 1)
        near_columns = np.clip(columns[:, np.newaxis] + steps, 0, self._shape[1] - 1)
        margin = self._margin
        near = self._known[
            near_rows[:, :, np.newaxis] + margin, near_columns[:, np.newaxis] + margin
        ].astype(np.float64)
        down = (near[:, 2] - near[:, 0]) @ _SMOOTH
        across = (near[:, :, 2] - near[:, :, 0]) @ _SMOOTH
        length = np.hypot(down, across)
        length[length == 0] = 1
        return down / length, across / length


def _sum_of_channels(image):
    return image.sum(axis=-1, dtype=np.float64)


def _rounded(values):
    """The numbers with the mantissa rounded to ``_BITS`` bits."""
    mantissas, exponents = np.frexp(values)
    return np.ldexp(np.rint(np.ldexp(mantissas, _BITS)), exponents - _BITS)
