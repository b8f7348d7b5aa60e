"""Folders in the layout of Pascal VOC: an XML file for each image.

Either ``JPEGImages/``, ``Annotations/<name>.xml`` and, for splits,
``ImageSets/Main/<split>.txt`` with a name in each line; or images with their XML files
beside them in ``<split>/``. A folder without splits is one called ``train``.
"""

import os
import re

import numpy as np

from keras_cnns import _files
from keras_cnns.data.annotations import (
    Annotated,
    AnnotatedFolder,
    checked_box,
    checked_name,
    path_within,
    read_limited,
    read_xml,
)
from keras_cnns.data.decoding import IMAGE_EXTENSIONS

KIND = "annotations of VOC"
_IMAGES, _ANNOTATIONS, _LISTS = "JPEGImages", "Annotations", "ImageSets/Main"
_CORNERS = ("ymin", "xmin", "ymax", "xmax")
_LARGEST_LIST, _LIST_KIND = 2**26, "a list of images"
# Lists of a class have whether an image shows it behind each name.
_OF_A_CLASS = re.compile(r"\s(-1|0|1)$")


def is_voc(folder: str) -> bool:
    """Whether a folder has XML files where this layout has them."""
    return bool(_places(folder))


def list_splits(folder: str) -> list:
    """Names of the splits of a folder."""
    lists = _list_files(folder)
    if lists and os.path.isdir(os.path.join(folder, _ANNOTATIONS)):
        return sorted(lists)
    return sorted(_places(folder))


def open_voc(folder: str, split: str) -> AnnotatedFolder:
    """One split of a folder; classes are those of all its annotations, sorted.

    Raises:
        ValueError: naming the file that is missing, or cannot be read.
        OSError: if a file cannot be read.
    """
    places, lists = _places(folder), _list_files(folder)
    is_listed = split in lists and "train" in places
    annotations, images = places["train" if is_listed else split]
    by_stem = _images_by_stem(images)
    if is_listed:
        pairs = _listed(annotations, images, by_stem, lists[split])
    else:
        pairs = _paired(annotations, images, by_stem)
    read = {
        path: read_annotation(path)
        for place, _ in places.values()
        for path in _xml_files(place)
    }
    names = {name for one in read.values() for name in one.names}
    found = [read[path]._replace(path=image) for path, image in pairs]
    return AnnotatedFolder(found, tuple(sorted(names)))


def _places(folder):
    """(folder of XML files, folder of images), by split; of a folder with lists,
    those of all its splits by the name ``train``."""
    annotations = os.path.join(folder, _ANNOTATIONS)
    if os.path.isdir(annotations):
        return {"train": (annotations, os.path.join(folder, _IMAGES))}
    found = {
        entry.name: (entry.path, entry.path)
        for entry in os.scandir(folder)
        if entry.is_dir() and entry.name[0] != "." and _xml_files(entry.path)
    }
    if not found and _xml_files(folder):
        return {"train": (folder, folder)}
    return found


def _xml_files(folder):
    names = sorted(n for n in os.listdir(folder) if n.lower().endswith(".xml"))
    return [os.path.join(folder, name) for name in names if name[0] != "."]


def _list_files(folder):
    """Files with the names of images, by split; not those of one class."""
    lists = os.path.join(folder, _LISTS)
    names = sorted(os.listdir(lists)) if os.path.isdir(lists) else []
    found = {}
    for name in names:
        if name.endswith(".txt") and name[0] != ".":
            path = os.path.join(lists, name)
            if not _OF_A_CLASS.search(_names_in(path)[0]):
                found[name[:-4]] = path
    return found


def _names_in(path):
    """The lines of a list that are not empty; one empty one if all are."""
    with _files.reading(path, _LIST_KIND):
        text = read_limited(path, _LARGEST_LIST).decode()
    return [line.strip() for line in text.splitlines() if line.strip()] or [""]


def _listed(annotations, images, by_stem, path):
    """(XML file, image) of each name in a list."""
    names = _names_in(path)
    with _files.reading(path, _LIST_KIND):
        for name in names:
            path_within(annotations, checked_name(name, "each line"))
    files = [path_within(annotations, f"{name}.xml") for name in names]
    missing = [file for file in files if not os.path.lexists(file)]
    if missing:
        raise ValueError(f"{missing[0]} ({len(missing)} such) of {path} is not there")
    return [_pair(file, by_stem, images) for file in files]


def _paired(annotations, images, by_stem):
    """(XML file, image) of all of two folders, which may be one."""
    pairs = [_pair(path, by_stem, images) for path in _xml_files(annotations)]
    used = {path for _, path in pairs}
    loose = sorted(path for path in by_stem.values() if path not in used)
    if loose:
        raise ValueError(
            f"{loose[0]} ({len(loose)} such) has no annotation in {annotations}; an "
            "image without objects has an XML file without any"
        )
    return pairs


def _images_by_stem(folder):
    found = {}
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
        stem, extension = os.path.splitext(name)
        if extension.lower() not in IMAGE_EXTENSIONS or name.startswith("."):
            continue
        path = os.path.join(folder, name)
        if stem in found:
            raise ValueError(f"{found[stem]} and {path} would share an annotation")
        found[stem] = path
    return found


def _pair(path, by_stem, images):
    stem = os.path.splitext(os.path.basename(path))[0]
    if stem not in by_stem:
        raise ValueError(f"{path} has no image {stem}.* in {images}")
    return path, by_stem[stem]


def read_annotation(path: str, image: str = "") -> Annotated:
    """What an XML file tells of its image.

    Args:
        path: of the file.
        image: path of the image.

    Raises:
        ValueError: naming the file, if it is no annotation or cannot be read.
    """
    with _files.reading(path, KIND):
        root = read_xml(path)
        if root.tag != "annotation":
            raise ValueError(f"its root must be annotation, got {root.tag!r:.50}")
        objects = [
            _object(node, f"object {i}")
            for i, node in enumerate(root.findall("object"), 1)
        ]
        size = _size(root.find("size"))
    boxes = np.array([box for box, _, _ in objects], np.float64).reshape(-1, 4)
    names = tuple(name for _, name, _ in objects)
    return Annotated(image, path, size, boxes, names, tuple(f for *_, f in objects))


def _object(node, what):
    """(continuous box, name of the class, whether it is difficult)"""
    name = checked_name((node.findtext("name") or "").strip(), f"the name of {what}")
    corners = node.find("bndbox")
    if corners is None:
        raise ValueError(f"{what} has no bndbox")
    texts = [corners.findtext(side) for side in _CORNERS]
    if None in texts:
        raise ValueError(f"{what} has no {_CORNERS[texts.index(None)]} in its bndbox")
    # Inclusive pixels, counted from 1.
    y1, x1, y2, x2 = checked_box(texts, f"the bndbox of {what}")
    is_difficult = (node.findtext("difficult") or "").strip() == "1"
    return (y1 - 1, x1 - 1, y2, x2), name, is_difficult


def _size(node):
    """(height, width), or None where there is none or they are 0."""
    if node is None:
        return None
    texts = [(node.findtext(side) or "0").strip() for side in ("height", "width")]
    size = tuple(int(float(text or 0)) for text in texts)
    return size if min(size) > 0 else None
