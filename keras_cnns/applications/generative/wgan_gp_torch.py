"""WGAN-GP's networks as its usual PyTorch port has them, whose files they read.

Gulrajani, Ahmed, Arjovsky, Dumoulin, Courville, "Improved Training of Wasserstein
GANs", arXiv 1704.00028. Layers are those of ``gan_mnist.py`` and ``gan_cifar10.py`` of
github.com/caogang/wgan-gp, which differ from the authors' (``wgan_gp.py``):

- MNIST: deconvolutions that pad nothing, of 5x5 and 5x5 with stride 1 and 8x8 with
  stride 2, by maps of 4, 7 (cropped from 8), 11 and 28; a critic with ReLUs.
- CIFAR-10: 2x2 deconvolutions, 3x3 convolutions, LeakyReLU of 0.01.

The critics pad both ends alike. Weights and biases start from PyTorch's default. The
port's networks for points are the authors' (``wgan_gp_toy.py``).

Deviations: none known. Today's PyTorch refuses the port's ``BatchNorm2d`` of vectors;
``BatchNorm1d``, which then replaces it, has the same tensors.
"""

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
    check_same_length,
    check_within,
)
from keras_cnns.applications.frame.builder import network_builder
from keras_cnns.applications.frame.parts import MOMENTUM, normalised
from keras_cnns.applications.generative._dcgan import check_momentum, cropped
from keras_cnns.applications.generative._parts import (
    RANGES,
    logits,
    output_images,
    torch_weights,
    variants_of,
)
from keras_cnns.applications.generative._torch_names import from_channels
from keras_cnns.layers import MatrixConv2D, MatrixConv2DTranspose


def _sizes(size, kernel_sizes, strides):
    """Side of the first map, then the least that each deconvolution has to give.

    The first is that of the authors, half the size for each stride of theirs, or more
    where the deconvolutions need it.
    """
    needed = [size]
    for kernel_size, stride in list(zip(kernel_sizes, strides))[::-1]:
        needed.insert(0, max(math.ceil((needed[0] - kernel_size) / stride) + 1, 1))
    return max(needed[0], math.ceil(size / 2 ** len(strides))), *needed[1:]


def _generator_names(network):
    """The port's modules; its first map is channel by channel."""
    channels = network.get_layer("maps_reshape").output_shape[-1]
    reordered = functools.partial(from_channels, channels=channels)
    count = sum(isinstance(x, layers.Conv2DTranspose) for x in network.layers)
    return (
        (r"preprocess\.0", "maps", reordered),
        (r"preprocess\.1", "maps_bn", reordered),
        (r"block(\d+)\.0", r"deconv\1"),
        (r"block(\d+)\.1", r"deconv\1_bn"),
        ("deconv_out", f"deconv{count}"),
    )


@network_builder(free=("batch_norm_momentum",), state_dict_names=_generator_names)
def WGANGPTorchGenerator(
    filters: Sequence[int] = (512, 256, 128),
    image_shape: tuple = (32, 32, 3),
    kernel_sizes: Sequence[int] = (2, 2, 2),
    strides: Sequence[int] = (2, 2, 2),
    latent_size: int = 128,
    output_activation: str = "tanh",
    batch_norm: bool = True,
    batch_norm_momentum: float = MOMENTUM,
    name: str = "wgan_gp_torch_generator",
) -> keras.Model:
    """General builder of the port's generators.

    Args:
        filters: channels of the first map and after each deconvolution but the last.
        image_shape: ``(height, width, channels)`` of the images, of any size: what a
            deconvolution gives too much is cropped at its end.
        kernel_sizes: of the deconvolutions, which pad nothing, as many as ``filters``.
        strides: of the deconvolutions, as many.
        latent_size: number of latents.
        output_activation: ``"tanh"``, ``"sigmoid"`` or ``"linear"``.
        batch_norm: whether all layers but the last are normalised, each unit of the
            first map by itself, of the others each channel.
        batch_norm_momentum: fraction of running statistics kept in a step, in [0, 1).

    Returns:
        A ``keras.Model`` from latents ``(batch, latent_size)`` to images ``(batch,
        height, width, channels)``, float32, in the range of ``output_activation``.
    """
    _check(filters, image_shape, kernel_sizes, strides)
    check_count("latent_size", latent_size)
    check_choice("output_activation", output_activation, RANGES)
    check_flag("batch_norm", batch_norm)
    check_momentum(batch_norm, batch_norm_momentum)
    sides = [_sizes(side, kernel_sizes, strides) for side in image_shape[:2]]
    first, *sizes = zip(*sides)
    latents = keras.Input((latent_size,), name="latents")
    units = math.prod(first) * filters[0]
    x = layers.Dense(units, name="maps", **torch_weights(latent_size))(latents)
    x = normalised(x, "maps", batch_norm_momentum) if batch_norm else x
    x = layers.ReLU(name="maps_relu")(x)
    x = layers.Reshape((*first, filters[0]), name="maps_reshape")(x)
    widths = (*filters[1:], image_shape[2])
    rows = zip(widths, kernel_sizes, strides, sizes)
    for i, (width, kernel_size, stride, size) in enumerate(rows, start=1):
        x = MatrixConv2DTranspose(
            width,
            kernel_size,
            strides=stride,
            name=f"deconv{i}",
            **torch_weights(width * kernel_size**2),  # sic: PyTorch counts outputs
        )(x)
        x = cropped(x, size, f"deconv{i}_crop")
        if i < len(widths):
            x = normalised(x, f"deconv{i}", batch_norm_momentum) if batch_norm else x
            x = layers.ReLU(name=f"deconv{i}_relu")(x)
    return keras.Model(latents, output_images(x, output_activation), name=name)


