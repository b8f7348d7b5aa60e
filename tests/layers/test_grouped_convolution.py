"""Grouped convolution: Keras' own is the reference, in values and gradients."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from keras_cnns.applications import count_macs
from keras_cnns.layers import GroupedConv2D


def _pair(channels, **arguments):
    """Keras' layer and ours, with the same random weights."""
    theirs = keras.layers.Conv2D(**arguments)
    ours = GroupedConv2D(**arguments)
    for layer in (theirs, ours):
        layer.build((None, None, None, channels))
    generator = np.random.default_rng(1)
    weights = [generator.normal(size=w.shape) for w in theirs.weights]
    theirs.set_weights(weights)
    ours.set_weights(weights)
    return theirs, ours


# Bundles of one group, of some groups, of all of them.
@pytest.mark.parametrize(
    ("channels", "arguments"),
    [
        (80, {"filters": 4, "kernel_size": 3, "groups": 2}),
        (64, {"filters": 32, "kernel_size": 3, "groups": 16, "padding": "same"}),
        (66, {"filters": 99, "kernel_size": 1, "groups": 33, "activation": "relu"}),
        (12, {"filters": 24, "kernel_size": (1, 3), "groups": 6, "strides": 2}),
        (6, {"filters": 6, "kernel_size": 3, "groups": 3, "dilation_rate": 2}),
        (6, {"filters": 4, "kernel_size": 3, "groups": 1}),
    ],
)
def test_values_and_gradients_are_those_of_keras(channels, arguments):
    theirs, ours = _pair(channels, **arguments)
    x = tf.random.stateless_normal([2, 7, 6, channels], seed=[1, 2])
    results = []
    for layer in (theirs, ours):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x)
            loss = tf.reduce_sum(y**2)
        results.append([y, *tape.gradient(loss, [x, *layer.trainable_weights])])
    for expected, actual in zip(*results):
        scale = np.abs(expected).max()
        np.testing.assert_allclose(actual, expected, atol=1e-5 * scale)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float64"])
def test_trains_in_every_precision(policy):
    layer = GroupedConv2D(8, 3, groups=4, dtype=policy)
    x = tf.random.stateless_normal([2, 5, 5, 8], seed=[1, 2])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.cast(layer(x), tf.float32) ** 2)
    for gradient in tape.gradient(loss, layer.trainable_weights):
        assert np.isfinite(gradient).all()


def test_multiply_adds_are_those_of_the_groups():
    x = keras.Input((5, 5, 8))
    model = keras.Model(x, GroupedConv2D(16, 3, groups=4, padding="same")(x))
    assert count_macs(model) == 5 * 5 * 3 * 3 * (8 // 4) * 16


def test_survives_saving(tmp_path):
    x = keras.Input((None, None, 8))
    model = keras.Model(x, GroupedConv2D(8, 3, groups=4, name="grouped")(x))
    path = str(tmp_path / "model.keras")
    model.save(path)
    images = tf.random.stateless_normal([2, 5, 6, 8], seed=[1, 2])
    copy = keras.models.load_model(path)
    assert isinstance(copy.get_layer("grouped"), GroupedConv2D)
    np.testing.assert_array_equal(copy(images), model(images))
    model.export(str(tmp_path / "saved"))
    saved = tf.saved_model.load(str(tmp_path / "saved"))
    np.testing.assert_allclose(saved.serve(images), model(images), rtol=1e-5, atol=1e-6)


def test_refuses_what_it_cannot_do():
    with pytest.raises(ValueError, match="channels_first"):
        GroupedConv2D(8, 3, groups=2, data_format="channels_first")
    with pytest.raises(ValueError, match="groups.*3"):
        GroupedConv2D(8, 3, groups=3)
    with pytest.raises(ValueError, match="groups"):
        GroupedConv2D(8, 3, groups=4)(tf.ones([1, 5, 5, 6]))
