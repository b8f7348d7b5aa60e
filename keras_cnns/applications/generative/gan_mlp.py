"""The first generative adversarial nets: dense generators, maxout discriminators.

Goodfellow, Pouget-Abadie, Mirza, Xu, Warde-Farley, Ozair, Courville, Bengio,
"Generative Adversarial Networks", arXiv 1406.2661, section 5. The paper gives no
layers; sizes, initial weights, norm limits and dropout rates are those of the authors'
definitions (``mnist.yaml``, ``tfd_pretrain``, ``cifar10_fully_connected.yaml`` of
github.com/goodfeli/adversarial). Dropout in the discriminator keeps 0.8 of the input
and 0.5 of each hidden layer and scales by 1.25 and 2; the generator has none.

Latents are 100 numbers: uniform in +-sqrt 3 for MNIST, normal for the others. For the
Toronto faces a first generator is trained alone, then a second one, which puts two
layers before it.

The convolutional pair for CIFAR-10 is in ``gan_conv.py``.

Deviations: the discriminators give logits, the authors' end in a sigmoid. Of the
Toronto faces' generator, the last layer starts from uniform weights, not from 100
normal ones per unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns._checks import (
    check_choice,
    check_count,
    check_counts,
    check_image_shape,
    check_positive,
    check_same_length,
    check_within,
    is_number,
)
from keras_cnns.applications.frame.builder import network_builder
from keras_cnns.applications.frame.parts import dropout
from keras_cnns.applications.generative._parts import (
    DISCRIMINATOR_LIMIT,
    GENERATOR_LIMIT,
    RANGES,
    flat_images,
    limited_dense,
    logits,
    maxout_and_dropout,
    uniform,
    variants_of,
)

if TYPE_CHECKING:
    import tensorflow as tf

_ACTIVATIONS = ("relu", "sigmoid")


@network_builder(free=("pixel_means",))
def GANGenerator(
    units: Sequence[int] = (1200, 1200),
    activations: Sequence[str] = ("relu", "relu"),
    image_shape: tuple = (28, 28, 1),
    output_activation: str = "sigmoid",
    latent_size: int = 100,
    sigmoid_bias: float = 0.0,
    output_limit: float = GENERATOR_LIMIT,
    largest_norm: float | None = None,
    pixel_means: np.ndarray | Sequence | None = None,
    name: str = "gan_generator",
) -> keras.Model:
    """General builder of the dense generators.

    Args:
        units: units of the hidden layers.
        activations: of the hidden layers, each ``"relu"`` or ``"sigmoid"``.
        image_shape: ``(height, width, channels)`` of the images.
        output_activation: ``"sigmoid"``, ``"tanh"`` or ``"linear"``.
        latent_size: number of latents.
        sigmoid_bias: initial bias of the hidden sigmoid layers.
        output_limit: initial weights of the last layer are uniform in +-this.
        largest_norm: limit of the norm of each unit's weights; None is no limit.
        pixel_means: means of the training images, of ``image_shape`` and in [0, 1],
            whose logits a sigmoid output starts from; None starts from 0.

    Returns:
        A ``keras.Model`` from latents ``(batch, latent_size)`` to images ``(batch,
        height, width, channels)``, float32.
    """
    check_hidden(units, activations, latent_size)
    check_image_shape(image_shape)
    check_choice("output_activation", output_activation, RANGES)
    check_positive("output_limit", output_limit)
    if largest_norm is not None:
        check_positive("largest_norm", largest_norm)
    _check_bias(sigmoid_bias, activations)
    if pixel_means is not None:
        means = _checked_means(pixel_means, image_shape, output_activation)
    latents = keras.Input((latent_size,), name="latents")
    x = hidden(latents, units, activations, sigmoid_bias, largest_norm)
    limit = keras.constraints.MaxNorm(largest_norm) if largest_norm else None
    x = flat_images(
        x,
        image_shape,
        output_activation,
        kernel_initializer=uniform(output_limit),
        kernel_constraint=limit,
    )
    model = keras.Model(latents, x, name=name)
    if pixel_means is not None:
        model.get_layer("pixels").bias.assign(np.log(means / (1 - means)))
    return model


def _check_bias(sigmoid_bias, activations):
    if not is_number(sigmoid_bias) or not np.isfinite(sigmoid_bias):
        raise ValueError(f"sigmoid_bias must be a number, got {sigmoid_bias!r}")
    if sigmoid_bias and "sigmoid" not in activations:
        raise ValueError(
            f"sigmoid_bias={sigmoid_bias!r} has no effect with "
            f"activations={activations!r}; leave it out"
        )


def check_hidden(
    units: Sequence[int], activations: Sequence[str], latent_size: int
) -> None:
    """Refuses arguments of the generator's hidden layers that make none."""
    check_counts("units", units)
    check_count("latent_size", latent_size)
    check_same_length(units=units, activations=activations)
    for activation in activations:
        check_choice("activations", activation, _ACTIVATIONS)


