"""Gradient ascent towards a class: fixed points by hand, and what follows a step."""

import numpy as np
import pytest
from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns import inspection
from keras_cnns.inspection import Regularization


def _linear(weights):
    images = keras.Input(weights.shape)
    x = layers.Dense(1, use_bias=False)(layers.Flatten()(images))
    model = keras.Model(images, x)
    model.set_weights([weights.reshape(-1, 1)])
    return model


@pytest.fixture
def weights():
    return np.random.default_rng(0).normal(size=(4, 5, 2)).astype(np.float32)


def _ascend(weights, regularization, **arguments):
    images, responses = inspection.maximize(
        _linear(weights), 0, weights.shape, regularization=regularization, **arguments
    )
    return images[0], responses[0]


def test_fixed_point_of_decay(weights):
    """x <- (1 - d)(x + eta w) ends at eta w (1 - d) / d."""
    rule = Regularization(decay=0.2)
    found, response = _ascend(weights, rule, num_steps=150, step_size=0.5)
    np.testing.assert_allclose(found, 0.5 * weights * 0.8 / 0.2, rtol=1e-4)
    assert response == pytest.approx(np.sum(found * weights), rel=1e-4)


def test_fixed_point_of_the_penalty(weights):
    """The gradient w - 2 penalty x is 0 at w / (2 penalty)."""
    rule = Regularization(penalty=0.25)
    found, _ = _ascend(weights, rule, num_steps=100, step_size=0.5)
    np.testing.assert_allclose(found, weights / 0.5, rtol=1e-4, atol=1e-6)


def test_one_step_of_each_rule(weights):
    step = {"num_steps": 1, "step_size": 1.0}
    norms = np.sqrt((weights**2).sum(axis=-1))
    kept, _ = _ascend(weights, Regularization(norm_percentile=50), **step)
    np.testing.assert_array_equal((kept != 0).any(axis=-1), norms >= np.median(norms))
    parts = np.abs((weights * weights).sum(axis=-1))
    kept, _ = _ascend(weights, Regularization(contribution_percentile=90), **step)
    limit = np.percentile(parts, 90)
    np.testing.assert_array_equal((kept != 0).any(axis=-1), parts >= limit)
    blurred, _ = _ascend(weights, Regularization(blur=1.0, blur_every=1), **step)
    unblurred, _ = _ascend(weights, Regularization(blur=1.0, blur_every=2), **step)
    np.testing.assert_allclose(unblurred, weights, rtol=1e-6)
    assert blurred.var() < 0.5 * weights.var()
    shifted, _ = _ascend(weights, Regularization(jitter=2), **step)
    assert (np.abs(shifted - weights) > 1e-3).any()
    np.testing.assert_allclose(
        np.sort(shifted.ravel()), np.sort(weights.ravel()), rtol=1e-6
    )


def test_total_variation_by_hand():
    """f = x1 - (x1 - x2)^2 from (0, 0): first step (1, 0); then 1 - 2 and 2: (0, 2)."""
    weights = np.array([1.0, 0], np.float32).reshape(1, 2, 1)
    rule = Regularization(total_variation=1.0)
    for steps, expected in ((1, (1, 0)), (2, (0, 2))):
        found, _ = _ascend(weights, rule, num_steps=steps)
        np.testing.assert_allclose(found.ravel(), expected, atol=1e-6)


def test_normalised_steps_within_limits(weights):
    found, _ = _ascend(weights, "none", num_steps=1, step_size=0.3, normalized=True)
    assert np.sqrt(np.mean(found**2)) == pytest.approx(0.3, rel=1e-4)
    found, _ = _ascend(weights, "none", num_steps=50, limits=(-0.5, [1.0, 0.75]))
    assert found.min() == -0.5 and found[..., 0].max() == 1
    assert found[..., 1].max() == 0.75


@pytest.mark.parametrize("name", inspection.REGULARIZATIONS)
def test_every_regularization_raises_the_response(name):
    inputs = keras.Input((8, 8, 3))  # without biases, 0 would be a dead end
    x = layers.Conv2D(6, 3, activation="relu", bias_initializer="ones", name="c")(
        inputs
    )
    x = layers.Dense(3, activation="softmax")(layers.Flatten()(x))
    model = keras.Model(inputs, x)
    images, responses = inspection.maximize(
        model, [0, 2], (8, 8, 3), regularization=name, num_steps=8, step_size=0.5
    )
    assert images.shape == (2, 8, 8, 3)
    start = inspection.InspectedClassifier(model).scores(np.zeros((1, 8, 8, 3)))[0]
    assert (responses > start[[0, 2]]).all()
    maps, found = inspection.maximize(model, [4], (8, 8, 3), layer="c", num_steps=5)
    assert maps.shape == (1, 8, 8, 3)
    assert found[0] > 1  # as at 0, by the biases


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"units": [1]}, "unit 1 does not exist: there are 1"),
        ({"regularization": "strong"}, "regularization must be 'none' or .*'strong'"),
        ({"num_steps": 0}, "num_steps.*got 0"),
        ({"step_size": 0}, "step_size.*got 0"),
    ],
)
def test_bad_arguments_are_quoted(weights, arguments, message):
    given = {"units": [0], "image_shape": weights.shape, **arguments}
    with pytest.raises(ValueError, match=message):
        inspection.maximize(_linear(weights), **given)


@pytest.mark.parametrize(
    "values", [{"decay": 1.0}, {"blur": -1.0}, {"jitter": -1}, {"norm_percentile": 100}]
)
def test_bad_regularizations_are_quoted(values):
    with pytest.raises(ValueError, match=next(iter(values))):
        Regularization(**values)
