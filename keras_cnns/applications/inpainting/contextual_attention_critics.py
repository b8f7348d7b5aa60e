"""The critics of contextual attention: of the whole image, of a patch around the hole.

Yu, Lin, Yang, Shen, Lu, Huang, "Generative Image Inpainting with Contextual Attention",
arXiv 1801.07892. Layers are those of the authors' code
(github.com/JiahuiYu/generative_inpainting, first version): 5x5 convolutions of stride 2
with LeakyReLU of 0.2, and one dense layer. Weights start from Glorot's uniform ones.

- ``contextual_attention_global_discriminator``, ``…_local_discriminator``.
- ``contextual_attention_torch_global_discriminator``, ``…_torch_local_discriminator``:
  of the usual PyTorch port, whose files they read
  (github.com/daa233/generative-inpainting-pytorch): strides pad both ends alike, and
  the local one is narrower. A file of both critics is read by each, which takes the one
  whose dense layer has its size.

Deviations: none known.
"""

import functools
import re
from collections.abc import Sequence

import numpy as np
from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns._checks import check_counts, check_flag, check_image_shape
from keras_cnns.applications.frame.builder import network_builder
from keras_cnns.applications.generative._parts import logits
from keras_cnns.applications.inpainting._parts import register_inpainting
from keras_cnns.layers import MatrixConv2D

_SIZE, _LEAK = 5, 0.2


def _state_dict_names(network):
    """The port's modules; none where strides pad one end more than the other."""
    if not any(isinstance(x, layers.ZeroPadding2D) for x in network.layers):
        return ()
    widths = [x.filters for x in network.layers if isinstance(x, layers.Conv2D)]
    inputs = network.get_layer("logits").input_shape[-1]
    return functools.partial(_of_one_critic, inputs=inputs, channels=widths[-1])


def _of_one_critic(modules, inputs, channels):
    """Rules for a critic that stands alone, or the one of two that has so many inputs.

    Where that tells none, all are taken, so that the error names them.
    """
    fitting = [
        prefix
        for prefix in ("", "localD.", "globalD.")
        if np.shape(modules.get(f"{prefix}linear", {}).get("weight")) == (1, inputs)
    ]
    is_known = len(fitting) == 1
    prefix = re.escape(fitting[0]) if is_known else r"(?:(?:local|global)D\.)?"
    rules = [
        (rf"{prefix}dis_conv_module\.conv(\d+)\.conv", r"conv\1"),
        (rf"{prefix}linear", "logits", channels),
    ]
    return [*rules, (r"(local|global)D\..*", None)] if is_known else rules


@network_builder(state_dict_names=_state_dict_names)
def StridedCritic(
    image_shape: tuple = (256, 256, 3),
    filters: Sequence[int] = (64, 128, 256, 256),
    torch_form: bool = False,
    name: str = "strided_critic",
) -> keras.Model:
    """General builder of the critics of whole images and of patches.

    Without normalisation, so that a gradient penalty sees each example by itself.

    Args:
        image_shape: ``(height, width, channels)`` of the images or patches.
        filters: of the 5x5 convolutions of stride 2, with LeakyReLU of 0.2.
        torch_form: whether they pad both ends alike, as in the usual PyTorch port.

    Returns:
        A ``keras.Model`` from images ``(batch, height, width, channels)`` to scores
        ``(batch, 1)``, float32, high for real ones.
    """
    check_image_shape(image_shape)
    check_counts("filters", filters)
    check_flag("torch_form", torch_form)
    padding = "valid" if torch_form else "same"
    images = keras.Input(tuple(image_shape), name="images")
    x = images
    for i, width in enumerate(filters, start=1):
        if torch_form:
            x = layers.ZeroPadding2D(_SIZE // 2, name=f"conv{i}_pad")(x)
        x = MatrixConv2D(width, _SIZE, 2, padding=padding, name=f"conv{i}")(x)
        x = layers.LeakyReLU(_LEAK, name=f"conv{i}_lrelu")(x)
    x = layers.Flatten(name="flatten")(x)
    return keras.Model(images, logits(x), name=name)


_LOCAL = (128, 128, 3)
# Parameters: kernels, biases, then the dense layer.
# fmt: off
_VARIANTS = {  # name, arguments but the defaults, params
    "ContextualAttentionGlobalDiscriminator": (
        "contextual_attention_global_discriminator", {},
        2_733_441,  # 25*(3*64 + 64*128 + 128*256 + 256*256) + 704 + 16*16*256 + 1
    ),
    "ContextualAttentionLocalDiscriminator": (
        "contextual_attention_local_discriminator",
        {"image_shape": _LOCAL, "filters": (64, 128, 256, 512)},
        4_339_329,  # 25*(3*64 + 64*128 + 128*256 + 256*512) + 960 + 8*8*512 + 1
    ),
    "ContextualAttentionTorchGlobalDiscriminator": (
        "contextual_attention_torch_global_discriminator", {"torch_form": True},
        2_733_441,  # 25*(3*64 + 64*128 + 128*256 + 256*256) + 704 + 16*16*256 + 1
    ),
    "ContextualAttentionTorchLocalDiscriminator": (
        "contextual_attention_torch_local_discriminator",
        {"image_shape": _LOCAL, "torch_form": True},
        2_684_289,  # 25*(3*64 + 64*128 + 128*256 + 256*256) + 704 + 8*8*256 + 1
    ),
}
# fmt: on


def _variant(function_name):
    name, architecture, params = _VARIANTS[function_name]
    is_port = architecture.get("torch_form", False)
    paper = "Contextual Attention, arXiv 1801.07892"
    return register_inpainting(
        StridedCritic,
        function_name,
        architecture=architecture,
        name=name,
        params=params,
        paper=f"{paper}; layers of the usual PyTorch port"
        if is_port
        else f"{paper}, section 4; layers of the authors' code",
        preprocessing="signed",
        masked=False,
        min_size=1,
        output_shape=(1,),
        stage_ends=tuple(f"conv{i}_lrelu" for i in range(1, 5)),
    )


ContextualAttentionGlobalDiscriminator = _variant(
    "ContextualAttentionGlobalDiscriminator"
)
ContextualAttentionLocalDiscriminator = _variant(
    "ContextualAttentionLocalDiscriminator"
)
ContextualAttentionTorchGlobalDiscriminator = _variant(
    "ContextualAttentionTorchGlobalDiscriminator"
)
ContextualAttentionTorchLocalDiscriminator = _variant(
    "ContextualAttentionTorchLocalDiscriminator"
)

__all__ = ["StridedCritic", *_VARIANTS]
