"""Global&Local: completion, trained with a discriminator of the image and a patch.

Iizuka, Simo-Serra, Ishikawa, "Globally and Locally Consistent Image Completion", ACM
Transactions on Graphics 36(4), 2017. Dilated convolutions let the completion network
see far; two halvings only keep it sharp. The discriminator is in
``global_local_discriminator.py``.

Batch normalisation and ReLU follow every convolution but the last. The hole is filled
with one colour before the network sees it, the mean of the training images with the
authors; it also gets the hole's mask. Layers are checked against a public port
(github.com/otenim/GLCIC-PyTorch). It takes images of any size.

``global_local_torch`` is that port's form, whose files it reads: batch normalisation
follows the ReLU, and strides of 2 pad both ends alike. The mean colour of its training
images is not in these files but in the ``config.json`` beside them, under ``mpv``: give
it as ``fill_value``.

Deviations: the hole is filled with mid-grey, 0.5, unless ``fill_value`` is given, not
with that mean colour, and images are in [0, 1], where the authors subtract it from
them, so that holes are 0. Where a stride of 2 leaves one row of padding too many,
TensorFlow puts it at the end, Torch at the start. Initial weights, which the authors do
not name, are Glorot's uniform ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns._checks import check_counts, check_flag, check_within
from keras_cnns.applications.frame.builder import network_builder
from keras_cnns.applications.frame.parts import head_dtype, normalised
from keras_cnns.applications.inpainting._parts import (
    check_divisible,
    holes,
    masked_inputs,
    register_inpainting,
)
from keras_cnns.layers import MatrixConv2D

if TYPE_CHECKING:
    import tensorflow as tf


def _rows(filters, dilation_rates):
    """Filters, kernel size, stride and dilation of each layer but the last.

    A stride below 1 is that of a deconvolution.
    """
    first, deepest = filters[0], filters[-1]
    rows = [(first, 5, 1, 1)]
    for width in filters[1:]:
        rows += [(width, 3, 2, 1), (width, 3, 1, 1)]
    rows.append((deepest, 3, 1, 1))
    rows += [(deepest, 3, 1, rate) for rate in dilation_rates]
    rows += [(deepest, 3, 1, 1)] * 2
    for width in filters[-2:0:-1]:
        rows += [(width, 4, 1 / 2, 1), (width, 3, 1, 1)]
    return [*rows, (first, 4, 1 / 2, 1), (max(first // 2, 1), 3, 1, 1)]


def _convolution(x, filters, size, stride, dilation_rate, name, torch_form=False):
    if stride < 1:
        return layers.Conv2DTranspose(
            filters, size, strides=round(1 / stride), padding="same", name=name
        )(x)
    pads_alike = torch_form and stride > 1
    if pads_alike:
        x = layers.ZeroPadding2D(size // 2, name=f"{name}_pad")(x)
    return MatrixConv2D(
        filters,
        size,
        strides=stride,
        dilation_rate=dilation_rate,
        padding="valid" if pads_alike else "same",
        name=name,
    )(x)


def block(x: tf.Tensor, row: tuple, name: str, torch_form: bool) -> tf.Tensor:
    """Convolution, batch normalisation and ReLU; the port's order is the other."""
    x = _convolution(x, *row, name, torch_form)
    x = x if torch_form else normalised(x, name)
    x = layers.ReLU(name=f"{name}_relu")(x)
    return normalised(x, name) if torch_form else x


def has_port_s_form(network: keras.Model) -> bool:
    """Whether a network was built with ``torch_form=True``; all have strides of 2."""
    return any(isinstance(x, layers.ZeroPadding2D) for x in network.layers)


def _completion_names(network):
    """The port's modules; none where the form is another."""
    if not has_port_s_form(network):
        return ()
    return ((r"(?:de)?conv(\d+)", r"conv\1"), (r"bn(\d+)", r"conv\1_bn"))


