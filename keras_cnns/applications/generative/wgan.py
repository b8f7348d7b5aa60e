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
"""

from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns._checks import check_count, check_counts, check_image_shape
from keras_cnns.applications.frame.registry import register_network
from keras_cnns.applications.generative._dcgan import MOMENTUM
from keras_cnns.applications.generative._parts import flat_images, logits, uniform
from keras_cnns.applications.generative.dcgan import (
    DCGANDiscriminator,
    DCGANGenerator,
)

_KERNEL_SIZE = 4
_IMAGES = (64, 64, 3)


def WGANGenerator(
    filters=(512, 256, 128, 64),
    image_shape=(64, 64, 3),
    latent_size=100,
    batch_norm=True,
    batch_norm_momentum=MOMENTUM,
    name="wgan_generator",
):
    """General builder of the convolutional generators: DCGAN's with 4x4 kernels.

    Args:
        filters: channels of the first map and after each deconvolution but the last.
        image_shape: ``(height, width, channels)`` of the images.
        latent_size: number of latents.
        batch_norm: whether all layers but the last are normalised.
        batch_norm_momentum: fraction of the running statistics kept in a step, in [0,
            1).
        name: model name.

    Returns:
        A ``keras.Model`` from latents ``(batch, latent_size)`` to images ``(batch,
        height, width, channels)`` in [-1, 1], float32.

    Raises:
        ValueError: if an argument is bad; the message quotes it.
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


def WGANCritic(
    filters=(64, 128, 256, 512),
    image_shape=(64, 64, 3),
    batch_norm=True,
    batch_norm_momentum=MOMENTUM,
    name="wgan_critic",
):
    """General builder of the convolutional critics: DCGAN's with 4x4 kernels.

    Args:
        filters: of the convolutions.
        image_shape: ``(height, width, channels)`` of the images.
        batch_norm: whether all layers but the first and the last are normalised.
        batch_norm_momentum: fraction of the running statistics kept in a step, in [0,
            1).
        name: model name.

    Returns:
        A ``keras.Model`` from images ``(batch, height, width, channels)`` to
        ``(batch, 1)``, float32, not bounded.

    Raises:
        ValueError: if an argument is bad; the message quotes it.
    """
    return DCGANDiscriminator(
        filters,
        image_shape,
        kernel_size=_KERNEL_SIZE,
        batch_norm=batch_norm,
        batch_norm_momentum=batch_norm_momentum,
        name=name,
    )


def _limits(x):
    """Initial weights and biases in +-1 / sqrt(inputs), PyTorch's default."""
    limit = x.shape[-1] ** -0.5
    return {"kernel_initializer": uniform(limit), "bias_initializer": uniform(limit)}


def _relu_layers(x, units):
    for i, width in enumerate(units, start=1):
        x = layers.Dense(width, activation="relu", name=f"dense{i}", **_limits(x))(x)
    return x


def WGANMLPGenerator(
    units=(512, 512, 512),
    image_shape=(64, 64, 3),
    latent_size=100,
    name="wgan_mlp_generator",
):
    """General builder of the dense generator.

    Args:
        units: units of the ReLU layers.
        image_shape: ``(height, width, channels)`` of the images.
        latent_size: number of latents.
        name: model name.

    Returns:
        A ``keras.Model`` from latents ``(batch, latent_size)`` to images ``(batch,
        height, width, channels)``, float32, not bounded.

    Raises:
        ValueError: if an argument is bad; the message quotes it.
    """
    check_counts("units", units)
    check_image_shape(image_shape)
    check_count("latent_size", latent_size)
    latents = keras.Input((latent_size,), name="latents")
    x = _relu_layers(latents, units)
    return keras.Model(
        latents, flat_images(x, image_shape, "linear", **_limits(x)), name=name
    )


