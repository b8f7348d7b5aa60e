"""Guided gradients, by hand."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns import applications, inspection

_FIRST = np.array([[1.0, -2, 1], [2, 1, -1]])  # 2 pixels to 3 units
_SECOND = np.array([[1.0, 2], [1, 1], [-3, 1]])  # to 2 units


def _dense(units, activation, name):
    """A dense layer whose activation stands where ``activation`` says."""
    own = {
        "relu layer": (None, layers.ReLU()),
        "leaky layer": (None, layers.LeakyReLU(0.2)),
        "activation layer": (None, layers.Activation("relu")),
        "argument": ("relu", None),
        "function": (tf.nn.relu, None),
        "leaky function": (tf.nn.leaky_relu, None),
        "layer as argument": (layers.LeakyReLU(0.2), None),
    }[activation]

    def apply(x):
        x = layers.Dense(units, activation=own[0], use_bias=False, name=name)(x)
        if own[1] is None:
            return x
        return type(own[1]).from_config({**own[1].get_config(), "name": f"{name}_a"})(x)

    return apply


def _network(activation):
    images = keras.Input((1, 2, 1))
    x = layers.Flatten()(images)
    x = _dense(3, activation, "first")(x)
    x = layers.Dense(2, use_bias=False, name="second")(x)
    model = keras.Model(images, x)
    model.get_layer("first").set_weights([_FIRST])
    model.get_layer("second").set_weights([_SECOND])
    return model


_KINDS = [
    "relu layer",
    "leaky layer",
    "activation layer",
    "argument",
    "function",
    "leaky function",
    "layer as argument",
]


@pytest.mark.parametrize("activation", _KINDS)
def test_dense_network_by_hand(activation):
    """Image (1, 1): hidden inputs are 3, -1, 0; only the first is positive.

    Image (0, 1): hidden inputs are 2, 1, -1. Unit 0 sends back 1, 1, -3, of which 1, 1
    are positive and at positive inputs: 1 * (1, 2) + 1 * (-2, 1) = (-1, 3); unit 1
    sends back 2, 1, 1: 2 * (1, 2) + (-2, 1) = (0, 5). Image (1, -1): hidden inputs are
    -1, -3, 2; unit 0 sends back -3 there, which is negative, unit 1 sends back 1:
    (1, -1).
    """
    model = _network(activation)
    images = np.array([[1.0, 1], [0, 1], [1, -1]]).reshape(3, 1, 2, 1)
    gradients = inspection.guided_backpropagation(model, images, "second", [0, 1])
    expected = [[[1, 2], [-1, 3], [0, 0]], [[2, 4], [0, 5], [1, -1]]]
    np.testing.assert_allclose(gradients.reshape(2, 3, 2), expected, rtol=1e-6)


@pytest.mark.parametrize("activation", _KINDS)
def test_copy_computes_the_same_and_the_model_stays(activation):
    model = _network(activation)
    images = np.random.default_rng(0).normal(size=(5, 1, 2, 1)).astype(np.float32)
    plain = inspection.unit_gradients(model, images, "second", [0])
    copy = inspection.guided_copy(model)
    np.testing.assert_allclose(
        copy.predict(images, verbose=0), model.predict(images, verbose=0), rtol=1e-6
    )
    guided = inspection.unit_gradients(copy, images, "second", [0])
    after = inspection.unit_gradients(model, images, "second", [0])
    np.testing.assert_array_equal(after, plain)
    assert np.abs(guided - plain).max() > 0.1


def test_plain_gradient_of_the_dense_network_by_hand():
    """Image (1, -1): only hidden unit 2 is on; unit 0 sends back -3 * (1, -1)."""
    images = np.array([1.0, -1]).reshape(1, 1, 2, 1)
    gradients = inspection.unit_gradients(_network("relu layer"), images, "second", [0])
    np.testing.assert_allclose(gradients.ravel(), [-3, 3], rtol=1e-6)


def test_maximum_of_a_map_sends_its_gradient_to_one_window():
    images = keras.Input((4, 4, 1))
    x = layers.Conv2D(2, 2, strides=2, use_bias=False, name="conv")(images)
    model = keras.Model(images, layers.LeakyReLU(0.2, name="lrelu")(x))
    kernel = np.random.default_rng(1).normal(size=(2, 2, 1, 2)).astype(np.float32)
    model.get_layer("conv").set_weights([kernel])
    image = np.random.default_rng(2).normal(size=(1, 4, 4, 1)).astype(np.float32)
    windows = image.reshape(2, 2, 2, 2).transpose(0, 2, 1, 3)
    responses = np.einsum("rcij,iju->rcu", windows, kernel[:, :, 0])
    gradients = inspection.guided_backpropagation(model, image, "lrelu", [0, 1])
    for unit in (0, 1):
        row, column = np.unravel_index(responses[..., unit].argmax(), (2, 2))
        assert responses[row, column, unit] > 0
        expected = np.zeros((4, 4))
        expected[2 * row : 2 * row + 2, 2 * column : 2 * column + 2] = kernel[
            :, :, 0, unit
        ]
        np.testing.assert_allclose(gradients[unit, 0, ..., 0], expected, rtol=1e-5)


def test_saturated_part_of_a_limited_relu_passes_nothing():
    images = keras.Input((1, 1, 1))
    model = keras.Model(images, layers.ReLU(max_value=6, name="six")(images))
    values = np.array([-1.0, 3, 8]).reshape(3, 1, 1, 1)
    gradients = inspection.guided_backpropagation(model, values, "six", [0])
    np.testing.assert_array_equal(gradients.ravel(), [0, 1, 0])


def test_models_within_the_model_are_guided_too():
    model = _network("relu layer")
    end = layers.Activation("linear", name="end")
    outer = keras.Sequential([keras.Input((1, 2, 1)), model, end])
    images = np.array([[0.0, 1], [1, -1]]).reshape(2, 1, 2, 1)
    gradients = inspection.guided_backpropagation(outer, images, "end", [0])
    np.testing.assert_allclose(gradients.reshape(2, 2), [[-1, 3], [0, 0]], rtol=1e-6)
    within = inspection.guided_backpropagation(outer, images, model.name, [0])
    np.testing.assert_array_equal(within, gradients)


def test_batches_and_further_inputs():
    images, labels = keras.Input((1, 2, 1)), keras.Input((1,))
    x = layers.ReLU()(layers.Flatten()(images))
    model = keras.Model([images, labels], layers.Multiply(name="out")([x, labels]))
    values = np.random.default_rng(3).uniform(1, 2, (5, 1, 2, 1)).astype(np.float32)
    factors = np.arange(1, 6, dtype=np.float32).reshape(5, 1)
    gradients = inspection.guided_backpropagation(
        model, [values, factors], "out", [1], batch_size=2
    )
    assert gradients.shape == (1, 5, 1, 2, 1)
    np.testing.assert_allclose(gradients[0, :, 0, 0, 0], 0)
    np.testing.assert_allclose(gradients[0, :, 0, 1, 0], factors[:, 0])


def test_maximal_responses_by_hand():
    images = keras.Input((2, 2, 1))
    x = layers.Concatenate(name="both")([images, -images])
    model = keras.Model(images, x)
    values = np.array([[1.0, 2, 3, 4], [9, 0, 0, -5], [-7, 0, 0, 0]])
    order, responses = inspection.maximal_responses(
        model, values.reshape(3, 2, 2, 1), "both", [1, 0], num_images=2, batch_size=2
    )
    np.testing.assert_array_equal(order, [[2, 1], [1, 0]])
    np.testing.assert_array_equal(responses, [[7, 5], [9, 4]])


def test_against_gradients_overridden_in_torch():
    """The same rule by hooks on PyTorch's ReLU, in a net with two convolutions."""
    torch = pytest.importorskip("torch")
    x = images = keras.Input((6, 6, 2))
    x = layers.Conv2D(4, 3, activation="relu", name="a")(x)
    x = layers.Conv2D(3, 3, name="b")(x)
    model = keras.Model(images, layers.LeakyReLU(0.2, name="c")(x))
    reference = torch.nn.Sequential(
        torch.nn.Conv2d(2, 4, 3),
        torch.nn.ReLU(),
        torch.nn.Conv2d(4, 3, 3),
        torch.nn.ReLU(),
    )
    for layer, name in ((reference[0], "a"), (reference[2], "b")):
        kernel, bias = model.get_layer(name).get_weights()
        layer.weight.data = torch.tensor(kernel.transpose(3, 2, 0, 1).copy())
        layer.bias.data = torch.tensor(bias)
    for layer in (reference[1], reference[3]):
        layer.register_full_backward_hook(
            lambda module, inner, outer: (torch.clamp(inner[0], min=0),)
        )
    values = np.random.default_rng(4).normal(size=(3, 6, 6, 2)).astype(np.float32)
    tensor = torch.tensor(values.transpose(0, 3, 1, 2).copy(), requires_grad=True)
    reference(tensor).amax((2, 3))[:, 1].sum().backward()
    gradients = inspection.guided_backpropagation(model, values, "c", [1])
    expected = tensor.grad.numpy().transpose(0, 2, 3, 1)
    np.testing.assert_allclose(gradients[0], expected, rtol=1e-4, atol=1e-6)


