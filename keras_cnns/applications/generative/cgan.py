"""Conditional GAN: generator and discriminator are both given the class.

Mirza, Osindero, "Conditional Generative Adversarial Nets", arXiv 1411.1784, section
4.1. Latents are 100 numbers, uniform in [0, 1); labels are one-hot. The networks from
image to tag are in ``cgan_tag.py``.

The paper says that dropout of 0.5 was applied to both networks, not where: here it
follows every hidden layer (unverified). It gives no initial weights: here they are
those of the code that it was built on, uniform in +-0.05 in the generator and +-0.005
in the discriminator (unverified). Deviation: the discriminator gives logits, the
paper's ends in a sigmoid.
"""

from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns._checks import check_each_count, check_image_shape, check_within
from keras_cnns.applications.frame.builder import network_builder
from keras_cnns.applications.generative._parts import (
    DISCRIMINATOR_LIMIT,
    GENERATOR_LIMIT,
    flat_images,
    logits,
    maxout_and_dropout,
    relu_and_dropout,
    uniform,
    variants_of,
)


@network_builder(free=("dropout_rate",))
def CGANGenerator(
    latent_units: int = 200,
    label_units: int = 1000,
    joint_units: int = 1200,
    image_shape: tuple = (28, 28, 1),
    latent_size: int = 100,
    classes: int = 10,
    dropout_rate: float = 0.5,
    name: str = "cgan_generator",
) -> keras.Model:
    """General builder of the generator of images of a class.

    Args:
        latent_units: ReLU units that see the latents alone.
        label_units: ReLU units that see the label alone.
        joint_units: ReLU units that see both.
        image_shape: ``(height, width, channels)`` of the images.
        latent_size: number of latents.
        classes: number of classes.
        dropout_rate: fraction of units dropped after each hidden layer, in [0, 1).

    Returns:
        A ``keras.Model`` from latents ``(batch, latent_size)`` and one-hot labels
        ``(batch, classes)`` to images ``(batch, height, width, channels)`` in
        [0, 1], float32.
    """
    check_each_count(
        latent_units=latent_units,
        label_units=label_units,
        joint_units=joint_units,
        latent_size=latent_size,
        classes=classes,
    )
    check_image_shape(image_shape)
    check_within("dropout_rate", dropout_rate)
    latents = keras.Input((latent_size,), name="latents")
    labels = keras.Input((classes,), name="labels")
    limit, rate = GENERATOR_LIMIT, dropout_rate
    from_latents = relu_and_dropout(latents, latent_units, limit, rate, "latent_dense")
    from_labels = relu_and_dropout(labels, label_units, limit, rate, "label_dense")
    x = layers.Concatenate(name="joint")([from_latents, from_labels])
    x = relu_and_dropout(x, joint_units, limit, rate, "joint_dense")
    x = flat_images(x, image_shape, "sigmoid", kernel_initializer=uniform(limit))
    return keras.Model([latents, labels], x, name=name)


@network_builder(free=("dropout_rate",))
def CGANDiscriminator(
    image_units: int = 240,
    image_pieces: int = 5,
    label_units: int = 50,
    label_pieces: int = 5,
    joint_units: int = 240,
    joint_pieces: int = 4,
    image_shape: tuple = (28, 28, 1),
    classes: int = 10,
    dropout_rate: float = 0.5,
    name: str = "cgan_discriminator",
) -> keras.Model:
    """General builder of the discriminator of images of a class.

    Args:
        image_units: maxout units that see the image alone.
        image_pieces: linear pieces of each of them.
        label_units: maxout units that see the label alone.
        label_pieces: linear pieces of each of them.
        joint_units: maxout units that see both.
        joint_pieces: linear pieces of each of them.
        image_shape: ``(height, width, channels)`` of the images.
        classes: number of classes.
        dropout_rate: fraction of units dropped after each hidden layer, in [0, 1).

    Returns:
        A ``keras.Model`` from images ``(batch, height, width, channels)`` and
        one-hot labels ``(batch, classes)`` to logits ``(batch, 1)``, float32, high
        for real ones.
    """
    check_each_count(
        image_units=image_units,
        image_pieces=image_pieces,
        label_units=label_units,
        label_pieces=label_pieces,
        joint_units=joint_units,
        joint_pieces=joint_pieces,
        classes=classes,
    )
    check_image_shape(image_shape)
    check_within("dropout_rate", dropout_rate)
    images = keras.Input(image_shape, name="images")
    labels = keras.Input((classes,), name="labels")
    x = layers.Flatten(name="flatten")(images)
    rate = dropout_rate
    x = maxout_and_dropout(x, image_units, image_pieces, rate, "image_dense")
    y = maxout_and_dropout(labels, label_units, label_pieces, rate, "label_dense")
    x = layers.Concatenate(name="joint")([x, y])
    x = maxout_and_dropout(x, joint_units, joint_pieces, rate, "joint_dense")
    x = logits(x, kernel_initializer=uniform(DISCRIMINATOR_LIMIT))
    return keras.Model([images, labels], x, name=name)


# fmt: off
_VARIANTS = {  # name, builder, arguments but its defaults, params, further fields
    "CGANMNISTGenerator": (
        "cgan_mnist_generator", CGANGenerator, {},
        # 100*200 + 200 + 10*1000 + 1000 + 1200*1200 + 1200 + 1200*784 + 784
        2_413_984, {"published": "MNIST log-likelihood 132 +- 1.8 (Parzen windows)"},
    ),
    "CGANMNISTDiscriminator": (
        "cgan_mnist_discriminator", CGANDiscriminator, {},
        1_224_351,  # 784*1200 + 1200 + 10*250 + 250 + 290*960 + 960 + 240 + 1
    ),
}
# fmt: on
_variant = variants_of(
    _VARIANTS, paper="CGAN, arXiv 1411.1784, section 4.1", preprocessing="unit"
)

CGANMNISTGenerator = _variant("CGANMNISTGenerator")
CGANMNISTDiscriminator = _variant("CGANMNISTDiscriminator")

__all__ = ["CGANGenerator", "CGANDiscriminator", *_VARIANTS]
