"""Stacked what-where auto-encoders: poolings tell the decoder where maxima were.

Zhao, Mathieu, Goroshin, LeCun, "Stacked What-Where Auto-encoders", arXiv 1506.02351.
The encoder is a network of convolutions, ReLUs and poolings. Each pooled value, "what",
goes up; its place, "where", goes sideways to the unpooling of the decoder, which
mirrors the encoder and has its own weights. On top of the encoder is a classifier. The
variants are written in the paper's notation: (64)5c is a convolution to 64 maps by 5x5
kernels, 2p pooling of 2x2, 10fc a dense layer of 10 units. The last dense layer is the
classifier, and what enters it the code that the decoder starts from.

Strides and padding are not stated: poolings have the stride of their size, convolutions
keep it, windows at the edges may be part empty. The last layer of the decoder is
linear, as in public code. The networks of SVHN and CIFAR are not here: their layers are
not known to us.
"""

from __future__ import annotations

import functools
import math
import re
from typing import NamedTuple

from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns._checks import check_choice, check_flag, check_image_shape, check_within
from keras_cnns.applications.autoencoding._notation import parse_notation
from keras_cnns.applications.frame.builder import network_builder
from keras_cnns.applications.frame.parts import (
    classifier,
    dropout,
    head_dtype,
    normalised,
)
from keras_cnns.applications.frame.registry import register_network
from keras_cnns.layers import (
    MaxPoolWithSwitches2D,
    MaxUnpool2D,
    NearestUpsampling2D,
    SoftMaxPool2D,
    SoftUnpool2D,
)

# What the decoder learns of places: the exact ones, soft ones, or nothing.
UNPOOLINGS = ("where", "soft", "upsampling")
_BETA = 100.0
# Names of the layers whose outputs ``autoencoder_parts`` gives.
_PARTS = re.compile(r"reconstruction|logits|code|(encoded|decoded|where)\d+")


def autoencoder_parts(network: keras.Model) -> keras.Model:
    """A what-where auto-encoder with all that losses and users want of it.

    Args:
        network: of this family, or a copy of one.

    Returns:
        A ``keras.Model`` of the same layers, from images to a dict: the
        ``reconstruction``; the ``logits`` of a network with a classifier; the ``code``;
        the places ``where<n>`` of each pooling that tells them, n being its position in
        the notation; and the maps ``encoded<n>`` that enter a new level, after a
        pooling or before a dense layer, with what the decoder makes of each,
        ``decoded<n>``, of the same shape.

    Raises:
        ValueError: if the network is no such auto-encoder.
    """
    parts = {
        layer.name: layer.output
        for layer in network.layers
        if _PARTS.fullmatch(layer.name)
    }
    if not {"reconstruction", "code"} <= set(parts):
        raise ValueError(
            f"{network.name} is no what-where auto-encoder: it has no layer "
            "'reconstruction' or 'code'"
        )
    return keras.Model(network.inputs, parts, name=f"{network.name}_parts")


def encoded_names(parts: keras.Model) -> list:
    """Names of what the decoder starts from, of ``autoencoder_parts``.

    They are the ``code``, and ``where<n>`` of each pooling that tells places.
    """
    return [name for name in parts.output if name.startswith(("code", "where"))]


class _Style(NamedTuple):
    """What the layers of one network have in common; as the builder takes it."""

    unpooling: str
    beta: float
    batch_norm: bool
    dropout_rate: float


def _identity(x, name):
    """The same values under a name."""
    return layers.Activation("linear", name=name)(x)


# Each of these gives what a layer makes of x, and the function that mirrors the layer.


def _conv_pair(x, token, number, style):
    """Convolution, normalisation if there is any, ReLU; the very first ends linear."""
    maps, size, name = x.shape[-1], token.size, f"conv{number}"

    def block(kind, x, maps, name):
        bias = not style.batch_norm
        x = kind(maps, size, padding="same", use_bias=bias, name=name)(x)
        x = normalised(x, name) if style.batch_norm else x
        return layers.Activation("relu", name=f"{name}_relu")(x)

    def mirror(x):
        if number > 1:
            return block(layers.Conv2DTranspose, x, maps, f"de{name}")
        return layers.Conv2DTranspose(
            maps, size, padding="same", dtype=head_dtype(), name=f"de{name}"
        )(x)

    return block(layers.Conv2D, x, token.maps, name), mirror


