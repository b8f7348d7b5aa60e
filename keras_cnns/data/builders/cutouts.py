"""What is put on photographs to make scenes: pictures with alpha, by class."""

from __future__ import annotations

import colorsys
import dataclasses
import os

import numpy as np
from PIL import Image
from scipy import ndimage
from sklearn import datasets, model_selection

from keras_cnns.data.builders import fashion_mnist_idx

DEBIAN_FOLDER = "/usr/share/tuxpaint/stamps"
# Where stamps may lie below a folder, into which the package may be unpacked.
_PLACES = ("", "stamps", "tuxpaint/stamps", "usr/share/tuxpaint/stamps")
# Class: folder of the stamps. Far from each other, and with twenty pictures or more.
STAMP_CLASSES = {
    "bird": "animals/birds",
    "flower": "plants/flowers",
    "fruit": "food/fruit",
    "house": "town/houses",
    "mammal": "animals/mammals",
    "road sign": "town/roadsigns",
}
# Left out: Coat and Shirt, which hardly differ from Pullover at this size.
FASHION_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Sandal",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
ITEM_CLASSES = (*FASHION_CLASSES, "digit")
_SEVERAL = ("penguin_with_spider",)  # pictures of more than one object
_TEST_EVERY = 4  # of the stamps of a class, in the order of their names
_LONGEST_SIDE = 256  # of a stamp that is kept
_OPAQUE = 128  # alpha above one half
_DARK = 20  # level up to which a pixel of an item may be background
_HOLE = 12  # pixels of the largest hole in an item that is filled


@dataclasses.dataclass(frozen=True)
class Cutout:
    """One picture with alpha.

    Attributes:
        name: tells it from all others.
        pixels: ``(height, width, 4)`` uint8, red, green, blue and alpha, no larger than
            what is at least half opaque.
    """

    name: str
    pixels: np.ndarray


class Stamps:
    """The cut-outs of a split in folders of PNG files.

    Args:
        folder: that of Debian's package ``tuxpaint-stamps-default``.
        split: ``"train"`` or ``"test"``, which has every fourth of a class. Pictures
            and their mirrored copies are in one split.

    Raises:
        ValueError: if a class has fewer than one picture for each split.
    """

    class_names = tuple(STAMP_CLASSES)

    def __init__(self, folder: str, split: str) -> None:
        self._by_class = []
        for name, place in STAMP_CLASSES.items():
            paths = _png_files(os.path.join(folder, place))
            stems = sorted({_stem(path) for path in paths})
            if len(stems) < _TEST_EVERY:
                raise ValueError(
                    f"{folder} has {len(stems)} pictures in {place} for the class "
                    f"{name!r}; the package tuxpaint-stamps-default has twenty or more"
                )
            chosen = {
                stem
                for i, stem in enumerate(stems)
                if (split == "test") == (i % _TEST_EVERY == 0)
            }
            self._by_class.append(
                [
                    Cutout(os.path.relpath(path, folder), pixels)
                    for path in paths
                    if _stem(path) in chosen
                    for pixels in [_read_stamp(path)]
                    if pixels is not None
                ]
            )

    def draw(self, label: int, random: np.random.Generator) -> Cutout:
        """One of a class, by a ``numpy.random.Generator``."""
        cutouts = self._by_class[label]
        return cutouts[random.integers(len(cutouts))]


