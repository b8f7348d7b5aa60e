"""WGAN-GP: critics without batch normalisation, which the gradient penalty rules out.

Gulrajani, Ahmed, Arjovsky, Dumoulin, Courville, "Improved Training of Wasserstein
GANs", arXiv 1704.00028. Layers and initial weights are those of the authors' code
(github.com/igul222/improved_wgan_training): ``gan_mnist.py``, ``gan_cifar.py`` and the
DCGAN pair of ``gan_64x64.py``. Latents are 128 normal numbers. The residual networks
are in ``wgan_gp_resnet.py``, those for points in ``wgan_gp_toy.py``, those of the usual
PyTorch port in ``wgan_gp_torch.py``.

The penalty holds each image's gradient apart from the others', so that the critics
have no batch normalisation; that for 64x64 images has layer normalisation with a gain
and shift per channel instead. CIFAR-10's generator normalises each unit of its dense
layer, that for 64x64 images each channel, that for MNIST nothing. Deviations: none
known.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns._checks import (
    check_choice,
    check_count,
    check_counts,
    check_flag,
    check_image_shape,
    check_positive,
)
from keras_cnns.applications.frame.builder import network_builder
from keras_cnns.applications.frame.parts import MOMENTUM, normalised
from keras_cnns.applications.generative._dcgan import (
    LEAK,
    check_momentum,
    cropped,
    map_sizes,
)
from keras_cnns.applications.generative._parts import (
    RANGES,
    logits,
    output_images,
    uniform,
    variants_of,
)
from keras_cnns.layers import MatrixConv2D, MatrixConv2DTranspose

_KERNEL_SIZE = 5
_EPSILON = 1e-5


def _strided_limit(large, small, stddev):
    """Limit of uniform weights of variance 4 / (fan-in + fan-out), or as given.

    Args:
        large: channels of the larger one of the two maps that the layer joins.
        small: channels of the smaller map; a fourth counts, as the stride is 2.
        stddev: standard deviation to take instead; None takes the above.
    """
    fans = _KERNEL_SIZE**2 * (large + small / 4)
    return math.sqrt(3) * (math.sqrt(4 / fans) if stddev is None else stddev)


def _dense_weights(stddev):
    """Glorot's uniform weights, or uniform ones of the given deviation."""
    if stddev is None:
        return keras.initializers.GlorotUniform()
    return uniform(math.sqrt(3) * stddev)


@network_builder(free=("batch_norm_momentum",))
def WGANGPGenerator(
    filters: Sequence[int] = (512, 256, 128),
    image_shape: tuple = (32, 32, 3),
    latent_size: int = 128,
    output_activation: str = "tanh",
    batch_norm: str = "unit",
    weight_stddev: float | None = None,
    batch_norm_momentum: float = MOMENTUM,
    name: str = "wgan_gp_generator",
) -> keras.Model:
    """General builder of the generators without residual blocks.

    Args:
        filters: channels of the first map and after each deconvolution but the last.
        image_shape: ``(height, width, channels)`` of the images.
        latent_size: number of latents.
        output_activation: ``"tanh"``, ``"sigmoid"`` or ``"linear"``.
        batch_norm: None, ``"unit"`` or ``"channel"``: what of the first map has a mean,
            variance, gain and shift of its own; of the others it is the channel.
        weight_stddev: standard deviation of the initial weights, which are uniform;
            None takes it from the layers' sizes.
        batch_norm_momentum: fraction of running statistics kept in a step, in [0, 1).

    Returns:
        A ``keras.Model`` from latents ``(batch, latent_size)`` to images ``(batch,
        height, width, channels)``, float32, in the range of ``output_activation``.
    """
    _check(filters, image_shape, weight_stddev)
    check_count("latent_size", latent_size)
    check_choice("output_activation", output_activation, RANGES)
    check_choice("batch_norm", batch_norm, (None, "unit", "channel"))
    check_momentum(batch_norm, batch_norm_momentum)
    normalise = functools.partial(normalised, momentum=batch_norm_momentum)
    sizes = map_sizes(image_shape[:2], (2,) * len(filters))
    latents = keras.Input((latent_size,), name="latents")
    x = layers.Dense(
        filters[0] * math.prod(sizes[0]),
        kernel_initializer=_dense_weights(weight_stddev),
        name="maps",
    )(latents)
    x = normalise(x, "maps") if batch_norm == "unit" else x
    x = layers.Reshape((*sizes[0], filters[0]), name="maps_reshape")(x)
    x = normalise(x, "maps") if batch_norm == "channel" else x
    x = layers.ReLU(name="maps_relu")(x)
    for i, width in enumerate(filters[1:], start=1):
        x = _deconvolution(x, width, weight_stddev, f"deconv{i}")
        x = normalise(x, f"deconv{i}") if batch_norm else x
        x = layers.ReLU(name=f"deconv{i}_relu")(x)
        x = cropped(x, sizes[i], f"deconv{i}_crop")
    x = _deconvolution(x, image_shape[2], weight_stddev, f"deconv{len(filters)}")
    x = cropped(x, sizes[-1], f"deconv{len(filters)}_crop")
    return keras.Model(latents, output_images(x, output_activation), name=name)


def _check(filters, image_shape, weight_stddev):
    check_counts("filters", filters)
    check_image_shape(image_shape)
    if weight_stddev is not None:
        check_positive("weight_stddev", weight_stddev)


