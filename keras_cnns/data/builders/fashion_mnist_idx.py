"""TFDS builder ``fashion_mnist_idx``: Fashion-MNIST from local IDX files.

Debian's package ``dataset-fashion-mnist`` installs such files; their content is the
official one, their compressed bytes are not, so the official TFDS builder, which
checks those, refuses them.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import struct
import zlib

import numpy as np
import tensorflow_datasets as tfds

DEBIAN_FOLDER = "/usr/share/datasets/fashion-mnist"
CLASS_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
_FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


# SHA-256 of the uncompressed files: the files of MNIST have the same names and sizes.
_SHA256 = {
    "train-images-idx3-ubyte": (
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"
    ),
    "train-labels-idx1-ubyte": (
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"
    ),
    "t10k-images-idx3-ubyte": (
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"
    ),
    "t10k-labels-idx1-ubyte": (
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"
    ),
}


def find_idx_files(folder: str) -> dict | None:
    """Finds the IDX files in a folder, compressed or not.

    Returns:
        Dict from split to (images, labels) paths; None unless all four are there.
    """
    found = {}
    for split, names in _FILES.items():
        paths = []
        for name in names:
            candidates = [os.path.join(folder, name + end) for end in ("", ".gz")]
            paths += [path for path in candidates if os.path.isfile(path)][:1]
        if len(paths) != len(names):
            return None
        found[split] = tuple(paths)
    return found


def read_idx(path: str, sha256: str | None = None) -> np.ndarray:
    """The uint8 array in an IDX file, plain or gzip-compressed.

    Args:
        path: the file.
        sha256: checksum of its uncompressed content; None for any content.

    Raises:
        ValueError: if the file is not IDX of unsigned bytes, is cut short, or has
            another checksum.
    """
    opener = gzip.open if path.endswith(".gz") else open
    try:
        with opener(path, "rb") as file:
            content = file.read()
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    if len(content) < 4 or content[:3] != b"\x00\x00\x08":
        raise ValueError(f"{path} is not an IDX file of unsigned bytes")
    rank = content[3]
    start = 4 + 4 * rank
    shape = struct.unpack(f">{rank}I", content[4:start])
    if len(content) - start != int(np.prod(shape)):
        raise ValueError(
            f"{path} is truncated or too long: shape {shape} needs "
            f"{int(np.prod(shape))} bytes, {len(content) - start} are there"
        )
    if sha256 not in (None, hashlib.sha256(content).hexdigest()):
        raise ValueError(f"{path} is an IDX file, but not the one of Fashion-MNIST")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def read_arrays(folder: str) -> dict:
    """Fashion-MNIST from the four IDX files in a folder.

    Returns:
        Dict from split to (images ``(count, 28, 28)``, labels ``(count,)``), uint8.

    Raises:
        ValueError: if they are not there, or are not those of Fashion-MNIST.
    """
    files = find_idx_files(folder)
    if files is None:
        raise ValueError(f"{folder} does not hold the four IDX files")
    return {
        split: tuple(
            read_idx(path, _SHA256[os.path.basename(path).removesuffix(".gz")])
            for path in paths
        )
        for split, paths in files.items()
    }


class FashionMnistIdx(tfds.core.GeneratorBasedBuilder):
    """70,000 grey 28x28 images of clothes in ten classes, 60,000 to train.

    The folder of the files is the builder's ``manual_dir`` at preparation.
    """

    VERSION = tfds.core.Version("1.0.0")
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "Put the four IDX files of Fashion-MNIST into the folder, or install Debian's "
        "package dataset-fashion-mnist."
    )

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            description="Fashion-MNIST from local IDX files.",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(28, 28, 1), dtype=np.uint8),
                    "label": tfds.features.ClassLabel(names=CLASS_NAMES),
                }
            ),
            supervised_keys=("image", "label"),
            homepage="https://github.com/zalandoresearch/fashion-mnist",
            citation="Xiao, Rasul, Vollgraf, Fashion-MNIST, arXiv 1708.07747",
        )

    def _split_generators(self, dl_manager):
        arrays = read_arrays(os.fspath(dl_manager.manual_dir))
        return {split: self._generate_examples(*pair) for split, pair in arrays.items()}

    def _generate_examples(self, images, labels):
        for i, (image, label) in enumerate(zip(images, labels)):
            yield i, {"image": image[..., np.newaxis], "label": int(label)}
