"""The same network as keras.applications: names, weights, outputs, files."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from keras_cnns import applications

PAIRS = [
    "DenseNet121",
    "DenseNet169",
    "DenseNet201",
    "ResNet50",
    "ResNet101",
    "ResNet152",
]


def _pair(name, **kwargs):
    """Keras' network with random weights and statistics, and ours."""
    keras.backend.clear_session()
    theirs = getattr(keras.applications, name)(weights=None, **kwargs)
    keras.backend.clear_session()
    ours = getattr(applications, name)(**kwargs)
    random = np.random.default_rng(0)
    for layer in theirs.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            shapes = [w.shape for w in layer.get_weights()]
            gamma, beta, mean, variance = (
                random.uniform(0.5, 1.0, shapes[0]),
                random.normal(0, 0.1, shapes[0]),
                random.normal(0, 0.1, shapes[0]),
                random.uniform(0.5, 1.5, shapes[0]),
            )
            layer.set_weights([gamma, beta, mean, variance])
    return theirs, ours


def _assert_equal_outputs(theirs, ours, size):
    images = tf.random.stateless_normal([1, size, size, 3], seed=[3, size])
    expected, actual = theirs(images).numpy(), ours(images).numpy()
    difference = np.abs(expected - actual).max() / np.abs(expected).max()
    assert difference <= 1e-5


@pytest.mark.parametrize("name", PAIRS)
def test_same_names_weights_and_outputs_with_top(name):
    theirs, ours = _pair(name, classifier_activation=None)
    assert [x.name for x in theirs.layers] == [x.name for x in ours.layers]
    for source, target in zip(theirs.layers, ours.layers):
        target.set_weights(source.get_weights())
    _assert_equal_outputs(theirs, ours, 224)


@pytest.mark.parametrize("name", PAIRS)
def test_same_outputs_without_top_at_another_size(name, tmp_path):
    """Weights go through Keras' own h5 file here."""
    theirs, ours = _pair(name, include_top=False, pooling="avg")
    path = str(tmp_path / "weights.h5")
    theirs.save_weights(path)
    ours = getattr(applications, name)(include_top=False, pooling="avg", weights=path)
    _assert_equal_outputs(theirs, ours, 160)