def _check(filters, image_shape, kernel_sizes, strides):
    check_counts("filters", filters)
    check_image_shape(image_shape)
    check_counts("kernel_sizes", kernel_sizes)
    check_counts("strides", strides)
    check_same_length(filters=filters, kernel_sizes=kernel_sizes, strides=strides)
    for kernel_size, stride in zip(kernel_sizes, strides):
        if kernel_size < stride:
            raise ValueError(
                f"kernel_sizes={kernel_sizes!r} must be no smaller than "
                f"strides={strides!r}, or pixels have no weight"
            )


def _critic_names(network):
    """The port's modules; it counts activations, too."""
    widths = [x.filters for x in network.layers if isinstance(x, layers.Conv2D)]
    rules = [(rf"main\.{2 * i}", f"conv{i + 1}") for i in range(len(widths))]
    return [*rules, (r"output|linear", "logits", widths[-1])]


@network_builder(state_dict_names=_critic_names)
def WGANGPTorchCritic(
    filters: Sequence[int] = (128, 256, 512),
    image_shape: tuple = (32, 32, 3),
    kernel_size: int = 3,
    leak: float = 0.01,
    name: str = "wgan_gp_torch_critic",
) -> keras.Model:
    """General builder of the port's critics.

    Args:
        filters: of the convolutions of stride 2.
        image_shape: ``(height, width, channels)`` of the images.
        kernel_size: of the convolutions, odd.
        leak: slope of the activations below 0, in [0, 1); 0 is a ReLU.

    Returns:
        A ``keras.Model`` from images ``(batch, height, width, channels)`` to
        ``(batch, 1)``, float32, not bounded.
    """
    check_counts("filters", filters)
    check_image_shape(image_shape)
    check_count("kernel_size", kernel_size)
    if kernel_size % 2 == 0:
        raise ValueError(f"kernel_size must be odd, got {kernel_size!r}")
    check_within("leak", leak)
    images = keras.Input(image_shape, name="images")
    x = images
    for i, width in enumerate(filters, start=1):
        weights = torch_weights(x.shape[-1] * kernel_size**2)
        x = layers.ZeroPadding2D(kernel_size // 2, name=f"conv{i}_pad")(x)
        x = MatrixConv2D(width, kernel_size, strides=2, name=f"conv{i}", **weights)(x)
        x = layers.ReLU(negative_slope=leak, name=f"conv{i}_relu")(x)
    x = layers.Flatten(name="flatten")(x)
    return keras.Model(images, logits(x, **torch_weights(x.shape[-1])), name=name)


_MNIST = (28, 28, 1)
# fmt: off
_VARIANTS = {  # name, builder, arguments but its defaults, params, further fields
    "WGANGPMNISTTorchGenerator": (
        "wgan_gp_mnist_torch_generator", WGANGPTorchGenerator,
        {"filters": (256, 128, 64), "image_shape": _MNIST, "kernel_sizes": (5, 5, 8),
         "strides": (1, 1, 2), "output_activation": "sigmoid", "batch_norm": False,
         "batch_norm_momentum": MOMENTUM},
        1_556_673,  # 128*4096 + 4096 + 25*256*128 + 128 + 25*128*64 + 64 + 64*64 + 1
        {"preprocessing": "unit"},
    ),
    "WGANGPMNISTTorchCritic": (
        "wgan_gp_mnist_torch_critic", WGANGPTorchCritic,
        {"filters": (64, 128, 256), "image_shape": _MNIST, "kernel_size": 5,
         "leak": 0.0},
        1_030_145,  # 25*64 + 64 + 25*64*128 + 128 + 25*128*256 + 256 + 4096 + 1
        {"preprocessing": "unit"},
    ),
    "WGANGPCIFAR10TorchGenerator": (
        "wgan_gp_cifar10_torch_generator", WGANGPTorchGenerator, {},
        # 128*8192 + 8192 + 2*8192 + 4*512*256 + 256 + 2*256 + 4*256*128 + 128 + 2*128
        # + 4*128*3 + 3
        1_731_203,
    ),
    "WGANGPCIFAR10TorchCritic": (
        "wgan_gp_cifar10_torch_critic", WGANGPTorchCritic, {},
        1_487_105,  # 9*3*128 + 128 + 9*128*256 + 256 + 9*256*512 + 512 + 8192 + 1
    ),
}
# fmt: on
_variant = variants_of(
    _VARIANTS, paper="WGAN-GP, arXiv 1704.00028; layers of the usual PyTorch port"
)

WGANGPMNISTTorchGenerator = _variant("WGANGPMNISTTorchGenerator")
WGANGPMNISTTorchCritic = _variant("WGANGPMNISTTorchCritic")
WGANGPCIFAR10TorchGenerator = _variant("WGANGPCIFAR10TorchGenerator")
WGANGPCIFAR10TorchCritic = _variant("WGANGPCIFAR10TorchCritic")

__all__ = ["WGANGPTorchGenerator", "WGANGPTorchCritic", *_VARIANTS]
