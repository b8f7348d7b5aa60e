"""The first GANs and the conditional ones against the authors' definitions."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from keras_cnns import applications


def _weights(model, kind):
    return [w for w in model.trainable_weights if w.name.endswith(f"{kind}:0")]


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("gan_mnist_generator", 0.05),
        ("gan_mnist_discriminator", 0.005),
        ("cgan_mnist_generator", 0.05),
        ("cgan_mnist_discriminator", 0.005),
        ("gan_cifar10_conv_discriminator", 0.005),
    ],
)
def test_initial_weights_are_uniform(name, limit):
    model = applications.create_model(name)
    for kernel in _weights(model, "kernel"):
        largest = np.abs(kernel).max()
        assert 0.95 * limit < largest < 1.001 * limit, kernel.name
        assert np.std(kernel) == pytest.approx(limit / np.sqrt(3), rel=0.1)
    assert all(not bias.numpy().any() for bias in _weights(model, "bias"))


def test_faces_start_from_other_biases_and_have_limited_norms():
    model = applications.GANGenerator(
        units=(6, 5, 4),
        activations=("relu", "sigmoid", "relu"),
        image_shape=(3, 3, 1),
        sigmoid_bias=-2.0,
        largest_norm=1.9365,
    )
    biases = [float(bias.numpy().mean()) for bias in _weights(model, "bias")]
    assert biases == [0, -2, 0, 0]
    norms = [x.kernel_constraint.max_value for x in model.layers if hasattr(x, "units")]
    assert norms == [1.9365] * 4


def test_dropout_keeps_eight_tenths_of_the_input_and_half_of_the_units():
    model = applications.GANMNISTDiscriminator()
    rates = [x.rate for x in model.layers if isinstance(x, keras.layers.Dropout)]
    assert rates == [0.2, 0.5, 0.5]
    scaled = model.get_layer("input_dropout")(tf.ones([4, 784]), training=True)
    assert set(np.unique(scaled)) == {np.float32(0), np.float32(1.25)}
    generator = applications.GANMNISTGenerator()
    assert not any(isinstance(x, keras.layers.Dropout) for x in generator.layers)


def test_maxout_is_the_largest_of_each_units_pieces():
    model = applications.GANDiscriminator(
        units=(3,), pieces=2, image_shape=(2, 2, 1), input_dropout_rate=0.0
    )
    images = np.random.default_rng(0).normal(size=(4, 2, 2, 1)).astype(np.float32)
    kernel, bias, last, last_bias = (w.numpy() for w in model.trainable_weights)
    pieces = images.reshape(4, 4) @ kernel + bias
    expected = pieces.reshape(4, 2, 3).max(axis=1) @ last + last_bias
    np.testing.assert_allclose(model(images), expected, rtol=1e-4, atol=1e-9)


def test_generator_starts_from_the_mean_image():
    means = np.full((28, 28, 1), 0.3)
    means[0, 0] = 0.0
    model = applications.GANMNISTGenerator(pixel_means=means)
    images = model(tf.zeros([1, 100]))[0]
    np.testing.assert_allclose(images, np.clip(means, 1e-7, 1), rtol=1e-4)
    with pytest.raises(ValueError, match="no effect with output_activation='tanh'"):
        applications.GANGenerator(pixel_means=means, output_activation="tanh")


def test_maps_of_the_convolutional_pair():
    """Sizes of the authors' definition, whose poolings count windows cut off."""
    model = applications.GANCIFAR10ConvDiscriminator()
    ends = applications.model_info("gan_cifar10_conv_discriminator").stage_ends
    shapes = [model.get_layer(end).output_shape[1:] for end in ends]
    assert shapes == [(16, 16, 32), (7, 7, 32), (5, 5, 192)]
    small = applications.GANConvGenerator(
        units=(20, 50), map_shape=(5, 5, 2), channels=1
    )
    assert small.output_shape == (None, 3 * 4 + 5, 3 * 4 + 5, 1)


def test_conditions_are_joined_after_a_layer_of_their_own():
    generator = applications.CGANMNISTGenerator()
    kernels = {x.name: x.kernel.shape for x in generator.layers if hasattr(x, "units")}
    assert kernels == {
        "latent_dense": (100, 200),
        "label_dense": (10, 1000),
        "joint_dense": (1200, 1200),
        "pixels": (1200, 784),
    }
    discriminator = applications.CGANMNISTDiscriminator()
    kernels = {
        x.name: x.kernel.shape for x in discriminator.layers if hasattr(x, "kernel")
    }
    assert kernels == {
        "image_dense": (784, 240 * 5),
        "label_dense": (10, 50 * 5),
        "joint_dense": (290, 240 * 4),
        "logits": (240, 1),
    }


def test_both_conditional_players_drop_half_of_each_hidden_layer():
    for constructor in (
        applications.CGANMNISTGenerator,
        applications.CGANMNISTDiscriminator,
    ):
        model = constructor()
        rates = [x.rate for x in model.layers if isinstance(x, keras.layers.Dropout)]
        assert rates == [0.5] * 3
        without = constructor(dropout_rate=0.0)
        assert not any(isinstance(x, keras.layers.Dropout) for x in without.layers)
