"""Contextual attention: a coarse filling, refined with patches of the valid part.

Yu, Lin, Yang, Shen, Lu, Huang, "Generative Image Inpainting with Contextual Attention",
arXiv 1801.07892. A first network fills the hole coarsely. Its filling, set into the
image, goes through two encoders: dilated convolutions, and convolutions with an
attention layer that fills the hole with patches of the valid part. One decoder sees
both. The critics are in ``contextual_attention_critics.py``.

Layers are those of the authors' code (github.com/JiahuiYu/generative_inpainting, first
version): ELU after every convolution but the last, no normalisation, nearest upsampling
and a 3x3 convolution to double the size; images end clipped to [-1, 1]. With image
and mask goes a map of ones, whose padded border tells where the image ends. Weights
start from Glorot's uniform ones, as there.

``contextual_attention_torch`` is the usual PyTorch port's form, whose files it reads
(github.com/daa233/generative-inpainting-pytorch): strides of 2 pad both ends alike, and
patches are normalised otherwise (``regularised_norm``). The port takes the first mask's
valid patches for all examples of a batch; here each has its own.

Deviations: masks and maps are thinned out from the first pixel, not with aligned
corners (see ``ContextualAttention``).
"""

from collections.abc import Sequence

import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns._checks import (
    check_count,
    check_counts,
    check_flag,
)
from keras_cnns.applications.frame.builder import network_builder
from keras_cnns.applications.frame.parts import head_dtype
from keras_cnns.applications.inpainting._parts import (
    check_divisible,
    holes,
    masked_inputs,
    register_inpainting,
)
from keras_cnns.layers import ContextualAttention, NearestUpsampling2D

# The level whose width each encoder's six convolutions have.
_ENCODERS = {
    "coarse": (0, 1, 1, 2, 2, 2),
    "dilated": (0, 0, 1, 1, 2, 2),
    "attentive": (0, 0, 1, 2, 2, 2),
}


@keras.saving.register_keras_serializable("keras_cnns")
def clip_to_signed(x: tf.Tensor) -> tf.Tensor:
    """What is outside of [-1, 1] becomes its nearer end; no gradient there."""
    return tf.clip_by_value(x, -1.0, 1.0)


