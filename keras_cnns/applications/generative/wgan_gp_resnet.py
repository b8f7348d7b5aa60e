"""WGAN-GP's residual networks, for CIFAR-10 and for 64x64 images.

Gulrajani, Ahmed, Arjovsky, Dumoulin, Courville, "Improved Training of Wasserstein
GANs", arXiv 1704.00028. Layers and initial weights are those of the authors' code
(github.com/igul222/improved_wgan_training), ``gan_cifar_resnet.py`` and the "good"
pair of ``gan_64x64.py``. A block is normalisation, ReLU, 3x3 convolution, twice; a
generator's doubles the map by repeating pixels before its first convolution, a critic's
halves it by the mean of 2x2 pixels after its second. Where map or width changes, the
shortcut is a 1x1 convolution. CIFAR-10's critic normalises nothing, the other one each
image, with a gain and shift per channel. Latents are 128 normal numbers.

Of CIFAR-10 this is the unconditional form; the code's default is a conditional one with
a classifier beside the critic. Deviations: none known (where the code pools after a 1x1
convolution, it is pooled before, which gives the same).
"""

import functools
from collections.abc import Sequence

from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns._checks import (
    check_count,
    check_counts,
    check_flag,
    check_image_shape,
    check_within,
)
from keras_cnns.applications.frame.builder import network_builder
from keras_cnns.applications.frame.parts import normalised
from keras_cnns.applications.generative._parts import logits, output_images, variants_of
from keras_cnns.layers import NearestUpsampling2D

_EPSILON = 1e-5


def _he():
    """Uniform, of variance 4 / (fan-in + fan-out)."""
    return keras.initializers.VarianceScaling(2.0, "fan_avg", "uniform")


def _conv(x, filters, size, name, he=True, bias=True):
    return layers.Conv2D(
        filters,
        size,
        padding="same",
        use_bias=bias,
        kernel_initializer=_he() if he else keras.initializers.GlorotUniform(),
        name=name,
    )(x)


def _layer_norm(x, name):
    return layers.GroupNormalization(1, epsilon=_EPSILON, name=f"{name}_ln")(x)


def _identity(x, name):
    return x


def _halve(x, name):
    return layers.AveragePooling2D(2, name=name)(x)


def _double(x, name):
    return NearestUpsampling2D(2, name=name)(x)


def _block(x, filters, normalise, name, resample=None, first_bias=True):
    """Two convolutions and the shortcut; ``resample`` is None, "up" or "down"."""
    shortcut = x
    if resample == "up":
        shortcut = _double(shortcut, f"{name}_shortcut_up")
    if resample == "down":
        shortcut = _halve(shortcut, f"{name}_shortcut_down")
    if resample or x.shape[-1] != filters:
        shortcut = _conv(shortcut, filters, 1, f"{name}_shortcut", he=False)
    width = x.shape[-1] if resample == "down" else filters
    x = layers.ReLU(name=f"{name}_1_relu")(normalise(x, f"{name}_1"))
    if resample == "up":
        x = _double(x, f"{name}_up")
    x = _conv(x, width, 3, f"{name}_1_conv", bias=first_bias)
    x = layers.ReLU(name=f"{name}_2_relu")(normalise(x, f"{name}_2"))
    x = _conv(x, filters, 3, f"{name}_2_conv")
    if resample == "down":
        x = _halve(x, f"{name}_down")
    return layers.Add(name=f"{name}_add")([shortcut, x])


def _check_size(image_shape, halvings):
    check_image_shape(image_shape)
    if any(size % 2**halvings for size in image_shape[:2]):
        raise ValueError(
            f"image_shape={image_shape!r}: height and width must be multiples of "
            f"{2**halvings}"
        )


