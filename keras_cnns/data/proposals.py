"""Region proposals of a split, computed once and kept in files.

A folder holds ``proposals.json``, which tells of what and how they were made, and
shards ``<split>-00000.npz`` of some images each. A shard is there as a whole or not at
all; what a killed process has not written is computed when it is made again.
"""

import functools
import hashlib
import json
import os
from collections.abc import Callable
from typing import Optional

import numpy as np
import tensorflow as tf

from keras_cnns import _arrays, _files
from keras_cnns._checks import check_count, is_whole
from keras_cnns.data.annotations import read_limited
from keras_cnns.data.decoding import decode_image
from keras_cnns.data.sources import Source, folder_name

HEADER = "proposals.json"
_KIND = "proposals"
_LARGEST_HEADER = 2**20
_SHARDS_IN_MEMORY = 256  # 0.5 GB of 2000 proposals for each image


class ProposalStore:
    """Stored proposals of one split, of original images.

    Args:
        folder: as ``write_proposals`` has filled it.

    Attributes:
        folder: as given.
        header: dict of ``dataset``, ``split``, ``files``, ``num_examples``,
            ``shard_size``, ``max_boxes`` and ``settings``.

    Raises:
        ValueError: if it holds no proposals, or not all of them.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.header = read_header(os.path.join(folder, HEADER))
        self._read_cached = functools.lru_cache(_SHARDS_IN_MEMORY)(self._read_shard)
        missing = [path for path in self._paths() if not os.path.isfile(path)]
        if missing:
            raise ValueError(
                f"{missing[0]} ({len(missing)} such) is not there: the proposals were "
                "not all made; make them again, which keeps those that are there"
            )

    @property
    def max_boxes(self) -> int:
        """Largest number of proposals of an image."""
        return self.header["max_boxes"]

    @property
    def num_examples(self) -> int:
        """Number of images."""
        return self.header["num_examples"]

    def read(self, index: int) -> np.ndarray:
        """The proposals of one image.

        Args:
            index: of the example in the split.

        Returns:
            ``(n, 4)`` float32, continuous (y1, x1, y2, x2) in pixels of the original
            image.

        Raises:
            ValueError: if there is no such image, or its file cannot be read.
        """
        if not 0 <= index < self.num_examples:
            raise ValueError(
                f"index must be from 0 to {self.num_examples - 1}, got {index!r}"
            )
        shard, position = divmod(int(index), self.header["shard_size"])
        starts, boxes = self._read_cached(shard)
        return boxes[starts[position] : starts[position + 1]]

    def read_in_graph(self, index: tf.Tensor) -> tf.Tensor:
        """``read`` as a TensorFlow operation: the same for the same index."""
        boxes = tf.numpy_function(self.read, [index], tf.float32, stateful=False)
        return tf.ensure_shape(boxes, [None, 4])

    def check(self, source: Source) -> None:
        """Refuses a source that the proposals are not of.

        Raises:
            ValueError: naming what differs.
        """
        _check_same(self.folder, self.header, _identity(source))

    def _paths(self):
        return _shard_paths(self.folder, self.header)

    def _read_shard(self, number):
        path = self._paths()[number]
        first = number * self.header["shard_size"]
        count = min(self.header["shard_size"], self.num_examples - first)
        return read_shard(path, count, self.max_boxes)


def write_proposals(
    folder: str,
    source: Source,
    propose: Callable,
    *,
    settings: dict,
    max_boxes: int = 2000,
    shard_size: int = 64,
    report: Optional[Callable] = None,
) -> ProposalStore:
    """Makes the proposals of a split that are not there yet.

    Args:
        folder: gets the files; it is made.
        source: the split.
        propose: function of an image, uint8 ``(height, width, 3)``, and its index to
            boxes ``(n, 4)`` in its pixels, the best first; it must give the same for
            the same image and index.
        settings: what its boxes depend on, as JSON has it; recorded.
        max_boxes: largest number that is kept of an image.
        shard_size: images in a file.
        report: called with the numbers of images done, those before the file's end, and
            of all, after each file.

    Raises:
        ValueError: if the folder has proposals of other images or with other settings,
            naming what differs; or what ``propose`` returns is not boxes.
        OSError: if a file cannot be written.
    """
    check_count("max_boxes", max_boxes)
    check_count("shard_size", shard_size)
    header = {
        **_identity(source),
        "shard_size": shard_size,
        "max_boxes": max_boxes,
        "settings": json.loads(json.dumps(settings)),
    }
    path = os.path.join(folder, HEADER)
    if os.path.lexists(path):
        _check_same(folder, read_header(path), header)
    else:
        _files.write_json(path, header, indent=1)
    paths = _shard_paths(folder, header)
    missing = np.array([not os.path.isfile(path) for path in paths])
    done, total = source.num_examples, source.num_examples
    for number, boxes in _shards(source, propose, missing, shard_size, max_boxes):
        starts = np.cumsum([0, *map(len, boxes)])
        arrays = {"starts": starts, "boxes": np.concatenate(boxes)}
        _arrays.write_arrays(paths[number], arrays)
        if report:
            done = min((number + 1) * shard_size, total)
            report(done, total)
    if report and (done < total or not missing.any()):
        report(total, total)
    return ProposalStore(folder)


def _shards(source, propose, missing, shard_size, max_boxes):
    """(number, boxes of each image) of the shards that are missing, in one pass."""
    if not missing.any():
        return
    images = (
        source.examples.enumerate()
        .filter(lambda index, _: tf.gather(missing, index // shard_size))
        .map(lambda index, example: (index, decode_image(source.read(example[0]), 3)))
        .prefetch(1)
    )
    found = []
    for index, image in images.as_numpy_iterator():
        boxes = np.asarray(propose(image, int(index)), np.float32)
        if boxes.ndim != 2 or boxes.shape[1] != 4 or not np.isfinite(boxes).all():
            raise ValueError(
                "propose must return finite boxes (n, 4), got an array of shape "
                f"{boxes.shape}"
            )
        found.append(boxes[:max_boxes])
        is_last = index + 1 == source.num_examples
        if (index + 1) % shard_size == 0 or is_last:
            yield index // shard_size, found
            found = []


def read_header(path: str) -> dict:
    """The content of ``proposals.json``.

    Raises:
        ValueError: naming the file, if it holds anything else or cannot be read.
    """
    if not os.path.lexists(path):
        raise ValueError(
            f"{os.path.dirname(path)} holds no proposals: there is no {HEADER} in it"
        )
    with _files.reading(path, _KIND):
        header = json.loads(read_limited(path, _LARGEST_HEADER))
        if not isinstance(header, dict):
            raise ValueError(f"it must be an object, got {header!r:.50}")
        for name in ("num_examples", "shard_size", "max_boxes"):
            value = header.get(name)
            if not is_whole(value) or not 0 < value < 2**31:
                raise ValueError(f"{name} must be a positive number, got {value!r:.50}")
        for name in ("dataset", "split", "files"):
            if not isinstance(header.get(name), str):
                raise ValueError(f"{name} must be a text, got {header.get(name)!r:.50}")
        if not isinstance(header.get("settings"), dict):
            raise ValueError("settings must be an object")
    return header


def read_shard(path: str, count: int, max_boxes: int) -> tuple:
    """The proposals of some images.

    Args:
        path: of the file.
        count: number of its images.
        max_boxes: largest number of boxes of an image.

    Returns:
        (``starts`` ``(count + 1,)``, ``boxes`` ``(n, 4)`` float32).

    Raises:
        ValueError: naming the file, if it holds anything else or cannot be read;
            without it, the proposals can be made again.
    """
    arrays = _arrays.read_arrays(path, ("starts", "boxes"), _KIND)
    starts, boxes = arrays["starts"], arrays["boxes"]
    with _files.reading(path, _KIND):
        if starts.shape != (count + 1,) or starts.dtype != np.int64:
            raise ValueError(f"it must be of {count} images, starts is {starts!r:.50}")
        counts = np.diff(starts)
        if starts[0] != 0 or (counts < 0).any() or (counts > max_boxes).any():
            raise ValueError(f"images have from {counts.min()} to {counts.max()} boxes")
        if boxes.dtype != np.float32 or boxes.shape != (starts[-1], 4):
            raise ValueError(f"its boxes are {boxes.dtype} of shape {boxes.shape}")
        if not np.isfinite(boxes).all():
            raise ValueError("its boxes are not finite")
    return starts, boxes


def _shard_paths(folder, header):
    count = -(-header["num_examples"] // header["shard_size"])
    name = folder_name(header["split"])
    return [os.path.join(folder, f"{name}-{i:05d}.npz") for i in range(count)]


def _identity(source):
    """What tells one split from another: of a folder, the names of its files."""
    names = "\n".join(os.path.basename(path) for path in source.files)
    digest = hashlib.sha256(names.encode("utf-8", "surrogateescape")).hexdigest()
    name = source.name
    if source.files:
        name = os.path.basename(os.path.abspath(name))
    return {
        "dataset": name,
        "split": source.split,
        "files": digest if source.files else "",
        "num_examples": source.num_examples,
    }


def _check_same(folder, stored, wanted):
    for name, value in wanted.items():
        if name == "settings":
            for key in sorted({*value, *stored[name]}):
                pair = stored[name].get(key), value.get(key)
                if pair[0] != pair[1]:
                    _refuse(folder, key, *pair)
        elif stored[name] != value:
            _refuse(folder, name, stored[name], value)


def _refuse(folder, name, stored, wanted):
    raise ValueError(
        f"{folder} holds proposals of {name} {stored!r:.100}, not {wanted!r:.100}; "
        "give another folder"
    )