def _deconvolution(x, filters, stddev, name):
    return MatrixConv2DTranspose(
        filters,
        _KERNEL_SIZE,
        strides=2,
        padding="same",
        kernel_initializer=uniform(_strided_limit(filters, x.shape[-1], stddev)),
        name=name,
    )(x)


@network_builder
def WGANGPCritic(
    filters: Sequence[int] = (128, 256, 512),
    image_shape: tuple = (32, 32, 3),
    layer_norm: bool = False,
    weight_stddev: float | None = None,
    name: str = "wgan_gp_critic",
) -> keras.Model:
    """General builder of the critics without residual blocks.

    Args:
        filters: of the convolutions.
        image_shape: ``(height, width, channels)`` of the images.
        layer_norm: whether all convolutions but the first are normalised per image,
            with a gain and a shift for each channel.
        weight_stddev: standard deviation of the initial weights, which are uniform;
            None takes it from the layers' sizes.

    Returns:
        A ``keras.Model`` from images ``(batch, height, width, channels)`` to
        ``(batch, 1)``, float32, not bounded.
    """
    _check(filters, image_shape, weight_stddev)
    check_flag("layer_norm", layer_norm)
    images = keras.Input(image_shape, name="images")
    x = images
    for i, width in enumerate(filters, start=1):
        limit = _strided_limit(x.shape[-1], width, weight_stddev)
        x = MatrixConv2D(
            width,
            _KERNEL_SIZE,
            strides=2,
            padding="same",
            kernel_initializer=uniform(limit),
            name=f"conv{i}",
        )(x)
        if layer_norm and i > 1:
            x = layers.GroupNormalization(1, epsilon=_EPSILON, name=f"conv{i}_ln")(x)
        x = layers.LeakyReLU(LEAK, name=f"conv{i}_lrelu")(x)
    x = layers.Flatten(name="flatten")(x)
    x = logits(x, kernel_initializer=_dense_weights(weight_stddev))
    return keras.Model(images, x, name=name)


_MNIST, _IMAGENET64 = (28, 28, 1), (64, 64, 3)
# fmt: off
_VARIANTS = {  # name, builder, arguments but its defaults, params, further fields
    "WGANGPMNISTGenerator": (
        "wgan_gp_mnist_generator", WGANGPGenerator,
        {"filters": (256, 128, 64), "image_shape": _MNIST,
         "output_activation": "sigmoid", "batch_norm": None,
         "batch_norm_momentum": MOMENTUM},
        1_554_177,  # 128*4096 + 4096 + 25*256*128 + 128 + 25*128*64 + 64 + 25*64 + 1
        {"preprocessing": "unit"},
    ),
    "WGANGPMNISTCritic": (
        "wgan_gp_mnist_critic", WGANGPCritic,
        {"filters": (64, 128, 256), "image_shape": _MNIST},
        1_030_145,  # 25*64 + 64 + 25*64*128 + 128 + 25*128*256 + 256 + 4096 + 1
        {"preprocessing": "unit"},
    ),
    "WGANGPCIFAR10Generator": (
        "wgan_gp_cifar10_generator", WGANGPGenerator, {},
        # 128*8192 + 8192 + 2*8192 + 25*512*256 + 256 + 2*256 + 25*256*128 + 128
        # + 2*128 + 25*128*3 + 3
        5_179_907,
    ),
    "WGANGPCIFAR10Critic": (
        "wgan_gp_cifar10_critic", WGANGPCritic, {},
        4_114_689,  # 25*3*128 + 128 + 25*128*256 + 256 + 25*256*512 + 512 + 8192 + 1
    ),
    "WGANGP64Generator": (
        "wgan_gp64_generator", WGANGPGenerator,
        {"filters": (512, 256, 128, 64), "image_shape": _IMAGENET64,
         "batch_norm": "channel", "weight_stddev": 0.02},
        # 128*8192 + 8192 + 2*512 + 25*512*256 + 256 + 2*256 + 25*256*128 + 128
        # + 2*128 + 25*128*64 + 64 + 2*64 + 25*64*3 + 3
        5_364_739,
    ),
    "WGANGP64Critic": (
        "wgan_gp64_critic", WGANGPCritic,
        {"filters": (64, 128, 256, 512), "image_shape": _IMAGENET64,
         "layer_norm": True, "weight_stddev": 0.02},
        # 25*3*64 + 64 + 25*64*128 + 128 + 2*128 + 25*128*256 + 256 + 2*256
        # + 25*256*512 + 512 + 2*512 + 8192 + 1
        4_316_545,
    ),
}
# fmt: on
_variant = variants_of(
    _VARIANTS, paper="WGAN-GP, arXiv 1704.00028; layers of the authors' code"
)

WGANGPMNISTGenerator = _variant("WGANGPMNISTGenerator")
WGANGPMNISTCritic = _variant("WGANGPMNISTCritic")
WGANGPCIFAR10Generator = _variant("WGANGPCIFAR10Generator")
WGANGPCIFAR10Critic = _variant("WGANGPCIFAR10Critic")
WGANGP64Generator = _variant("WGANGP64Generator")
WGANGP64Critic = _variant("WGANGP64Critic")

__all__ = ["WGANGPGenerator", "WGANGPCritic", *_VARIANTS]
