"""WGAN: the networks with which the Wasserstein distance was first trained.

Arjovsky, Chintala, Bottou, "Wasserstein GAN", arXiv 1701.07875, section 4. Layers are
those of the authors' code (github.com/martinarjovsky/WassersteinGAN): DCGAN with 4x4
kernels and half its width, for 64x64 images, 100 normal latents. The critic is the
discriminator without its sigmoid, so DCGAN's here. What the paper tries to break is
the generator: DCGAN's; one of constant width without batch normalisation; and dense
layers, three ReLU ones of 512 units and a linear output, which is not bounded.

The authors' ``--noBN`` generator halves its width from stage to stage; that of constant
width, which the paper describes, takes 64 filters in all stages, as Gulrajani's code
for WGAN-GP has it. Their dense critic has 64 units where none are asked for; it has
512 here, as the generator. Gains and running statistics of batch normalisation are
clipped, or not, by whoever trains.

Their files are read, and those of PyTorch's DCGAN example, whose layers are the same
(``_torch_names.py``).
"""

from collections.abc import Sequence

from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns._checks import check_count, check_counts, check_image_shape
from keras_cnns.applications.frame.builder import network_builder
from keras_cnns.applications.frame.parts import MOMENTUM
from keras_cnns.applications.generative._dcgan import (
    discriminator_ends,
    generator_ends,
)
from keras_cnns.applications.generative._parts import (
    flat_images,
    logits,
    torch_weights,
    variants_of,
)
from keras_cnns.applications.generative._torch_names import (
    dense_names,
    discriminator_names,
    generator_names,
)
from keras_cnns.applications.generative.dcgan import DCGANDiscriminator, DCGANGenerator

_KERNEL_SIZE = 4


@network_builder(free=("batch_norm_momentum",), state_dict_names=generator_names)
def WGANGenerator(
    filters: Sequence[int] = (512, 256, 128, 64),
    image_shape: tuple = (64, 64, 3),
    latent_size: int = 100,
    batch_norm: bool = True,
    batch_norm_momentum: float = MOMENTUM,
    name: str = "wgan_generator",
) -> keras.Model:
    """General builder of the convolutional generators: DCGAN's with 4x4 kernels.

    Args:
        filters: channels of the first map and after each deconvolution but the last.
        image_shape: ``(height, width, channels)`` of the images.
        latent_size: number of latents.
        batch_norm: whether all layers but the last are normalised.
        batch_norm_momentum: fraction of running statistics kept in a step, in [0, 1).

    Returns:
        A ``keras.Model`` from latents ``(batch, latent_size)`` to images ``(batch,
        height, width, channels)`` in [-1, 1], float32.
    """
    return DCGANGenerator(
        filters,
        image_shape,
        kernel_size=_KERNEL_SIZE,
        latent_size=latent_size,
        batch_norm=batch_norm,
        batch_norm_momentum=batch_norm_momentum,
        name=name,
    )


@network_builder(free=("batch_norm_momentum",), state_dict_names=discriminator_names)
def WGANCritic(
    filters: Sequence[int] = (64, 128, 256, 512),
    image_shape: tuple = (64, 64, 3),
    batch_norm: bool = True,
    batch_norm_momentum: float = MOMENTUM,
    name: str = "wgan_critic",
) -> keras.Model:
    """General builder of the convolutional critics: DCGAN's with 4x4 kernels.

    Args:
        filters: of the convolutions.
        image_shape: ``(height, width, channels)`` of the images.
        batch_norm: whether all layers but the first and the last are normalised.
        batch_norm_momentum: fraction of running statistics kept in a step, in [0, 1).

    Returns:
        A ``keras.Model`` from images ``(batch, height, width, channels)`` to
        ``(batch, 1)``, float32, not bounded.
    """
    return DCGANDiscriminator(
        filters,
        image_shape,
        kernel_size=_KERNEL_SIZE,
        batch_norm=batch_norm,
        batch_norm_momentum=batch_norm_momentum,
        name=name,
    )


def _relu_layers(x, units):
    for i, width in enumerate(units, start=1):
        weights = torch_weights(x.shape[-1])
        x = layers.Dense(width, activation="relu", name=f"dense{i}", **weights)(x)
    return x