def hidden(
    x: tf.Tensor,
    units: Sequence[int],
    activations: Sequence[str],
    sigmoid_bias: float,
    largest_norm: float | None,
) -> tf.Tensor:
    """The generator's dense layers before the pixels."""
    for i, (width, activation) in enumerate(zip(units, activations), start=1):
        bias = sigmoid_bias if activation == "sigmoid" else 0.0
        x = limited_dense(
            x, width, activation, GENERATOR_LIMIT, f"dense{i}", largest_norm, bias
        )
    return x


def _checked_means(pixel_means, image_shape, activation):
    """Means as a vector, so far inside of (0, 1) that they have logits."""
    if activation != "sigmoid":
        raise ValueError(
            f"pixel_means has no effect with output_activation={activation!r}; leave "
            "it out"
        )
    means = np.asarray(pixel_means)
    is_image = means.shape == tuple(image_shape) and means.dtype.kind in "fiu"
    if not is_image or not all(0 <= mean <= 1 for mean in means.ravel()):
        raise ValueError(
            f"pixel_means must be in [0, 1] and of shape {tuple(image_shape)}, got "
            f"shape {means.shape}: {pixel_means!r}"
        )
    return np.clip(means.ravel().astype(np.float64), 1e-7, 1 - 1e-7)


@network_builder(free=("input_dropout_rate", "dropout_rate"))
def GANDiscriminator(
    units: Sequence[int] = (240, 240),
    pieces: int = 5,
    image_shape: tuple = (28, 28, 1),
    largest_norm: float | None = None,
    input_dropout_rate: float = 0.2,
    dropout_rate: float = 0.5,
    name: str = "gan_discriminator",
) -> keras.Model:
    """General builder of the dense maxout discriminators.

    Args:
        units: units after the maximum, of the hidden layers.
        pieces: linear pieces that each unit is the maximum of.
        image_shape: ``(height, width, channels)`` of the images.
        largest_norm: limit of the norm of each piece's weights; None is no limit.
        input_dropout_rate: fraction of the pixels dropped, in [0, 1).
        dropout_rate: fraction of the units dropped after each hidden layer, in [0, 1).

    Returns:
        A ``keras.Model`` from images ``(batch, height, width, channels)`` to logits
        ``(batch, 1)``, float32, high for real ones.
    """
    check_counts("units", units)
    check_count("pieces", pieces)
    check_image_shape(image_shape)
    check_within("input_dropout_rate", input_dropout_rate)
    check_within("dropout_rate", dropout_rate)
    if largest_norm is not None:
        check_positive("largest_norm", largest_norm)
    images = keras.Input(image_shape, name="images")
    x = layers.Flatten(name="flatten")(images)
    x = dropout(x, input_dropout_rate, "input_dropout")
    for i, width in enumerate(units, start=1):
        x = maxout_and_dropout(
            x, width, pieces, dropout_rate, f"dense{i}", largest_norm
        )
    limit = keras.constraints.MaxNorm(largest_norm) if largest_norm else None
    x = logits(
        x, kernel_initializer=uniform(DISCRIMINATOR_LIMIT), kernel_constraint=limit
    )
    return keras.Model(images, x, name=name)