def test_classifier_with_batch_normalisation_and_shortcuts():
    model = applications.CifarResNet20(input_shape=(16, 16, 3), classes=4)
    images = np.random.default_rng(5).normal(size=(2, 16, 16, 3)).astype(np.float32)
    copy = inspection.guided_copy(model)
    np.testing.assert_allclose(copy(images), model(images), rtol=1e-5, atol=1e-7)
    gradients = inspection.unit_gradients(copy, images, model.layers[-2].name, [0, 5])
    assert gradients.shape == (2, 2, 16, 16, 3)
    assert np.isfinite(gradients).all() and np.abs(gradients).max() > 0


def test_what_cannot_be_guided_is_refused():
    images = keras.Input((4, 4, 1))
    linear = keras.Model(images, layers.Conv2D(2, 3)(images), name="linear")
    with pytest.raises(ValueError, match="nothing was replaced: linear has no ReLU"):
        inspection.guided_copy(linear)
    wrapped = layers.TimeDistributed(layers.Dense(2, activation="relu"), name="w")
    with pytest.raises(ValueError, match="'w' holds a ReLU"):
        inspection.guided_copy(keras.Model(images, wrapped(images)))
    with pytest.raises(ValueError, match="functional API"):
        inspection.guided_copy(layers.ReLU())


