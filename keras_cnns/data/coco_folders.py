"""Folders in the layout of COCO: one JSON file for all images of a split.

``annotations/instances_<split>.json`` or ``annotations/<split>.json``, with images in
``images/<split>/``, ``images/`` or ``<split>/``; or ``<split>/_annotations.coco.json``
with its images beside it. ``annotations.json`` alone is a split called ``train``.
"""

import os

import numpy as np

from keras_cnns import _files
from keras_cnns._checks import is_number, is_whole
from keras_cnns.data.annotations import (
    Annotated,
    AnnotatedFolder,
    checked_box,
    checked_name,
    path_within,
    read_json,
)

KIND = "annotations of COCO"
_PREFIX, _BESIDE, _SINGLE = "instances_", "_annotations.coco.json", "annotations.json"


def is_coco(folder: str) -> bool:
    """Whether a folder has JSON files where this layout has them."""
    return bool(_json_files(folder))


def list_splits(folder: str) -> list:
    """Names of the splits of a folder."""
    return sorted(_json_files(folder))


def open_coco(folder: str, split: str) -> AnnotatedFolder:
    """One split of a folder; classes are the file's categories, by their numbers.

    Raises:
        ValueError: naming the file that is missing, or cannot be read.
        OSError: if a file cannot be read.
    """
    path = _json_files(folder)[split]
    found = read_annotations(path)
    places = [
        os.path.join(folder, "images", split),
        os.path.join(folder, "images"),
        os.path.join(folder, split),
        os.path.dirname(path),
        folder,
    ]
    with _files.reading(path, KIND):
        images = [
            one._replace(path=_find_image(one.path, places)) for one in found.images
        ]
    return found._replace(images=images)


def _json_files(folder):
    """JSON file, by split."""
    inside = os.path.join(folder, "annotations")
    names = sorted(os.listdir(inside)) if os.path.isdir(inside) else []
    found = {
        name[:-5].removeprefix(_PREFIX): os.path.join(inside, name)
        for name in names
        if name.endswith(".json") and not name.startswith(".")
    }
    instances = {
        name[len(_PREFIX) : -5]: os.path.join(inside, name)
        for name in names
        if name.startswith(_PREFIX) and name.endswith(".json")
    }
    found = instances or found  # of COCO itself: also captions_, person_keypoints_
    for entry in () if found else os.scandir(folder):
        path = os.path.join(entry.path, _BESIDE)
        if entry.is_dir() and os.path.isfile(path):
            found[entry.name] = path
    single = os.path.join(folder, _SINGLE)
    if not found and os.path.isfile(single):
        found["train"] = single
    return found


def _find_image(name, places):
    paths = [path_within(place, name) for place in places]
    for path in paths:
        if os.path.isfile(path):
            return path
    raise ValueError(f"the image {name!r} is not in {', '.join(places)}")


def read_annotations(path: str) -> AnnotatedFolder:
    """What a JSON file tells; the paths are names of files.

    Raises:
        ValueError: naming the file, if it holds no such annotations or cannot be read.
    """
    with _files.reading(path, KIND):
        return _annotated(read_json(path), path)


def _annotated(stored, path):
    if not isinstance(stored, dict):
        raise ValueError(f"it must be an object, got {stored!r:.50}")
    parts = [stored.get(name) for name in ("categories", "images", "annotations")]
    for name, part in zip(("categories", "images", "annotations"), parts):
        if not isinstance(part, list) or not all(isinstance(p, dict) for p in part):
            raise ValueError(f"{name} must be a list of objects, got {part!r:.50}")
    categories, images, annotations = parts
    names = _by_id(
        categories,
        "category",
        lambda fields, what: checked_name(fields.get("name"), what),
    )
    if len(set(names.values())) < len(names):
        raise ValueError(
            f"categories have a name twice: {sorted(names.values())!r:.200}"
        )
    files = _by_id(images, "image", _file_and_size)
    objects = {number: [] for number in files}
    for i, fields in enumerate(annotations, 1):
        number, one = _object(fields, f"annotation {i}", names)
        if number not in objects:
            raise ValueError(f"annotation {i} is of the image {number!r:.50}, unknown")
        objects[number].append(one)
    found = [
        Annotated(
            file,
            path,
            size,
            np.array([box for box, _, _ in objects[number]], np.float64).reshape(-1, 4),
            tuple(name for _, name, _ in objects[number]),
            tuple(is_crowd for *_, is_crowd in objects[number]),
        )
        for number, (file, size) in files.items()
    ]
    if len({one.path for one in found}) < len(found):
        raise ValueError("images have a file_name twice")
    return AnnotatedFolder(found, tuple(names.values()))


def _by_id(rows, kind, value_of):
    """Values by id, sorted by id."""
    found = {}
    for i, fields in enumerate(rows, 1):
        what = f"{kind} {i}"
        number = fields.get("id")
        if not is_whole(number) or number in found:
            raise ValueError(
                f"the id of {what} must be a new number, got {number!r:.50}"
            )
        found[number] = value_of(fields, what)
    return dict(sorted(found.items()))


def _file_and_size(fields, what):
    name = checked_name(fields.get("file_name"), f"the file_name of {what}")
    path_within("its folder", name)
    size = fields.get("height"), fields.get("width")
    if size == (None, None):
        return name, None
    if not all(is_whole(side) and 0 < side < 2**31 for side in size):
        raise ValueError(
            f"the height and width of {what} must be numbers, got {size!r:.50}"
        )
    return name, size


def _object(fields, what, names):
    """(id of the image, (continuous box, name of the class, whether it is a crowd))"""
    box = fields.get("bbox")
    if not isinstance(box, list) or not all(map(is_number, box)):
        raise ValueError(f"the bbox of {what} must be numbers, got {box!r:.50}")
    x, y, width, height = checked_box(box, f"the bbox of {what}")
    category = fields.get("category_id")
    if not is_whole(category) or category not in names:
        raise ValueError(f"the category_id of {what} is unknown: {category!r:.50}")
    number, is_crowd = fields.get("image_id"), fields.get("iscrowd", 0)
    if not is_whole(number):
        raise ValueError(f"the image_id of {what} must be a number, got {number!r:.50}")
    if is_crowd not in (0, 1):
        raise ValueError(f"iscrowd of {what} must be 0 or 1, got {is_crowd!r:.50}")
    box = (y, x, y + height, x + width)
    return number, (box, names[category], bool(is_crowd))