def _conv(
    x,
    filters,
    name,
    size=3,
    strides=1,
    dilation_rate=1,
    activation="elu",
    padding="same",
):
    if padding == "valid":
        x = layers.ZeroPadding2D(size // 2, name=f"{name}_pad")(x)
    return layers.Conv2D(
        filters,
        size,
        strides=strides,
        dilation_rate=dilation_rate,
        padding=padding,
        activation=activation,
        name=name,
    )(x)


def _encoder(x, filters, name, padding, last_activation="elu"):
    """Six convolutions down to a quarter of the size; ``padding`` of strides of 2."""
    levels = _ENCODERS[name]
    for i, level in enumerate(levels, start=1):
        x = _conv(
            x,
            filters[level],
            f"{name}_conv{i}",
            size=5 if i == 1 else 3,
            strides=2 if i in (2, 4) else 1,
            padding=padding if i in (2, 4) else "same",
            activation=last_activation if i == len(levels) else "elu",
        )
    return x


def _dilated(x, filters, dilation_rates, name):
    """Convolutions that look further and further."""
    for i, rate in enumerate(dilation_rates, start=1):
        x = _conv(x, filters, f"{name}_dilated{i}", dilation_rate=rate)
    return x


def _decoder(x, filters, channels, name, output_name):
    """Up to the image's size, clipped to its range; float32 in every policy."""
    x = _conv(x, filters[2], f"{name}_conv1")
    x = _conv(x, filters[2], f"{name}_conv2")
    x = NearestUpsampling2D(name=f"{name}_upsample1")(x)
    x = _conv(x, filters[1], f"{name}_conv3")
    x = _conv(x, filters[1], f"{name}_conv4")
    x = NearestUpsampling2D(name=f"{name}_upsample2")(x)
    x = _conv(x, filters[0], f"{name}_conv5")
    x = _conv(x, max(filters[0] // 2, 1), f"{name}_conv6")
    x = _conv(x, channels, f"{name}_conv7", activation=None)
    return layers.Activation(clip_to_signed, dtype=head_dtype(), name=output_name)(x)


def _state_dict_names(network):
    """The port's modules; none where strides pad one end more than the other."""
    if not any(isinstance(x, layers.ZeroPadding2D) for x in network.layers):
        return ()
    rules = []
    for stage, theirs, encoder, dilated, decoder in (
        ("coarse", "conv", "coarse", "coarse", "coarse_decoder"),
        ("fine", "allconv", "dilated", "refined", "refined_decoder"),
    ):
        ours = {
            **{f"conv{i}": f"{encoder}_conv{i}" for i in range(1, 7)},
            **{f"conv{i + 6}": f"{dilated}_dilated{i}" for i in range(1, 5)},
            **{f"{theirs}{i + 10}": f"{decoder}_conv{i}" for i in range(1, 8)},
        }
        if stage == "fine":
            ours |= {f"pmconv{i}": f"attentive_conv{i}" for i in range(1, 7)}
            ours |= {f"pmconv{i + 2}": f"attentive_conv{i}" for i in (7, 8)}
        kinds = "(_downsample|_atrous)?"
        rules += [
            (rf"{stage}_generator\.{module}{kinds}\.conv", layer)
            for module, layer in ours.items()
        ]
    return rules


@network_builder(
    free=("masked_scores", "mask_sampling"), state_dict_names=_state_dict_names
)
def CoarseToFineNetwork(
    image_shape: tuple = (256, 256, 3),
    filters: Sequence[int] = (32, 64, 128),
    dilation_rates: Sequence[int] = (2, 4, 8, 16),
    attention_rate: int = 2,
    torch_form: bool = False,
    masked_scores: str = "zero",
    mask_sampling: str = "nearest",
    name: str = "coarse_to_fine_network",
) -> keras.Model:
    """General builder of the two-stage networks with contextual attention.

    Args:
        image_shape: ``(height, width, channels)``; height and width may be None, and
            are multiples of 4 times ``attention_rate``.
        filters: of the three levels, finest first.
        dilation_rates: of the dilated convolutions of both stages.
        attention_rate: how many times coarser than the maps, which are a quarter as
            high and wide as the image, attention compares; 1 for small images.
        torch_form: whether strides of 2 pad both ends alike and patches are normalised
            as in the usual PyTorch port.
        masked_scores: ``"zero"`` as published, or ``"excluded"``; see the layer
            ``ContextualAttention``.
        mask_sampling: ``"nearest"`` as published, or ``"minimum"``, which is stricter
            with holes of fine forms; see the layer.

    Returns:
        A ``keras.Model`` from images ``(batch, height, width, channels)`` in [-1, 1]
        and masks ``(batch, height, width, 1)``, 1 at valid pixels, to two images of
        the same shape in [-1, 1], float32: refined, coarse. What is under the holes has
        no effect.
    """
    _check(filters, dilation_rates, attention_rate, torch_form)
    padding = "valid" if torch_form else "same"
    attend = ContextualAttention(
        rate=attention_rate,
        masked_scores=masked_scores,
        mask_sampling=mask_sampling,
        regularised_norm=torch_form,
        name="attention",
    )
    check_divisible(image_shape, 4 * attention_rate)
    images, masks, valid = masked_inputs(image_shape)
    hole = holes(masks)
    ones = layers.Rescaling(0.0, 1.0, name="ones")(masks)
    x = layers.Concatenate(name="known_ones_and_holes")([valid, ones, hole])
    x = _encoder(x, filters, "coarse", padding)
    x = _dilated(x, filters[2], dilation_rates, "coarse")
    coarse = _decoder(x, filters, image_shape[2], "coarse_decoder", "coarse")

    x = layers.Multiply(name="coarse_in_holes")([coarse, hole])
    x = layers.Add(name="pasted")([valid, x])
    pasted = layers.Concatenate(name="pasted_ones_and_holes")([x, ones, hole])
    x = _encoder(pasted, filters, "dilated", padding)
    dilated = _dilated(x, filters[2], dilation_rates, "refined")
    x = _encoder(pasted, filters, "attentive", padding, last_activation="relu")
    x = attend([x, x, masks])
    x = _conv(x, filters[2], "attentive_conv7")
    x = _conv(x, filters[2], "attentive_conv8")
    x = layers.Concatenate(name="branches")([dilated, x])
    refined = _decoder(x, filters, image_shape[2], "refined_decoder", "refined")
    return keras.Model([images, masks], [refined, coarse], name=name)


def _check(filters, dilation_rates, attention_rate, torch_form):
    check_counts("filters", filters)
    if len(filters) != 3:
        raise ValueError(f"filters must be of three levels, got {filters!r}")
    check_counts("dilation_rates", dilation_rates)
    check_count("attention_rate", attention_rate)
    check_flag("torch_form", torch_form)


_PAPER = (
    "Contextual Attention, arXiv 1801.07892, section 4; layers of the authors' code"
)
_GENERATOR = {
    "preprocessing": "signed",
    # Kernels 25*5*32 + 9*(32*64 + 64*64 + 64*128 + 8*128*128 + 128*64 + 64*64 + 64*32
    # + 32*16 + 16*3), biases 1_683: 1_448_227 of the coarse stage. Two branches,
    # 880_480 and 695_968, and 576_867 after their joining of the other.
    "params": 3_601_542,
    "min_size": 8,
    "stage_ends": ("coarse_conv1", "coarse_conv3", "coarse_dilated4"),
    "traits": ("slow_xla",),
}

ContextualAttentionInpainter = register_inpainting(
    CoarseToFineNetwork,
    "ContextualAttentionInpainter",
    name="contextual_attention",
    paper=_PAPER,
    note="the paper's text gives 2.9 M (unverified); these are the code's layers",
    **_GENERATOR,
    published=(
        "Places2 validation: l1 8.6 %, l2 2.1 %, PSNR 18.91 dB, TV 25.3 % (unverified)"
    ),
)
ContextualAttentionTorchInpainter = register_inpainting(
    CoarseToFineNetwork,
    "ContextualAttentionTorchInpainter",
    architecture={"torch_form": True},
    name="contextual_attention_torch",
    paper="Contextual Attention, arXiv 1801.07892; layers of the usual PyTorch port",
    **_GENERATOR,
)

__all__ = [
    "CoarseToFineNetwork",
    "ContextualAttentionInpainter",
    "ContextualAttentionTorchInpainter",
]