class Items:
    """Clothes of Fashion-MNIST and handwritten digits of scikit-learn, coloured.

    Args:
        images, labels: the split's Fashion-MNIST, uint8 ``(count, 28, 28)`` and
            ``(count,)``.
        split: ``"train"`` or ``"test"``, of the digits.
    """

    class_names = ITEM_CLASSES

    def __init__(self, images: np.ndarray, labels: np.ndarray, split: str) -> None:
        self._images, self._split = images, split
        names = fashion_mnist_idx.CLASS_NAMES
        self._places = [
            np.flatnonzero(labels == names.index(name)) for name in FASHION_CLASSES
        ]
        digits = datasets.load_digits()
        both = model_selection.train_test_split(
            np.arange(len(digits.images)),
            test_size=1 / _TEST_EVERY,
            random_state=0,
            stratify=digits.target,
        )
        self._digits = digits.images
        self._places.append(both[("train", "test").index(split)])

    def draw(self, label: int, random: np.random.Generator) -> Cutout:
        """One of a class, by a ``numpy.random.Generator``."""
        while True:
            place = random.choice(self._places[label])
            colour = _bright_colour(random)
            if ITEM_CLASSES[label] == "digit":
                name = f"digits/{place}"
                pixels = _digit_pixels(self._digits[place], colour)
            else:
                name = f"fashion_mnist/{self._split}/{place}"
                pixels = _item_pixels(self._images[place], colour)
            if pixels is not None:
                return Cutout(name, pixels)


def find_stamps(*folders: str | None) -> str | None:
    """The first of some folders that holds the classes of stamps, or None."""
    for folder in filter(None, folders):
        for place in _PLACES:
            found = os.path.join(folder, place)
            if all(
                os.path.isdir(os.path.join(found, name))
                for name in STAMP_CLASSES.values()
            ):
                return os.path.normpath(found)
    return None


def _png_files(folder):
    return sorted(
        os.path.join(place, name)
        for place, _, names in os.walk(folder)
        for name in names
        if name.lower().endswith(".png") and os.path.splitext(name)[0] not in _SEVERAL
    )


def _stem(path):
    stem = os.path.splitext(path)[0]
    return stem.removesuffix("_mirror").removesuffix("_flip")


def _read_stamp(path):
    """Its pixels, at most 256 to a side; None if all of it is opaque."""
    with Image.open(path) as image:
        image = image.convert("RGBA")
    image.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE), Image.Resampling.BICUBIC)
    return trimmed(np.asarray(image))


def trimmed(pixels: np.ndarray) -> np.ndarray | None:
    """A picture with alpha without what is beside its opaque part; None if there is
    none."""
    rows, columns = (
        np.flatnonzero((pixels[..., 3] >= _OPAQUE).any(axis)) for axis in (1, 0)
    )
    if not len(rows):
        return None
    return pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _bright_colour(random):
    """Red, green, blue of 0 to 1."""
    hue, saturation, value = random.uniform((0, 0, 0.75), (1, 0.8, 1))
    return np.array(colorsys.hsv_to_rgb(hue, saturation, value))


def _item_pixels(image, colour):
    """A tinted item on a transparent ground; None where they cannot be told apart."""
    mask = _filled(image > _DARK)
    parts, count = ndimage.label(mask, np.ones((3, 3)))
    sizes = ndimage.sum_labels(mask, parts, np.arange(1, count + 1))
    if not count or sizes.max() < max(80, 0.9 * sizes.sum()):
        return None  # in pieces: dark parts of it are taken for background
    mask = parts == 1 + sizes.argmax()
    if image[mask].mean() < 60:
        return None
    levels = 40 + image[..., np.newaxis] * (215 / 255) * colour
    alpha = 255 * mask[..., np.newaxis]
    return trimmed(np.concatenate([levels, alpha], -1).astype(np.uint8))


def _filled(mask):
    """Without its small holes: prints, not the space within a handle."""
    holes, count = ndimage.label(~mask)
    sizes = ndimage.sum_labels(~mask, holes, np.arange(1, count + 1))
    return mask | np.isin(holes, 1 + np.flatnonzero(sizes <= _HOLE))


def _digit_pixels(image, colour):
    """A digit in one colour, its strokes with a sharp edge."""
    grey = Image.fromarray(np.pad(image, 1).astype(np.float32) / 16)
    grey = np.asarray(grey.resize((60, 60), Image.Resampling.BICUBIC))
    alpha = 255 * np.clip((grey - 0.4) * 5 + 0.5, 0, 1)[..., np.newaxis]
    levels = np.broadcast_to(255 * colour, (*alpha.shape[:2], 3))
    return trimmed(np.concatenate([levels, alpha], -1).round().astype(np.uint8))
