"""LBAM: attention maps learned from the masks, on the way down and on the way up.

Xie, Liu, Li, Cheng, Zuo, Liu, Wen, Ding, "Image Inpainting with Learnable Bidirectional
Attention Maps", arXiv 1909.00968. Layers and initial values are those of the author's
code (github.com/Vious/LBAM_Pytorch): 14 layers of 4x4 kernels and stride 2 without
biases, from N(0, 0.02).

A mask goes through convolutions of its own. Each gives an attention map g_A that
multiplies the features, and the next mask g_M = max(x, 0)^0.8. On the way down these
are forward maps, from the mask. A second chain, from the hole, gives reverse maps for
the way up: there the convolved image of the skip, as it was before attention, is
concatenated with the upconvolved features; the forward map multiplies the one, the
reverse map the other.

Ablations by argument (their definitions are unverified): ``mask_learning="fixed"`` has
mask convolutions of 1/16 and partial convolution's two functions, 1 / x and 1 where
x > 0, for g_A and g_M, so that all channels of a mask are one; ``attention="forward"``
leaves the reverse maps out, that is 1; ``activation`` puts another function in the
place of g_A. Without the adversarial loss is the trainer's matter.

Of the released code are also: no batch normalisation (the paper has it in all but the
first and the last layer (unverified)), (tanh + 1) / 2 at the end instead of |tanh|, and
reverse maps that start from (1.1, 1, 0.5, 0.5) where the paper has (1.1, 2, 1, 1) for
all (unverified). Masks have as many equal channels as images, three.

The author's PyTorch files are read. Those of the Paddle release are not: they are an
exported program and its parameters in Paddle's own format, without their names.
"""

import functools
from collections.abc import Sequence

import numpy as np
from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns._checks import check_choice, check_counts, check_flag
from keras_cnns.applications.frame.builder import network_builder
from keras_cnns.applications.frame.parts import head_dtype, normalised
from keras_cnns.applications.generative._dcgan import LEAK, small_normal
from keras_cnns.applications.inpainting._parts import (
    check_divisible,
    holes,
    masked_inputs,
    register_inpainting,
)
from keras_cnns.layers import (
    LearnableMaskActivation,
    MaskRenormalization,
    MaskUpdate,
    MatrixConv2D,
    MatrixConv2DTranspose,
)

_ACTIVATIONS = ("asymmetric_gaussian", "sigmoid", "relu", "leaky_relu", "conv3x3")
# a, mu, gamma_left, gamma_right of the maps at the start
_FORWARD = (1.1, 2.0, 1.0, 1.0)
_REVERSE = (1.1, 1.0, 0.5, 0.5)


def _strided(convolution, x, filters, name, dtype=None):
    """4x4 kernels of stride 2 without biases."""
    return convolution(
        filters,
        4,
        strides=2,
        padding="same",
        use_bias=False,
        kernel_initializer=small_normal(),
        dtype=dtype,
        name=f"{name}_conv",
    )(x)


# To half the size, and to twice the size.
_down = functools.partial(_strided, MatrixConv2D)
_up = functools.partial(_strided, MatrixConv2DTranspose)


def _activate(x, batch_norm, name):
    """LeakyReLU, after batch normalisation where asked for."""
    if batch_norm:
        x = normalised(x, name)
    return layers.LeakyReLU(LEAK, name=f"{name}_lrelu")(x)


def _unit_tanh(x):
    """(tanh(x) + 1) / 2; float32 under a 16-bit policy too."""
    x = layers.Activation("tanh", dtype=head_dtype(), name="tanh")(x)
    return layers.Rescaling(0.5, 0.5, dtype=head_dtype(), name="filled")(x)


