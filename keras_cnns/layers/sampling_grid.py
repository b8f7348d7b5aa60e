"""Where a spatial transformer takes the pixels of its output from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf
from tensorflow import keras

from keras_cnns._checks import check_choice, check_flag, check_positive, check_size
from keras_cnns.layers._coordinates import cell_coordinates, coordinate_dtype

if TYPE_CHECKING:
    from keras_cnns._types import Shape

# By transform its parameters, in their order, and the matrix that takes (x, y, 1) of
# the output to the input, by rows; "k" is the fixed scale.
_MATRICES = {
    "affine": ("abcdef", "a b c  d e f  0 0 1"),
    "attention": ("sxy", "s 0 x  0 s y  0 0 1"),
    "translation": ("xy", "k 0 x  0 k y  0 0 1"),
    "projective": ("abcdefgh", "a b c  d e f  g h 1"),
}
_SPLINE = "thin_plate_spline"
TRANSFORMS = (*_MATRICES, _SPLINE)
_FIXED_SCALE = 0.5
_CONTROL_POINTS = (4, 4)
_SMALLEST_DIVISOR = 1e-6


class _Homography:
    """A matrix some of whose entries are parameters."""

    def __init__(self, transform, scale):
        letters, entries = _MATRICES[transform]
        constants = {"0": 0.0, "1": 1.0, "k": scale}
        self._entries = [
            letters.index(entry) if entry in letters else constants[entry]
            for entry in entries.split()
        ]
        self._is_linear = entries.endswith("0 0 1")
        self.num_parameters = len(letters)

    def identity(self, shift):
        matrix = np.array([[1, 0, shift[0]], [0, 1, shift[1]], [0, 0, 1]], float)
        start = [0.0] * self.num_parameters
        for entry, value in zip(self._entries, matrix.flat):
            if isinstance(entry, int):
                start[entry] = float(value)
        return start

    def __call__(self, parameters, x, y):
        entries = [
            parameters[:, entry, None] if isinstance(entry, int) else entry
            for entry in self._entries
        ]
        # No product of matrices: some devices round its factors to fewer bits.
        x, y, divisor = (
            entries[i] * x + entries[i + 1] * y + entries[i + 2] for i in (0, 3, 6)
        )
        moved = tf.stack([x, y], -1)
        if self._is_linear:
            return moved
        is_small = tf.abs(divisor) < _SMALLEST_DIVISOR
        smallest = tf.where(divisor < 0, -_SMALLEST_DIVISOR, _SMALLEST_DIVISOR)
        smallest = tf.cast(smallest, divisor.dtype)
        return moved / tf.where(is_small, smallest, divisor)[..., None]


class _Spline:
    """A thin plate bent so that a grid of points comes to the parameters."""

    def __init__(self, control_points):
        rows, columns = (np.linspace(-1, 1, count) for count in control_points)
        y, x = (axis.ravel() for axis in np.meshgrid(rows, columns, indexing="ij"))
        self._points = np.stack([x, y], -1)
        count = len(self._points)
        system = np.zeros((count + 3, count + 3))
        squares = ((self._points[:, None] - self._points) ** 2).sum(-1)
        system[:count, :count] = squares * np.log(np.where(squares > 0, squares, 1))
        system[:count, count] = system[count, :count] = 1
        system[:count, count + 1 :] = self._points
        system[count + 1 :, :count] = self._points.T
        self._solution = np.linalg.inv(system)[:, :count]
        self.num_parameters = 2 * count

    def identity(self, shift):
        return (self._points + shift).ravel().tolist()

    def __call__(self, parameters, x, y):
        points = tf.constant(self._points, x.dtype)
        squares = (x[:, None] - points[:, 0]) ** 2 + (y[:, None] - points[:, 1]) ** 2
        # r^2 log r^2, which is 0 at 0
        bends = squares * tf.math.log(tf.where(squares > 0, squares, 1))
        flat = tf.stack([tf.ones_like(x), x, y], -1)
        weights = tf.concat([bends, flat], -1) @ tf.constant(self._solution, x.dtype)
        # A plate that is not bent is exact: of the points only the way they moved.
        moves = tf.reshape(parameters, [-1, *self._points.shape]) - points
        return tf.stack([x, y], -1) + tf.einsum("pk,bkc->bpc", weights, moves)


def _checked_points(control_points):
    """Rows and columns of the control points, 4 by 4 of None."""
    if control_points is None:
        return _CONTROL_POINTS
    points = check_size("control_points", control_points)
    if min(points) < 2:
        raise ValueError(
            "control_points must be at least 2 rows and columns, got "
            f"{control_points!r}"
        )
    return points


@keras.saving.register_keras_serializable("keras_cnns")
class SamplingGrid(keras.layers.Layer):
    """The place in the input for each cell of a spatial transformer's output.

    Coordinates are of [-1, 1], x by columns and y by rows, in the output as in the
    input. Parameters tell where an output's place (x, y) is taken from:

    - ``"affine"``, 6 by rows: ``[[a, b, c], [d, e, f]] (x, y, 1)``
    - ``"attention"``, 3: ``(s x + t_x, s y + t_y)``; s below 1 zooms in
    - ``"translation"``, 2: the same with a fixed s
    - ``"projective"``, 8: the first two rows of a 3x3 matrix whose last entry is 1,
      divided by the third; a divisor nearer to 0 than 1e-6 is taken as that
    - ``"thin_plate_spline"``, 2 for each point of a regular grid over the output, by
      rows: its x and y in the input

    Args:
        transform: one of these.
        size: height and width of the output; None: those of a second input.
        scale: of ``"translation"`` alone; None is 0.5.
        control_points: rows and columns of the points of ``"thin_plate_spline"`` alone;
            None is 4 by 4.
        align_corners: whether -1 and 1 are the centres of the border cells, as in the
            paper; if not, they are the outer edges of these cells.

    Input: parameters ``(batch, P)``; with ``size=None`` a list of these and maps
    ``(batch, height, width, channels)``, whose height and width may be unknown.
    Output: ``(batch, height, width, 2)``, x and y; float32 where the policy has 16
    bits.

    Raises:
        ValueError: if an argument is something else, or has no effect; on building, if
            there are other than P parameters.

    Source: Jaderberg, Simonyan, Zisserman, Kavukcuoglu, arXiv 1506.02025, section 3.2.
    """

    def __init__(
        self,
        transform: str = "affine",
        size: tuple[int, int] | None = None,
        *,
        scale: float | None = None,
        control_points: tuple[int, int] | None = None,
        align_corners: bool = True,
        **kwargs,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        check_choice("transform", transform, TRANSFORMS)
        check_flag("align_corners", align_corners)
        for name, value, owner in (
            ("scale", scale, "translation"),
            ("control_points", control_points, _SPLINE),
        ):
            if value is not None and transform != owner:
                raise ValueError(
                    f"{name}={value!r} has no effect with transform={transform!r}, "
                    f"only with {owner!r}; leave it out"
                )
        self.transform = transform
        self.size = size if size is None else check_size("size", size)
        self.scale = scale
        self.control_points = control_points
        self.align_corners = align_corners
        if transform == _SPLINE:
            points = _checked_points(control_points)
            self._function = _Spline(points)
        else:
            scale = _FIXED_SCALE if scale is None else scale
            check_positive("scale", scale)
            self._function = _Homography(transform, scale)

    @property
    def num_parameters(self) -> int:
        """P, the number of parameters of one grid."""
        return self._function.num_parameters

    def identity(self, shift: tuple[float, float] = (0.0, 0.0)) -> list:
        """Parameters with which the output is the input, but for a fixed scale.

        Args:
            shift: x and y that are added to all places in the input.
        """
        return self._function.identity(shift)

    def build(self, input_shape: Shape | Sequence[Shape]) -> None:
        if not self.size and isinstance(input_shape, tf.TensorShape):
            raise ValueError(
                "SamplingGrid without a size takes a list of parameters and maps, got "
                f"one tensor {tuple(input_shape)}"
            )
        shape = input_shape if self.size else input_shape[0]
        if tuple(shape)[1:] != (self.num_parameters,):
            raise ValueError(
                f"transform={self.transform!r} takes parameters of shape (batch, "
                f"{self.num_parameters}), got {tuple(shape)}"
            )
        super().build(input_shape)

    def call(self, inputs: tf.Tensor | Sequence[tf.Tensor]) -> tf.Tensor:
        if self.size:
            parameters, size = inputs, self.size
        else:
            parameters, maps = inputs
            known, shape = maps.shape, tf.shape(maps)
            size = [known[i] or shape[i] for i in (1, 2)]
        dtype = coordinate_dtype(self)
        y, x = (cell_coordinates(n, self.align_corners, dtype) for n in size)
        y, x = (tf.reshape(axis, [-1]) for axis in tf.meshgrid(y, x, indexing="ij"))
        places = self._function(tf.cast(parameters, dtype), x, y)
        return tf.reshape(places, [-1, *size, 2])

    def compute_output_shape(self, input_shape: Shape | Sequence[Shape]) -> tuple:
        if self.size:
            return (input_shape[0], *self.size, 2)
        return (input_shape[0][0], *input_shape[1][1:3], 2)

    def get_config(self) -> dict:
        own = ("transform", "size", "scale", "control_points", "align_corners")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}
