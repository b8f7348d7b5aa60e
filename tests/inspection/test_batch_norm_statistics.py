"""Statistics of given data, exactly."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns import inspection


def _network():
    x = images = keras.Input((4, 4, 2))
    x = layers.Conv2D(3, 3, name="first", bias_initializer="ones")(x)
    x = layers.BatchNormalization(epsilon=1e-3, name="first_norm")(x)
    x = layers.ReLU()(x)
    x = layers.Conv2D(2, 2, name="second")(x)
    x = layers.BatchNormalization(epsilon=1e-3, name="second_norm")(x)
    return keras.Model(images, x)


def _images(count=11):
    return np.random.default_rng(0).normal(2, 3, (count, 4, 4, 2)).astype(np.float32)


def test_statistics_against_numpy_layer_after_layer():
    network, images = _network(), _images()
    measured = inspection.remeasure_batch_norm(network, np.split(images, [4, 5]))
    x = network.get_layer("first")(images).numpy().astype(np.float64)
    mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
    layer = measured.get_layer("first_norm")
    np.testing.assert_allclose(layer.moving_mean, mean, rtol=1e-5)
    np.testing.assert_allclose(layer.moving_variance, variance, rtol=1e-5)
    x = np.maximum((x - mean) / np.sqrt(variance + 1e-3), 0).astype(np.float32)
    x = network.get_layer("second")(x).numpy().astype(np.float64)
    layer = measured.get_layer("second_norm")
    np.testing.assert_allclose(layer.moving_mean, x.mean((0, 1, 2)), rtol=1e-4)
    np.testing.assert_allclose(layer.moving_variance, x.var((0, 1, 2)), rtol=1e-4)


def test_network_is_left_as_it_is_and_the_copy_has_its_weights():
    network = _network()
    before = network.get_weights()
    measured = inspection.remeasure_batch_norm(network, [_images()])
    for old, new in zip(before, network.get_weights()):
        np.testing.assert_array_equal(old, new)
    for old, new in zip(network.trainable_weights, measured.trainable_weights):
        assert old is not new
        np.testing.assert_array_equal(old, new)


def test_frozen_layers_and_data_sets_of_several_inputs():
    latents, labels = keras.Input((3,)), keras.Input((2,))
    x = layers.Concatenate()([latents, labels])
    x = layers.BatchNormalization(name="norm", trainable=False)(x)
    network = keras.Model([latents, labels], x)
    values = np.random.default_rng(1).normal(size=(7, 5)).astype(np.float32)
    data = tf.data.Dataset.from_tensor_slices((values[:, :3], values[:, 3:])).batch(3)
    norm = inspection.remeasure_batch_norm(network, data).get_layer("norm")
    np.testing.assert_allclose(norm.moving_mean, values.mean(0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(norm.moving_variance, values.var(0), rtol=1e-5)


def test_what_cannot_be_measured_is_refused():
    network = _network()
    with pytest.raises(ValueError, match="several times"):
        inspection.remeasure_batch_norm(network, iter([_images()]))
    with pytest.raises(ValueError, match="no data"):
        inspection.remeasure_batch_norm(network, [])
    plain = keras.Sequential([keras.Input((3,)), layers.Dense(2)], name="plain")
    with pytest.raises(ValueError, match="'plain' has no batch normalisation"):
        inspection.remeasure_batch_norm(plain, [np.ones((2, 3))])
    nested = keras.Sequential([keras.Input((4, 4, 2)), _network()])
    with pytest.raises(ValueError, match="within other layers.*first_norm"):
        inspection.remeasure_batch_norm(nested, [_images()])
    with pytest.raises(ValueError, match="functional API"):
        inspection.remeasure_batch_norm(layers.BatchNormalization(), [_images()])
