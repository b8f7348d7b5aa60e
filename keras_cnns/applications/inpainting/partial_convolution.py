"""A U-Net of partial convolutions, and its twin of plain ones.

Liu, Reda, Shih, Wang, Tao, Catanzaro, "Image Inpainting for Irregular Holes Using
Partial Convolutions", arXiv 1804.07723, table of the appendix: eight levels for 512x512
images. Convolutions of stride 2 and ReLU lead down; nearest upsampling, the skip of
the same size, a 3x3 convolution and LeakyReLU of 0.2 lead up; the last skip is the
masked image itself. Masks are upsampled and joined as features are. All layers but
the first and the last are batch-normalised.

- ``pconv_unet``: 512x512.
- ``pconv_unet256``: the seven levels of public ports for 256x256.
- ``pconv_unet256_torch``: of the common PyTorch port, whose files it reads
  (github.com/naoto0804/pytorch-inpainting-with-partial-conv): strides of 2 pad both
  ends alike, and colours are standardised within, as ImageNet's are. The port sums all
  channels' masks and leaves N out, which is put into the kernels; it has no biases but
  the last one, others that are read are 0. Files of its network with NVIDIA's layer
  (github.com/NVIDIA/partialconv), which has N, are told by their names.
- ``masked_unet``: the same table with plain convolutions, which see the masks as one
  more channel of the image; ours, to compare with.

Layers of the way down have names that start with ``encoder``, those of the way up with
``decoder``: the second stage of training freezes the layers ``encoder<level>_bn``.

Choices that the paper leaves open: biases in all convolutions; weights from N(0,
sqrt(2 / fan-in)); batch normalisation with PyTorch's momentum 0.9 (there 0.1) and
epsilon 1e-5. A public Keras port ends in a further 1x1 convolution with a sigmoid, the
paper and this one do not: outputs are not bounded. Where a stride of 2 leaves one row
of padding too many, TensorFlow puts it at the end, PyTorch at the start: the networks
are mirror images.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns._checks import (
    check_choice,
    check_counts,
    check_flag,
    check_same_length,
    check_within,
)
from keras_cnns.applications.frame.builder import network_builder
from keras_cnns.applications.frame.parts import MOMENTUM, head_dtype, normalised
from keras_cnns.applications.inpainting._parts import (
    check_divisible,
    he_normal,
    masked_inputs,
    register_inpainting,
)
from keras_cnns.layers import (
    MaskedConcatenate,
    NearestUpsampling2D,
    PartialConv2D,
    ValidPixels,
)

_LEAK = 0.2
# Of ImageNet's colours in [0, 1].
_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)


def _partial_conv(maps, filters, size, name, **kwargs):
    """Of features and masks; gives both."""
    if kwargs.get("padding") == "valid":
        kinds = ("pad", "pad_masks")
        maps = [
            layers.ZeroPadding2D(size // 2, name=f"{name}_{kind}")(x)
            for kind, x in zip(kinds, maps)
        ]
    return PartialConv2D(
        filters, size, kernel_initializer=he_normal(), name=f"{name}_conv", **kwargs
    )(maps)


def _plain_conv(maps, filters, size, name, padding="same", **kwargs):
    """Of features alone."""
    if padding == "valid":
        maps = [layers.ZeroPadding2D(size // 2, name=f"{name}_pad")(maps[0])]
    layer = layers.Conv2D(
        filters,
        size,
        padding=padding,
        kernel_initializer=he_normal(),
        name=f"{name}_conv",
        **kwargs,
    )
    return [layer(maps[0])]


def _join_masked(maps, skip, name):
    return MaskedConcatenate(name=f"{name}_join")([*maps, *skip])


def _join_plain(maps, skip, name):
    return [layers.Concatenate(name=f"{name}_join")([*maps, *skip])]


def _activate(maps, batch_norm, momentum, leak, name):
    """Batch normalisation and (Leaky)ReLU of the features; masks stay."""
    x, *masks = maps
    if batch_norm:
        x = normalised(x, name, momentum)
    # a slope of 0 is a ReLU
    return [layers.ReLU(negative_slope=leak, name=f"{name}_relu")(x), *masks]


def _double(maps, name):
    """Nearest upsampling of features and masks."""
    kinds = ("upsample", "upsample_masks")
    return [
        NearestUpsampling2D(name=f"{name}_{kind}")(x) for kind, x in zip(kinds, maps)
    ]


# How to convolve maps and how to join them with a skip.
_KINDS = {
    "partial": (_partial_conv, _join_masked),
    "plain": (_plain_conv, _join_plain),
}


def _levels(maps, filters, kernel_sizes, channels, momentum, kind, padding):
    """Down and up again; ``maps`` is features, and masks where they are followed.

    Padding is of strides of 2: ``"valid"`` follows zeros at both ends.
    """
    convolve, join = _KINDS[kind]
    skips = []
    for level, (width, size) in enumerate(zip(filters, kernel_sizes), start=1):
        skips.append(maps)
        name = f"encoder{level}"
        maps = convolve(maps, width, size, name, strides=2, padding=padding)
        maps = _activate(maps, level > 1, momentum, 0.0, name)
    for level in range(len(filters), 1, -1):
        name = f"decoder{level}"
        maps = join(_double(maps, name), skips[level - 1], name)
        maps = convolve(maps, filters[level - 2], 3, name)
        maps = _activate(maps, True, momentum, _LEAK, name)
    maps = join(_double(maps, "decoder1"), skips[0], "decoder1")
    return convolve(maps, channels, 3, "decoder1", dtype=head_dtype())[0]


def _standardised(images, masks):
    """Valid pixels less ImageNet's mean over its deviation, 0 in holes."""
    offsets = [-mean / std for mean, std in zip(_MEAN, _STD)]
    x = layers.Rescaling([1 / std for std in _STD], offsets, name="standardised")(
        images
    )
    return ValidPixels(name="standardised_known")([x, masks])