def _attention(x, activation, initial_values, name):
    """g_A, or the function that replaces it."""
    if activation == "asymmetric_gaussian":
        return LearnableMaskActivation(*initial_values, name=name)(x)
    if activation == "conv3x3":
        return layers.Conv2D(
            x.shape[-1],
            3,
            padding="same",
            use_bias=False,
            kernel_initializer=small_normal(),
            name=name,
        )(x)
    if activation == "leaky_relu":
        return layers.LeakyReLU(LEAK, name=name)(x)
    return layers.Activation(activation, name=name)(x)


def _learned_maps(masks, widths, activation, initial_values, name):
    """An attention map of each level, by trained convolutions of the masks."""
    maps = []
    for level, width in enumerate(widths, start=1):
        step = f"{name}{level}"
        x = _down(masks, width, step)
        maps.append(_attention(x, activation, initial_values, f"{step}_attention"))
        if level < len(widths):
            masks = MaskUpdate(name=f"{step}_update")(x)
    return maps


def _fixed_maps(masks, levels, name):
    """Partial convolution's scale of each level, of one channel."""
    maps = []
    for level in range(1, levels + 1):
        layer = MaskRenormalization(4, 2, name=f"{name}{level}_attention")
        scale, masks = layer(masks)
        maps.append(scale)
    return maps


def _all_channels(masks, channels, name):
    """The masks once for each channel of the image."""
    if channels == 1:
        return masks
    return layers.Concatenate(name=name)([masks] * channels)


def _bidirectional_maps(masks, channels, filters, learned, activation, bidirectional):
    """Forward maps of all levels and reverse ones of all but the coarsest."""
    levels = len(filters)
    if not learned:
        forward = _fixed_maps(masks, levels, "encoder_mask")
        if not bidirectional:
            return forward, []
        return forward, _fixed_maps(holes(masks), levels - 1, "decoder_mask")
    valid = _all_channels(masks, channels, "encoder_masks")
    forward = _learned_maps(valid, filters, activation, _FORWARD, "encoder_mask")
    if not bidirectional:
        return forward, []
    hole = _all_channels(holes(masks), channels, "decoder_masks")
    return forward, _learned_maps(
        hole, filters[:-1], activation, _REVERSE, "decoder_mask"
    )


def _gated_join(skip, x, forward, reverse, name):
    """Skip and upconvolved features side by side, each under its map."""
    skip = layers.Multiply(name=f"{name}_skip_attended")([skip, forward])
    if reverse is not None:
        x = layers.Multiply(name=f"{name}_attended")([x, reverse])
    return layers.Concatenate(name=f"{name}_join")([skip, x])


def _clipped(arrays):
    """An attention map's values in their limits; the code clips whenever it runs."""
    limits = LearnableMaskActivation.LIMITS.values()
    return [np.clip(value, *ends) for value, ends in zip(arrays, limits)]


def _state_dict_names(network):
    """The code's modules; it counts the way up from the coarsest level on."""
    levels = sum("attended" in x.name for x in network.layers if "encoder" in x.name)
    up = [
        (rf"dc{number}\.{theirs}", f"decoder{levels - number}_{theirs}")
        for number in range(1, levels)
        for theirs in ("conv", "bn")
    ]
    return (
        (r"ec(\d+)\.conv\.conv", r"encoder\1_conv"),
        (r"ec(\d+)\.bn", r"encoder\1_bn"),
        (r"ec(\d+)\.conv\.maskConv", r"encoder_mask\1_conv"),
        (
            r"ec(\d+)\.conv\.activationFuncG_A",
            r"encoder_mask\1_attention",
            _clipped,
        ),
        (r"reverseConv(\d+)\.reverseMaskConv", r"decoder_mask\1_conv"),
        (
            r"reverseConv(\d+)\.activationFuncG_A",
            r"decoder_mask\1_attention",
            _clipped,
        ),
        *up,
        (rf"dc{levels}", "decoder0_conv"),
    )


