"""An auto-encoder whose code, cut at 0, is a hash of an image.

Radford, Metz, Chintala, "Unsupervised Representation Learning with Deep Convolutional
Generative Adversarial Networks", arXiv 1511.06434, section 4.1.1: a
3072-128-3072 auto-encoder with ReLU, de-noising and dropout, on central crops of 32x32
pixels, takes near-duplicates out of LSUN's bedrooms. Images whose codes are above 0 in
the same places count as one.

The paper gives neither noise nor dropout rate, nor where they act, nor the output's
activation: normal noise on the pixels, dropout on the code and a linear output are
ours, and so are their default values.
"""

from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns._checks import (
    check_count,
    check_image_shape,
    check_positive,
    check_within,
)
from keras_cnns.applications.frame.builder import network_builder
from keras_cnns.applications.frame.parts import dropout
from keras_cnns.applications.frame.registry import register_network
from keras_cnns.applications.generative._parts import flat_images


@network_builder(free=("image_shape", "code_size", "noise_stddev", "dropout_rate"))
def _deduplication_autoencoder(
    image_shape=(32, 32, 3),
    code_size=128,
    noise_stddev=0.2,
    dropout_rate=0.2,
    name="deduplication_autoencoder",
):
    """Auto-encoder with one hidden layer, ``"code"``.

    Args:
        image_shape: ``(height, width, channels)``.
        code_size: units of the hidden layer, bits of the hash.
        noise_stddev: standard deviation of the noise that training adds to the pixels,
            in units of their range; positive.
        dropout_rate: fraction of the code dropped in training, in [0, 1).

    Returns:
        A ``keras.Model`` from images ``(batch, height, width, channels)`` in [0, 1] to
        images of the same shape, float32, not bounded.
    """
    check_image_shape(image_shape)
    check_count("code_size", code_size)
    check_positive("noise_stddev", noise_stddev)
    check_within("dropout_rate", dropout_rate)
    images = keras.Input(tuple(image_shape), name="original")
    x = layers.GaussianNoise(noise_stddev, name="noise")(images)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(code_size, activation="relu", name="code")(x)
    x = dropout(x, dropout_rate, "dropout")
    return keras.Model(images, flat_images(x, image_shape, "linear"), name=name)


DeduplicationAutoencoder = register_network(
    _deduplication_autoencoder,
    "DeduplicationAutoencoder",
    name="deduplication_autoencoder",
    task="autoencoding",
    paper="DCGAN, arXiv 1511.06434, section 4.1.1",
    params=789_632,  # 3072*128 + 128 + 128*3072 + 3072
    input_shape=(32, 32, 3),
    preprocessing="unit",
    output_shape=(32, 32, 3),
    note="the paper gives the widths alone; parameters with biases",
)

__all__ = ["DeduplicationAutoencoder"]
