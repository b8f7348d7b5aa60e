"""Highway layers: values, carrying, gates; plain twins; forms of the nets."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from keras_cnns import applications


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _random(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def _randomise(model):
    weights = model.get_weights()
    model.set_weights([_random(w.shape, i) * 0.3 for i, w in enumerate(weights)])
    return model


ACTIVATIONS = {"relu": lambda x: np.maximum(x, 0), "tanh": np.tanh}


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_fully_connected_values_against_numpy(activation):
    model = applications.HighwayFC(
        3,
        6,
        activation=activation,
        input_shape=(4, 4, 1),
        classes=5,
        classifier_activation=None,
    )
    weights = iter(_randomise(model).get_weights())
    images = _random((2, 4, 4, 1))

    def dense(x):
        return x @ next(weights) + next(weights)

    act = ACTIVATIONS[activation]
    x = act(dense(images.reshape(2, 16)))
    for _ in range(2):
        transformed, gate = act(dense(x)), _sigmoid(dense(x))
        x = gate * transformed + (1 - gate) * x
    np.testing.assert_allclose(model(images), dense(x), rtol=1e-4, atol=1e-5)


def _conv3x3(x, kernel, bias):
    """Convolution written as nine matrix products."""
    x = np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)])
    height, width = x.shape[1] - 2, x.shape[2] - 2
    return bias + sum(
        x[:, i : i + height, j : j + width] @ kernel[i, j]
        for i in range(3)
        for j in range(3)
    )


def test_convolutional_values_against_numpy():
    model = _randomise(
        applications.Highway((4,), (1,), include_top=False, input_shape=(6, 5, 3))
    )
    name = "stage1_highway1"
    before = model.get_layer("stage1_conv").output
    after = model.get_layer(f"{name}_out").output
    taps = keras.Model(model.input, [before, after])
    x, y = (v.numpy() for v in taps(_random((2, 6, 5, 3))))
    transform = model.get_layer(f"{name}_transform").get_weights()
    gate = model.get_layer(f"{name}_gate").get_weights()
    transformed = np.maximum(_conv3x3(x, *transform), 0)
    open_fraction = _sigmoid(_conv3x3(x, *gate))
    expected = open_fraction * transformed + (1 - open_fraction) * x
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)


def test_a_very_negative_bias_carries_the_input_through():
    """Through all 49 highway layers, and 3 convolutional ones."""
    model = applications.HighwayFC50(transform_gate_bias=-100.0)
    first = model.get_layer("layer1_plain").output
    last = model.get_layer("layer50_out").output
    x, y = keras.Model(model.input, [first, last])(_random((3, 28, 28, 1)))
    assert np.any(x) and np.array_equal(x, y)
    model = applications.Highway(
        (4,), (3,), transform_gate_bias=-100, input_shape=(8, 8, 3)
    )
    first = model.get_layer("stage1_conv").output
    last = model.get_layer("stage1_highway3_out").output
    x, y = keras.Model(model.input, [first, last])(_random((3, 8, 8, 3)))
    assert np.any(x) and np.array_equal(x, y)


@pytest.mark.parametrize(
    ("name", "bias"),
    [("highway19", -2), ("highway_mnist16", -1), ("highway_mnist32", -1)],
)
def test_gates_start_at_the_papers_bias(name, bias):
    model = applications.create_model(name)
    gates = [x for x in model.layers if x.name.endswith("_gate")]
    assert len(gates) == {"highway19": 14}.get(name, 8)
    for gate in gates:
        np.testing.assert_array_equal(gate.bias, bias)
        transform = model.get_layer(gate.name.replace("_gate", "_transform"))
        assert not transform.bias.numpy().any()
        assert not np.allclose(transform.kernel, gate.kernel)


def test_given_bias():
    model = applications.HighwayFC10(transform_gate_bias=-4)
    gates = [x for x in model.layers if x.name.endswith("_gate")]
    assert len(gates) == 9
    assert all(np.all(gate.bias.numpy() == -4) for gate in gates)


def test_dropout_rates_are_those_of_the_definitions():
    for name, rates in (
        ("highway19", (0.2, 0.2, 0.2, 0.2)),
        ("highway_mnist32", (0.2, 0.3, 0.4, 0.5)),
    ):
        model = applications.create_model(name)
        found = [x.rate for x in model.layers if isinstance(x, keras.layers.Dropout)]
        np.testing.assert_allclose(found, rates)


def test_map_sizes_of_the_mnist_net():
    """Caffe rounds 24 -> 12 -> 6 -> 3 up; the dense layer sees 3 x 3 x width."""
    model = applications.HighwayMnist16()
    pools = [model.get_layer(f"stage{i}_pool").output_shape[1] for i in (1, 2, 3)]
    assert pools == [12, 6, 3]
    assert model.get_layer("predictions").kernel.shape == (9 * 16, 10)
    with pytest.raises(ValueError, match="height and width must be known"):
        applications.HighwayMnist16(input_shape=(None, None, 1))


@pytest.mark.parametrize(
    "depth", [10, 20, 50, pytest.param(100, marks=pytest.mark.slow)]
)
def test_plain_twin_is_as_deep_and_about_as_large(depth, only_shapes):
    highway = applications.HighwayFC(depth, classes=10)
    plain = applications.HighwayFC(depth, plain=True, classes=10)
    hidden = [x for x in plain.layers if x.name.endswith("_plain")]
    assert len(hidden) == depth
    # A layer of 71 units has 71 * 72 parameters, a highway layer of 50 2 * 50 * 51.
    assert {x.units for x in hidden} == {71}
    first, classifier = 784 * 71 + 71, 71 * 10 + 10
    assert plain.count_params() == first + (depth - 1) * 71 * 72 + classifier
    per_layer = (71 * 72) / (2 * 50 * 51)
    assert per_layer == pytest.approx(1, abs=0.003)
    assert plain.count_params() / highway.count_params() < 1.25


def test_vector_features():
    model = applications.HighwayFC10(include_top=False)
    assert model.output_shape == (None, 50)
    with pytest.raises(ValueError, match="'avg' has no effect on highway_fc10"):
        applications.HighwayFC10(include_top=False, pooling="avg")


@pytest.mark.parametrize(
    ("builder", "arguments", "quoted"),
    [
        ("HighwayFC", {"depth": 0}, "0"),
        ("HighwayFC", {"units": 2.5}, "2.5"),
        ("HighwayFC", {"activation": "gelu"}, "gelu"),
        ("HighwayFC", {"transform_gate_bias": 1}, "1"),
        ("HighwayFC", {"plain": True, "transform_gate_bias": -2}, "-2.*no effect"),
        ("Highway", {"widths": (4, 5)}, r"\(4, 5\)"),
        ("Highway", {"form": "svhn"}, "svhn"),
        ("Highway", {"transform_gate_bias": "low"}, "low"),
        ("Highway", {"highway_layers": (0, 1, 1)}, r"\(0, 1, 1\)"),
    ],
)
def test_bad_arguments(builder, arguments, quoted):
    with pytest.raises(ValueError, match=quoted):
        getattr(applications, builder)(**arguments)


def test_closed_gates_hand_gradients_through_fifty_layers():
    model = applications.HighwayFC50(transform_gate_bias=-8, classifier_activation=None)
    ends = ("layer1_plain", "layer50_out")
    taps = [model.get_layer(name).output for name in ends]
    upper = keras.Model(model.get_layer("layer2_gate").input, model.output)
    first, last = keras.Model(model.input, taps)(_random((8, 28, 28, 1)))
    top = model.get_layer("predictions")
    gradients = []
    for tensor, network in ((first, upper), (last, top)):
        with tf.GradientTape() as tape:
            tape.watch(tensor)
            loss = tf.reduce_mean(tf.nn.log_softmax(network(tensor))[:, 3])
        gradients.append(tape.gradient(loss, tensor))
    # Every layer is within some hundredths of a percent of the identity.
    np.testing.assert_allclose(tf.norm(gradients[0]), tf.norm(gradients[1]), rtol=0.2)