def _kernel_sizes(filters, kernel_sizes):
    """7, 5, 5 and then 3s where none are given."""
    check_counts("filters", filters)
    if kernel_sizes is None:
        return [(7, 5, 5)[i] if i < 3 else 3 for i in range(len(filters))]
    check_counts("kernel_sizes", kernel_sizes)
    check_same_length(filters=filters, kernel_sizes=kernel_sizes)
    return kernel_sizes


def _biased(arrays):
    """Biases of 0 where a layer has none."""
    kernel, *bias = arrays
    return [kernel, *(bias or [np.zeros(kernel.shape[-1:], kernel.dtype)])]


def _without_count(arrays):
    """The same of a kernel as if N were not left out."""
    kernel, *bias = _biased(arrays)
    return [kernel / math.prod(kernel.shape[:3]), *bias]


def _state_dict_names(network):
    """The port's modules; none where strides pad one end more than the other."""
    padded = any(isinstance(x, layers.ZeroPadding2D) for x in network.layers)
    is_partial = any(isinstance(x, PartialConv2D) for x in network.layers)
    if not (padded and is_partial):
        return ()
    rules = [(r".*\.mask_conv", None)]  # ones
    for theirs, ours in (("enc", "encoder"), ("dec", "decoder")):
        rules += [
            (rf"{theirs}_(\d+)\.conv\.input_conv", rf"{ours}\1_conv", _without_count),
            (rf"{theirs}_(\d+)\.conv", rf"{ours}\1_conv", _biased),
            (rf"{theirs}_(\d+)\.bn", rf"{ours}\1_bn"),
        ]
    return rules


