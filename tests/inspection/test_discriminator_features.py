"""Pooled activations as features."""

import numpy as np
import pytest
from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns import applications, inspection


def _discriminator():
    """Activations after normalisation, of its own, within a wrapper; the last none."""
    images = keras.Input((12, 10, 1))
    x = layers.Conv2D(2, 3, padding="same", name="first")(images)
    x = layers.LeakyReLU(0.2, name="first_lrelu")(x)
    x = layers.Conv2D(3, 3, strides=2, name="second", padding="same")(x)
    x = layers.BatchNormalization(name="second_norm")(x)
    x = layers.Dropout(0.3)(x)
    x = layers.Activation("relu", name="second_relu")(x)
    x = layers.Conv2D(5, 3, activation="tanh", name="third")(x)
    x = layers.Conv2D(2, 1, name="logits")(x)
    return keras.Model(images, x)


def _pooled(maps, size=4):
    windows = np.empty((len(maps), size, size, maps.shape[-1]), np.float32)
    for row in range(size):
        for column in range(size):
            down, across = (
                slice(int(np.floor(i * n / size)), int(np.ceil((i + 1) * n / size)))
                for i, n in zip((row, column), maps.shape[1:3])
            )
            windows[:, row, column] = maps[:, down, across].max(axis=(1, 2))
    return windows.reshape(len(maps), -1)


def test_activation_of_every_convolution_is_pooled_and_concatenated():
    network = _discriminator()
    images = np.random.default_rng(0).normal(size=(3, 12, 10, 1)).astype(np.float32)
    names = ["first_lrelu", "second_relu", "third"]
    maps = keras.Model(network.input, [network.get_layer(n).output for n in names])
    expected = np.concatenate(
        [_pooled(values) for values in maps.predict(images, verbose=0)], axis=1
    )
    features = inspection.discriminator_features(network)
    np.testing.assert_allclose(features.predict(images, verbose=0), expected, rtol=1e-6)
    assert features.output_shape == (None, 16 * (2 + 3 + 5))


def test_chosen_layer_and_size():
    network = _discriminator()
    features = inspection.discriminator_features(network, ["first_lrelu"], size=2)
    images = np.random.default_rng(1).normal(size=(2, 12, 10, 1)).astype(np.float32)
    expected = network.get_layer("first_lrelu")(network.get_layer("first")(images))
    expected = expected.numpy().reshape(2, 2, 6, 2, 5, 2).max(axis=(2, 4))
    result = features.predict(images, verbose=0)
    np.testing.assert_allclose(result, expected.reshape(2, -1), rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "dimension"),
    [
        ("dcgan32_imagenet_discriminator", 28_672),
        ("dcgan32_discriminator", 7_168),
        ("dcgan64_discriminator", 30_720),
    ],
)
def test_dimensions_are_the_papers(name, dimension):
    discriminator = applications.create_model(name)
    features = inspection.discriminator_features(discriminator)
    assert features.output_shape == (None, dimension)


def test_what_cannot_be_pooled_is_refused():
    network = _discriminator()
    with pytest.raises(ValueError, match="size must be.*got 0"):
        inspection.discriminator_features(network, size=0)
    with pytest.raises(ValueError, match="nothing"):
        inspection.discriminator_features(network, ["nothing"])
    dense = keras.Sequential([keras.Input((3,)), layers.Dense(2, "relu", name="d")])
    with pytest.raises(ValueError, match="no convolution of 'sequential"):
        inspection.discriminator_features(dense)
    with pytest.raises(ValueError, match="'d' gives no maps"):
        inspection.discriminator_features(dense, ["d"])


def test_shared_convolution_is_refused():
    images, shared = keras.Input((4, 4, 1)), layers.Conv2D(1, 3, padding="same")
    network = keras.Model(images, layers.ReLU()(shared(shared(images))))
    with pytest.raises(ValueError, match="used in 2 places"):
        inspection.discriminator_features(network)


def test_features_of_a_16_bit_network_are_32_bit():
    keras.mixed_precision.set_global_policy("mixed_float16")
    network = _discriminator()
    assert network.get_layer("first_lrelu").compute_dtype == "float16"
    features = inspection.discriminator_features(network)
    assert features(np.ones((1, 12, 10, 1))).dtype == "float32"
