"""Occlusion of models whose drops are known."""

import numpy as np
import pytest
from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns import inspection


def _linear(weights):
    height, width, channels = weights.shape
    images = keras.Input((height, width, channels))
    x = layers.Dense(1, use_bias=False)(layers.Flatten()(images))
    model = keras.Model(images, x)
    model.set_weights([weights.reshape(-1, 1)])
    return model


def test_linear_models_are_exact():
    """A patch's drop is the sum of w (x - c) over it."""
    random = np.random.default_rng(0)
    weights = random.normal(size=(6, 8, 2))
    image = random.normal(size=(1, 6, 8, 2)).astype(np.float32)
    fill = np.array([0.5, -0.25])
    found = inspection.occlusion_maps(
        _linear(weights), image, 0, patch=2, stride=2, fill=fill, score="logit"
    )
    parts = (weights * (image[0] - fill)).sum(axis=-1)
    expected = parts.reshape(3, 2, 4, 2).sum(axis=(1, 3)).repeat(2, 0).repeat(2, 1)
    np.testing.assert_allclose(found[0], expected, atol=1e-5)


def test_overlapping_patches_are_averaged_by_their_number():
    """Patches of 2 at columns 0, 1 and 2 of 4; only column 1 counts, by 1."""
    weights = np.zeros((1, 4, 1))
    weights[0, 1] = 1
    found = inspection.occlusion_maps(
        _linear(weights), np.ones((1, 1, 4, 1)), 0, (1, 2), 1, score="logit"
    )
    np.testing.assert_allclose(found[0, 0], [1, 1, 0.5, 0], atol=1e-6)


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_a_model_that_reads_one_pixel(stride):
    weights = np.zeros((9, 10, 1))
    weights[7, 4] = 2
    found = inspection.occlusion_maps(
        _linear(weights), np.ones((1, 9, 10, 1)), 0, 3, stride, score="logit"
    )
    assert found[0, 7, 4] == pytest.approx(2) and found.max() == pytest.approx(2)
    assert found[0, 0, 0] == 0


def test_probabilities_and_batches():
    images = np.random.default_rng(0).normal(size=(2, 6, 6, 1)).astype(np.float32)
    inputs = keras.Input((6, 6, 1))
    x = layers.Dense(3, activation="softmax")(layers.Flatten()(inputs))
    model = keras.Model(inputs, x)
    one, other = (
        inspection.occlusion_maps(
            inspection.InspectedClassifier(model, batch_size=size), images, 1, 4, 2
        )
        for size in (3, 64)
    )
    np.testing.assert_allclose(one, other, atol=1e-6)
    covered = images.copy()
    covered[:, :4, :4] = 0
    drops = model(images).numpy()[:, 1] - model(covered).numpy()[:, 1]
    np.testing.assert_allclose(one[:, 0, 0], drops, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"patch": 7}, r"patch \(7, 7\) is larger than images of \(6, 8\)"),
        ({"patch": 2, "stride": 3}, r"stride \(3, 3\) is more than the patch"),
        ({"patch": 0}, "patch must be"),
        ({"score": "loss"}, "score must be 'probability' or 'logit', got 'loss'"),
    ],
)
def test_bad_arguments_are_quoted(arguments, message):
    with pytest.raises(ValueError, match=message):
        inspection.occlusion_maps(
            _linear(np.ones((6, 8, 1))), np.ones((1, 6, 8, 1)), 0, **arguments
        )
