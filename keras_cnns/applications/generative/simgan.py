"""SimGAN: a refiner makes simulated images look real, and leaves what they show.

Shrivastava, Pfister, Tuzel, Susskind, Wang, Webb, "Learning from Simulated and
Unsupervised Images through Adversarial Training", arXiv 1612.07828. The
refiner is a residual network that keeps the size; the discriminator looks at pieces of
the image and gives a map of two classes, channel 0 refined and channel 1 real.

Eye gaze: images of 35 rows and 55 columns, 3x3 filters, 4 blocks, a map of 9x14. Hand
depth: 224x224, 7x7 filters, 10 blocks, a map of 7x7; its layers are known to us from
public ports alone (unverified).

The described nets have no normalisation. The paper names no last activation of the
refiner, ports add tanh, as here, and no initial weights; they are Glorot's uniform
ones, as in a public port. Its text speaks of two poolings in the discriminator, its
list of layers has one, as here. Deviation: the map is of logits, not of softmaxes.
"""

from collections.abc import Sequence

from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns._checks import (
    check_count,
    check_counts,
    check_image_shape,
    check_same_length,
)
from keras_cnns.applications.frame.builder import network_builder
from keras_cnns.applications.frame.parts import head_dtype
from keras_cnns.applications.generative._parts import output_images, variants_of


def _conv(x, filters, size, name, strides=1, activation=None, **kwargs):
    return layers.Conv2D(
        filters,
        size,
        strides=strides,
        padding="same",
        activation=activation,
        name=name,
        **kwargs,
    )(x)


def _block(x, filters, kernel_size, name):
    """Two convolutions with a ReLU between, the shortcut, a ReLU."""
    shortcut = x
    x = _conv(x, filters, kernel_size, f"{name}_1_conv", activation="relu")
    x = _conv(x, filters, kernel_size, f"{name}_2_conv")
    x = layers.Add(name=f"{name}_add")([shortcut, x])
    return layers.ReLU(name=f"{name}_out")(x)


@network_builder
def SimGANRefiner(
    image_shape: tuple = (35, 55, 1),
    blocks: int = 4,
    filters: int = 64,
    kernel_size: int = 3,
    name: str = "simgan_refiner",
) -> keras.Model:
    """General builder of the refiners.

    Args:
        image_shape: ``(height, width, channels)``; height and width may be None.
        blocks: number of residual blocks.
        filters: of all convolutions but the last.
        kernel_size: of all convolutions but the last, which is 1x1.

    Returns:
        A ``keras.Model`` from images ``(batch, height, width, channels)`` to
        images of the same shape in [-1, 1], float32.
    """
    check_image_shape(image_shape, fixed_size=False)
    check_count("blocks", blocks)
    check_count("filters", filters)
    check_count("kernel_size", kernel_size)
    images = keras.Input(image_shape, name="simulated")
    x = _conv(images, filters, kernel_size, "first_conv", activation="relu")
    for i in range(1, blocks + 1):
        x = _block(x, filters, kernel_size, f"block{i}")
    x = _conv(x, image_shape[2], 1, "last_conv")
    return keras.Model(images, output_images(x, "tanh"), name=name)


@network_builder
def SimGANDiscriminator(
    image_shape: tuple = (35, 55, 1),
    filters: Sequence[int] = (96, 64, 32, 32),
    kernel_sizes: Sequence[int] = (3, 3, 3, 1),
    strides: Sequence[int] = (2, 2, 1, 1),
    pool_strides: int = 1,
    name: str = "simgan_discriminator",
) -> keras.Model:
    """General builder of the discriminators.

    A 3x3 maximum follows the second convolution, or the only one.

    Args:
        image_shape: ``(height, width, channels)``; height and width may be None.
        filters: of the convolutions with ReLU; a 1x1 one to the two classes follows.
        kernel_sizes: of these convolutions.
        strides: of these convolutions.
        pool_strides: of the maximum.

    Returns:
        A ``keras.Model`` from images ``(batch, height, width, channels)`` to logits
        ``(batch, rows, columns, 2)``, float32: refined, real.
    """
    check_image_shape(image_shape, fixed_size=False)
    check_counts("filters", filters)
    check_counts("kernel_sizes", kernel_sizes)
    check_counts("strides", strides)
    check_same_length(filters=filters, kernel_sizes=kernel_sizes, strides=strides)
    check_count("pool_strides", pool_strides)
    images = keras.Input(image_shape, name="images")
    x = images
    for i, row in enumerate(zip(filters, kernel_sizes, strides), start=1):
        width, size, stride = row
        x = _conv(x, width, size, f"conv{i}", stride, "relu")
        if i == min(2, len(filters)):
            x = layers.MaxPooling2D(
                3, strides=pool_strides, padding="same", name="pool"
            )(x)
    x = _conv(x, 2, 1, "logits", dtype=head_dtype())
    return keras.Model(images, x, name=name)


_EYE, _HAND = (35, 55, 1), (224, 224, 1)
_PORTS = "layers of public ports (unverified)"
# fmt: off
_VARIANTS = {  # name, builder, arguments but its defaults, params, further fields
    "SimGANEyeRefiner": (
        "simgan_eye_refiner", SimGANRefiner, {},
        296_129,  # 9*64 + 64 + 4*2*(9*64*64 + 64) + 64 + 1
        {"output_shape": _EYE},
    ),
    "SimGANEyeDiscriminator": (
        "simgan_eye_discriminator", SimGANDiscriminator, {},
        75_906,  # 9*96 + 96 + 9*96*64 + 64 + 9*64*32 + 32 + 32*32 + 32 + 32*2 + 2
        {"output_shape": (9, 14, 2)},
    ),
    "SimGANHandRefiner": (
        "simgan_hand_refiner", SimGANRefiner,
        {"image_shape": _HAND, "blocks": 10, "kernel_size": 7},
        4_018_625,  # 49*64 + 64 + 10*2*(49*64*64 + 64) + 64 + 1
        # macs: 224*224*(49*64 + 10*2*49*64*64 + 64)
        {"output_shape": _HAND, "macs": 201_571_041_280, "note": _PORTS},
    ),
    "SimGANHandDiscriminator": (
        "simgan_hand_discriminator", SimGANDiscriminator,
        {"image_shape": _HAND, "kernel_sizes": (7, 5, 3, 1), "strides": (4, 2, 2, 1),
         "pool_strides": 2},
        178_050,  # 49*96 + 96 + 25*96*64 + 64 + 9*64*32 + 32 + 32*32 + 32 + 32*2 + 2
        {"output_shape": (7, 7, 2), "note": _PORTS},
    ),
}
# fmt: on
_variant = variants_of(
    _VARIANTS,
    task="refinement",
    paper="SimGAN, arXiv 1612.07828, implementation details",
)

SimGANEyeRefiner = _variant("SimGANEyeRefiner")
SimGANEyeDiscriminator = _variant("SimGANEyeDiscriminator")
SimGANHandRefiner = _variant("SimGANHandRefiner")
SimGANHandDiscriminator = _variant("SimGANHandDiscriminator")

__all__ = ["SimGANRefiner", "SimGANDiscriminator", *_VARIANTS]
