"""Tensors of files that PyTorch pickled, read as data: nothing in them is called.

A pickle is a program. Of its instructions only those are followed that build numbers,
texts, tuples, lists and dictionaries; names of functions stay names, and the calls that
PyTorch writes for plain tensors are known by them. The layout of both kinds of files,
archives and their predecessor, is that of ``torch/serialization.py``, PyTorch 2.6.

Values may be nested so that comparing, hashing or printing them takes for ever; their
types are checked before.
"""

import io
import os
import pickletools
import zipfile
from typing import NamedTuple

import numpy as np
import tensorflow as tf

_HEAD = [0x1950A86A20F9469CFC6C, 1001]  # magic number and version of no archives
_HOLDERS = ("state_dict", "model_state_dict", "model", "params_ema", "params")
_LONGEST_KEY = 100  # of a state dict among several
_VALUES = (
    "BINFLOAT", "BININT", "BININT1", "BININT2", "BINSTRING", "BINUNICODE", "LONG1",
    "SHORT_BINSTRING",
)  # fmt: skip
_CONSTANTS = {"NONE": None, "NEWFALSE": False, "NEWTRUE": True}
_EMPTY = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
# How many items an instruction takes from the stack; all since the mark where None.
_TAKEN = {
    "TUPLE": None, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3, "APPEND": 1, "APPENDS": None,
    "SETITEM": 2, "SETITEMS": None, "BUILD": 1, "REDUCE": 1, "NEWOBJ": 1,
    "BINPERSID": 1,
}  # fmt: skip
_FORMATS = {
    "torch DoubleStorage": np.dtype("<f8"),
    "torch FloatStorage": np.dtype("<f4"),
    "torch HalfStorage": np.dtype("<f2"),
    "torch BFloat16Storage": np.dtype(tf.bfloat16.as_numpy_dtype),
    "torch LongStorage": np.dtype("<i8"),  # what batch normalisation has counted
}


class _Name(str):
    """``"module name"`` of a function or class."""


class _Storage(NamedTuple):
    key: str
    format: np.dtype
    size: int


class _Tensor(NamedTuple):
    storage: _Storage
    offset: int
    shape: tuple
    strides: tuple


def read(path: str) -> dict:
    """Tensors of a state dict by name, as arrays that are not copied.

    Args:
        path: of the file; what checkpoints hold beside a ``state_dict``,
            ``model_state_dict`` or ``model``, or BasicSR's averaged ``params_ema`` or
            else ``params``, is left out. A state dict that stands alone may have any
            key, as ``netG_state_dict``; of several, their keys come before the
            tensors' names, as ``localD.linear.weight``.

    Raises:
        Exception: whatever a damaged file leads to; a ValueError if it holds anything
            but tensors by name, or a tensor reaches beyond what is stored.
    """
    with open(path, "rb") as file:
        is_archive = file.read(4) == b"PK\x03\x04"
    stored, buffers = (_archive if is_archive else _one_by_one)(path)
    for key in _HOLDERS:
        if isinstance(stored, dict) and isinstance(stored.get(key), dict):
            stored = stored[key]
    if isinstance(stored, dict) and len(stored) == 1:
        (only,) = stored.values()
        stored = only if isinstance(only, dict) else stored
    if not isinstance(stored, dict):
        raise ValueError(f"it holds a {type(stored).__name__}, not tensors by name")
    stored = _joined(stored)
    strangers = [k for k, v in stored.items() if not isinstance(v, _Tensor)]
    if strangers:
        raise ValueError(f"it holds {strangers[:5]}, not tensors by name alone")
    return {str(k): _array(str(k), *v, buffers) for k, v in stored.items()}


def _joined(stored):
    """Several state dicts as one, their keys before the names; others as they are.

    None stands there twice, and keys are short: few bytes must not make many.
    """
    parts = stored.values()
    are_state_dicts = all(
        isinstance(part, dict) and all(isinstance(x, _Tensor) for x in part.values())
        for part in parts
    )
    is_small = len({id(part) for part in parts}) == len(parts) and all(
        len(str(key)) <= _LONGEST_KEY for key in stored
    )
    if not (are_state_dicts and is_small):
        return stored
    joined = {}
    for key, part in stored.items():
        for name, tensor in part.items():
            _add(joined, "SETITEM", (f"{key}.{name}", tensor))
    return joined


