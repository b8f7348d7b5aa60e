"""Sources whose targets are boxes: TFDS names of detection sets, folders, scenes."""

from __future__ import annotations

import functools
import os

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from keras_cnns.data.box_folders import open_box_folder
from keras_cnns.data.scaling import snapped
from keras_cnns.data.sources import Layout, Source, open_source, remembered

# TFDS divides VOC's inclusive, 1-based corners by the size, as they are: what the first
# corner lies too far to the lower right, in pixels.
_INSETS = {"voc": 1.0}


def open_detection_source(name: str, split: str, data_dir: str | None = None) -> Source:
    """Opens a data set of images with boxes, and prepares it first if needed.

    Args:
        name: ``scenes/items``, ``scenes/cutouts`` (128x128; ``scenes/items_256`` and
            ``scenes/cutouts_256``), ``voc/2007``, ``voc/2012``, ``coco/2017`` or any
            other TFDS name whose examples have ``objects`` with ``bbox`` and ``label``;
            or the path of a folder in the layout of VOC or COCO.
        split: its name, or a slice such as ``"train[:90%]"``.
        data_dir: as for ``open_source``; for scenes it may also hold what they are made
            of.

    Returns:
        Source whose targets are dicts: ``boxes`` ``(n, 4)`` float32, (y1, x1, y2, x2)
        as fractions of the image's height and width; ``labels`` ``(n,)`` int32;
        ``ignored`` ``(n,)`` bool, for crowds and difficult objects; ``inset`` float32,
        pixels that the first corner is to be moved to the upper left, which
        ``pixel_boxes`` does; ``size`` ``(2,)`` int32, the image's height and width
        where they are known without reading it, else zeros.

    Raises:
        ValueError: if the name, the split or the kind of data is not usable.
        OSError: if the data can neither be found nor downloaded.
    """
    if os.path.isdir(name) and not name.startswith("scenes/"):
        return _folder_source(name, split, data_dir)
    return open_source(
        name, split, data_dir, layout=functools.partial(_objects_layout, name)
    )


def pixel_boxes(
    target: dict, height: int | tf.Tensor, width: int | tf.Tensor
) -> tf.Tensor:
    """The boxes of a target in pixels.

    Args:
        target: of a source of ``open_detection_source``.
        height, width: of its image.

    Returns:
        float32 ``(n, 4)``, continuous (y1, x1, y2, x2); whole numbers where the data
        set has whole numbers.
    """
    height, width = (tf.cast(side, tf.float32) for side in (height, width))
    boxes = target["boxes"] * tf.stack([height, width, height, width])
    inset = target["inset"]
    return snapped(boxes - tf.stack([inset, inset, 0.0, 0.0]))


def _folder_source(name, split, data_dir):
    found = open_box_folder(name, split, data_dir)
    boxes, labels, ignored, sizes = (
        tf.constant(part)
        for part in (found.boxes, found.labels, found.ignored, found.sizes)
    )

    def target_of(index, first, last):
        return {
            "boxes": boxes[first:last],
            "labels": labels[first:last],
            "ignored": ignored[first:last],
            "inset": tf.constant(0.0),
            "size": sizes[index],
        }

    rows = np.arange(len(found.paths)), found.starts[:-1], found.starts[1:]
    # As bytes: names of files need not be UTF-8.
    encoded = [os.fsencode(path) for path in found.encoded]
    examples = tf.data.Dataset.from_tensor_slices((encoded, rows)).map(
        lambda path, places: (path, target_of(*places))
    )
    source = Source(
        name=name,
        split=split,
        num_examples=len(encoded),
        class_names=found.class_names,
        image_shape=(None, None, found.channels),
        examples=examples,
        read=tf.io.read_file,
        shuffle_buffer=len(encoded),
        files=tuple(found.paths),
    )
    return remembered(source)


def _objects_layout(name, info):
    """Image, boxes, labels and what is ignored, of a TFDS detection set."""
    features = dict(info.features.items())
    parts = getattr(features.get("objects"), "feature", None)
    parts = dict(parts.items()) if isinstance(parts, tfds.features.FeaturesDict) else {}
    if not (
        isinstance(features.get("image"), tfds.features.Image)
        and isinstance(parts.get("bbox"), tfds.features.BBoxFeature)
        and isinstance(parts.get("label"), tfds.features.ClassLabel)
    ):
        raise ValueError(
            f"data set {name!r} is not one of images with boxes: an example must have "
            f"image, and objects with bbox and label; it has {', '.join(features)}"
        )
    flags = [flag for flag in ("is_crowd", "is_difficult") if flag in parts]
    inset = _INSETS.get(info.name, 0.0)
    size = [side or 0 for side in features["image"].shape[:2]]

    def target(example):
        objects = example["objects"]
        ignored = tf.zeros(tf.shape(objects["label"]), bool)
        for flag in flags:
            ignored |= objects[flag]
        return {
            "boxes": tf.reshape(objects["bbox"], [-1, 4]),
            "labels": tf.cast(objects["label"], tf.int32),
            "ignored": ignored,
            "inset": tf.constant(inset),
            "size": tf.constant(size, tf.int32),
        }

    return Layout("image", target, tuple(parts["label"].names))


def name_of_example(source: Source, index: int) -> str:
    """The file of an example, or what tells it from the others."""
    if source.files:
        return os.fspath(source.files[index])
    return f"{source.name} {source.split}, example {index}"
