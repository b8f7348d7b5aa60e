"""Checkpoints into networks: Keras ``.h5`` files and PyTorch state dicts.

Layers are matched by name; where a file names its layers otherwise, by position, as
Keras itself reads its public files, and only if every shape agrees. Two layers may
differ: the classifier head (classes are matched by name where names are known, else
another number of them leaves it fresh) and the first kernel (another number of input
channels adapts it). Both are said in the log.

``keras_files`` and ``state_dicts`` read the two formats.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from absl import logging
from tensorflow import keras

from keras_cnns.applications.frame import keras_files, state_dicts

if TYPE_CHECKING:
    from keras_cnns._types import NameRules

HEAD_NAME = "predictions"
# What the classifier is called in files written by older Keras releases.
_OLD_HEAD_NAMES = (HEAD_NAME, "fc1000", "probs")
# What else belongs to the top of a network that has more there than a classifier.
_BEFORE_HEAD = (
    *("dense", "embedding_dense", "embedding_bn"),
    *("fc", "fc1", "fc2", "fc6", "fc7"),
)


def load(
    model: keras.Model,
    path: str,
    adapt: bool = True,
    *,
    class_names: tuple[Sequence[str], Sequence[str]] | None = None,
    state_dict_names: NameRules | None = None,
    state_dict_hint: str = "",
    keras_names: Sequence[tuple] = (),
    check: Callable[[dict], object] | None = None,
) -> None:
    """Sets a network's weights from a file.

    Args:
        model: the network; changed in place, and only if everything fits.
        path: ``.h5`` file, or PyTorch state dict (``.safetensors``, ``.pth``, ``.pt``,
            ``.bin``, ``.tar``).
        adapt: whether the classifier may stay fresh and the first kernel be adapted;
            False wants the very network that the file was written from.
        class_names: names of the file's classes and of the network's, two sequences;
            classifiers keep the classes of equal names, the others stay fresh. None:
            they keep all classes by position if their number is equal, else none.
        state_dict_names: the family's rules from module names of PyTorch state dicts
            to layer names, or a function to them (``state_dicts``); a builder called
            with ``weights=`` passes its own.
        state_dict_hint: what to use where the network reads no such files.
        keras_names: rules from the layer names of other people's ``.h5`` files to the
            network's, pairs as of ``state_dicts``; other names stay as they are.
        check: function of the file's arrays by layer name, which raises a ValueError
            for what does not suit the network.

    Raises:
        ValueError: if the file cannot be read, or a layer is missing, extra or of
            another shape; names the layers.
    """
    targets = {layer.name: layer for layer in model.layers if layer.weights}
    heads = [name for name in targets if name.endswith(HEAD_NAME)]
    path = os.fspath(path)
    is_state_dict = state_dicts.is_state_dict(path)
    if is_state_dict:
        _check_reads_state_dicts(model.name, path, state_dict_names, state_dict_hint)
        stored, origins = state_dicts.read(path, state_dict_names)
        stored = _of_network(stored, targets)
    else:
        stored, origins = _renamed(keras_files.read(path), keras_names), {}
    if check:
        check(stored)
    first = _first_convolution(model)
    free = (*heads, first) if adapt else ()
    pairs = _match(
        stored, targets, heads, path, None if is_state_dict else free, origins
    )
    values, problems = [], []
    for name, arrays in pairs.items():
        layer = targets[name]
        have = [tuple(w.shape) for w in layer.weights]
        came = [array.shape for array in arrays]
        if adapt and name in heads and _is_same_but_classes(came, have):
            arrays = _classes(arrays, layer.get_weights(), class_names, path)
            if name == HEAD_NAME:
                _log_classes(path, came[0][-1], have[0][-1], class_names)
        elif adapt and name == first and have != came:
            arrays = _adapted(arrays, have)
            if arrays is not None:
                logging.info(
                    "%s: first kernel %r adapted from %d to %d input channels",
                    path, name, came[0][2], have[0][2],
                )  # fmt: skip
        if arrays is None or have != [array.shape for array in arrays]:
            problems.append(
                f"{_with_origin(name, origins)}: file {came}, network {have}"
            )
            continue
        values.append((layer, arrays))
    if problems:
        raise ValueError(
            f"{path} does not fit {model.name}, shapes differ: " + _some(problems)
        )
    for layer, arrays in values:
        layer.set_weights(arrays)


def _renamed(stored, rules) -> dict:
    """Arrays under the names that rules give their layers."""
    names = {}
    for name in stored:
        fitting = [rule for rule in rules if re.fullmatch(rule[0], name)]
        names[name] = re.sub(*fitting[0], name) if fitting else name
    return {names[name]: arrays for name, arrays in stored.items()}


def _is_same_but_classes(came, have) -> bool:
    """Whether all shapes of a classifier agree but the last axis, the classes.

    That is true of dense layers, of convolutions that give one map for each class, and
    of the batch normalisation of these.
    """
    others = [[(len(s), *s[:-1]) for s in shapes] for shapes in (came, have)]
    return others[0] == others[1] and len({shape[-1:] for shape in came}) == 1


def _classes(arrays, fresh, class_names, path) -> list:
    """A classifier's values: the file's for the classes that it has, else the fresh.

    Raises:
        ValueError: if the file has another number of classes than names.
    """
    if class_names is None:
        return arrays if arrays[0].shape == fresh[0].shape else fresh
    theirs, ours = class_names
    if arrays[0].shape[-1] != len(theirs):
        raise ValueError(
            f"{path} has a classifier of {arrays[0].shape[-1]} classes, but its run "
            f"names {len(theirs)}"
        )
    kept = [name for name in ours if name in theirs]
    for old, new in zip(arrays, fresh):
        columns = old[..., [theirs.index(name) for name in kept]]
        new[..., [ours.index(name) for name in kept]] = columns
    return fresh


def _log_classes(path, count, new_count, class_names):
    """One line on what becomes of the classes."""
    if class_names is not None:
        theirs, ours = class_names
        logging.info(
            "%s: the file has %d classes, the network %d; carried over by name: %s; "
            "fresh: %s",
            path, count, new_count, _some([n for n in ours if n in theirs]),
            _some([n for n in ours if n not in theirs]),
        )  # fmt: skip
    elif count == new_count:
        logging.info(
            "%s: the classifier keeps its %d classes by position; the file does not "
            "name them",
            path, count,
        )  # fmt: skip
    else:
        logging.info(
            "%s: the classifier stays fresh: the file has %d classes, the network %d",
            path, count, new_count,
        )  # fmt: skip


def _check_reads_state_dicts(name, path, state_dict_names, hint):
    if state_dict_names is None:
        raise ValueError(
            f"load_weights reads Keras .h5 files, got {path}; PyTorch files are read "
            f"where a network is built: create_model(name, weights={path!r})"
        )
    if not state_dict_names:
        hint = hint or "give Keras .h5 files"
        raise ValueError(f"{name} reads no PyTorch files: {hint}; got {path}")


def _of_network(stored, targets) -> dict:
    """A state dict's arrays in the shapes of the network.

    Such files hold classifiers as 1x1 convolutions, and depthwise kernels with their
    last two axes the other way round.
    """
    fitted = {}
    for name, arrays in stored.items():
        if name == HEAD_NAME and name not in targets:
            continue
        layer = targets.get(name)
        is_map = arrays[0].shape[:-2] == (1, 1)
        if isinstance(layer, keras.layers.Dense) and is_map:
            arrays = [arrays[0].reshape(arrays[0].shape[2:]), *arrays[1:]]
        if isinstance(layer, keras.layers.DepthwiseConv2D) and arrays[0].ndim == 4:
            arrays = [arrays[0].transpose(0, 1, 3, 2), *arrays[1:]]
        fitted[name] = arrays
    return fitted


def _match(stored, targets, heads, path, free, origins) -> dict:
    """The file's arrays under the network's layer names.

    Where they are named otherwise they are matched by position, if all shapes agree but
    those of the layers in ``free``; with None they are not.
    """
    head = HEAD_NAME if HEAD_NAME in heads else None
    plain = {name.replace("/", "_"): name for name in targets}
    renamed = {}
    for name, arrays in stored.items():
        target = plain.get(name.replace("/", "_"))
        if target is None and name in _OLD_HEAD_NAMES and head is not None:
            target = head
        renamed[target or name] = arrays
    if head is None:
        renamed = {
            k: v
            for k, v in renamed.items()
            if k in targets
            or k not in (*_OLD_HEAD_NAMES, *_BEFORE_HEAD)
            and not k.endswith(HEAD_NAME)
        }
    left_out = [n for n in renamed if n.startswith("aux") and n not in targets]
    if left_out:
        logging.info("%s: its auxiliary heads are left out", path)
        renamed = {k: v for k, v in renamed.items() if k not in left_out}
    missing = [name for name in targets if name not in renamed]
    extra = [name for name in renamed if name not in targets]
    if not missing and not extra:
        return renamed
    by_position = _by_position(stored, targets, head, free)
    if by_position is not None:
        logging.info("%s: layers are named otherwise, matched by position", path)
        return by_position
    raise ValueError(
        f"{path} does not fit the network; missing in the file: {_some(missing)}; "
        f"not in the network: {_some([_with_origin(n, origins) for n in extra])}"
    )


def _by_position(stored, targets, head, free):
    """The file's arrays in the order of the network's layers; None if they misfit."""
    if free is None:
        return None
    arrays = [v for k, v in stored.items() if head or k not in _OLD_HEAD_NAMES]
    if len(arrays) != len(targets):
        return None
    pairs = dict(zip(targets, arrays))
    fits = all(
        name in free or [tuple(w.shape) for w in targets[name].weights] == shapes
        for name, shapes in ((n, [a.shape for a in v]) for n, v in pairs.items())
    )
    return pairs if fits else None


def _with_origin(name, origins) -> str:
    """A layer, and the module of the file that it stands for if there is one."""
    return f"{name} (the file's {origins[name]})" if name in origins else name


def _some(names) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ("; ".join(names[:5]) + more) or "none"


def _first_convolution(model) -> str:
    return next(
        (x.name for x in model.layers if isinstance(x, keras.layers.Conv2D)), ""
    )


def _adapted(arrays, shapes):
    """A first kernel for another number of channels, its total response kept.

    The mean over the stored channels is repeated, scaled by stored / wanted channels:
    one channel gets the sum, so a grey image gives what its RGB copy gave.
    None where more than the number of channels differs.
    """
    kernel, *others = arrays
    wanted = shapes[0]
    same_but_channels = (
        kernel.ndim == 4
        and kernel.shape[:2] + kernel.shape[3:] == wanted[:2] + wanted[3:]
        and [a.shape for a in others] == shapes[1:]
    )
    if not same_but_channels:
        return None
    mean = kernel.mean(axis=2, keepdims=True) * (kernel.shape[2] / wanted[2])
    return [np.repeat(mean, wanted[2], axis=2), *others]