def _archive(path):
    """The pickled object of an archive, and a function from a storage to its bytes."""
    with zipfile.ZipFile(path) as archive:
        members = {member.filename: member for member in archive.infolist()}
        if len(members) < len(archive.infolist()):
            raise ValueError("its archive has a member twice")
        if any(m.compress_type != zipfile.ZIP_STORED for m in members.values()):
            raise ValueError("its archive is compressed, those of PyTorch are not")
        if sum(m.file_size for m in members.values()) > os.path.getsize(path):
            raise ValueError("the members of its archive are larger than the file")
        pickles = [name for name in members if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise ValueError(f"its archive has {len(pickles)} data.pkl, it needs one")
        folder = pickles[0].rpartition("/")[0]
        order = f"{folder}/byteorder"
        if order in members and archive.read(order) != b"little":
            raise ValueError("its byte order is not little-endian")
        stored, storages = _unpickled(io.BytesIO(archive.read(pickles[0])))
        return stored, {key: archive.read(f"{folder}/data/{key}") for key in storages}


def _one_by_one(path):
    """The same of a file before PyTorch 1.6: pickles, then storages one by one."""
    with open(path, "rb") as file:
        content = file.read()
    pickles = io.BytesIO(content)
    is_pickle = content.startswith(b"\x80\x02")
    if not is_pickle or [_unpickled(pickles)[0] for _ in _HEAD] != _HEAD:
        raise ValueError("PyTorch did not write it, or it is cut short")
    if _unpickled(pickles)[0]["little_endian"] is not True:
        raise ValueError("its byte order is not little-endian")
    stored, storages = _unpickled(pickles)
    keys, _ = _unpickled(pickles)
    buffers, position = {}, pickles.tell()
    for key in keys:
        if type(key) is not str:
            raise ValueError("a key of its storages is no text")
        start = position + 8  # before it stands the number of values
        position = start + storages[key].size * storages[key].format.itemsize
        buffers[key] = memoryview(content)[start:position]
    return stored, buffers


def _unpickled(file):
    """The object of a pickle, and its storages by key.

    Dictionaries, lists, tuples, numbers and texts are what they are; a tensor is a
    ``_Tensor``.
    """
    stack, marks, memo, storages = [], [], {}, {}
    for opcode, argument, _ in pickletools.genops(file):
        name = opcode.name
        items = _taken(name, stack, marks) if name in _TAKEN else ()
        if name in _VALUES:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            stack.append(_EMPTY[name]())
        elif name == "GLOBAL":
            stack.append(_Name(argument))
        elif name == "MARK":
            marks.append(len(stack))
        elif name in ("BINPUT", "LONG_BINPUT"):
            memo[argument] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif name.startswith("TUPLE"):
            stack.append(tuple(items))
        elif name == "BINPERSID":
            storage = _storage(*items[0])
            if storages.setdefault(storage.key, storage) != storage:
                raise ValueError(f"its storage {storage.key!r} is of two kinds")
            stack.append(storage)
        elif name in ("REDUCE", "NEWOBJ"):
            stack.append(_called(stack.pop(), *items))
        elif name in _TAKEN:
            _add(stack[-1], name, items)
        elif name not in ("PROTO", "STOP"):
            raise ValueError(f"its pickle has {name}, those of PyTorch do not")
    return stack.pop(), storages


def _taken(name, stack, marks):
    """What an instruction takes from the top of the stack."""
    count = _TAKEN[name]
    start = marks.pop() if count is None else len(stack) - count
    if not 0 <= start <= len(stack):
        raise ValueError(f"its pickle has nothing to take for {name}")
    items = stack[start:]
    del stack[start:]
    return items


def _add(target, name, items):
    """Adds items to a list or dictionary; attributes of the latter are left out."""
    if name in ("APPEND", "APPENDS") and isinstance(target, list):
        target.extend(items)
        return
    if not isinstance(target, dict) or name.startswith("APPEND"):
        raise ValueError(f"its pickle adds to a {type(target).__name__}")
    if name != "BUILD":
        for key, value in zip(items[::2], items[1::2]):
            if not isinstance(key, (str, int)):
                raise ValueError(f"its pickle has a {type(key).__name__} as a key")
            if key in target:
                raise ValueError(f"it has {key!r} twice")
            target[key] = value


def _storage(kind, name, key, location, size, view=None):
    """A storage from what PyTorch pickles in its place; its location is the device."""
    if type(name) is not _Name or type(key) is not str or type(size) is not int:
        raise ValueError("it has a storage without format, key or size")
    if name not in _FORMATS:
        raise ValueError(
            f"it has a {'.'.join(name.split())}; weights are floating-point numbers, "
            "neither quantised nor complex"
        )
    if kind != "storage" or view is not None or size < 0:
        raise ValueError(f"its storage {key!r} is of an unknown kind")
    return _Storage(key, _FORMATS[name], size)


def _called(function, arguments):
    """What the few calls that are known give; nothing is called."""
    if type(function) is not _Name or type(arguments) is not tuple:
        raise ValueError("its pickle calls what is no function")
    if function == "collections OrderedDict" and len(arguments) <= 1:
        made = {}
        for pair in arguments[0] if arguments else ():
            _add(made, "SETITEM", pair)
        return made
    if function in ("torch._utils _rebuild_tensor", "torch._utils _rebuild_tensor_v2"):
        return _Tensor(*arguments[:4])
    if function == "torch._utils _rebuild_parameter":
        return arguments[0]
    raise ValueError(
        f"it calls {'.'.join(function.split())}; a state dict holds dense tensors of "
        "plain numbers by name and nothing else, as "
        "torch.save(model.cpu().state_dict(), path) writes it"
    )


def _array(name, storage, offset, shape, strides, buffers):
    """A tensor as an array over its storage's bytes; offset and strides in values."""
    if type(storage) is not _Storage:
        raise ValueError(f"{name} has no storage")
    numbers = (offset, *shape, *strides)
    if any(type(n) is not int or n < 0 for n in numbers) or len(shape) != len(strides):
        raise ValueError(f"{name} has a bad shape, offset or strides")
    values = np.frombuffer(buffers[storage.key], storage.format)
    last = offset + sum((n - 1) * step for n, step in zip(shape, strides))
    if len(values) != storage.size or (0 not in shape and last >= len(values)):
        raise ValueError(
            f"{name} has the shape {shape} and reaches beyond what is stored, it has "
            f"{len(values)} values"
        )
    steps = [step * storage.format.itemsize for step in strides]
    return np.lib.stride_tricks.as_strided(values[offset:], shape, steps)