def WGANMLPCritic(
    units=(512, 512, 512), image_shape=(64, 64, 3), name="wgan_mlp_critic"
):
    """General builder of the dense critic.

    Args:
        units: units of the ReLU layers.
        image_shape: ``(height, width, channels)`` of the images.
        name: model name.

    Returns:
        A ``keras.Model`` from images ``(batch, height, width, channels)`` to
        ``(batch, 1)``, float32, not bounded.

    Raises:
        ValueError: if an argument is bad; the message quotes it.
    """
    check_counts("units", units)
    check_image_shape(image_shape)
    images = keras.Input(image_shape, name="images")
    x = _relu_layers(layers.Flatten(name="flatten")(images), units)
    return keras.Model(images, logits(x, **_limits(x)), name=name)


_WIDE = {"units": (512, 512, 512), "image_shape": _IMAGES}
_MAPS = ("deconv3_relu", "deconv2_relu", "deconv1_relu", "maps_relu")
_VARIANTS = {
    "WGAN64Generator": {
        "builder": WGANGenerator,
        "architecture": {
            "filters": (512, 256, 128, 64),
            "image_shape": _IMAGES,
            "latent_size": 100,
            "batch_norm": True,
        },
        # 100*8192 + 16*(512*256 + 256*128 + 128*64 + 64*3) + 2*960
        "params": 3_576_704,
        "stage_ends": _MAPS,
    },
    "WGAN64Critic": {
        "builder": WGANCritic,
        "architecture": {
            "filters": (64, 128, 256, 512),
            "image_shape": _IMAGES,
            "batch_norm": True,
        },
        # 16*(3*64 + 64*128 + 128*256 + 256*512) + 8192 + 2*896
        "params": 2_765_568,
        "stage_ends": tuple(f"conv{i}_lrelu" for i in (1, 2, 3, 4)),
    },
    "WGAN64ConstantGenerator": {
        "builder": WGANGenerator,
        "architecture": {
            "filters": (64, 64, 64, 64),
            "image_shape": _IMAGES,
            "latent_size": 100,
            "batch_norm": False,
            "batch_norm_momentum": MOMENTUM,
        },
        # 100*1024 + 16*(3*64*64 + 64*3)
        "params": 302_080,
        "stage_ends": _MAPS,
        "note": "64 filters as in the code of arXiv 1704.00028",
    },
    "WGAN64MLPGenerator": {
        "builder": WGANMLPGenerator,
        "architecture": {**_WIDE, "latent_size": 100},
        # 100*512 + 512 + 2*(512*512 + 512) + 512*12288 + 12288
        "params": 6_880_768,
        "preprocessing": "unbounded",
    },
    "WGAN64MLPCritic": {
        "builder": WGANMLPCritic,
        "architecture": _WIDE,
        # 12288*512 + 512 + 2*(512*512 + 512) + 512 + 1
        "params": 6_817_793,
        "note": "the authors' default width is 64",
    },
}


def _variant(function_name, name):
    row = {"preprocessing": "signed", **_VARIANTS[function_name]}
    latent_size = row["architecture"].get("latent_size")
    return register_network(
        row.pop("builder"),
        function_name,
        name=name,
        task="generation",
        paper="WGAN, arXiv 1701.07875, section 4; layers of the authors' code",
        input_shape=(latent_size,) if latent_size else _IMAGES,
        output_shape=_IMAGES if latent_size else (1,),
        **row,
    )


WGAN64Generator = _variant("WGAN64Generator", "wgan64_generator")
WGAN64Critic = _variant("WGAN64Critic", "wgan64_critic")
WGAN64ConstantGenerator = _variant(
    "WGAN64ConstantGenerator", "wgan64_constant_generator"
)
WGAN64MLPGenerator = _variant("WGAN64MLPGenerator", "wgan64_mlp_generator")
WGAN64MLPCritic = _variant("WGAN64MLPCritic", "wgan64_mlp_critic")

__all__ = [
    "WGANGenerator",
    "WGANCritic",
    "WGANMLPGenerator",
    "WGANMLPCritic",
    *_VARIANTS,
]
