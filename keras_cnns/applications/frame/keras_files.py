"""Keras ``.h5`` weight files as data: arrays by layer, read and written.

All values come from the file itself, and no more than it holds (``stored_arrays`` has
what all formats must keep to).
"""

import mmap
import struct

import h5py
import numpy as np
from tensorflow import keras

from keras_cnns import _files
from keras_cnns.applications.frame.stored_arrays import check_arrays

_HEAP = b"GCOL\x01"  # the signature and version that its head begins with
_PLAIN_LAYOUTS = (h5py.h5d.COMPACT, h5py.h5d.CONTIGUOUS)


def read(path: str) -> dict:
    """Arrays of an ``.h5`` weight file, by layer, in the file's order.

    Only layers with weights are returned. All values come from the file itself, and no
    more than it holds: links of HDF5 to other places are not followed, and data sets
    that are virtual, external, in chunks or compressed are not read.

    Raises:
        ValueError: if the file is not a Keras weight file, is cut short, or has
            anything else in the place of a weight; names it.
    """
    with _files.reading(path, "an .h5 weight file"), _checked_hdf5(path) as file:
        root = _item(file, "model_weights") if "model_weights" in list(file) else file
        if not any(key.startswith("layer_names") for key in root.attrs):
            raise ValueError("it has no layer_names, so Keras did not write it")
        layers = {}
        for name in _names(root, "layer_names"):
            group = _item(root, name)
            layers[name] = {w: _item(group, w) for w in _names(group, "weight_names")}
        weights = {
            f"{name}, {key}": _plain(f"{name}, {key}", item)
            for name, items in layers.items()
            for key, item in items.items()
        }
        check_arrays(path, weights)
        return {
            name: [np.asarray(weights[f"{name}, {key}"]) for key in items]
            for name, items in layers.items()
            if items
        }


def _checked_hdf5(path):
    """The open file, if the heaps with its texts are whole; HDF5 hangs on others.

    A heap is a head of 16 bytes and entries: number, 6 bytes, size and a text, padded
    to 8 bytes. The last one, of number 0, is the space that is left.
    """
    with (
        open(path, "rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        start = content.find(_HEAP)
        while start >= 0:
            position = start + 16
            (size,) = struct.unpack_from("<Q", content, start + 8)
            end = start + size
            while position + 16 <= end <= len(content):
                number, size = struct.unpack_from("<H6xQ", content, position)
                rest = 16 + (size + 7) // 8 * 8 if number else size
                position += rest or end  # the space that is left has a size
            if position > end and end <= len(content):
                raise ValueError("a heap with its texts is damaged")
            start = content.find(_HEAP, start + 1)
    return h5py.File(path, "r")


def _names(group, key) -> list:
    """A list of names; Keras splits long lists over key0, key1, ..."""
    attributes = group.attrs
    chunks = [key] if key in attributes else []
    while f"{key}{len(chunks)}" in attributes:
        chunks.append(f"{key}{len(chunks)}")
    names = []
    for chunk in chunks:
        kind = attributes.get_id(chunk)
        is_text = h5py.check_string_dtype(kind.dtype) is not None
        if kind.shape != (0,) and not (is_text and len(kind.shape or ()) == 1):
            raise ValueError(f"{group.name}: {chunk} is not a list of names")
        names += [n.decode() if isinstance(n, bytes) else n for n in attributes[chunk]]
    if len(set(names)) < len(names):
        raise ValueError(f"{group.name}: {key} has a name twice")
    return names


def _item(group, name):
    """What a name, or a path of names, leads to by hard links alone."""
    item = group
    for part in name.split("/"):
        link = item.get(part, getlink=True) if isinstance(item, h5py.Group) else None
        if type(link) is not h5py.HardLink:
            found = "missing" if link is None else f"a {type(link).__name__}"
            raise ValueError(
                f"{group.name}: {name} is {found}; weight files hold their values "
                "themselves"
            )
        item = item[part]
    return item


def _plain(name, item):
    """A data set whose values all stand in the file as they are."""
    if not isinstance(item, h5py.Dataset):
        raise ValueError(f"{name} is a {type(item).__name__}, not a data set")
    stored = item.id.get_create_plist()
    # A virtual data set may open other files as soon as its shape is asked for.
    if stored.get_external_count() or stored.get_layout() not in _PLAIN_LAYOUTS:
        raise ValueError(
            f"{name} is external, virtual, in chunks or compressed; weight files hold "
            "their values as they are, as save_weights writes them"
        )
    if item.shape is None or item.id.get_storage_size() < item.nbytes:
        raise ValueError(f"{name} declares {item.shape} values that are not stored")
    return item


def save(model: keras.Model, path: str) -> None:
    """Writes a network's weights as an ``.h5`` file that Keras reads too.

    The file is made in memory first: HDF5 does not survive a full disk.

    Raises:
        OSError: if it cannot be written; nothing is left behind then.
    """
    with h5py.File(path, "w", driver="core", backing_store=False) as file:
        layers = [layer for layer in model.layers if layer.weights]
        file.attrs["layer_names"] = [layer.name.encode() for layer in layers]
        for layer in layers:
            group = file.create_group(layer.name)
            names = [weight.name for weight in layer.weights]
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, value in zip(names, layer.get_weights()):
                group[name] = value
        file.flush()
        image = file.id.get_file_image()
    with _files.atomic_file(path, durable=True) as target:
        target.write(image)
