"""Image folders: which files and classes they hold."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import tensorflow_datasets as tfds
from absl import logging

from keras_cnns import _files, _progress
from keras_cnns.data import decoding, header_files
from keras_cnns.data.decoding import IMAGE_EXTENSIONS

if TYPE_CHECKING:
    from keras_cnns.data.decoding import Header

UNLABELLED = "unlabelled"


class ImageFiles(NamedTuple):
    """The images of one split.

    Attributes:
        paths: list of the files.
        encoded: list of JPEG or PNG files to read instead, in the same order.
        labels: list of whole numbers.
        class_names: tuple of names, by label.
        channels: 1 if all images are grey, else 3.
    """

    paths: list
    encoded: list
    labels: list
    class_names: tuple
    channels: int


def list_images(folder: str) -> list:
    """Every file in a folder and the folders in it, sorted; all must be images.

    What is hidden, by a name that starts with a dot, is left out.

    Raises:
        ValueError: if a file does not have the extension of an image, or folders form
            a circle.
        OSError: if a folder cannot be read.
    """
    files = sorted(_walk(folder, ()))
    others = [f for f in files if not f.lower().endswith(IMAGE_EXTENSIONS)]
    if others:
        raise ValueError(
            f"not an image file: {others[0]} ({len(others)} such in {folder}); "
            f"images end in {', '.join(IMAGE_EXTENSIONS)}"
        )
    return files


def _walk(folder, above):
    place = os.path.realpath(folder)
    if place in above:
        raise ValueError(f"{folder} leads back to {place}, a folder that it is in")
    for entry in os.scandir(folder) if os.path.isdir(folder) else ():
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _walk(entry.path, (*above, place))
        else:
            yield entry.path


def open_folder(
    folder: str, split: str, labelled: bool, data_dir: str | None = None
) -> ImageFiles:
    """The images of ``<folder>/<split>``, whose headers are read.

    The classes are the folders in it; images further down belong to the folder's class.
    Files of formats that graphs do not decode are converted once.

    Args:
        folder, split: as named.
        labelled: whether classes are needed. If not, and images lie in the split's
            folder itself, or no folders, all are of the class ``UNLABELLED``.
        data_dir: where converted files are kept, in ``converted_images``, and headers
            of many images; None: where TFDS keeps its data.

    Raises:
        ValueError: if the folder has no such split, there are no images, a class has
            none, images lie beside the classes' folders, or a file is no image.
        OSError: if a file cannot be read, or a converted one not be written.
    """
    splits, top = _subfolders(folder), os.path.join(folder, split)
    if split not in splits:
        raise ValueError(
            f"{folder} has no folder for split {split!r}; it has "
            f"{', '.join(splits) or 'no folders'} (layout: <split>/<class>/<image>)"
        )
    names = _subfolders(top)
    _check_names(top, names)
    loose = [e.path for e in os.scandir(top) if not e.name.startswith(".")]
    loose = sorted(path for path in loose if not os.path.isdir(path))
    is_flat = not labelled and bool(loose or not names)
    if is_flat:
        by_class = {UNLABELLED: list_images(top)}
    else:
        by_class = {name: list_images(os.path.join(top, name)) for name in names}
    if not any(by_class.values()):
        hint = f" in folders of classes, but {loose[0]}" if loose else ""
        raise ValueError(f"{top} holds no images{hint}")
    _check_classes(top, by_class, [] if is_flat else loose)
    paths = [path for found in by_class.values() for path in found]
    headers = read_headers(paths, data_dir)
    return ImageFiles(
        paths,
        encoded_files(paths, headers, data_dir),
        [i for i, found in enumerate(by_class.values()) for _ in found],
        tuple(by_class),
        1 if all(header.is_grey for header in headers) else 3,
    )


def _check_names(top, names):
    """Refuses names that a file of labels, a name in each line, cannot hold."""
    for name in names:
        is_text = name.encode(errors="replace").decode() == name
        if not is_text or set("\r\n") & set(name):
            raise ValueError(
                f"{top} has a class {name!r}; names of classes must be UTF-8 without "
                "line breaks"
            )


def _check_classes(top, by_class, loose):
    empty = [name for name, found in by_class.items() if not found]
    if empty:
        raise ValueError(
            f"the class {empty[0]!r} ({len(empty)} such) of {top} has no images; "
            "remove its folder, or put images there"
        )
    if loose:
        raise ValueError(
            f"{loose[0]} ({len(loose)} such) lies beside folders of classes "
            f"({', '.join(by_class)}); put it into one of them, or elsewhere"
        )


def _subfolders(folder):
    entries = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    return [
        entry
        for entry in entries
        if not entry.startswith(".") and os.path.isdir(os.path.join(folder, entry))
    ]


def read_headers(paths: Sequence[str], data_dir: str | None = None) -> list:
    """The ``Header`` of each of some image files; those of many are kept.

    Args:
        paths: of the files.
        data_dir: where headers are kept, in ``image_headers``; None: where TFDS keeps
            its data.

    Raises:
        ValueError: naming the first that is no image, and telling how many are not.
    """
    return header_files.read_headers(paths, _kept("image_headers", data_dir))


def _kept(name, data_dir):
    folder = os.path.expanduser(data_dir or tfds.core.constants.DATA_DIR)
    return os.path.join(folder, name)


def encoded_files(
    paths: Sequence[str], headers: Sequence[Header], data_dir: str | None
) -> list:
    """Paths of the files as they are, but of JPEG or PNG copies of other formats.

    Args:
        paths, headers: of the files.
        data_dir: where copies are kept, as ``open_folder`` takes it.
    """
    folder = _kept("converted_images", data_dir)
    found, encoded = 0, []
    for path, header in zip(_progress.track(paths, "conversion"), headers):
        if not header.is_native:
            path, found = _convert(path, folder), found + 1
        encoded.append(path)
    if found:
        logging.info("%d images are neither JPEG nor PNG; converted: %s", found, folder)
    return encoded


def _convert(path, folder):
    """A PNG file of an image's pixels, named by the content of the image."""
    with open(path, "rb") as file:
        name = hashlib.sha256(file.read()).hexdigest()
    converted = os.path.join(folder, f"{name}.png")
    if not os.path.isfile(converted):
        content = decoding.read_encoded(path)
        with _files.atomic_file(converted) as file:
            file.write(content)
    return converted


def check_images(paths: Sequence[str]) -> None:
    """Decodes files.

    Raises:
        ValueError, OSError: of the first that is no image.
    """
    for path in _progress.track(paths, "images read"):
        decoding.read_image(path)
