"""Highway networks: each layer has a gate that says how much it changes its input.

Srivastava, Greff, Schmidhuber, "Highway Networks", arXiv 1505.00387, and "Training Very
Deep Networks", arXiv 1507.06228; the fully connected nets are in ``highway_fc``.
A layer gives y = T(x) * H(x) + (1 - T(x)) * x, here computed as x + T(x) * (H(x) - x),
with a sigmoid gate T whose bias starts below zero, so that a deep net begins by handing
its input on. Layers keep the width; where it changes, the layer is a plain one.

The nets are those of the authors' Caffe definitions: "Highway B" for
CIFAR, and the MNIST net with 32 filters; the one with 16 is its narrow twin of the
second paper. Fitnet-like nets A and C (11 and 32 layers) are left out, because no table
of their layers was found.

Deviations: the first kernel of the CIFAR net starts like the others (the authors'
definition leaves it at deviation 1, by a misspelt parameter). On maps of an odd size
the 3x3 poolings round up, where Caffe's have n // 2 rows. "Highway B" has as many
outputs as classes, as the authors' current files have; their first ones had 100 even
for CIFAR-10.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns._checks import check_choice, check_counts, check_within, is_number
from keras_cnns.applications.frame.builder import (
    Design,
    classification_builder,
    pooled_classifier,
)
from keras_cnns.applications.frame.parts import (
    SMALL_IMAGES,
    classifier,
    xavier_initializer,
)
from keras_cnns.applications.frame.registry import register

if TYPE_CHECKING:
    import tensorflow as tf

# Widths and highway layers of the stages, form; params and multiply-adds, counted from
# the authors' definitions; which net of the second paper it is, and its accuracy there.
# fmt: off
_VARIANTS = {
    "Highway19": (
        (32, 80, 128), (4, 5, 5), "cifar", 2_256_838, 330.8e6,
        '19 layers, "Highway B"', "CIFAR-10 accuracy 92.40 %, augmented",
    ),
    "HighwayMnist16": (
        (16, 16, 16), (2, 3, 3), "mnist", 38_986, None,
        "10 layers of width 16", "",
    ),
    "HighwayMnist32": (
        (32, 32, 32), (2, 3, 3), "mnist", 151_690, None,
        "10 layers of width 32", "MNIST accuracy 99.55 %",
    ),
}
# fmt: on
_SAME = {"kernel_size": 3, "padding": "same"}
# What tells the CIFAR net from the MNIST one. pool: size of the pooling between stages;
# last_pool: of that after the last; dropout: rate at the input and rise per stage;
# final_filters: of a 1x1 convolution before global average pooling, which otherwise is
# replaced by a dense layer that sees the whole map.
_FORMS = {
    "cifar": {
        "first": _SAME,
        "pool": 2,
        "last_pool": None,
        "dropout": (0.2, 0.0),
        "final_filters": 100,
        "transform_gate_bias": -2.0,
        "shape": (32, 32, 3),
    },
    "mnist": {
        "first": {"kernel_size": 5, "padding": "valid"},
        "pool": 3,
        "last_pool": 2,
        "dropout": (0.2, 0.1),
        "final_filters": None,
        "transform_gate_bias": -1.0,
        "shape": (28, 28, 1),
    },
}


def carry(
    x: tf.Tensor, transformed: tf.Tensor, gate: tf.Tensor, name: str
) -> tf.Tensor:
    """x + T * (H - x)."""
    change = layers.Subtract(name=f"{name}_change")([transformed, x])
    change = layers.Multiply(name=f"{name}_gated")([gate, change])
    return layers.Add(name=f"{name}_out")([x, change])


def _highway_convolution(x, activation, gate_bias, name):
    """3x3 convolutional highway layer of the input's width."""
    filters, bias = x.shape[-1], keras.initializers.Constant(gate_bias)
    transformed = _convolution(x, filters, activation, f"{name}_transform", **_SAME)
    gate = _convolution(
        x, filters, "sigmoid", f"{name}_gate", bias_initializer=bias, **_SAME
    )
    return carry(x, transformed, gate, name)


def _convolution(x, filters, activation, name, **kwargs):
    return layers.Conv2D(
        filters,
        activation=activation,
        kernel_initializer=xavier_initializer(),
        name=name,
        **kwargs,
    )(x)


def _flat_classifier(dropout_rate):
    """Dense layer on the whole map."""

    def head(x, classes, activation):
        if None in x.shape[1:3]:
            raise ValueError(
                "height and width must be known, because the classifier sees the "
                "whole map"
            )
        x = layers.Dropout(dropout_rate, name="dropout")(x)
        x = layers.Flatten(name="flatten")(x)
        return classifier(x, classes, activation)

    return head


