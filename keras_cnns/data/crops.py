"""Crops of an image that a network is evaluated on, as in the papers.

======================  ================================================================
``1_crop``              the preprocessing of training: central crop, resized
``10_crop``             the image resized so that the input is ``crop_ratio`` of its
                        shorter side; its four corners and its centre
``12_crop``             the central square of that image: four corners, centre, and
                        the square itself resized
``144_crop``            the same of the first, the central and the last square (left to
                        right, or top to bottom) at four scales
``dense_multi_scale``   the whole image, aspect kept, at several scales, for a network
                        that takes any size; not mirrored
======================  ================================================================

Crops are also mirrored, hence twice the number. Ten crops: Krizhevsky et al.,
NIPS 2012. 144 crops, at scales of 256, 288, 320 and 352 for inputs of 224, and the mean
of the softmax outputs: GoogLeNet, arXiv 1409.4842, section 7. Dense application at 224,
256, 384, 480 and 640: ResNet, arXiv 1512.03385, section 3.4, which mentions no mirrors.
For inputs other than 224 scales grow in proportion; the papers give none. What twelve
crops are is inferred from the 144: the papers that report them (arXiv 1512.00567,
1602.07261) do not say.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import tensorflow as tf

from keras_cnns.data.preprocessing import Preprocessing

if TYPE_CHECKING:
    from keras_cnns._types import Array

PROTOCOLS = ("1_crop", "10_crop", "12_crop", "144_crop", "dense_multi_scale")
_USUAL_CROP_RATIO = 0.875  # 224 of 256
_REFERENCE_SIZE = 224
_SCALES = {
    "144_crop": (256, 288, 320, 352),
    "dense_multi_scale": (224, 256, 384, 480, 640),
}


class Window(NamedTuple):
    """One crop of an image that was resized with its aspect kept.

    Attributes:
        scale: shorter side of the resized image.
        top, left, height, width: the crop in pixels of the resized image; resized to
            the input where it is larger.
        mirrored: whether left and right are swapped.
    """

    scale: int
    top: int
    left: int
    height: int
    width: int
    mirrored: bool


@dataclasses.dataclass(frozen=True)
class Protocol:
    """Which views of each image a network is evaluated on.

    Attributes:
        name: one of ``PROTOCOLS``.
        crop_ratio: the input's fraction of the shorter side (``1_crop``, ``10_crop``,
            ``12_crop``); None takes the preprocessing's, or 0.875 where crops
            must be smaller than the image.
        scales: shorter sides for ``dense_multi_scale``; empty takes the usual ones.

    Raises:
        ValueError: if the name is unknown, a value bad or without effect.
    """

    name: str = "1_crop"
    crop_ratio: float | None = None
    scales: tuple = ()

    def __post_init__(self):
        if self.name not in PROTOCOLS:
            raise ValueError(
                f"protocol must be one of {', '.join(PROTOCOLS)}, got {self.name!r}"
            )
        if self.crop_ratio is not None:
            if self.name in _SCALES:
                raise ValueError(
                    f"crop_ratio={self.crop_ratio!r} has no effect with the protocol "
                    f"{self.name!r}"
                )
            if not 0 < self.crop_ratio <= 1:
                raise ValueError(
                    f"crop_ratio must be in (0, 1], got {self.crop_ratio!r}"
                )
        if self.scales and not self.is_dense:
            raise ValueError(
                f"scales={self.scales!r} have no effect with the protocol {self.name!r}"
            )
        whole = all(isinstance(s, int) and s > 0 for s in self.scales)
        if not whole or len(set(self.scales)) < len(self.scales):
            raise ValueError(
                f"scales must be different positive whole numbers, got {self.scales!r}"
            )

    @property
    def is_dense(self) -> bool:
        """Whether the network sees whole images of several sizes."""
        return self.name == "dense_multi_scale"

    @property
    def num_crops(self) -> int:
        """Number of views of each image."""
        if self.is_dense:
            return len(self.scales or _SCALES[self.name])
        return int(self.name.partition("_")[0])

    def list_scales(self, preprocessing: Preprocessing) -> tuple:
        """Shorter sides of the resized images; none for ``1_crop``.

        Raises:
            ValueError: if the input is not square (except for ``1_crop``), or the
                crops would coincide.
        """
        if self.name == "1_crop":
            return ()
        size = preprocessing.height
        if preprocessing.width != size:
            raise ValueError(
                f"the protocol {self.name!r} needs a square input, the network's is "
                f"{size}x{preprocessing.width}; '1_crop' takes any"
            )
        if self.scales:
            return self.scales
        if self.name in _SCALES:
            return tuple(round(s * size / _REFERENCE_SIZE) for s in _SCALES[self.name])
        fraction = self.effective_ratio(preprocessing)
        scale = round(size / fraction)
        if scale == size:
            raise ValueError(
                f"with crop_ratio={fraction!r} and an input of {size}x{size} the crops "
                f"of the protocol {self.name!r} coincide; give a smaller ratio, such "
                f"as {_USUAL_CROP_RATIO}"
            )
        return (scale,)

    def effective_ratio(self, preprocessing: Preprocessing) -> float | None:
        """The crop ratio in effect; None if there is none."""
        if self.name in _SCALES:
            return None
        usual = None if self.name == "1_crop" else _USUAL_CROP_RATIO
        return self.crop_ratio or preprocessing.crop_ratio or usual

    def adapt(self, preprocessing: Preprocessing) -> Preprocessing:
        """The preprocessing of ``1_crop``: training's, with its own crop ratio."""
        if self.crop_ratio is None:
            return preprocessing
        return dataclasses.replace(preprocessing, crop_ratio=self.crop_ratio)


