"""Conditional GAN: both players are told the class that is meant.

Mirza, Osindero, "Conditional Generative Adversarial Nets", arXiv 1411.1784, section
4.1. Latents are 100 numbers, uniform in [0, 1); labels are one-hot. The networks from
image to tag stand in ``cgan_tag.py``.

The paper says that dropout of 0.5 was applied to both players, not where: here it
follows every hidden layer (unverified). It gives no initial weights: here they are
those of the code that it was built on, uniform in +-0.05 in the generator and +-0.005
in the discriminator (unverified). Deviation: the discriminator gives logits, the
paper's ends in a sigmoid.
"""

from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns._checks import check_each_count, check_image_shape, check_rate
from keras_cnns.applications.frame.registry import register_network
from keras_cnns.applications.generative._parts import (
    DISCRIMINATOR_LIMIT,
    GENERATOR_LIMIT,
    flat_images,
    logits,
    maxout_and_dropout,
    relu_and_dropout,
    uniform,
)

_MNIST = (28, 28, 1)


def CGANGenerator(
    latent_units=200,
    label_units=1000,
    joint_units=1200,
    image_shape=(28, 28, 1),
    latent_size=100,
    classes=10,
    dropout_rate=0.5,
    name="cgan_generator",
):
    """General builder of the generator of images of a class.

    Args:
        latent_units: ReLU units that see the latents alone.
        label_units: ReLU units that see the label alone.
        joint_units: ReLU units that see both.
        image_shape: ``(height, width, channels)`` of the images.
        latent_size: number of latents.
        classes: number of classes.
        dropout_rate: fraction of units dropped after each hidden layer, in [0, 1).
        name: model name.

    Returns:
        A ``keras.Model`` from latents ``(batch, latent_size)`` and one-hot labels
        ``(batch, classes)`` to images ``(batch, height, width, channels)`` in
        [0, 1], float32.

    Raises:
        ValueError: if an argument is bad; the message quotes it.
    """
    check_each_count(
        latent_units=latent_units,
        label_units=label_units,
        joint_units=joint_units,
        latent_size=latent_size,
        classes=classes,
    )
    check_image_shape(image_shape)
    check_rate("dropout_rate", dropout_rate)
    latents = keras.Input((latent_size,), name="latents")
    labels = keras.Input((classes,), name="labels")
    limit, rate = GENERATOR_LIMIT, dropout_rate
    from_latents = relu_and_dropout(latents, latent_units, limit, rate, "latent_dense")
    from_labels = relu_and_dropout(labels, label_units, limit, rate, "label_dense")
    x = layers.Concatenate(name="joint")([from_latents, from_labels])
    x = relu_and_dropout(x, joint_units, limit, rate, "joint_dense")
    x = flat_images(x, image_shape, "sigmoid", kernel_initializer=uniform(limit))
    return keras.Model([latents, labels], x, name=name)


def CGANDiscriminator(
    image_units=240,
    image_pieces=5,
    label_units=50,
    label_pieces=5,
    joint_units=240,
    joint_pieces=4,
    image_shape=(28, 28, 1),
    classes=10,
    dropout_rate=0.5,
    name="cgan_discriminator",
):
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
        name: model name.

    Returns:
        A ``keras.Model`` from images ``(batch, height, width, channels)`` and
        one-hot labels ``(batch, classes)`` to logits ``(batch, 1)``, float32, high
        for real ones.

    Raises:
        ValueError: if an argument is bad; the message quotes it.
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
    check_rate("dropout_rate", dropout_rate)
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


_VARIANTS = {
    "CGANMNISTGenerator": {
        "builder": CGANGenerator,
        "architecture": {
            "latent_units": 200,
            "label_units": 1000,
            "joint_units": 1200,
            "image_shape": _MNIST,
            "latent_size": 100,
            "classes": 10,
        },
        # 100*200 + 200 + 10*1000 + 1000 + 1200*1200 + 1200 + 1200*784 + 784
        "params": 2_413_984,
        "published": "MNIST log-likelihood 132 +- 1.8 (Parzen windows)",
        "shapes": ((100,), _MNIST),
    },
    "CGANMNISTDiscriminator": {
        "builder": CGANDiscriminator,
        "architecture": {
            "image_units": 240,
            "image_pieces": 5,
            "label_units": 50,
            "label_pieces": 5,
            "joint_units": 240,
            "joint_pieces": 4,
            "image_shape": _MNIST,
            "classes": 10,
        },
        # 784*1200 + 1200 + 10*250 + 250 + 290*960 + 960 + 240 + 1
        "params": 1_224_351,
        "shapes": (_MNIST, (1,)),
    },
}


def _variant(function_name, name):
    row = dict(_VARIANTS[function_name])
    inputs, outputs = row.pop("shapes")
    return register_network(
        row.pop("builder"),
        function_name,
        name=name,
        task="generation",
        paper="CGAN, arXiv 1411.1784, section 4.1",
        input_shape=inputs,
        condition_shape=(10,),
        output_shape=outputs,
        preprocessing="unit",
        **row,
    )


CGANMNISTGenerator = _variant("CGANMNISTGenerator", "cgan_mnist_generator")
CGANMNISTDiscriminator = _variant("CGANMNISTDiscriminator", "cgan_mnist_discriminator")

__all__ = ["CGANGenerator", "CGANDiscriminator", *_VARIANTS]
