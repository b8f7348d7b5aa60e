"""Image folders with boxes, in the layout of VOC or of COCO."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import tensorflow_datasets as tfds

from keras_cnns.data import coco_folders, voc_folders
from keras_cnns.data.decoding import read_size
from keras_cnns.data.folders import encoded_files, read_headers


class BoxFiles(NamedTuple):
    """The images of one split, and the boxes of all of them, one after the other.

    Attributes:
        paths: list of the files.
        encoded: list of JPEG or PNG files to read instead, in the same order.
        sizes: ``(images, 2)`` int32, heights and widths as they are seen.
        starts: ``(images + 1,)`` int64, where the boxes of each image start.
        boxes: ``(boxes, 4)`` float32, (y1, x1, y2, x2) as fractions of the sizes.
        labels: ``(boxes,)`` int32.
        ignored: ``(boxes,)`` bool, crowds and difficult ones.
        class_names: tuple of names, by label.
        channels: 1 if all images are grey, else 3.
    """

    paths: list
    encoded: list
    sizes: np.ndarray
    starts: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    ignored: np.ndarray
    class_names: tuple
    channels: int


def open_box_folder(folder: str, split: str, data_dir: str | None = None) -> BoxFiles:
    """The images and boxes of a split; of images the headers are read.

    Args:
        folder: in one of the layouts of ``voc_folders`` and ``coco_folders``.
        split: its name, or a slice such as ``"train[:90%]"``; images are in the order
            of their names, those of COCO in that of their numbers.
        data_dir: where copies of images are kept that are neither JPEG nor PNG, and
            headers of many.

    Raises:
        ValueError: if the folder has no such split, a file cannot be used, or the size
            that an annotation tells is not its image's.
        OSError: if a file cannot be read.
    """
    images, class_names = _open_slice(folder, split)
    paths = [one.path for one in images]
    headers = read_headers(paths, data_dir)
    sizes = [read_size(path) for path in paths]
    _check_sizes(images, sizes)
    counts, sizes = [len(one.boxes) for one in images], np.array(sizes, np.int32)
    scales = np.repeat(np.tile(sizes, 2), counts, axis=0)
    boxes = np.concatenate([one.boxes for one in images]) / scales
    numbers = {name: label for label, name in enumerate(class_names)}
    labels = [numbers[name] for one in images for name in one.names]
    ignored = [flag for one in images for flag in one.ignored]
    return BoxFiles(
        paths,
        encoded_files(paths, headers, data_dir),
        sizes,
        np.cumsum([0, *counts]),
        boxes.astype(np.float32),
        np.array(labels, np.int32),
        np.array(ignored, bool),
        class_names,
        1 if all(header.is_grey for header in headers) else 3,
    )


def _open_slice(folder, split):
    """(annotated images, names of classes)"""
    name, bracket, _ = split.partition("[")
    if coco_folders.is_coco(folder):
        splits, opened = coco_folders.list_splits(folder), coco_folders.open_coco
    elif voc_folders.is_voc(folder):
        splits, opened = voc_folders.list_splits(folder), voc_folders.open_voc
    else:
        raise ValueError(
            f"{folder} has no boxes: there are neither XML files as VOC has them "
            "(Annotations/, or beside the images) nor JSON files as COCO has them "
            "(annotations/)"
        )
    if name not in splits:
        raise ValueError(
            f"{folder} has no split {name!r}; it has {', '.join(splits) or 'none'}"
        )
    images, class_names = opened(folder, name)
    if bracket:
        images = _cut(images, split, name)
    if not images:
        raise ValueError(f"{folder} has no images in the split {split!r}")
    if not class_names:
        raise ValueError(f"{folder} has no objects, so no classes")
    return images, class_names


def _cut(images, split, name):
    """A slice as TFDS names it."""
    try:
        info = tfds.core.SplitInfo(name=name, shard_lengths=[len(images)], num_bytes=0)
        instruction = tfds.core.ReadInstruction.from_spec(split)
        parts = instruction.to_absolute({name: info})
    except (ValueError, AssertionError) as error:
        raise ValueError(
            f"unknown slice {split!r}; it must be as in 'train[:90%]'"
        ) from error
    return [one for part in parts for one in images[part.from_ : part.to]]


def _check_sizes(images, sizes):
    """Refuses annotations that were made for other images."""
    pairs = zip(images, sizes)
    others = [(one, size) for one, size in pairs if one.size not in (None, size)]
    if not others:
        return
    one, size = others[0]
    hint = " (as EXIF turns it)" if one.size == size[::-1] else ""
    told, found = ("x".join(map(str, pair)) for pair in (one.size, size))
    raise ValueError(
        f"{one.told_by} is for an image of {told} pixels, but {one.path} has "
        f"{found}{hint}, height x width ({len(others)} such files)"
    )
