"""The first generative adversarial nets' convolutional pair, for CIFAR-10.

Goodfellow, Pouget-Abadie, Mirza, Xu, Warde-Farley, Ozair, Courville, Bengio,
"Generative Adversarial Networks", arXiv 1406.2661, section 5. The paper gives no
layers; sizes, initial weights and dropout rates are those of the authors'
``cifar10_convolutional.yaml`` (github.com/goodfeli/adversarial). The generator is dense
but for a last deconvolution, the discriminator a small maxout network. Latents are 100
normal numbers; the images are contrast-normalised ones, so not bounded.

Deviations: the discriminator gives logits, the authors' ends in a sigmoid; the
deconvolution has one bias per channel, not one per pixel.
"""

import math
from collections.abc import Sequence

from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns._checks import check_count, check_image_shape, check_within
from keras_cnns.applications.classification.maxout import maxout_block
from keras_cnns.applications.frame.builder import network_builder
from keras_cnns.applications.frame.parts import dropout
from keras_cnns.applications.generative._parts import (
    DISCRIMINATOR_LIMIT,
    GENERATOR_LIMIT,
    logits,
    maxout_and_dropout,
    output_images,
    uniform,
    variants_of,
)
from keras_cnns.applications.generative.gan_mlp import check_hidden, hidden

# Of the discriminator: filters after the maximum over two pieces, kernel size, padding
# on each side, size of the pooling (its stride is 2).
_CONVOLUTIONS = ((32, 8, 4, 4), (32, 8, 3, 4), (192, 5, 3, 2))


@network_builder
def GANConvGenerator(
    units: Sequence[int] = (8000, 8000),
    activations: Sequence[str] = ("relu", "sigmoid"),
    map_shape: tuple = (10, 10, 80),
    channels: int = 3,
    kernel_size: int = 5,
    strides: int = 3,
    latent_size: int = 100,
    name: str = "gan_conv_generator",
) -> keras.Model:
    """General builder of the generator that ends in one deconvolution.

    Args:
        units: units of the hidden layers; the last are the maps' pixels.
        activations: of the hidden layers, each ``"relu"`` or ``"sigmoid"``.
        map_shape: ``(height, width, channels)`` of the maps that are deconvolved.
        channels: channels of the images.
        kernel_size: of the deconvolution, which pads nothing.
        strides: of the deconvolution.
        latent_size: number of latents.

    Returns:
        A ``keras.Model`` from latents ``(batch, latent_size)`` to images ``(batch,
        height, width, channels)``, float32, not bounded.
    """
    check_hidden(units, activations, latent_size)
    check_image_shape(map_shape, name="map_shape")
    check_count("channels", channels)
    check_count("kernel_size", kernel_size)
    check_count("strides", strides)
    if units[-1] != math.prod(map_shape):
        raise ValueError(f"units={units!r} must end with the size of {map_shape!r}")
    latents = keras.Input((latent_size,), name="latents")
    x = hidden(latents, units, activations, 0.0, None)
    x = layers.Reshape(map_shape, name="maps")(x)
    x = layers.Conv2DTranspose(
        channels,
        kernel_size,
        strides=strides,
        kernel_initializer=uniform(GENERATOR_LIMIT),
        name="deconv",
    )(x)
    return keras.Model(latents, output_images(x, "linear"), name=name)


@network_builder(free=("input_dropout_rate", "dropout_rate"))
def GANConvDiscriminator(
    image_shape: tuple = (32, 32, 3),
    units: int = 500,
    pieces: int = 5,
    input_dropout_rate: float = 0.2,
    dropout_rate: float = 0.5,
    name: str = "gan_conv_discriminator",
) -> keras.Model:
    """General builder of the convolutional maxout discriminator.

    Args:
        image_shape: ``(height, width, channels)`` of the images, at least 10 by 10.
        units: units after the maximum, of the dense layer.
        pieces: linear pieces that each unit of the dense layer is the maximum of.
        input_dropout_rate: fraction of the pixels dropped, in [0, 1).
        dropout_rate: fraction of values dropped before each further layer, in [0, 1).

    Returns:
        A ``keras.Model`` from images ``(batch, height, width, channels)`` to logits
        ``(batch, 1)``, float32, high for real ones.
    """
    check_image_shape(image_shape)
    if min(image_shape[:2]) < 10:
        raise ValueError(f"image_shape must be at least 10x10, got {image_shape!r}")
    check_count("units", units)
    check_count("pieces", pieces)
    check_within("input_dropout_rate", input_dropout_rate)
    check_within("dropout_rate", dropout_rate)
    images = keras.Input(image_shape, name="images")
    x = dropout(images, input_dropout_rate, "input_dropout")
    for i, row in enumerate(_CONVOLUTIONS, start=1):
        x = maxout_block(x, *row, None, f"conv{i}", f"conv{i}")
        x = dropout(x, dropout_rate, f"conv{i}_dropout")
    x = layers.Flatten(name="flatten")(x)
    x = maxout_and_dropout(x, units, pieces, dropout_rate, "dense")
    x = logits(x, kernel_initializer=uniform(DISCRIMINATOR_LIMIT))
    return keras.Model(images, x, name=name)


# fmt: off
_VARIANTS = {  # name, builder, arguments but its defaults, params, further fields
    "GANCIFAR10ConvGenerator": (
        "gan_cifar10_conv_generator", GANConvGenerator, {},
        64_822_003,  # 100*8000 + 8000 + 8000*8000 + 8000 + 5*5*80*3 + 3
        {"output_shape": (32, 32, 3),
         "note": "the deconvolution has 3 biases, the authors' one for each of 3072 "
                 "pixels"},
    ),
    "GANCIFAR10ConvDiscriminator": (
        "gan_cifar10_conv_discriminator", GANConvDiscriminator, {},
        # 8*8*3*64 + 64 + 8*8*32*64 + 64 + 5*5*32*384 + 384
        # + 5*5*192*2500 + 2500 + 500 + 1
        12_454_073, {"stage_ends": ("conv1_pool", "conv2_pool", "conv3_pool")},
    ),
}
# fmt: on
_variant = variants_of(
    _VARIANTS,
    paper="GAN, arXiv 1406.2661, section 5; sizes of the authors' code",
    preprocessing="unbounded",
)

GANCIFAR10ConvGenerator = _variant("GANCIFAR10ConvGenerator")
GANCIFAR10ConvDiscriminator = _variant("GANCIFAR10ConvDiscriminator")

__all__ = ["GANConvGenerator", "GANConvDiscriminator", *_VARIANTS]
