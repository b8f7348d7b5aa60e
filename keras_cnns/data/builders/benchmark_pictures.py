"""TFDS builder of the pictures that super-resolution is measured on, downloaded."""

import dataclasses
import os

import numpy as np
import tensorflow_datasets as tfds

_PICTURES = (".png", ".jpg", ".bmp")


@dataclasses.dataclass
class ArchiveConfig(tfds.core.BuilderConfig):
    """One set: an archive of pictures.

    Attributes:
        url: of the archive.
        folders: where in it the pictures of each split are; with all folders below.
    """

    url: str = ""
    folders: dict = dataclasses.field(default_factory=dict)


def _large_pictures(name):
    """The large pictures of a copy of a benchmark; its small ones are not read."""
    url = f"https://huggingface.co/datasets/eugenesiow/{name}/resolve/main/data"
    return ArchiveConfig(
        name=name.lower(),
        description=f"The large pictures of {name}.",
        url=f"{url}/{name}_HR.tar.gz",
        folders={"test": ""},
    )


class BenchmarkPictures(tfds.core.GeneratorBasedBuilder):
    """Whole pictures without labels, in the order of their file names.

    The copies of Set5, Set14 and BSD100 are those of the Python package super-image.
    Archives have no checksums here: none could be had when this was written.
    """

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = [
        *map(_large_pictures, ("Set5", "Set14", "BSD100")),
        ArchiveConfig(
            name="bsds500",
            description="Berkeley's segmentation data: 200, 100 and 200 photographs of "
            "481x321 pixels.",
            url="https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/"
            "BSR/BSR_bsds500.tgz",
            folders={
                split: f"BSR/BSDS500/data/images/{split}"
                for split in ("train", "val", "test")
            },
        ),
    ]

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            description=self.builder_config.description,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(None, None, 3), dtype=np.uint8),
                    "picture": tfds.features.Text(),
                }
            ),
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager):
        config = self.builder_config
        unpacked = os.fspath(dl_manager.download_and_extract(config.url))
        return {
            split: self._generate_examples(_list_pictures(unpacked, folder, config.url))
            for split, folder in config.folders.items()
        }

    def _generate_examples(self, paths):
        for number, path in enumerate(paths):
            name, _ = os.path.splitext(os.path.basename(path))
            yield number, {"image": path, "picture": name}


def _list_pictures(unpacked, folder, url):
    """Paths of the pictures in a folder of an archive, and below, by name."""
    found = [
        os.path.join(place, name)
        for place, _, names in os.walk(os.path.join(unpacked, folder))
        for name in names
        if name.lower().endswith(_PICTURES) and not name.startswith(".")
    ]
    if not found:
        raise FileNotFoundError(f"{url} holds no pictures in {folder or 'it'}")
    return sorted(found)
