"""TFDS builder ``photographs``: crops of photographs that ship with required packages,
so that nothing is downloaded."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import os
from collections.abc import Iterator

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image


@dataclasses.dataclass(frozen=True)
class Picture:
    """One photograph.

    Attributes:
        split: ``"train"`` or ``"test"``; all crops of a picture are in one split.
        package: Python package that holds the file.
        path: of the file, below the package.
        sha256: checksum of the file.
    """

    split: str
    package: str
    path: str
    sha256: str


# The natural colour photographs among the packages' images. Left out: grey ones,
# microscopy, the retina, the nearly black deep field, drawn and binary images, and the
# second view of the motorcycle.
PICTURES = {
    "astronaut": Picture(
        "train", "skimage", "data/astronaut.png",
        "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
    ),
    "coffee": Picture(
        "train", "skimage", "data/coffee.png",
        "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
    ),
    "motorcycle": Picture(
        "train", "skimage", "data/motorcycle_left.png",
        "db18e9c4157617403c3537a6ba355dfeafe9a7eabb6b9b94cb33f6525dd49179",
    ),
    "rocket": Picture(
        "train", "skimage", "data/rocket.jpg",
        "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c",
    ),
    "flower": Picture(
        "train", "sklearn", "datasets/images/flower.jpg",
        "a77f6ec41e353afdf8bdff2ea981b2955535d8d83294f8cfa49cf4e423dd5638",
    ),
    "grace_hopper": Picture(
        "train", "matplotlib", "mpl-data/sample_data/grace_hopper.jpg",
        "a8ca6d734765703b09728ab47fe59f473d93ae3967fc24c7c0288c3c7adb7130",
    ),
    "chelsea": Picture(
        "test", "skimage", "data/chelsea.png",
        "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
    ),
    "china": Picture(
        "test", "sklearn", "datasets/images/china.jpg",
        "8378025ad2519d649d02e32bd98990db4ab572357d9f09841c2fbfbb4fefad29",
    ),
}  # fmt: skip
# Sizes of the whole picture that crops are cut from, as fractions of its own.
SCALES = {"train": (1.0, 0.7, 0.5), "test": (1.0, 0.5)}
# Least distance of crops, as a fraction of their side: test crops do not overlap.
STRIDES = {"train": 0.375, "test": 1.0}


@dataclasses.dataclass
class PhotographsConfig(tfds.core.BuilderConfig):
    """A size of crop.

    Attributes:
        size: height and width, in pixels.
    """

    size: int = 64


class Photographs(tfds.core.GeneratorBasedBuilder):
    """Colour crops of eight photographs, six to train and two to test.

    The crops lie on an even grid over each picture and smaller copies of it. They have
    no labels, but the name of their picture.
    """

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = [
        PhotographsConfig(name="64", description="Crops of 64x64.", size=64),
        PhotographsConfig(name="128", description="Crops of 128x128.", size=128),
    ]

    def _info(self):
        size = self.builder_config.size
        return tfds.core.DatasetInfo(
            builder=self,
            description="Crops of the photographs that ship with scikit-image, "
            "scikit-learn and matplotlib.",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(size, size, 3), dtype=np.uint8),
                    "picture": tfds.features.Text(),
                }
            ),
        )

    def _split_generators(self, dl_manager):
        del dl_manager  # nothing is downloaded
        pictures = read_pictures()
        return {
            split: self._generate_examples(
                {
                    name: pictures[name]
                    for name, p in PICTURES.items()
                    if p.split == split
                },
                split,
            )
            for split in SCALES
        }

    def _generate_examples(self, pictures, split):
        size = self.builder_config.size
        stride = round(size * STRIDES[split])
        for name, picture in pictures.items():
            for scale in SCALES[split]:
                scaled = _scaled(picture, scale)
                for top, left, crop in grid_crops(scaled, size, stride):
                    key = f"{name}_{scale}_{top}_{left}"
                    yield key, {"image": crop, "picture": name}


def read_pictures(table: dict | None = None) -> dict:
    """Pictures, uint8, by name: ``(height, width, 3)``, or ``(height, width)`` if grey.

    Args:
        table: ``Picture`` by name; None: ``PICTURES``.

    Raises:
        FileNotFoundError: naming all files that are missing or have another
            checksum.
    """
    pictures, missing = {}, []
    for name, picture in (PICTURES if table is None else table).items():
        path = _path(picture)
        if path is None or not os.path.isfile(path):
            missing.append(f"{picture.path} of the package {picture.package}")
            continue
        with open(path, "rb") as file:
            checksum = hashlib.sha256(file.read()).hexdigest()
        if checksum != picture.sha256:
            missing.append(f"{path} (there, but with other content)")
            continue
        with Image.open(path) as image:
            grey = image.mode == "L"
            pictures[name] = np.asarray(image if grey else image.convert("RGB"))
    if missing:
        raise FileNotFoundError(
            f"photographs are missing: {', '.join(missing)}. The packages' wheels on "
            "PyPI hold them: install scikit-image, scikit-learn and matplotlib by pip"
        )
    return pictures


def _path(picture):
    """Where a photograph should be; None if its package is not installed."""
    found = importlib.util.find_spec(picture.package)
    return found and os.path.join(os.path.dirname(found.origin), picture.path)


def _scaled(picture, scale):
    """A smaller copy, antialiased."""
    height, width = (round(side * scale) for side in picture.shape[:2])
    image = Image.fromarray(picture)
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(image)


def grid_crops(picture: np.ndarray, size: int, stride: int) -> Iterator:
    """Square crops on an even grid that reaches all four borders.

    Args:
        picture: ``(height, width, channels)``.
        size: of the crops, in pixels.
        stride: smallest distance of neighbours, in pixels.

    Yields:
        (top, left, crop ``(size, size, channels)``), row by row; nothing where the
        picture is smaller than a crop.
    """

    def starts(length):
        count = max(0, 1 + (length - size) // stride)
        return np.linspace(0, length - size, count).round().astype(int)

    for top in starts(picture.shape[0]):
        for left in starts(picture.shape[1]):
            crop = picture[top : top + size, left : left + size]
            yield int(top), int(left), crop