def list_windows(
    name: str, height: int, width: int, size: int, scales: Sequence[int]
) -> list:
    """The crops of an image, in the order of the module's table.

    Args:
        name: ``"10_crop"``, ``"12_crop"`` or ``"144_crop"``.
        height, width: of the image.
        size: height and width of the crops.
        scales: shorter sides to resize the image to, each at least ``size``.

    Returns:
        List of ``Window``, a mirrored one after each plain one. Squares of an image
        that is a square itself coincide, and so do their windows.

    Raises:
        ValueError: if the protocol has no crops, or a scale is smaller than they are.
    """
    if name not in ("10_crop", "12_crop", "144_crop"):
        raise ValueError(f"the protocol {name!r} has no crops")
    if min(scales) < size:
        raise ValueError(f"scales={scales!r} must be at least the input's {size}")
    windows = []
    for scale in scales:
        boxes = _boxes(name, *resized_shape(height, width, scale), size)
        windows += [
            Window(scale, *box, mirrored) for box in boxes for mirrored in (False, True)
        ]
    return windows


def resized_shape(height: int, width: int, scale: int) -> tuple:
    """(height, width) of an image whose shorter side becomes ``scale``."""
    shorter = min(height, width)
    return round(height * scale / shorter), round(width * scale / shorter)


def _boxes(name, height, width, size):
    """(top, left, height, width) of a protocol's crops at one scale, unmirrored."""
    if name == "10_crop":
        return _corners_and_centre((0, 0, height, width), size)
    squares = _squares(height, width)
    if name == "12_crop":
        squares = squares[1:2]
    return [
        box
        for square in squares
        for box in [*_corners_and_centre(square, size), square]
    ]


def _squares(height, width):
    """The first, the central and the last of the largest squares."""
    side = min(height, width)
    return [
        (down, right, side, side)
        for down, right in (
            (0, 0),
            ((height - side) // 2, (width - side) // 2),
            (height - side, width - side),
        )
    ]


def _corners_and_centre(box, size):
    top, left, height, width = box
    down, right = height - size, width - size
    offsets = [(0, 0), (0, right), (down, 0), (down, right), (down // 2, right // 2)]
    return [(top + y, left + x, size, size) for y, x in offsets]


def resize_to_scale(image: Array, scale: int) -> tf.Tensor:
    """Resizes an image with its aspect kept.

    Args:
        image: pixels ``(height, width, channels)`` of known shape, 0 to 255.
        scale: the new shorter side.

    Returns:
        float32 pixels, 0 to 255, bilinear; the image itself where it fits already.
    """
    image = tf.cast(image, tf.float32)
    return _resize(image, resized_shape(*image.shape[:2], scale))


def _resize(image, shape):
    if tuple(image.shape[:2]) == tuple(shape):
        return image
    return tf.image.resize(image, shape, antialias=True)


def iterate_crops(
    image: Array, preprocessing: Preprocessing, windows: Iterable
) -> Iterator[np.ndarray]:
    """Crops of an image one by one, to save memory.

    Args:
        image: pixels ``(height, width, channels)`` of known shape, 0 to 255.
        preprocessing: gives the input's size and standardisation.
        windows: ``Window`` values; one resizing serves neighbours of the same scale.

    Yields:
        float32 inputs ``(size, size, channels)``; plain crops are views.
    """
    size = (preprocessing.height, preprocessing.width)
    for scale, group in itertools.groupby(windows, key=lambda window: window.scale):
        resized = preprocessing.standardize(resize_to_scale(image, scale)).numpy()
        for _, top, left, height, width, mirrored in group:
            crop = resized[top : top + height, left : left + width]
            if (height, width) != size:
                crop = _resize(crop, size).numpy()
            yield crop[:, ::-1] if mirrored else crop


def make_crops(
    image: Array, preprocessing: Preprocessing, protocol: Protocol
) -> np.ndarray:
    """All crops of an image at once.

    Args:
        image: pixels ``(height, width, channels)`` of known shape, 0 to 255.
        preprocessing: gives the input's size and standardisation.
        protocol: one with several crops.

    Returns:
        float32 inputs ``(crops, size, size, channels)``.
    """
    windows = windows_of(image, preprocessing, protocol)
    return np.stack(list(iterate_crops(image, preprocessing, windows)))


def windows_of(image: Array, preprocessing: Preprocessing, protocol: Protocol) -> list:
    """The windows of a protocol on one image; see ``list_windows``."""
    scales = protocol.list_scales(preprocessing)
    height, width = image.shape[:2]
    return list_windows(protocol.name, height, width, preprocessing.height, scales)