_PAPER = "GAN, arXiv 1406.2661, section 5; sizes of the authors' code"
_CIFAR10 = {"image_shape": (32, 32, 3)}
_FACES = {"image_shape": (48, 48, 1), "largest_norm": 1.9365}
# fmt: off
_VARIANTS = {  # name, builder, arguments but its defaults, params, further fields
    "GANMNISTGenerator": (
        "gan_mnist_generator", GANGenerator, {},
        2_503_984,  # 100*1200 + 1200 + 1200*1200 + 1200 + 1200*784 + 784
        {"published": "MNIST log-likelihood 225 +- 2 (Parzen windows)"},
    ),
    "GANMNISTDiscriminator": (
        "gan_mnist_discriminator", GANDiscriminator, {},
        1_231_441,  # 784*1200 + 1200 + 240*1200 + 1200 + 240 + 1
    ),
    "GANTFDGenerator": (
        "gan_tfd_generator", GANGenerator,
        {**_FACES, "units": (8000, 8000), "activations": ("relu", "sigmoid"),
         "sigmoid_bias": -2.0},
        83_250_304,  # 100*8000 + 8000 + 8000*8000 + 8000 + 8000*2304 + 2304
        {"note": "the first of two stages"},
    ),
    "GANTFDStackedGenerator": (
        "gan_tfd_stacked_generator", GANGenerator,
        {**_FACES, "units": (8000, 100, 8000, 8000),
         "activations": ("relu", "sigmoid", "relu", "sigmoid"), "sigmoid_bias": -2.0},
        84_858_404,  # the first stage and 100*8000 + 8000 + 8000*100 + 100 before it
        {"published": "TFD log-likelihood 2057 +- 26 (Parzen windows)",
         "note": "the second stage: its layers from dense3 on are the first stage's"},
    ),
    "GANTFDDiscriminator": (
        "gan_tfd_discriminator", GANDiscriminator, {**_FACES, "units": (1200, 1200)},
        21_037_201,  # 2304*6000 + 6000 + 1200*6000 + 6000 + 1200 + 1
    ),
    "GANCIFAR10Generator": (
        "gan_cifar10_generator", GANGenerator,
        {**_CIFAR10, "units": (8000, 8000), "activations": ("relu", "sigmoid"),
         "output_activation": "linear", "output_limit": 0.5, "pixel_means": None},
        89_395_072,  # 100*8000 + 8000 + 8000*8000 + 8000 + 8000*3072 + 3072
        {"preprocessing": "unbounded"},
    ),
    "GANCIFAR10Discriminator": (
        "gan_cifar10_discriminator", GANDiscriminator,
        {**_CIFAR10, "units": (1600, 1600)},
        37_393_601,  # 3072*8000 + 8000 + 1600*8000 + 8000 + 1600 + 1
        {"preprocessing": "unbounded"},
    ),
}
# fmt: on
_variant = variants_of(_VARIANTS, paper=_PAPER, preprocessing="unit")

GANMNISTGenerator = _variant("GANMNISTGenerator")
GANMNISTDiscriminator = _variant("GANMNISTDiscriminator")
GANTFDGenerator = _variant("GANTFDGenerator")
GANTFDStackedGenerator = _variant("GANTFDStackedGenerator")
GANTFDDiscriminator = _variant("GANTFDDiscriminator")
GANCIFAR10Generator = _variant("GANCIFAR10Generator")
GANCIFAR10Discriminator = _variant("GANCIFAR10Discriminator")

__all__ = ["GANGenerator", "GANDiscriminator", *_VARIANTS]