@network_builder(
    free=("mask_learning", "attention", "activation", "batch_norm"),
    state_dict_names=_state_dict_names,
)
def LearnableAttentionUNet(
    image_shape: tuple = (256, 256, 3),
    filters: Sequence[int] = (64, 128, 256, 512, 512, 512, 512),
    mask_learning: str = "learned",
    attention: str = "forward_reverse",
    activation: str = "asymmetric_gaussian",
    batch_norm: bool = False,
    name: str = "learnable_attention_unet",
) -> keras.Model:
    """General builder of LBAM and its ablations.

    Args:
        image_shape: ``(height, width, channels)``; height and width may be None, and
            are multiples of 2 to the power of the number of levels: 28x28 images
            take two.
        filters: of each level on the way down, and of the same sizes on the way up;
            two levels or more.
        mask_learning: ``"learned"``, or ``"fixed"`` for partial convolution's maps.
        attention: ``"forward_reverse"``, or ``"forward"`` without reverse maps.
        activation: of learned mask features: ``"asymmetric_gaussian"``, ``"sigmoid"``,
            ``"relu"``, ``"leaky_relu"`` or ``"conv3x3"``.
        batch_norm: whether features are normalised after attention in all layers but
            the first and the last.

    Returns:
        A ``keras.Model`` from images ``(batch, height, width, channels)`` in [0, 1]
        and masks ``(batch, height, width, 1)``, 1 at valid pixels, to images of the
        same shape in [0, 1], float32. What is under the holes has no effect.
    """
    _check(filters, mask_learning, attention, activation)
    check_flag("batch_norm", batch_norm)
    check_divisible(image_shape, 2 ** len(filters))
    images, masks, valid = masked_inputs(image_shape)
    forward, reverse = _bidirectional_maps(
        masks,
        image_shape[2],
        filters,
        mask_learning == "learned",
        activation,
        attention == "forward_reverse",
    )
    x = layers.Concatenate(name="known_and_masks")([valid, masks])
    skips = []
    for level, (width, attended) in enumerate(zip(filters, forward), start=1):
        step = f"encoder{level}"
        skips.append(_down(x, width, step))
        x = layers.Multiply(name=f"{step}_attended")([skips[-1], attended])
        x = _activate(x, batch_norm and level > 1, step)
    for level in range(len(filters) - 1, 0, -1):
        step = f"decoder{level}"
        x = _up(x, filters[level - 1], step)
        back = reverse[level - 1] if reverse else None
        x = _gated_join(skips[level - 1], x, forward[level - 1], back, step)
        x = _activate(x, batch_norm, step)
    x = _up(x, image_shape[2], "decoder0", dtype=head_dtype())
    return keras.Model([images, masks], _unit_tanh(x), name=name)


def _check(filters, mask_learning, attention, activation):
    check_counts("filters", filters)
    if len(filters) < 2:
        raise ValueError(f"filters must be of two levels or more, got {filters!r}")
    check_choice("mask_learning", mask_learning, ("learned", "fixed"))
    check_choice("attention", attention, ("forward_reverse", "forward"))
    check_choice("activation", activation, _ACTIVATIONS)
    if mask_learning == "fixed" and activation != _ACTIVATIONS[0]:
        raise ValueError(
            f"activation={activation!r} has no effect with mask_learning='fixed', "
            "which has partial convolution's; leave it out"
        )


LBAM = register_inpainting(
    LearnableAttentionUNet,
    "LBAM",
    name="lbam",
    paper="LBAM, arXiv 1909.00968, section 3; layers of the author's code",
    # 16*(64*128 + 128*256 + 256*512 + 3*512*512) = 15_335_424 and 16*4*64 of features,
    # the same and 16*3*64 of masks, 16*(3*64 + 696_320) of reverse masks,
    # 16*(512*512 + 2*1024*512 + 1024*256 + 512*128 + 256*64 + 128*3) of the way up;
    # 4*13 of attention maps
    params=68_304_896 + 52,
    min_size=128,
    stage_ends=tuple(f"encoder{level}_lrelu" for level in range(1, 8)),
)

__all__ = ["LearnableAttentionUNet", "LBAM"]