def check_gate_bias(value: float) -> None:
    """Refuses anything but a number of at most 0."""
    if not is_number(value) or not value <= 0:
        raise ValueError(f"transform_gate_bias must be a number <= 0, got {value!r}")


@classification_builder
def _highway(
    widths=(32, 80, 128),
    highway_layers=(4, 5, 5),
    form="cifar",
    *,
    transform_gate_bias=None,
    activation="relu",
):
    """General builder of convolutional highway networks.

    Args:
        widths: filters of the stages, between which max pooling halves the maps; a
            stage of another width than the one before starts with a plain convolution.
        highway_layers: number of highway layers in each stage.
        form: ``"cifar"`` (3x3 from the start, 2x2 pooling, a 1x1 convolution and
            global average pooling, dropout 0.2) or ``"mnist"`` (5x5 first, 3x3
            pooling, a dense layer on the last map, dropout 0.2 rising by 0.1).
        transform_gate_bias: value at which the gates' biases start, at most 0; None is
            -2 for ``"cifar"`` and -1 for ``"mnist"``.
        activation: of what the gates let through, ``"relu"`` or ``"tanh"``.
    """
    check_counts("widths", widths)
    check_counts("highway_layers", highway_layers)
    check_choice("form", form, _FORMS)
    check_choice("activation", activation, ("relu", "tanh"))
    if len(widths) != len(highway_layers):
        raise ValueError(
            f"widths={widths!r} and highway_layers={highway_layers!r} differ in length"
        )
    form = _FORMS[form]
    if transform_gate_bias is None:
        transform_gate_bias = form["transform_gate_bias"]
    check_gate_bias(transform_gate_bias)
    first_rate, rise = form["dropout"]
    dropout_rates = [first_rate + rise * i for i in range(len(widths) + 1)]
    for rate in dropout_rates:
        check_within("dropout rate", rate)

    def features(x):
        kind = form["first"]
        for stage, (width, count) in enumerate(zip(widths, highway_layers), start=1):
            rate = dropout_rates[stage - 1]
            x = layers.Dropout(rate, name=f"stage{stage}_dropout")(x)
            if stage == 1 or width != x.shape[-1]:
                x = _convolution(x, width, activation, f"stage{stage}_conv", **kind)
                kind = _SAME
            for i in range(1, count + 1):
                name = f"stage{stage}_highway{i}"
                x = _highway_convolution(x, activation, transform_gate_bias, name)
            pool = form["pool"] if stage < len(widths) else form["last_pool"]
            if pool:
                x = layers.MaxPooling2D(
                    pool, strides=2, padding="same", name=f"stage{stage}_pool"
                )(x)
        if form["final_filters"]:
            filters = form["final_filters"]
            x = _convolution(x, filters, activation, "final_conv", kernel_size=1)
        return x

    is_pooled = form["final_filters"] is not None
    head = pooled_classifier if is_pooled else _flat_classifier
    return Design(
        features,
        default_shape=form["shape"],
        min_size=max(form["first"]["kernel_size"], 2 ** (len(widths) - 1)),
        head=head(dropout_rates[-1]),
    )


def _stage_ends(highway_layers):
    return tuple(
        f"stage{s}_highway{n}_out" for s, n in enumerate(highway_layers, start=1)
    )


def _info(function_name):
    """What the registry's row of a variant takes from the table."""
    _, highway_layers, form, params, macs, *_ = _VARIANTS[function_name]
    return {
        **SMALL_IMAGES,
        "params": params,
        "macs": macs,
        "input_shape": _FORMS[form]["shape"],
        "min_size": max(_FORMS[form]["first"]["kernel_size"], 4),
        "stage_ends": _stage_ends(highway_layers),
    }


def _variant(function_name, name):
    *architecture, _, _, paper, published = _VARIANTS[function_name]
    return register(
        _highway,
        function_name,
        architecture=dict(zip(_highway.architecture, architecture)),
        name=name,
        paper=f"Highway networks, arXiv 1507.06228, {paper}",
        published=published,
        **_info(function_name),
    )


Highway19 = _variant("Highway19", "highway19")
HighwayMnist16 = _variant("HighwayMnist16", "highway_mnist16")
HighwayMnist32 = _variant("HighwayMnist32", "highway_mnist32")
Highway = register(
    _highway,
    "Highway",
    name="highway",
    paper='Highway networks, general builder (default: "Highway B")',
    **_info("Highway19"),
)

__all__ = ["Highway", *_VARIANTS]