def _pool_pair(x, token, number, style):
    """Pooling of one kind, and unpooling to the size of x."""
    size, unpooled = token.size, f"unpool{number}"
    shared = {"pool_size": size, "padding": "same"}
    if style.unpooling == "upsampling":
        what = layers.MaxPooling2D(**shared, name=f"pool{number}")(x)
        margins = [
            (n // 2, n - n // 2) for n in (-side % size for side in x.shape[1:3])
        ]

        def mirror(z):
            z = NearestUpsampling2D(size, name=unpooled)(z)
            return layers.Cropping2D(margins, name=f"crop{number}")(z)

        return what, mirror
    pool, unpool = MaxPoolWithSwitches2D(**shared, name=f"pool{number}"), MaxUnpool2D
    if style.unpooling == "soft":
        pool = SoftMaxPool2D(**shared, beta=style.beta, name=f"pool{number}")
        unpool = SoftUnpool2D
    what, where = pool(x)
    where = _identity(where, f"where{number}")
    return what, lambda z: unpool(**shared, name=unpooled)([z, where, x])


def _fc_pair(x, token, number, style):
    """Dropout, dense layer, ReLU; and a dense layer back to the shape of x."""
    shape, name = x.shape[1:], f"fc{number}"

    def mirror(z):
        z = layers.Dense(math.prod(shape), activation="relu", name=f"de{name}")(z)
        return layers.Reshape(shape, name=f"{name}_reshape")(z)

    y = layers.Flatten(name=f"{name}_flatten")(x)
    y = dropout(y, style.dropout_rate, f"{name}_dropout")
    return layers.Dense(token.size, activation="relu", name=name)(y), mirror


_PAIRS = {"conv": _conv_pair, "pool": _pool_pair, "fc": _fc_pair}


@network_builder(free=("unpooling", "beta", "dropout_rate", "include_top"))
def SWWAE(
    notation: str = "(64)5c-2p-(64)3c-2p-10fc",
    batch_norm: bool = False,
    image_shape: tuple = (28, 28, 1),
    unpooling: str = "where",
    beta: float | None = None,
    dropout_rate: float = 0.0,
    include_top: bool = True,
    name: str = "swwae",
) -> keras.Model:
    """General builder of what-where auto-encoders.

    Args:
        notation: the encoder, and the classifier if the last layer is dense, in the
            paper's notation: ``(64)5c`` is a convolution to 64 maps by 5x5 kernels,
            ``2p`` pooling of 2x2, ``10fc`` a dense layer of 10 units.
        batch_norm: whether convolutions are normalised map by map, but for the last of
            the decoder.
        image_shape: ``(height, width, channels)`` of the images.
        unpooling: ``"where"`` puts values back to where the maxima were, ``"soft"`` to
            soft places of a soft maximum, ``"upsampling"`` to all cells: the decoder is
            not told where.
        beta: inverse temperature of the soft maximum; None: the paper's 100. For
            ``"soft"`` alone.
        dropout_rate: fraction of what enters each dense layer of the encoder, the
            classifier too, that training drops, in [0, 1); 0 where there is none.
        include_top: whether the last dense layer is part of the network.

    Returns:
        A ``keras.Model`` from images ``(batch, height, width, channels)`` to their
        reconstructions of the same shape, not bounded, and if there is a classifier its
        logits ``(batch, classes)``; both float32. ``autoencoder_parts`` gives more of
        it.
    """
    tokens = parse_notation(notation)
    check_flag("batch_norm", batch_norm)
    check_image_shape(image_shape)
    check_choice("unpooling", unpooling, UNPOOLINGS)
    check_within("dropout_rate", dropout_rate)
    check_flag("include_top", include_top)
    style = _Style(unpooling, _beta(beta, unpooling), batch_norm, dropout_rate)
    head = tokens.pop() if tokens[-1].kind == "fc" else None
    if dropout_rate and tokens[-1].kind != "fc" and not (head and include_top):
        raise ValueError(
            f"dropout_rate={dropout_rate!r} has no effect without a dense layer; leave "
            "it out"
        )
    images = keras.Input(tuple(image_shape), name="images")
    code, mirrors = _encode(images, tokens, style)
    x = code
    for mirror in reversed(mirrors):
        x = mirror(x)
    outputs = layers.Activation("linear", dtype=head_dtype(), name="reconstruction")(x)
    if head and include_top:
        x = layers.Flatten(name="flatten")(code)
        x = dropout(x, dropout_rate, "dropout")
        outputs = [outputs, classifier(x, head.size, None, name="logits")]
    return keras.Model(images, outputs, name=name)


def _beta(beta, unpooling):
    """The checked inverse temperature, the paper's if none is given."""
    if beta is None:
        return _BETA
    check_within("beta", beta, "[0, inf)")
    if unpooling != "soft":
        raise ValueError(
            f"beta={beta!r} has no effect with unpooling={unpooling!r}; leave it out"
        )
    return beta


def _encode(x, tokens, style):
    """(code, functions that mirror the layers, first layer first)."""
    mirrors, before = [], ""
    for number, token in enumerate(tokens, start=1):
        if before == "pool" or (before and token.kind == "fc"):
            x = _identity(x, f"encoded{number}")
            mirrors.append(functools.partial(_identity, name=f"decoded{number}"))
        x, mirror = _PAIRS[token.kind](x, token, number, style)
        mirrors.append(mirror)
        before = token.kind
    return _identity(x, "code"), mirrors


def _variant(function_name, name, params, paper, architecture, **info):
    """Enters the constructor of one row."""
    architecture = {"image_shape": (28, 28, 1), **architecture}
    shape = architecture["image_shape"]
    return register_network(
        SWWAE,
        function_name,
        architecture=architecture,
        name=name,
        task="autoencoding",
        paper=f"SWWAE, arXiv 1506.02351{paper}",
        params=params,
        input_shape=shape,
        output_shape=shape,
        preprocessing="unit",
        **info,
    )


SWWAEMNIST = _variant(
    "SWWAEMNIST",
    "swwae_mnist",
    # 1664 + 36928, 3136*10 + 10; 36928 + 1601 of the decoder
    108_491,
    "; the example of its notation (unverified)",
    {"notation": "(64)5c-2p-(64)3c-2p-10fc"},
    published="MNIST error 8.71 % with 100 labels, 2.83 % with 1000 (unverified)",
)
SWWAEProbe = _variant(
    "SWWAEProbe",
    "swwae_probe",
    10_081,  # 416 + 4640; 4624 + 401 of the decoder
    ', the probe of what "where" tells; its pooling varies',
    {"notation": "(16)5c-(32)3c-2p"},
)
SWWAESmall = _variant(
    "SWWAESmall",
    "swwae_small",
    25_771,  # as the probe, and 1568*10 + 10
    "",
    {"notation": "(16)5c-2p-(32)3c-2p-10fc"},
    note="narrower than the paper's",
)
SWWAESTL10 = _variant(
    "SWWAESTL10",
    "swwae_stl10",
    # kernels 9*(3*64 + 64*64 + 64*128 + 128*128 + 128*256 + 2*256*256 + 256*512
    # + 2*512*512) twice, gains and shifts 2*2688 + 2*2176, 3 biases, 2048*10 + 10
    15_295_373,
    "",
    {
        "notation": "(64)3c-4p-(64)3c-3p-(128)3c-(128)3c-2p-(256)3c-(256)3c-(256)3c-"
        "(512)3c-(512)3c-(512)3c-2p-10fc",
        "batch_norm": True,
        "image_shape": (96, 96, 3),
    },
    published="STL-10 accuracy 74.3 %, with the unlabelled images",
)

__all__ = [
    "UNPOOLINGS",
    "SWWAE",
    "SWWAEMNIST",
    "SWWAEProbe",
    "SWWAESTL10",
    "SWWAESmall",
    "autoencoder_parts",
    "encoded_names",
    "parse_notation",
]
