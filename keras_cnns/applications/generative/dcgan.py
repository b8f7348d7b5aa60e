"""DCGAN: strided convolutions and batch normalisation make a GAN of images stable.

Radford, Metz, Chintala, "Unsupervised Representation Learning with Deep Convolutional
Generative Adversarial Networks", arXiv 1511.06434. Layers are those of the authors'
code (github.com/Newmu/dcgan_code): deconvolutions with stride 2 in the generator,
convolutions with stride 2 in the discriminator, no pooling, no biases; batch
normalisation everywhere but in the generator's last and the discriminator's first
layer; ReLU and tanh there, LeakyReLU of 0.2 here. Weights start from N(0, 0.02), gains
of batch normalisation from N(1, 0.02).

- 64: faces and bedrooms; 100 latents, uniform in [-1, 1).
- 32: SVHN; 100 normal latents. The discriminator's activations, max-pooled to 4x4,
  are 7,168 features.
- 32, ImageNet: six 3x3 convolutions, 256 latents, uniform in [-1, 1); 28,672 features.
- 28, MNIST: labels join the input of every layer; sigmoid output; batch normalisation
  without gain and shift.
- 128: the paper has none. It is the 64 form with one more stage of half the width at
  the image's side.
- torch, 64 and 128: the layers of PyTorch's example, 4x4 kernels and half the width;
  100 normal latents. WGAN's networks are these. Files of the example and of WGAN's code
  are read by all networks of such kernels (``_torch_names.py``).

Deviations: the discriminator gives logits, the authors' ends in a sigmoid. After the
generator's dense layers, the authors normalise every unit of the first map, here it is
every channel. Epsilon is 1e-5, theirs 1e-8 (TensorFlow's fused kernel takes no less).
Where a stride of 2 leaves one row of padding too many, TensorFlow puts it at the end,
theirs at the start: the networks are mirror images.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns._checks import check_choice, check_count
from keras_cnns.applications.frame.builder import network_builder
from keras_cnns.applications.frame.parts import MOMENTUM
from keras_cnns.applications.generative._dcgan import (
    LEAK,
    all_strides,
    check_batch_norm,
    check_layers,
    deconvolution,
    dense,
    discriminator_ends,
    generator_ends,
    map_sizes,
    normalisation,
    small_normal,
)
from keras_cnns.applications.generative._parts import (
    RANGES,
    logits,
    output_images,
    variants_of,
    with_labels,
)
from keras_cnns.applications.generative._torch_names import (
    discriminator_names,
    generator_names,
)
from keras_cnns.layers import MatrixConv2D


@network_builder(free=("batch_norm_momentum",), state_dict_names=generator_names)
def DCGANGenerator(
    filters: Sequence[int] = (1024, 512, 256, 128),
    image_shape: tuple = (64, 64, 3),
    kernel_size: int = 5,
    strides: Sequence[int] | None = None,
    latent_size: int = 100,
    classes: int = 0,
    dense_units: int = 0,
    output_activation: str = "tanh",
    batch_norm: bool = True,
    batch_norm_affine: bool = True,
    batch_norm_momentum: float = MOMENTUM,
    name: str = "dcgan_generator",
) -> keras.Model:
    """General builder of the generators.

    Args:
        filters: channels of the first map and after each deconvolution but the last.
        image_shape: ``(height, width, channels)`` of the images, of any size: a map
            that a stride makes too large is cropped at its end.
        kernel_size: of the deconvolutions.
        strides: of the deconvolutions, as many as ``filters``; None is 2 for all.
        latent_size: number of latents.
        classes: number of classes of a conditional generator; 0 for an unconditional.
        dense_units: units of a dense layer before the first map; 0 for none.
        output_activation: ``"tanh"``, ``"sigmoid"`` or ``"linear"``.
        batch_norm: whether all layers but the last are normalised.
        batch_norm_affine: whether batch normalisation learns gains and shifts.
        batch_norm_momentum: fraction of running statistics kept in a step, in [0, 1).

    Returns:
        A ``keras.Model`` from latents ``(batch, latent_size)``, and one-hot labels
        ``(batch, classes)`` where there are classes, to images ``(batch, height,
        width, channels)``, float32, in the range of ``output_activation``.
    """
    strides = all_strides(filters, strides)
    check_layers(filters, image_shape, kernel_size, strides, classes, dense_units)
    check_count("latent_size", latent_size)
    check_choice("output_activation", output_activation, RANGES)
    check_batch_norm(batch_norm, batch_norm_affine, batch_norm_momentum)
    normalise = normalisation(batch_norm, batch_norm_affine, batch_norm_momentum)
    latents = keras.Input((latent_size,), name="latents")
    labels = keras.Input((classes,), name="labels") if classes else None
    sizes = map_sizes(image_shape[:2], strides)
    x = latents
    if dense_units:
        x = dense(with_labels(x, labels, "dense"), dense_units, "dense")
        x = layers.ReLU(name="dense_relu")(normalise(x, "dense"))
    x = with_labels(x, labels, "maps")
    x = dense(x, filters[0] * math.prod(sizes[0]), "maps")
    x = layers.Reshape((*sizes[0], filters[0]), name="maps_reshape")(x)
    for i, stride in enumerate(strides):
        step = "maps" if i == 0 else f"deconv{i}"
        x = layers.ReLU(name=f"{step}_relu")(normalise(x, step))
        width = (*filters[1:], image_shape[2])[i]
        x = with_labels(x, labels, f"deconv{i + 1}")
        x = deconvolution(x, width, kernel_size, stride, sizes[i + 1], f"deconv{i + 1}")
    inputs = [latents, labels] if classes else latents
    return keras.Model(inputs, output_images(x, output_activation), name=name)


@network_builder(free=("batch_norm_momentum",), state_dict_names=discriminator_names)
def DCGANDiscriminator(
    filters: Sequence[int] = (128, 256, 512, 1024),
    image_shape: tuple = (64, 64, 3),
    kernel_size: int = 5,
    strides: Sequence[int] | None = None,
    classes: int = 0,
    dense_units: int = 0,
    batch_norm: bool = True,
    batch_norm_affine: bool = True,
    batch_norm_momentum: float = MOMENTUM,
    name: str = "dcgan_discriminator",
) -> keras.Model:
    """General builder of the discriminators.

    Activations are in the layers ``conv1_lrelu``, ``conv2_lrelu`` and so on.

    Args:
        filters: of the convolutions.
        image_shape: ``(height, width, channels)`` of the images.
        kernel_size: of the convolutions.
        strides: of the convolutions, as many as ``filters``; None is 2 for all.
        classes: number of classes of a conditional one; 0 for an unconditional.
        dense_units: units of a dense layer before the logits; 0 for none.
        batch_norm: whether all layers but the first and the last are normalised.
        batch_norm_affine: whether batch normalisation learns gains and shifts.
        batch_norm_momentum: fraction of running statistics kept in a step, in [0, 1).

    Returns:
        A ``keras.Model`` from images ``(batch, height, width, channels)``, and
        one-hot labels ``(batch, classes)`` where there are classes, to logits
        ``(batch, 1)``, float32, high for real ones.
    """
    strides = all_strides(filters, strides)
    check_layers(filters, image_shape, kernel_size, strides, classes, dense_units)
    check_batch_norm(batch_norm, batch_norm_affine, batch_norm_momentum)
    normalise = normalisation(batch_norm, batch_norm_affine, batch_norm_momentum)
    images = keras.Input(image_shape, name="images")
    labels = keras.Input((classes,), name="labels") if classes else None
    x = images
    for i, (width, stride) in enumerate(zip(filters, strides), start=1):
        x = MatrixConv2D(
            width,
            kernel_size,
            strides=stride,
            padding="same",
            use_bias=False,
            kernel_initializer=small_normal(),
            name=f"conv{i}",
        )(with_labels(x, labels, f"conv{i}"))
        x = normalise(x, f"conv{i}") if i > 1 else x
        x = layers.LeakyReLU(LEAK, name=f"conv{i}_lrelu")(x)
    x = layers.Flatten(name="flatten")(x)
    if dense_units:
        x = dense(with_labels(x, labels, "dense"), dense_units, "dense")
        x = layers.LeakyReLU(LEAK, name="dense_lrelu")(normalise(x, "dense"))
    x = with_labels(x, labels, "logits")
    x = logits(x, use_bias=False, kernel_initializer=small_normal())
    inputs = [images, labels] if classes else images
    return keras.Model(inputs, x, name=name)


_SVHN = {"image_shape": (32, 32, 3)}
_IMAGENET = {"image_shape": (32, 32, 3), "kernel_size": 3}
_MNIST = {
    "image_shape": (28, 28, 1),
    "classes": 10,
    "dense_units": 1024,
    "batch_norm_affine": False,
}
_128 = {"image_shape": (128, 128, 3)}
_NOT_IN_PAPER = "not in the paper: its 64 form with one more stage"
_TORCH = {"kernel_size": 4}
_OF_TORCH = {"paper": "PyTorch's DCGAN example, after arXiv 1511.06434"}
# Parameters: kernels, then gains and shifts; macs: kernels times the places of the
# smaller map: 1,638,400 or 16,384 + 3*209,715,200 + 9,830,400.
# fmt: off
_VARIANTS = {  # name, builder, arguments but its defaults, params, further fields
    "DCGAN64Generator": (
        "dcgan64_generator", DCGANGenerator, {},
        18_855_040,  # 100*16384 + 25*(1024*512 + 512*256 + 256*128 + 128*3) + 2*1920
        {"macs": 640_614_400, "stage_ends": generator_ends(4)},
    ),
    "DCGAN64Discriminator": (
        "dcgan64_discriminator", DCGANDiscriminator, {},
        17_232_768,  # 25*(3*128 + 128*256 + 256*512 + 512*1024) + 16384 + 2*1792
        {"macs": 638_992_384, "stage_ends": discriminator_ends(4)},
    ),
    "DCGAN32Generator": (
        "dcgan32_generator", DCGANGenerator, {**_SVHN, "filters": (256, 128, 64)},
        1_439_296,  # 100*4096 + 25*(256*128 + 128*64 + 64*3) + 2*448
        {"stage_ends": generator_ends(3)},
    ),
    "DCGAN32Discriminator": (
        "dcgan32_discriminator", DCGANDiscriminator,
        {**_SVHN, "filters": (64, 128, 256)},
        1_033_664,  # 25*(3*64 + 64*128 + 128*256) + 4096 + 2*384
        {"stage_ends": discriminator_ends(3),
         "published": "SVHN error 22.48 %, 1000 labels, SVM on its features"},
    ),
    "DCGAN32ImageNetGenerator": (
        "dcgan32_imagenet_generator", DCGANGenerator,
        {**_IMAGENET, "filters": (512, 512, 256, 256, 128, 128),
         "strides": (2, 1, 2, 1, 2, 1), "latent_size": 256},
        # 256*8192 + 9*(512*512 + 512*256 + 256*256 + 256*128 + 128*128 + 128*3)
        # + 2*1792
        6_675_328, {"stage_ends": generator_ends(6)},
    ),
    "DCGAN32ImageNetDiscriminator": (
        "dcgan32_imagenet_discriminator", DCGANDiscriminator,
        {**_IMAGENET, "filters": (128, 128, 256, 256, 512, 512),
         "strides": (1, 2, 1, 2, 1, 2)},
        # 9*(3*128 + 128*128 + 128*256 + 256*256 + 256*512 + 512*512) + 8192 + 2*1664
        4_586_112,
        {"stage_ends": discriminator_ends(6),
         "published": "CIFAR-10 accuracy 82.8 %, SVM on its features"},
    ),
    "DCGAN28Generator": (
        "dcgan28_generator", DCGANGenerator,
        {**_MNIST, "filters": (128, 64), "output_activation": "sigmoid"},
        6_820_538,  # 110*1024 + 1034*6272 + 25*(138*64 + 74)
        {"stage_ends": generator_ends(2), "preprocessing": "unit"},
    ),
    "DCGAN28Discriminator": (
        "dcgan28_discriminator", DCGANDiscriminator, {**_MNIST, "filters": (64, 128)},
        6_688_202,  # 25*(11*64 + 74*128) + 6282*1024 + 1034
        {"stage_ends": discriminator_ends(2), "preprocessing": "unit"},
    ),
    "DCGAN128Generator": (
        "dcgan128_generator", DCGANGenerator,
        {**_128, "filters": (1024, 512, 256, 128, 64)},
        # 100*16384 + 25*(1024*512 + 512*256 + 256*128 + 128*64 + 64*3) + 2*1984
        19_055_168, {"stage_ends": generator_ends(5), "note": _NOT_IN_PAPER},
    ),
    "DCGAN128Discriminator": (
        "dcgan128_discriminator", DCGANDiscriminator,
        {**_128, "filters": (64, 128, 256, 512, 1024)},
        # 25*(3*64 + 64*128 + 128*256 + 256*512 + 512*1024) + 16384 + 2*1920
        17_433_024, {"stage_ends": discriminator_ends(5), "note": _NOT_IN_PAPER},
    ),
    "DCGAN64TorchGenerator": (
        "dcgan64_torch_generator", DCGANGenerator,
        {**_TORCH, "filters": (512, 256, 128, 64)},
        3_576_704,  # 100*8192 + 16*(512*256 + 256*128 + 128*64 + 64*3) + 2*960
        {"stage_ends": generator_ends(4), **_OF_TORCH},
    ),
    "DCGAN64TorchDiscriminator": (
        "dcgan64_torch_discriminator", DCGANDiscriminator,
        {**_TORCH, "filters": (64, 128, 256, 512)},
        2_765_568,  # 16*(3*64 + 64*128 + 128*256 + 256*512) + 8192 + 2*896
        {"stage_ends": discriminator_ends(4), **_OF_TORCH},
    ),
    "DCGAN128TorchGenerator": (
        "dcgan128_torch_generator", DCGANGenerator,
        {**_TORCH, **_128, "filters": (1024, 512, 256, 128, 64)},
        # 100*16384 + 16*(1024*512 + 512*256 + 256*128 + 128*64 + 64*3) + 2*1984
        12_786_560, {"stage_ends": generator_ends(5), **_OF_TORCH},
    ),
    "DCGAN128TorchDiscriminator": (
        "dcgan128_torch_discriminator", DCGANDiscriminator,
        {**_TORCH, **_128, "filters": (64, 128, 256, 512, 1024)},
        # 16*(3*64 + 64*128 + 128*256 + 256*512 + 512*1024) + 16384 + 2*1920
        11_164_416, {"stage_ends": discriminator_ends(5), **_OF_TORCH},
    ),
}
# fmt: on
_variant = variants_of(
    _VARIANTS, paper="DCGAN, arXiv 1511.06434, figure 1; layers of the authors' code"
)

DCGAN64Generator = _variant("DCGAN64Generator")
DCGAN64Discriminator = _variant("DCGAN64Discriminator")
DCGAN32Generator = _variant("DCGAN32Generator")
DCGAN32Discriminator = _variant("DCGAN32Discriminator")
DCGAN32ImageNetGenerator = _variant("DCGAN32ImageNetGenerator")
DCGAN32ImageNetDiscriminator = _variant("DCGAN32ImageNetDiscriminator")
DCGAN28Generator = _variant("DCGAN28Generator")
DCGAN28Discriminator = _variant("DCGAN28Discriminator")
DCGAN128Generator = _variant("DCGAN128Generator")
DCGAN128Discriminator = _variant("DCGAN128Discriminator")
DCGAN64TorchGenerator = _variant("DCGAN64TorchGenerator")
DCGAN64TorchDiscriminator = _variant("DCGAN64TorchDiscriminator")
DCGAN128TorchGenerator = _variant("DCGAN128TorchGenerator")
DCGAN128TorchDiscriminator = _variant("DCGAN128TorchDiscriminator")

__all__ = ["DCGANGenerator", "DCGANDiscriminator", *_VARIANTS]
