"""TFDS builder ``scenes``: objects on photographs with exact boxes, for machines
without network."""

from __future__ import annotations

import dataclasses
import io
import os

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from keras_cnns.data.builders import cutouts, fashion_mnist_idx
from keras_cnns.data.builders.photographs import PICTURES, Picture, read_pictures
from keras_cnns.data.builders.scene_drawing import draw_background, draw_scene

_SEED = 0
_COUNTS = {"train": 2000, "test": 400}
# Grey textures that ship with scikit-image.
TEXTURES = {
    "brick": Picture(
        "train", "skimage", "data/brick.png",
        "7966caf324f6ba843118d98f7a07746d22f6a343430add0233eca5f6eaaa8fcf",
    ),
    "grass": Picture(
        "train", "skimage", "data/grass.png",
        "b6b6022426b38936c43a4ac09635cd78af074e90f42ffa8227ac8b7452d39f89",
    ),
    "gravel": Picture(
        "test", "skimage", "data/gravel.png",
        "c48615b451bf1e606fbd72c0aa9f8cc0f068ab7111ef7d93bb9b0f2586440c12",
    ),
}  # fmt: skip
# By split: no picture shows what is looked for, so not the cat among mammals, nor the
# flower.
_BACKGROUNDS = {
    "items": {
        split: tuple(
            name
            for name, picture in {**PICTURES, **TEXTURES}.items()
            if picture.split == split
        )
        for split in _COUNTS
    },
    "cutouts": {
        "train": ("astronaut", "china", "grace_hopper", "motorcycle", "brick", "grass"),
        "test": ("coffee", "rocket", "gravel"),
    },
}
ITEMS_NEEDED = (
    "its items come from Fashion-MNIST: install Debian's package "
    "dataset-fashion-mnist, or put the four IDX files into data_dir"
)
STAMPS_NEEDED = (
    "its cut-outs come from Debian's package tuxpaint-stamps-default: install it, or "
    "unpack it into data_dir"
)


@dataclasses.dataclass
class ScenesConfig(tfds.core.BuilderConfig):
    """What is on the scenes, and their size.

    Attributes:
        objects: ``"items"`` or ``"cutouts"``.
        size: height and width, in pixels.
    """

    objects: str = "items"
    size: int = 128


class Scenes(tfds.core.GeneratorBasedBuilder):
    """2400 colour scenes of 0 to 5 objects, 2000 to train and 400 to test.

    Boxes are those of what is seen of an object: within the image, not covered. An
    object of which less than half is seen is difficult. No object and no background
    of the test scenes is in a scene to train on.

    The folder of the source set is the builder's ``manual_dir`` at preparation.
    """

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = [
        ScenesConfig(
            name=objects if size == 128 else f"{objects}_{size}",
            description=f"{text}, {size}x{size}.",
            objects=objects,
            size=size,
        )
        for size in (128, 256)
        for objects, text in (
            ("items", "Clothes of Fashion-MNIST and handwritten digits"),
            ("cutouts", "Animals, plants and other stamps of Tux Paint"),
        )
    ]
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        f"For items: {ITEMS_NEEDED}. For cutouts: {STAMPS_NEEDED}."
    )

    def _info(self):
        size, objects = self.builder_config.size, self.builder_config.objects
        names = {"items": cutouts.Items, "cutouts": cutouts.Stamps}[objects].class_names
        return tfds.core.DatasetInfo(
            builder=self,
            description="Objects on photographs, with the boxes of what is seen.",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(size, size, 3), dtype=np.uint8),
                    "background": tfds.features.Text(),
                    "objects": tfds.features.Sequence(
                        {
                            "bbox": tfds.features.BBoxFeature(),
                            "label": tfds.features.ClassLabel(names=names),
                            "is_crowd": np.bool_,
                            "is_difficult": np.bool_,
                            "name": tfds.features.Text(),
                        }
                    ),
                }
            ),
        )

    def _split_generators(self, dl_manager):
        objects = self.builder_config.objects
        pictures = read_pictures({**PICTURES, **TEXTURES})
        stocks = _open_stocks(objects, find_folder(objects, dl_manager.manual_dir))
        return {
            split: self._generate_examples(split, pictures, stock)
            for split, stock in stocks.items()
        }

    def _generate_examples(self, split, pictures, stock):
        size, objects = self.builder_config.size, self.builder_config.objects
        pictures = {name: pictures[name] for name in _BACKGROUNDS[objects][split]}
        for i in range(_COUNTS[split]):
            seed = [_SEED, size, objects == "cutouts", split == "test", i]
            random = np.random.default_rng(seed)
            name, background = draw_background(pictures, size, random)
            image, placed = draw_scene(background, stock, random)
            found = [_feature(one, size) for one in placed]
            yield i, {"image": _png(image), "background": name, "objects": found}


def _png(image):
    """A PNG file; little compressed, which takes a quarter of the time."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG", compress_level=1)
    file.seek(0)
    return file


def _feature(placed, size):
    top, left, bottom, right = (side / size for side in placed.box)
    return {
        "bbox": tfds.features.BBox(top, left, bottom, right),
        "label": placed.label,
        "is_crowd": False,
        "is_difficult": placed.is_difficult,
        "name": placed.name,
    }


def find_folder(objects: str, folder: str | None = None) -> str:
    """The folder of the set that scenes are made of.

    Args:
        objects: ``"items"`` or ``"cutouts"``.
        folder: where to look first; what a package was unpacked to will do.

    Raises:
        FileNotFoundError: if there is none; it tells what to install.
    """
    if objects == "cutouts":
        debian, needed = cutouts.DEBIAN_FOLDER, STAMPS_NEEDED
        found = cutouts.find_stamps(folder, debian)
    else:
        debian, needed = fashion_mnist_idx.DEBIAN_FOLDER, ITEMS_NEEDED
        places = [folder and os.path.join(folder, debian[1:]), folder, debian]
        found = next(
            (
                place
                for place in places
                if fashion_mnist_idx.find_idx_files(place or "")
            ),
            None,
        )
    if not found:
        raise FileNotFoundError(
            f"scenes/{objects} cannot be made: {needed} (looked in {folder} and "
            f"{debian})"
        )
    return found


def _open_stocks(objects, folder):
    """What objects are drawn from, by split."""
    if objects == "cutouts":
        return {split: cutouts.Stamps(folder, split) for split in _COUNTS}
    arrays = fashion_mnist_idx.read_arrays(folder)
    return {split: cutouts.Items(*arrays[split], split) for split in _COUNTS}
