"""PyTorch state dicts as arrays by layer, in the form of our own weight files.

PyTorch is not needed: ``.safetensors`` are read by the package safetensors, files that
PyTorch pickled by ``pickled_tensors``, which executes nothing.

A family's rules are pairs of a regular expression over the whole module name and the
layer name it becomes, where ``\\1`` is the first group and ``{\\1+1}`` its number plus
one; a rule that gives None drops the module. A rule may have a third entry: of a dense
layer behind flattened maps their number of channels, since PyTorch flattens channel by
channel, Keras position by position; of other layers a function of their arrays, axes in
Keras' order, that reorders them.
"""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING

import numpy as np

from keras_cnns._files import reading
from keras_cnns.applications.frame import pickled_tensors
from keras_cnns.applications.frame.stored_arrays import check_arrays

if TYPE_CHECKING:
    from keras_cnns._types import NameRules

_STARTS = (b"PK\x03\x04", b"\x80\x02")  # of archives, of what came before them
SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".tar")
# A module's tensors, in the order of a Keras layer's weights; then those of LBAM's
# attention maps.
_TENSORS = (
    *("weight", "bias", "running_mean", "running_var"),
    *("a", "mu", "sigma1", "sigma2"),
)
_COUNTER = r"(^|\.)num_batches_tracked$"  # of batch normalisation; Keras has none
_SUM = re.compile(r"\{(\d+)\+(\d+)\}")


def is_state_dict(path: str) -> bool:
    """Whether a file is a PyTorch state dict: by its ending, or its start if none."""
    if os.path.splitext(path)[1] or not os.path.isfile(path):
        return path.endswith(SUFFIXES)
    with reading(path, "weights"), open(path, "rb") as file:
        return file.read(4).startswith(_STARTS)


def read(path: str, names: NameRules) -> tuple:
    """Arrays of a state dict under layer names, kernels in Keras' order of axes.

    Args:
        path: ``.safetensors``, ``.pth``, ``.pt``, ``.bin`` or ``.tar`` file, or one of
            PyTorch without an ending.
        names: rules from module names to layer names, or, where names alone do not
            tell, a function to them from the file's tensors by module and name.

    Returns:
        Lists of arrays by layer name, in the order of ``layer.weights``: kernel, bias;
        or gamma, beta, mean, variance. And the file's module by layer name.

    Raises:
        ValueError: if the file cannot be read, or no rule fits one of its modules.
        ImportError: if the package safetensors is wanted and not installed.
    """
    modules = {}
    for key, array in _tensors(path).items():
        module, _, tensor = key.rpartition(".")
        if tensor in _TENSORS:
            modules.setdefault(module, {})[tensor] = array
        else:
            raise ValueError(f"{path}: unknown tensor {key!r}")
    names = names(modules) if callable(names) else names
    layers, origins, strangers = {}, {}, []
    for module, tensors in modules.items():
        fitting = [rule for rule in names if re.fullmatch(rule[0], module)]
        if not fitting:
            strangers.append(module)
        elif fitting[0][1] is not None:
            pattern, template, *order = fitting[0]
            name = _layer_name(module, pattern, template)
            if name in layers:
                raise ValueError(
                    f"{path}: {origins[name]} and {module} both stand for the layer "
                    f"{name}"
                )
            origins[name] = module
            layers[name] = [tensors[t] for t in _TENSORS if t in tensors]
            if "running_mean" in tensors:  # some old files hold them as (1, channels)
                layers[name] = [
                    array[0] if array.ndim == 2 and len(array) == 1 else array
                    for array in layers[name]
                ]
            reorders = bool(order) and callable(order[0])
            layers[name][0] = _kernel(layers[name][0], *(() if reorders else order))
            if reorders:
                layers[name] = order[0](layers[name])
    if strangers:
        more = f" and {len(strangers) - 5} more" if len(strangers) > 5 else ""
        raise ValueError(
            f"{path} is of another architecture, it has the modules "
            f"{', '.join(strangers[:5])}{more}, which the network does not know"
        )
    return layers, origins


def _layer_name(module, pattern, template):
    name = re.sub(pattern, template, module)
    return _SUM.sub(lambda match: str(int(match[1]) + int(match[2])), name)


def _kernel(array, channels=1):
    """(out, in, height, width) to (height, width, in, out); (out, in) to (in, out).

    With channels, ``in`` of the latter goes from channel by channel to position by
    position; one that is no multiple of them is of another network.
    """
    if array.ndim == 4:
        return array.transpose(2, 3, 1, 0)
    if array.ndim != 2:
        return array
    size = array.shape[1]
    if size % channels == 0:
        maps = array.reshape(len(array), channels, size // channels)
        array = maps.transpose(0, 2, 1).reshape(len(array), size)
    return array.T


def _tensors(path):
    """All tensors of a file by name, as float32; without the counters of batches."""
    if path.endswith(".safetensors"):
        tensors = _safetensors(path)
    else:
        with reading(path, "a PyTorch state dict"):
            tensors = pickled_tensors.read(path)
    with reading(path, "a PyTorch state dict"):
        if all(key.startswith("module.") for key in tensors):  # of DataParallel
            tensors = {key.removeprefix("module."): v for key, v in tensors.items()}
        tensors = {k: v for k, v in tensors.items() if not re.search(_COUNTER, k)}
        check_arrays(path, tensors)
        return {key: array.astype(np.float32) for key, array in tensors.items()}


def _safetensors(path):
    try:
        import safetensors.numpy
    except ImportError as error:
        raise ImportError(
            f"{path} needs the package safetensors: pip install 'keras-cnns[weights]'"
        ) from error
    with reading(path, "safetensors"):
        tensors = safetensors.numpy.load_file(path)
        with open(path, "rb") as file:  # the package keeps one of equal names
            length = int.from_bytes(file.read(8), "little")
            json.loads(file.read(length), object_pairs_hook=_refuse_twice)
        return tensors


def _refuse_twice(pairs):
    names = set()
    for name, _ in pairs:
        if name in names:
            raise ValueError(f"its header has {name!r} twice")
        names.add(name)