@network_builder(free=("fill_value",), state_dict_names=_completion_names)
def CompletionNetwork(
    image_shape: tuple = (256, 256, 3),
    filters: Sequence[int] = (64, 128, 256),
    dilation_rates: Sequence[int] = (2, 4, 8, 16),
    fill_value: float = 0.5,
    torch_form: bool = False,
    name: str = "completion_network",
) -> keras.Model:
    """General builder of the completion networks.

    Args:
        image_shape: ``(height, width, channels)``; height and width may be None, and
            are multiples of 2 for every level after the first: of 4 for three levels.
        filters: of each level, finest first; two levels or more.
        dilation_rates: of the dilated convolutions at the coarsest level.
        fill_value: value of the hole's pixels at the input, in [0, 1]: a number, or one
            for each channel such as the mean colour of the training images.
        torch_form: whether batch normalisation follows the ReLU and strides of 2 pad
            both ends alike, as in the public PyTorch port.

    Returns:
        A ``keras.Model`` from images ``(batch, height, width, channels)`` in [0, 1]
        and masks ``(batch, height, width, 1)``, 1 at valid pixels, to images of the
        same shape in [0, 1], float32. What is under the holes has no effect.
    """
    check_counts("filters", filters)
    if len(filters) < 2:
        raise ValueError(f"filters must be of two levels or more, got {filters!r}")
    check_counts("dilation_rates", dilation_rates)
    check_flag("torch_form", torch_form)
    check_divisible(image_shape, 2 ** (len(filters) - 1))
    fill = _fill(fill_value, image_shape[2])
    images, masks, valid = masked_inputs(image_shape)
    hole = holes(masks)
    filling = layers.Rescaling(fill, name="filling")(hole)
    x = layers.Add(name="prefilled")([valid, filling])
    x = layers.Concatenate(name="prefilled_and_holes")([x, hole])
    rows = _rows(filters, dilation_rates)
    for i, row in enumerate(rows, start=1):
        x = block(x, row, f"conv{i}", torch_form)
    x = _convolution(x, image_shape[2], 3, 1, 1, f"conv{len(rows) + 1}")
    x = layers.Activation("sigmoid", dtype=head_dtype(), name="filled")(x)
    return keras.Model([images, masks], x, name=name)


def _fill(fill_value, channels):
    """One number for each channel."""
    is_list = isinstance(fill_value, (tuple, list))
    values = list(fill_value) if is_list else [fill_value] * channels
    if len(values) != channels:
        raise ValueError(
            f"fill_value must be a number or one for each of {channels} channels, "
            f"got {fill_value!r}"
        )
    for value in values:
        check_within(f"fill_value={fill_value!r}: each", value, "[0, 1]")
    return [float(value) for value in values]


PAPER = "Globally and Locally Consistent Image Completion, ACM TOG 36(4), 2017"
PORT = f"{PAPER}; layers of the public PyTorch port"
_COMPLETION = {
    # 25*4*64 + 9*(64*128 + 128*128 + 128*256 + 8*256*256) + 16*256*128 + 9*128*128
    # + 16*128*64 + 9*(64*32 + 32*3) = 6_063_200, biases 2_979, gains and shifts 2*2_976
    "params": 6_072_131,
    "min_size": 4,
}

GlobalLocal = register_inpainting(
    CompletionNetwork,
    "GlobalLocal",
    name="global_local",
    paper=f"{PAPER}, table 1",
    **_COMPLETION,
    stage_ends=("conv1_relu", "conv3_relu", "conv12_relu"),
    published="public retrainings on 256x256 with square holes: 23.15 dB, SSIM 0.862 "
    "on Places, 26.78 dB, 0.904 on CelebA-HQ",
)
GlobalLocalTorch = register_inpainting(
    CompletionNetwork,
    "GlobalLocalTorch",
    architecture={"image_shape": (160, 160, 3), "torch_form": True},
    name="global_local_torch",
    paper=PORT,
    **_COMPLETION,
    stage_ends=("conv1_bn", "conv3_bn", "conv12_bn"),
)
__all__ = [
    "CompletionNetwork",
    "GlobalLocal",
    "GlobalLocalTorch",
]
