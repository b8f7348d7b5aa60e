"""Pattern and connectivity pruning: which weights of a trained network stay.

Two methods are called *PConv*, and are mixed up: *partial convolution* of inpainting
masks **pixels** (``keras_cnns.layers.PartialConv2D``: holes of an image do not count);
*PCONV*, pattern-based pruning, masks **weights**, and is what this module is of. Its
masks are chosen once, by magnitude, and hold in inference too, unlike dropout's:

- a *pattern* keeps four of the nine weights of a 3x3 kernel (``patterns.py``), which is
  9 / 4 = 2.25 times fewer;
- *connectivity* keeps the kernels of largest L2 norm, one of R, in each layer. It
  removes connections between channels, not channels: shapes stay. A filter gives the
  constant of its bias only if all its kernels are gone.

Norms are those of whole kernels, patterns come afterwards. Layers of other kernels than
3x3 have no patterns, the first layer and depthwise ones keep all their kernels; dense
layers stay as they are.

Masks are data beside the weights: a pruned network is the same network with zeros. It
needs no other layers to be loaded, exported or served, and it is not faster in
TensorFlow, only smaller.

Sources: as ``patterns.py``; R = 3.6, the same for all layers, is PatDNN's.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import math
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np
from tensorflow import keras

from keras_cnns._checks import check_within
from keras_cnns._graph import check_functional
from keras_cnns.compression.patterns import best_patterns, pattern_library

# Their weights that convolve, and whether each connects all channels with all.
_KERNELS = (
    (
        keras.layers.SeparableConv2D,
        {"depthwise_kernel": False, "pointwise_kernel": True},
    ),
    (keras.layers.DepthwiseConv2D, {"depthwise_kernel": False}),
    (keras.layers.Conv2D, {"kernel": True}),
)


@dataclasses.dataclass(frozen=True)
class KernelRule:
    """How the kernels of one layer are pruned.

    Attributes:
        name: ``<layer>/<weight>``.
        variable: ``(height, width, channels, filters)``, or these two the other way
            round.
        library: patterns, tuples of the weights that stay; empty: none.
        connectivity: kernels for each one that is kept, at least 1.
    """

    name: str
    variable: Any
    library: tuple
    connectivity: float

    def mask(self, values: np.ndarray) -> np.ndarray:
        """Which weights stay: connectivity by whole kernels, then patterns.

        Args:
            values: of the variable's shape.

        Returns:
            bool, of that shape.
        """
        masks = [find(values) for find in self.sets()]
        return np.logical_and.reduce(masks)

    def sets(self) -> list:
        """The sets that the weights are in once pruned, as functions like ``mask``."""
        sets = []
        if self.connectivity > 1:
            sets.append(self._strongest)
        if self.library:
            sets.append(self._patterned)
        return sets

    def _patterned(self, values):
        kernels = values.reshape(9, -1)
        return best_patterns(kernels, self.library).reshape(values.shape)

    def _strongest(self, values):
        height, width, *channels = values.shape
        kernels = values.reshape(height * width, -1)
        norms = np.square(kernels, dtype=np.float64).sum(0)
        count = math.ceil(
            norms.size / self.connectivity - 1e-9
        )  # 3.6 has no exact form
        kept = np.zeros(norms.size, bool)
        kept[np.argsort(-norms, kind="stable")[:count]] = True
        return np.broadcast_to(kept.reshape(channels), values.shape)


def find_library(network: keras.Model, num_patterns: int = 8) -> tuple:
    """The most frequent natural patterns in all 3x3 kernels of a trained network.

    Args:
        network: model of the functional API, or a built ``Sequential``.
        num_patterns: as ``pattern_library`` takes it.

    Raises:
        ValueError: if there are no such kernels.
    """
    kernels = [
        np.reshape(getattr(layer, weight), (9, -1))
        for layer, weight, _ in _kernels(network)
        if _is_3x3(layer, weight)
    ]
    if not kernels:
        raise ValueError(f"{network.name} has no 3x3 kernels, so there are no patterns")
    return pattern_library(np.concatenate(kernels, axis=1), num_patterns)


def plan_pruning(
    network: keras.Model,
    library: Sequence[tuple[int, ...]] = (),
    connectivity: float = 3.6,
    other_connectivity: float = 3.6,
    keep_dense: Collection[str] = (),
) -> list:
    """The rules by which a network is pruned.

    Args:
        network: model of the functional API, or a built ``Sequential``; convolutions of
            nested models are found, those within wrappers are not.
        library: patterns of 3x3 kernels, tuples of the weights that stay; empty: none.
        connectivity: 3x3 kernels for each one that is kept, R; 1: all are.
        other_connectivity: the same of kernels of other sizes, single weights in 1x1
            layers.
        keep_dense: names of layers that are not pruned; ``*`` stands for any
            characters.

    Returns:
        A ``KernelRule`` for each weight that is pruned, in the network's order.

    Raises:
        ValueError: if R is less than 1, a name fits no layer with kernels, a name is
            there twice, or nothing would be pruned.
    """
    check_within("connectivity", connectivity, "[1, inf)")
    check_within("other_connectivity", other_connectivity, "[1, inf)")
    kernels = list(_kernels(network))
    names = dict.fromkeys(layer.name for layer, _, _ in kernels)
    for name in keep_dense:
        if not fnmatch.filter(names, name):
            raise ValueError(
                f"keep_dense must name convolutions of {network.name} "
                f"({', '.join(list(names)[:5])} ...), got {name!r}"
            )
    rules = {}
    for number, (layer, weight, connects) in enumerate(kernels):
        if any(fnmatch.fnmatchcase(layer.name, name) for name in keep_dense):
            continue
        is_3x3 = _is_3x3(layer, weight)
        factor = connectivity if is_3x3 else other_connectivity
        rule = KernelRule(
            f"{layer.name}/{weight}",
            getattr(layer, weight),
            tuple(map(tuple, library)) if is_3x3 else (),
            float(factor) if connects and number > 0 else 1.0,
        )
        if rule.name in rules:
            raise ValueError(f"{network.name} has two layers {layer.name!r}")
        if rule.sets():
            rules[rule.name] = rule
    if not rules:
        raise ValueError(
            f"nothing of {network.name} would be pruned: there are neither patterns of "
            "3x3 kernels nor a connectivity above 1 of layers after the first"
        )
    return list(rules.values())


def _kernels(network):
    """(layer, name of a weight, whether it connects all channels) of convolutions."""
    check_functional(network)
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            yield from _kernels(layer)
            continue
        for kind, weights in _KERNELS:
            if isinstance(layer, kind):
                for name, connects in weights.items():
                    yield layer, name, connects
                break


def _is_3x3(layer, weight):
    return tuple(getattr(layer, weight).shape[:2]) == (3, 3)


def prune(rules: Iterable[KernelRule]) -> dict:
    """Sets the weights to 0 that rules do not keep, at once.

    Returns:
        The masks by name of the weight, bool.
    """
    masks = {}
    for rule in rules:
        values = rule.variable.numpy()
        masks[rule.name] = rule.mask(values)
        rule.variable.assign(np.where(masks[rule.name], values, 0))
    return masks


def report_pruning(masks: dict) -> list:
    """What is left of each weight, and of all together.

    Args:
        masks: bool arrays ``(height, width, channels, filters)`` by name.

    Returns:
        For each a dict of ``weight`` (its name), ``kernel`` (height x width),
        ``kernels``, ``kept_kernels``, ``patterns`` (how many different ones there are
        in kept kernels), ``entries`` (weights), ``kept_entries``, ``sparsity`` (the
        fraction of entries that are gone) and ``compression`` (entries for each kept
        one); the last one is named ``all`` and has no ``kernel`` and ``patterns``.
    """
    rows = []
    for name, mask in masks.items():
        height, width = mask.shape[:2]
        kernels = mask.reshape(height * width, -1)
        kept = kernels[:, kernels.any(0)]
        counts = (kernels.shape[1], kept.shape[1], mask.size, int(mask.sum()))
        patterns = len(np.unique(kept, axis=1).T)
        rows.append(_row(name, f"{height}x{width}", patterns, *counts))
    names = ("kernels", "kept_kernels", "entries", "kept_entries")
    totals = [sum(row[name] for row in rows) for name in names]
    return [*rows, _row("all", None, None, *totals)]


def _row(name, kernel, patterns, kernels, kept_kernels, entries, kept_entries):
    return {
        "weight": name,
        "kernel": kernel,
        "kernels": kernels,
        "kept_kernels": kept_kernels,
        "patterns": patterns,
        "entries": entries,
        "kept_entries": kept_entries,
        "sparsity": 1 - kept_entries / entries,
        "compression": entries / kept_entries,
    }