@network_builder(free=("batch_norm_momentum",))
def WGANGPResNetGenerator(
    filters: Sequence[int] = (512, 512, 256, 128, 64),
    image_shape: tuple = (64, 64, 3),
    latent_size: int = 128,
    first_bias: bool = False,
    he_output: bool = True,
    batch_norm_momentum: float = 0.9,
    name: str = "wgan_gp_resnet_generator",
) -> keras.Model:
    """General builder of the residual generators.

    Args:
        filters: channels of the first map and of the blocks, each of which doubles it.
        image_shape: ``(height, width, channels)`` of the images.
        latent_size: number of latents.
        first_bias: whether the first convolution of each block has a bias.
        he_output: whether the last convolution starts from twice the variance.
        batch_norm_momentum: fraction of running statistics kept in a step, in [0, 1).

    Returns:
        A ``keras.Model`` from latents ``(batch, latent_size)`` to images ``(batch,
        height, width, channels)`` in [-1, 1], float32.
    """
    check_counts("filters", filters)
    _check_size(image_shape, len(filters) - 1)
    check_count("latent_size", latent_size)
    check_flag("first_bias", first_bias)
    check_flag("he_output", he_output)
    check_within("batch_norm_momentum", batch_norm_momentum)
    normalise = functools.partial(normalised, momentum=batch_norm_momentum)
    height, width = (size // 2 ** (len(filters) - 1) for size in image_shape[:2])
    latents = keras.Input((latent_size,), name="latents")
    x = layers.Dense(height * width * filters[0], name="maps")(latents)
    x = layers.Reshape((height, width, filters[0]), name="maps_reshape")(x)
    for i, count in enumerate(filters[1:], start=1):
        x = _block(x, count, normalise, f"block{i}", "up", first_bias)
    x = layers.ReLU(name="last_relu")(normalise(x, "last"))
    x = _conv(x, image_shape[2], 3, "last_conv", he=he_output)
    return keras.Model(latents, output_images(x, "tanh"), name=name)


@network_builder
def WGANGPResNetCritic(
    filters: Sequence[int] = (64, 128, 256, 512, 512),
    image_shape: tuple = (64, 64, 3),
    name: str = "wgan_gp_resnet_critic",
) -> keras.Model:
    """General builder of the residual critic that normalises each image.

    Args:
        filters: of the first convolution and of the blocks, each of which halves the
            map.
        image_shape: ``(height, width, channels)`` of the images.

    Returns:
        A ``keras.Model`` from images ``(batch, height, width, channels)`` to
        ``(batch, 1)``, float32, not bounded.
    """
    check_counts("filters", filters)
    _check_size(image_shape, len(filters) - 1)
    images = keras.Input(image_shape, name="images")
    x = _conv(images, filters[0], 3, "first_conv", he=False)
    for i, count in enumerate(filters[1:], start=1):
        x = _block(x, count, _layer_norm, f"block{i}", "down", first_bias=False)
    x = logits(layers.Flatten(name="flatten")(x))
    return keras.Model(images, x, name=name)


@network_builder
def WGANGPPooledResNetCritic(
    filters: int = 128,
    image_shape: tuple = (32, 32, 3),
    name: str = "wgan_gp_pooled_resnet_critic",
) -> keras.Model:
    """General builder of the residual critic without normalisation.

    Two blocks halve the map, two keep it; a ReLU and the mean of each map follow.

    Args:
        filters: of all convolutions.
        image_shape: ``(height, width, channels)`` of the images.

    Returns:
        A ``keras.Model`` from images ``(batch, height, width, channels)`` to
        ``(batch, 1)``, float32, not bounded.
    """
    check_count("filters", filters)
    _check_size(image_shape, 2)
    images = keras.Input(image_shape, name="images")
    x = _first_block(images, filters, "block1")
    block = functools.partial(_block, filters=filters, normalise=_identity)
    x = block(x, name="block2", resample="down")
    x = block(x, name="block3")
    x = block(x, name="block4")
    x = layers.ReLU(name="last_relu")(x)
    x = layers.GlobalAveragePooling2D(name="means")(x)
    return keras.Model(images, logits(x), name=name)


def _first_block(images, filters, name):
    """A block that halves the image and has no ReLU before its first convolution."""
    shortcut = _halve(images, f"{name}_shortcut_down")
    shortcut = _conv(shortcut, filters, 1, f"{name}_shortcut", he=False)
    x = _conv(images, filters, 3, f"{name}_1_conv")
    x = layers.ReLU(name=f"{name}_2_relu")(x)
    x = _halve(_conv(x, filters, 3, f"{name}_2_conv"), f"{name}_down")
    return layers.Add(name=f"{name}_add")([shortcut, x])


_CIFAR10 = (32, 32, 3)
# fmt: off
_VARIANTS = {  # name, builder, arguments but its defaults, params, further fields
    "WGANGPCIFAR10ResNetGenerator": (
        "wgan_gp_cifar10_resnet_generator", WGANGPResNetGenerator,
        {"filters": (128, 128, 128, 128), "image_shape": _CIFAR10, "first_bias": True,
         "he_output": False},
        # A block: 2*(2*128) + 2*(9*128*128 + 128) + 128*128 + 128 = 312,192;
        # 128*2048 + 2048 + 3*312,192 + 2*128 + 9*128*3 + 3
        1_204_483,
    ),
    "WGANGPCIFAR10ResNetCritic": (
        "wgan_gp_cifar10_resnet_critic", WGANGPPooledResNetCritic, {},
        # Two convolutions: 2*(9*128*128 + 128) = 295,168;
        # 9*3*128 + 128 + 147,584 + 3*128 + 128 + 3*295,168 + 128*128 + 128 + 128 + 1
        1_053_825, {"stage_ends": ("block1_add", "block4_add")},
    ),
    "WGANGP64ResNetGenerator": (
        "wgan_gp64_resnet_generator", WGANGPResNetGenerator, {},
        # A block from i to o: 2*i + 9*i*o + 2*o + 9*o*o + o + i*o + o;
        # 128*8192 + 8192 + 4,983,808 + 1,902,592 + 476,160 + 119,296 + 2*64
        # + 9*64*3 + 3
        8_540_483,
    ),
    "WGANGP64ResNetCritic": (
        "wgan_gp64_resnet_critic", WGANGPResNetCritic, {},
        # A block from i to o: 2*i + 9*i*i + 2*i + 9*i*o + o + i*o + o;
        # 9*3*64 + 64 + 119,296 + 476,160 + 1,902,592 + 4,983,808 + 8192 + 1
        7_491_841,
        {"stage_ends": ("block1_add", "block2_add", "block3_add", "block4_add")},
    ),
}
# fmt: on
_variant = variants_of(
    _VARIANTS, paper="WGAN-GP, arXiv 1704.00028; layers of the authors' code"
)

WGANGPCIFAR10ResNetGenerator = _variant("WGANGPCIFAR10ResNetGenerator")
WGANGPCIFAR10ResNetCritic = _variant("WGANGPCIFAR10ResNetCritic")
WGANGP64ResNetGenerator = _variant("WGANGP64ResNetGenerator")
WGANGP64ResNetCritic = _variant("WGANGP64ResNetCritic")

__all__ = [
    "WGANGPResNetGenerator",
    "WGANGPResNetCritic",
    "WGANGPPooledResNetCritic",
    *_VARIANTS,
]
