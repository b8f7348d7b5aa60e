"""The registry as a Markdown table, ``docs/models.md``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keras_cnns.applications.frame.costs import count_macs

if TYPE_CHECKING:
    from tensorflow import keras

    from keras_cnns.applications.frame.registry import ModelInfo

HEADER = """\
# Models

One row per registered model, made by `python apps/list_models.py
--markdown_file=docs/models.md`. Parameters are trainable ones at the paper's number of
classes; MACs are the multiply-adds of convolutions and dense layers for one image of
the input size, counted on the built network. The input of a generator is the number of
latents, a second input comes after a plus; n is any number, and there are no MACs then.
The published figures are the papers' (or those of the code or weights that the row
names), with their protocols; none of them was reproduced here. Figures of ours come
from [`docs/fashion_mnist.json`](fashion_mnist.json), written by
`benchmarks/families.py`; most are of smaller nets of the row's builder, by the
arguments that it names.

| model | paper | parameters | MACs | input | published | weights | measured here |
|---|---|---:|---:|---|---|---|---|
"""


def input_size(info: ModelInfo) -> str:
    """Height x width x channels, or the number of latents; conditions after a plus."""
    shapes = [info.input_shape, info.condition_shape]
    return " + ".join(
        "x".join("n" if side is None else str(side) for side in shape)
        for shape in shapes
        if shape
    )


def markdown_row(info: ModelInfo, model: keras.Model, measured: dict) -> str:
    """One model's line.

    Args:
        info: ``ModelInfo``.
        model: the network, built by default.
        measured: content of ``docs/fashion_mnist.json``.
    """
    results = [r for r in measured.values() if r.get("model") == info.name]
    ours = "; ".join(
        f"{r['accuracy']:.2%} on Fashion-MNIST, {r['epochs']} epochs, "
        f"{r['params']:,} parameters"
        for r in results
    )
    cells = [
        f"`{info.name}`",
        info.paper + (f". Note: {info.note}" if info.note else ""),
        f"{info.params:,}",
        "" if None in info.input_shape else _rounded(count_macs(model)),
        input_size(info),
        info.published,
        ", ".join(info.weights),
        ours,
    ]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _rounded(macs):
    """Four digits with a unit."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if macs >= size:
            return f"{macs / size:.4g} {unit}"
    return str(macs)
