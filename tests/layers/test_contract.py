"""What every custom layer promises; a layer without a row fails."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from keras_cnns import layers

# name: (constructor arguments, input shape, NumPy reference)
CASES = {
    "ChannelPadding": (
        {"filters": 5},
        (2, 4, 3, 2),
        lambda x: np.concatenate([x, np.zeros((*x.shape[:3], 3))], axis=-1),
    ),
}


def _input(name):
    return np.random.default_rng(0).normal(size=CASES[name][1]).astype(np.float32)


def test_every_layer_has_a_case():
    assert set(CASES) == set(layers.__all__)


@pytest.mark.parametrize("name", CASES)
def test_values_against_numpy(name):
    arguments, _, reference = CASES[name]
    x = _input(name)
    layer = getattr(layers, name)(**arguments)
    output = layer(x).numpy()
    np.testing.assert_allclose(output, reference(x), rtol=1e-6)
    assert layer.compute_output_shape(x.shape) == output.shape


@pytest.mark.parametrize("name", CASES)
def test_gradient_against_finite_differences(name):
    layer = getattr(layers, name)(**CASES[name][0], dtype="float64")
    theoretical, numerical = tf.test.compute_gradient(
        layer, [_input(name).astype(np.float64)]
    )
    np.testing.assert_allclose(theoretical[0], numerical[0], atol=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_config_mixed_precision_xla_and_unknown_sizes(name):
    arguments, shape, _ = CASES[name]
    layer = getattr(layers, name)(**arguments, dtype="mixed_float16")
    copy = keras.layers.deserialize(keras.layers.serialize(layer))
    assert copy.get_config() == layer.get_config()
    assert layer(_input(name)).dtype == tf.float16
    inputs = keras.Input((None, None, shape[-1]))
    model = keras.Model(inputs, getattr(layers, name)(**arguments)(inputs))
    x = _input(name)
    compiled = tf.function(model, jit_compile=True)
    np.testing.assert_allclose(compiled(x), model(x), rtol=1e-5)


@pytest.mark.parametrize("filters", [0, 2.5, "three"])
def test_channel_padding_refuses_bad_filters(filters):
    with pytest.raises(ValueError, match=str(filters)):
        layers.ChannelPadding(filters)


def test_channel_padding_refuses_to_remove_channels():
    with pytest.raises(ValueError, match="filters=2.*got 3"):
        layers.ChannelPadding(2)(tf.ones([1, 2, 2, 3]))