@network_builder(free=("batch_norm_momentum",), state_dict_names=_state_dict_names)
def PartialConvUNet(
    image_shape: tuple = (512, 512, 3),
    filters: Sequence[int] = (64, 128, 256, 512, 512, 512, 512, 512),
    kernel_sizes: Sequence[int] | None = None,
    convolution: str = "partial",
    torch_form: bool = False,
    batch_norm_momentum: float = MOMENTUM,
    name: str = "partial_conv_unet",
) -> keras.Model:
    """General builder of the U-Nets of partial convolutions and of their plain twins.

    Args:
        image_shape: ``(height, width, channels)``; height and width may be None, and
            are multiples of 2 to the power of the number of levels: 28x28 images
            take two.
        filters: of each level on the way down, and of the same sizes on the way up.
        kernel_sizes: on the way down, as many; None is 7, 5, 5 and then 3s.
        convolution: ``"partial"``, or ``"plain"``, which sees the masks as one more
            channel of the images.
        torch_form: whether strides of 2, of odd kernels, pad both ends alike and
            colours are standardised (grey images not), as the common PyTorch port has
            it.
        batch_norm_momentum: fraction of running statistics kept in a step, in [0, 1).

    Returns:
        A ``keras.Model`` from images ``(batch, height, width, channels)`` in [0, 1]
        and masks ``(batch, height, width, 1)``, 1 at valid pixels, to images of the
        same shape, float32, not bounded. What is under the holes has no effect.
    """
    kernel_sizes = _kernel_sizes(filters, kernel_sizes)
    check_divisible(image_shape, 2 ** len(filters))
    check_choice("convolution", convolution, _KINDS)
    check_within("batch_norm_momentum", batch_norm_momentum)
    check_flag("torch_form", torch_form)
    images, masks, valid = masked_inputs(image_shape)
    if torch_form and any(size % 2 == 0 for size in kernel_sizes):
        raise ValueError(f"torch_form needs odd kernel_sizes, got {kernel_sizes!r}")
    is_coloured = torch_form and image_shape[2] == 3
    if is_coloured:
        valid = _standardised(images, masks)
    maps = [valid, masks]
    if convolution == "plain":
        maps = [layers.Concatenate(name="known_and_masks")(maps)]
    x = _levels(
        maps,
        filters,
        kernel_sizes,
        image_shape[2],
        batch_norm_momentum,
        convolution,
        "valid" if torch_form else "same",
    )
    if is_coloured:
        x = layers.Rescaling(_STD, _MEAN, dtype=head_dtype(), name="colours")(x)
    return keras.Model([images, masks], x, name=name)


_SEVEN = (64, 128, 256, 512, 512, 512, 512)
# Kernels on the way down and up are 49*3*64 + 25*(64*128 + 128*256) + 9*256*512
# + 9*(768*256 + 384*128 + 192*64 + 67*3) + 9*512*512*l + 9*1024*512*l for l further
# levels, biases 899 + 512*(1 + 2*l), gains and shifts 2*896 + 2*512*(1 + 2*l).
# fmt: off
_VARIANTS = {  # convolution, size, filters, params, note
    "PConvUNet": (
        "partial", 512, (*_SEVEN, 512),
        32_865_236,  # 32_848_849 + 5_507 + 10_880
        "",
    ),
    "PConvUNet256": (
        "partial", 256, _SEVEN,
        25_784_276,  # 25_770_961 + 4_483 + 8_832
        "seven levels, as public ports have for 256x256",
    ),
    "PConvUNet256Torch": (
        "partial", 256, _SEVEN,
        25_784_276,  # as above
        "the port has 4,480 biases less",
    ),
    "MaskedUNet": (
        "plain", 512, (*_SEVEN, 512),
        32_868_399,  # the masks are one more channel: 49*64 + 9*3 more
        "not in the paper: the same table with plain convolutions",
    ),
}
# fmt: on


def _variant(function_name, name):
    convolution, size, filters, params, note = _VARIANTS[function_name]
    architecture = {
        "image_shape": (size, size, 3),
        "filters": filters,
        "convolution": convolution,
        "torch_form": function_name.endswith("Torch"),
    }
    return register_inpainting(
        PartialConvUNet,
        function_name,
        architecture=architecture,
        name=name,
        paper="Partial convolutions, arXiv 1804.07723, table of the appendix",
        params=params,
        min_size=2 ** len(filters),
        stage_ends=tuple(f"encoder{i}_relu" for i in range(1, len(filters) + 1)),
        note=note,
    )


PConvUNet = _variant("PConvUNet", "pconv_unet")
PConvUNet256 = _variant("PConvUNet256", "pconv_unet256")
PConvUNet256Torch = _variant("PConvUNet256Torch", "pconv_unet256_torch")
MaskedUNet = _variant("MaskedUNet", "masked_unet")

__all__ = ["PartialConvUNet", *_VARIANTS]
