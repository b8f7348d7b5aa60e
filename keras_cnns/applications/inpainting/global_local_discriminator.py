"""Global&Local's discriminator: one column for the image, one for a patch of it.

Iizuka, Simo-Serra, Ishikawa, "Globally and Locally Consistent Image Completion", ACM
Transactions on Graphics 36(4), 2017. One column sees the whole image, the other a patch
of fixed size around the hole; both end in a vector, and one dense layer makes one logit
of the two. It takes ``[images, patches]`` of one size: whoever trains cuts the patches,
from the same images.

Batch normalisation and ReLU follow every convolution. Layers are checked against a
public port (github.com/otenim/GLCIC-PyTorch), which also has the ReLU after the dense
layers. ``global_local_torch_discriminator`` is that port's form, whose files it reads
(see ``global_local.py``), as it was trained on faces; for places it has the sixth
convolution of the image, too.

Deviations: it gives logits, the published one ends in a sigmoid. Where a stride of 2
leaves one row of padding too many, TensorFlow puts it at the end, Torch at the start.
Initial weights, which the authors do not name, are Glorot's uniform ones.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns._checks import (
    check_count,
    check_counts,
    check_flag,
    check_image_shape,
)
from keras_cnns.applications.frame.builder import network_builder
from keras_cnns.applications.generative._parts import logits
from keras_cnns.applications.inpainting._parts import register_inpainting
from keras_cnns.applications.inpainting.global_local import (
    PAPER,
    PORT,
    block,
    has_port_s_form,
)


def _state_dict_names(network):
    """The port's modules, of the patch first; none where the form is another."""
    if not has_port_s_form(network):
        return ()
    rules = [("linear1", "logits", _global_first)]
    for theirs, ours in (("model_gd", "global"), ("model_ld", "local")):
        widths = [
            x.filters
            for x in network.layers
            if isinstance(x, layers.Conv2D) and x.name.startswith(ours)
        ]
        rules += [
            (rf"{theirs}\.conv(\d+)", rf"{ours}_conv\1"),
            (rf"{theirs}\.bn(\d+)", rf"{ours}_conv\1_bn"),
            (rf"{theirs}\.linear{len(widths) + 1}", f"{ours}_dense", widths[-1]),
        ]
    return rules


def _global_first(arrays):
    """A kernel of (both columns, 1), halves exchanged; other shapes will be told."""
    kernel, *bias = arrays
    return [np.roll(kernel, kernel.size // 2, axis=0 if kernel.ndim else None), *bias]


def _column(x, filters, units, torch_form, name):
    """Strided convolutions and a dense layer: what one column sees, as a vector."""
    for i, width in enumerate(filters, start=1):
        x = block(x, (width, 5, 2, 1), f"{name}_conv{i}", torch_form)
    x = layers.Flatten(name=f"{name}_flatten")(x)
    return layers.Dense(units, activation="relu", name=f"{name}_dense")(x)


@network_builder(state_dict_names=_state_dict_names)
def ContextDiscriminator(
    image_shape: tuple = (256, 256, 3),
    local_shape: tuple | None = None,
    global_filters: Sequence[int] = (64, 128, 256, 512, 512, 512),
    local_filters: Sequence[int] = (64, 128, 256, 512, 512),
    units: int = 1024,
    torch_form: bool = False,
    name: str = "context_discriminator",
) -> keras.Model:
    """General builder of the discriminators with a global and a local column.

    Args:
        image_shape: ``(height, width, channels)`` of the whole images.
        local_shape: the same of the patches around the hole, no larger and of as many
            channels; None: half as high and wide.
        global_filters: of the 5x5 convolutions of stride 2 on the image.
        local_filters: of those on the patch.
        units: of the dense layer that ends each column.
        torch_form: as of ``CompletionNetwork``.

    Returns:
        A ``keras.Model`` from images ``(batch, height, width, channels)`` and patches
        ``(batch, local height, local width, channels)``, which the caller cuts from
        them around the hole, to logits ``(batch, 1)``, float32, high for real images.
    """
    check_image_shape(image_shape)
    local_shape = _local_shape(local_shape, image_shape)
    check_counts("global_filters", global_filters)
    check_counts("local_filters", local_filters)
    check_count("units", units)
    check_flag("torch_form", torch_form)
    images = keras.Input(tuple(image_shape), name="images")
    patches = keras.Input(local_shape, name="patches")
    columns = [
        _column(images, global_filters, units, torch_form, "global"),
        _column(patches, local_filters, units, torch_form, "local"),
    ]
    x = layers.Concatenate(name="columns")(columns)
    return keras.Model([images, patches], logits(x), name=name)


def _local_shape(local_shape, image_shape):
    """The patches' shape, checked; half the image's where none is given."""
    if local_shape is None:
        height, width, channels = image_shape
        local_shape = (max(height // 2, 1), max(width // 2, 1), channels)
    check_image_shape(local_shape, name="local_shape")
    fits = all(part <= whole for part, whole in zip(local_shape[:2], image_shape[:2]))
    if not fits or local_shape[2] != image_shape[2]:
        raise ValueError(
            f"local_shape={local_shape!r} must be no larger than image_shape="
            f"{image_shape!r}, with as many channels"
        )
    return tuple(local_shape)


GlobalLocalDiscriminator = register_inpainting(
    ContextDiscriminator,
    "GlobalLocalDiscriminator",
    name="global_local_discriminator",
    paper=f"{PAPER}, table 2",
    condition_shape=(128, 128, 3),
    # both: 25*(3*64 + 64*128 + 128*256 + 256*512 + 512*512) + 1_472 biases
    # + 2*1_472 gains and shifts = 10_863_616; global: 25*512*512 + 3*512 more;
    # dense: 2*(16*512*1024 + 1024), then 2048 + 1
    params=45_063_681,
    min_size=2,
    output_shape=(1,),
)
GlobalLocalTorchDiscriminator = register_inpainting(
    ContextDiscriminator,
    "GlobalLocalTorchDiscriminator",
    architecture={
        "image_shape": (160, 160, 3),
        "local_shape": (96, 96, 3),
        "global_filters": (64, 128, 256, 512, 512),
        "torch_form": True,
    },
    name="global_local_torch_discriminator",
    paper=PORT,
    condition_shape=(96, 96, 3),
    # 2*10_863_616 as above; dense: 25*512*1024 + 1024 + 9*512*1024 + 1024 + 2048 + 1
    params=39_557_121,
    min_size=2,
    output_shape=(1,),
)

__all__ = [
    "ContextDiscriminator",
    "GlobalLocalDiscriminator",
    "GlobalLocalTorchDiscriminator",
]
