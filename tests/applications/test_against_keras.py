"""The same network as keras.applications: names, weights, outputs, files."""

import h5py
import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from keras_cnns import applications

PAIRS = [
    "DenseNet121",
    "DenseNet169",
    "DenseNet201",
    "InceptionV3",
    "InceptionResNetV2",
    "ResNet50",
    "ResNet101",
    "ResNet152",
    "VGG16",
    "VGG19",
]
# The cheapest is compared in every test run; the others, and more ways to compare, are
# left to the long run. VGG has its own tests, of small images.
QUICK = ["ResNet50"]
SMALL = ["DenseNet121", "ResNet50"]


def _slow_but(names):
    """All pairs, with those marked that are left to the long run."""
    return [n if n in names else pytest.param(n, marks=pytest.mark.slow) for n in PAIRS]


def _pair(name, **kwargs):
    """Keras' network with random weights and statistics, and ours."""
    keras.backend.clear_session()
    theirs = getattr(keras.applications, name)(weights=None, **kwargs)
    keras.backend.clear_session()
    ours = getattr(applications, name)(**kwargs)
    random = np.random.default_rng(0)
    for layer in theirs.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            size = layer.get_weights()[0].shape
            gamma, variance = (random.uniform(0.5, 1.5, size) for _ in range(2))
            beta, mean = (random.normal(0, 0.1, size) for _ in range(2))
            values = [gamma, beta, mean, variance]
            layer.set_weights(values if layer.scale else values[1:])
    own = [keras.layers.Rescaling]
    if name.startswith("VGG"):
        own.append(keras.layers.Dropout)
    assert [_known_name(x) for x in theirs.layers] == [
        x.name for x in ours.layers if not isinstance(x, tuple(own))
    ]
    return theirs, ours


def _known_name(layer):
    """A layer's name; what Keras leaves to its automatic naming has one of ours."""
    return layer.name.replace("global_average_pooling2d", "avg_pool")


def _copy_layer_by_layer(theirs, ours):
    for source in theirs.layers:
        ours.get_layer(_known_name(source)).set_weights(source.get_weights())


def _assert_equal_outputs(theirs, ours, size):
    images = tf.random.stateless_normal([1, size, size, 3], seed=[3, size])
    expected, actual = theirs(images).numpy(), ours(images).numpy()
    difference = np.abs(expected - actual).max() / np.abs(expected).max()
    assert difference <= 1e-5


@pytest.mark.parametrize("name", _slow_but(QUICK))
def test_with_top_and_files_both_ways(name, tmp_path):
    theirs, ours = _pair(name, classifier_activation=None)
    path = str(tmp_path / "weights.h5")
    theirs.save_weights(path)
    applications.load_weights(ours, path, adapt=False)
    _assert_equal_outputs(theirs, ours, ours.input_shape[1])
    expected = theirs.get_weights()
    applications.save_weights(ours, path)
    theirs.set_weights([np.zeros_like(value) for value in expected])
    theirs.load_weights(path)
    for one, other in zip(expected, theirs.get_weights()):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
@pytest.mark.parametrize("name", PAIRS)
def test_without_top_at_two_sizes(name):
    shape = (None, None, 3)
    theirs, ours = _pair(name, include_top=False, input_shape=shape, pooling="avg")
    _copy_layer_by_layer(theirs, ours)
    for size in (224, 160):
        _assert_equal_outputs(theirs, ours, size)


@pytest.mark.slow
@pytest.mark.parametrize("name", PAIRS)
def test_keras_files_load_with_top_at_another_size(name, tmp_path):
    arguments = {"input_shape": (160, 160, 3), "classifier_activation": None}
    theirs, _ = _pair(name, **arguments)
    path = str(tmp_path / "weights.h5")
    theirs.save_weights(path)
    ours = getattr(applications, name)(weights=path, **arguments)
    _assert_equal_outputs(theirs, ours, 160)


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_files_with_other_layer_names_load_by_position(name, tmp_path, caplog):
    arguments = {"include_top": False, "input_shape": (64, 64, 3), "pooling": "avg"}
    theirs, _ = _pair(name, **arguments)
    path, renamed = str(tmp_path / "weights.h5"), str(tmp_path / "renamed.h5")
    theirs.save_weights(path)
    with h5py.File(path) as source, h5py.File(renamed, "w") as target:
        names = list(source.attrs["layer_names"])
        target.attrs["layer_names"] = [f"layer_{i}" for i in range(len(names))]
        for i, layer in enumerate(names):
            source.copy(source[layer], target, f"layer_{i}")
    with caplog.at_level("INFO", logger="absl"):
        ours = getattr(applications, name)(weights=renamed, **arguments)
    assert "matched by position" in caplog.text
    _assert_equal_outputs(theirs, ours, 64)
