"""Saliency, SmoothGrad, input times gradient and integrated gradients by hand."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns import inspection


class _Function(layers.Layer):
    """A function of the flat image as a layer, to one score."""

    def __init__(self, function, **kwargs):
        super().__init__(**kwargs)
        self.function = function

    def call(self, x):
        return self.function(x)[:, None]

    def get_config(self):
        return {**super().get_config(), "function": self.function}


def _model(function, size):
    images = keras.Input((1, size, 1))
    return keras.Model(images, _Function(function)(layers.Flatten()(images)))


def _square(x):
    return tf.reduce_sum(x**2, -1)


def _product(x):
    return x[:, 0] * x[:, 1]


def test_smooth_gradients_of_a_square():
    """Mean g is 2x, mean g^2 is 4x^2 + 4 sigma^2; the range of (0, 2) is 2."""
    image = np.array([0.0, 2]).reshape(1, 1, 2, 1)
    given = {"num_samples": 4000, "noise": 0.25}  # sigma 0.5
    mean = inspection.smooth_gradients(_model(_square, 2), image, 0, **given)
    np.testing.assert_allclose(mean.ravel(), [0, 4], atol=0.06)
    squares = inspection.smooth_gradients(
        _model(_square, 2), image, 0, squared=True, **given
    )
    np.testing.assert_allclose(squares.ravel(), [1, 17], rtol=0.06)


def test_smooth_gradients_repeat_and_are_the_gradient_without_noise():
    image = np.array([1.0, 2]).reshape(1, 1, 2, 1)
    model = _model(_square, 2)
    one, same, other = (
        inspection.smooth_gradients(model, image, num_samples=2, seed=seed)
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 1e-3
    plain = inspection.smooth_gradients(model, image, num_samples=3, noise=0.0)
    np.testing.assert_allclose(plain.ravel(), [2, 4], rtol=1e-6)


def test_integrated_gradients_of_a_product():
    image = np.array([1.0, 2]).reshape(1, 1, 2, 1)
    model = _model(_product, 2)
    found = inspection.integrated_gradients(model, image, 0)
    np.testing.assert_allclose(found.ravel(), [1, 1], atol=1e-6)
    assert inspection.completeness_error(model, image, found, 0) < 1e-6
    moved = inspection.integrated_gradients(model, image, 0, baseline=1.0)
    np.testing.assert_allclose(moved.ravel(), [0, 1], atol=1e-6)  # f: 1 to 2
    assert inspection.completeness_error(model, image, found + 1, 0) == pytest.approx(1)


def test_input_times_gradient_by_hand():
    """W = ((1, 1), (1, -1), (-1, 1)), v = (1, 2, -3), x = (1, 2): sum 0 = y."""
    images = keras.Input((1, 2, 1))
    x = layers.Dense(3, "relu", use_bias=False)(layers.Flatten()(images))
    model = keras.Model(images, layers.Dense(1, use_bias=False)(x))
    first, second = [[1.0, 1, -1], [1, -1, 1]], [[1.0], [2], [-3]]
    model.set_weights([np.array(first), np.array(second)])
    image = np.array([1.0, 2]).reshape(1, 1, 2, 1)
    found = inspection.input_times_gradient(model, image)
    np.testing.assert_allclose(found.ravel(), [4, -4], atol=1e-6)


def test_saliency_is_the_largest_absolute_value_of_the_channels():
    gradients = np.array([[[[1.0, -3, 2]], [[0.5, 0, -0.25]]]])
    np.testing.assert_array_equal(inspection.saliency(gradients), [[[3], [0.5]]])


@pytest.fixture
def smooth_net():
    images = keras.Input((5, 5, 2))
    x = layers.Conv2D(4, 3, activation="tanh")(images)
    x = layers.Conv2D(4, 2, activation="softplus")(x)
    x = layers.Dense(3, activation="softmax")(layers.Flatten()(x))
    return keras.Model(images, x)


def test_gradients_equal_finite_differences(smooth_net):
    random = np.random.default_rng(0)
    image = random.normal(size=(1, 5, 5, 2)).astype(np.float32)
    classifier = inspection.InspectedClassifier(smooth_net)
    gradient = inspection.class_gradients(classifier, image, 1)
    step = 0.01 * np.eye(50, dtype=np.float32).reshape(50, 5, 5, 2)
    up, down = (classifier.scores(image + sign * step)[:, 1] for sign in (1, -1))
    differences = ((up - down) / 0.02).reshape(gradient.shape)
    error = np.abs(differences - gradient).max() / np.abs(gradient).max()
    assert error < 1e-2


def test_integrated_gradients_are_complete(smooth_net):
    images = np.random.default_rng(1).normal(size=(3, 5, 5, 2)).astype(np.float32)
    classifier = inspection.InspectedClassifier(smooth_net)
    found = inspection.integrated_gradients(classifier, images, [0, 1, 2])
    errors = inspection.completeness_error(classifier, images, found, [0, 1, 2])
    assert (errors < 0.01).all()


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (inspection.smooth_gradients, {"num_samples": 0}, "num_samples.*got 0"),
        (inspection.smooth_gradients, {"noise": -1.0}, "noise.*got -1.0"),
        (inspection.smooth_gradients, {"squared": 1}, "squared.*got 1"),
        (inspection.integrated_gradients, {"num_steps": 0}, "num_steps.*got 0"),
    ],
)
def test_bad_arguments_are_quoted(smooth_net, function, arguments, message):
    with pytest.raises(ValueError, match=message):
        function(smooth_net, np.zeros((1, 5, 5, 2)), **arguments)
