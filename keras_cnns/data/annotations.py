"""Annotated images of a folder, however they were stored, and its files read safely."""

import json
import os
from collections.abc import Sequence
from typing import Any, NamedTuple
from xml.etree import ElementTree
from xml.parsers import expat

import numpy as np

_LARGEST_XML, _DEEPEST_XML = 16 * 2**20, 32
_LARGEST_JSON = 2 * 2**30
_LONGEST_NAME = 200


class Annotated(NamedTuple):
    """One image with its boxes.

    Attributes:
        path: of the image.
        told_by: file that the annotation is in.
        size: (height, width) that the annotation tells, or None.
        boxes: float64 ``(n, 4)``, continuous (y1, x1, y2, x2) in pixels.
        names: tuple of names of classes.
        ignored: tuple of bool.
    """

    path: str
    told_by: str
    size: tuple
    boxes: np.ndarray
    names: tuple
    ignored: tuple


class AnnotatedFolder(NamedTuple):
    """A split.

    Attributes:
        images: list of ``Annotated``.
        class_names: tuple, the same for all splits.
    """

    images: list
    class_names: tuple


def read_limited(path: str, limit: int) -> bytes:
    """The content of a file.

    Raises:
        ValueError: if it has more bytes than ``limit``.
        OSError: if it cannot be read.
    """
    with open(path, "rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise ValueError(f"it has more than {limit} bytes")
    return content


def parse_xml(content: bytes) -> ElementTree.Element:
    """The root of an XML document; nothing in it is expanded or fetched.

    Raises:
        ValueError: if it declares a document type or entities, which are for more than
            data, or is nested too deeply.
        expat.ExpatError: if it is no XML.
    """
    parser, builder, within = expat.ParserCreate(), ElementTree.TreeBuilder(), []

    def refuse(*_):
        raise ValueError("it declares a document type, which annotations have not")

    def start(tag, attributes):
        within.append(tag)
        if len(within) > _DEEPEST_XML:
            raise ValueError(f"it is nested more than {_DEEPEST_XML} deep")
        builder.start(tag, attributes)

    def end(tag):
        within.pop()
        builder.end(tag)

    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = refuse
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.Parse(content, True)
    return builder.close()


def read_xml(path: str) -> ElementTree.Element:
    """The root of an XML file, as ``parse_xml`` gives it; at most 16 MiB."""
    return parse_xml(read_limited(path, _LARGEST_XML))


def read_json(path: str) -> Any:
    """The value in a JSON file of at most 2 GiB, without its ``segmentation``."""

    def without_outlines(fields):
        fields.pop("segmentation", None)
        return fields

    def refuse(text):
        raise ValueError(f"{text} is no number of JSON")

    content = read_limited(path, _LARGEST_JSON)
    return json.loads(content, object_hook=without_outlines, parse_constant=refuse)


def checked_name(value: Any, what: str) -> str:
    """The name of a class or a file.

    Raises:
        ValueError: if it is no text, empty, too long, or has line breaks or others of
            the characters that control.
    """
    is_name = isinstance(value, str) and 0 < len(value) <= _LONGEST_NAME
    if not is_name or not value.isprintable() or value != value.strip():
        raise ValueError(f"{what} must be a name, got {value!r:.50}")
    return value


def checked_box(sides: Sequence, what: str) -> tuple:
    """Four finite numbers below 1e7.

    Raises:
        ValueError: if they are not.
    """
    sides = tuple(float(side) for side in sides)
    if len(sides) != 4 or not np.isfinite(sides).all() or max(map(abs, sides)) > 1e7:
        raise ValueError(f"{what} must have four finite numbers, got {sides!r:.100}")
    return sides


def path_within(folder: str, name: str) -> str:
    """The path of a named file below a folder.

    Raises:
        ValueError: if the name is absolute or leads out of it.
    """
    parts = name.replace("\\", "/").split("/")
    if os.path.isabs(name) or ".." in parts or "\0" in name:
        raise ValueError(f"the name {name!r:.100} leads out of {folder}")
    return os.path.join(folder, *parts)