@network_builder(state_dict_names=dense_names)
def WGANMLPGenerator(
    units: Sequence[int] = (512, 512, 512),
    image_shape: tuple = (64, 64, 3),
    latent_size: int = 100,
    name: str = "wgan_mlp_generator",
) -> keras.Model:
    """General builder of the dense generator.

    Args:
        units: units of the ReLU layers.
        image_shape: ``(height, width, channels)`` of the images.
        latent_size: number of latents.

    Returns:
        A ``keras.Model`` from latents ``(batch, latent_size)`` to images ``(batch,
        height, width, channels)``, float32, not bounded.
    """
    check_counts("units", units)
    check_image_shape(image_shape)
    check_count("latent_size", latent_size)
    latents = keras.Input((latent_size,), name="latents")
    x = _relu_layers(latents, units)
    return keras.Model(
        latents,
        flat_images(x, image_shape, "linear", **torch_weights(x.shape[-1])),
        name=name,
    )


@network_builder(state_dict_names=dense_names)
def WGANMLPCritic(
    units: Sequence[int] = (512, 512, 512),
    image_shape: tuple = (64, 64, 3),
    name: str = "wgan_mlp_critic",
) -> keras.Model:
    """General builder of the dense critic.

    Args:
        units: units of the ReLU layers.
        image_shape: ``(height, width, channels)`` of the images.

    Returns:
        A ``keras.Model`` from images ``(batch, height, width, channels)`` to
        ``(batch, 1)``, float32, not bounded.
    """
    check_counts("units", units)
    check_image_shape(image_shape)
    images = keras.Input(image_shape, name="images")
    x = _relu_layers(layers.Flatten(name="flatten")(images), units)
    return keras.Model(images, logits(x, **torch_weights(x.shape[-1])), name=name)


# fmt: off
_VARIANTS = {  # name, builder, arguments but its defaults, params, further fields
    "WGAN64Generator": (
        "wgan64_generator", WGANGenerator, {},
        3_576_704,  # 100*8192 + 16*(512*256 + 256*128 + 128*64 + 64*3) + 2*960
        {"stage_ends": generator_ends(4)},
    ),
    "WGAN64Critic": (
        "wgan64_critic", WGANCritic, {},
        2_765_568,  # 16*(3*64 + 64*128 + 128*256 + 256*512) + 8192 + 2*896
        {"stage_ends": discriminator_ends(4)},
    ),
    "WGAN64ConstantGenerator": (
        "wgan64_constant_generator", WGANGenerator,
        {"filters": (64, 64, 64, 64), "batch_norm": False,
         "batch_norm_momentum": MOMENTUM},
        302_080,  # 100*1024 + 16*(3*64*64 + 64*3)
        {"stage_ends": generator_ends(4),
         "note": "64 filters as in the code of arXiv 1704.00028"},
    ),
    "WGAN64MLPGenerator": (
        "wgan64_mlp_generator", WGANMLPGenerator, {},
        6_880_768,  # 100*512 + 512 + 2*(512*512 + 512) + 512*12288 + 12288
        {"preprocessing": "unbounded"},
    ),
    "WGAN64MLPCritic": (
        "wgan64_mlp_critic", WGANMLPCritic, {},
        6_817_793,  # 12288*512 + 512 + 2*(512*512 + 512) + 512 + 1
        {"note": "the authors' default width is 64"},
    ),
}
# fmt: on
_variant = variants_of(
    _VARIANTS, paper="WGAN, arXiv 1701.07875, section 4; layers of the authors' code"
)

WGAN64Generator = _variant("WGAN64Generator")
WGAN64Critic = _variant("WGAN64Critic")
WGAN64ConstantGenerator = _variant("WGAN64ConstantGenerator")
WGAN64MLPGenerator = _variant("WGAN64MLPGenerator")
WGAN64MLPCritic = _variant("WGAN64MLPCritic")

__all__ = [
    "WGANGenerator",
    "WGANCritic",
    "WGANMLPGenerator",
    "WGANMLPCritic",
    *_VARIANTS,
]