@pytest.mark.parametrize(
    ("arguments", "quoted"),
    [
        ({"units": [2]}, "unit 2 does not exist: layer 'second' has 2"),
        ({"units": [-1]}, "unit -1"),
        ({"layer_name": "third"}, "third"),
        ({"batch_size": 0}, "batch_size.*got 0"),
        ({"images": np.ones((0, 1, 2, 1))}, "no images"),
    ],
)
def test_bad_arguments_are_quoted(arguments, quoted):
    given = {"images": np.ones((1, 1, 2, 1)), "layer_name": "second", "units": [0]}
    with pytest.raises(ValueError, match=quoted):
        inspection.unit_gradients(_network("argument"), **{**given, **arguments})


def test_16_bit_networks_keep_their_policy():
    keras.mixed_precision.set_global_policy("mixed_float16")
    model = _network("leaky layer")
    keras.mixed_precision.set_global_policy("float32")
    images = np.array([0.0, 1]).reshape(1, 1, 2, 1)
    copy = inspection.guided_copy(model)
    assert copy.get_layer("first_a").compute_dtype == "float16"
    gradients = inspection.unit_gradients(copy, images, "second", [0, 1])
    assert gradients.dtype == np.float32
    np.testing.assert_allclose(gradients.reshape(2, 2), [[-1, 3], [0, 5]], rtol=1e-3)
