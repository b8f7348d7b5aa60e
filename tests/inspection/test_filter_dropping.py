"""Maps that speak for an object, and a generator without them."""

import numpy as np
import pytest
from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns import inspection


def _generator(conditional=False):
    """Maps 4x4 of 3 channels, images 8x8."""
    latents = keras.Input((48,))
    x = layers.Reshape((4, 4, 3), name="maps")(latents)
    x = layers.ReLU(name="maps_relu")(x)
    inputs = latents
    if conditional:
        labels = keras.Input((2,))
        inputs = [latents, labels]
        x = layers.Multiply(name="gated")(
            [x, layers.Reshape((1, 1, 3))(layers.Dense(3)(labels))]
        )
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.Conv2DTranspose(1, 2, strides=2, name="deconv")(x)
    return keras.Model(inputs, layers.Activation("tanh", name="images")(x))


def _latents(count=6):
    """Map 0 is high at the object, map 2 is low there, map 1 is noise."""
    generator = np.random.default_rng(0)
    maps = generator.uniform(0.9, 1.1, (count, 4, 4, 3)).astype(np.float32)
    maps[:, 1:3, 2:4, 0] += 2
    maps[:, 1:3, 2:4, 2] -= 0.8
    return maps.reshape(count, -1)


_BOXES = [(image, 2, 4, 6, 8) for image in range(6)]


def test_weights_are_positive_where_the_object_is():
    found = inspection.object_filters(_generator(), _latents(), _BOXES, "maps_relu")
    assert found.weights[0] > 0 > found.weights[2]
    assert 0 in found.filters and 2 not in found.filters
    assert found.filters == tuple(np.flatnonzero(found.weights > 0))
    assert found.accuracy == 1
    assert found.num_positives == found.num_negatives == 6 * 4


def test_logistic_regression_is_at_the_minimum_of_its_loss():
    """Of sum log(1 + exp(-s (w a + b))) + |w|^2 / (2 c), over all positions."""
    latents, c = _latents(), 0.1
    found = inspection.object_filters(
        _generator(), latents, _BOXES, "maps_relu", num_negatives=6 * 12, c=c
    )
    maps = np.maximum(latents, 0).reshape(6, 4, 4, 3).astype(np.float64)
    labels = np.zeros((6, 4, 4))
    labels[:, 1:3, 2:4] = 1
    probabilities = 1 / (1 + np.exp(-(maps @ found.weights + found.bias)))
    errors = probabilities - labels
    slope = np.einsum("nhw,nhwc->c", errors, maps) + found.weights / c
    np.testing.assert_allclose(slope, 0, atol=1e-2)
    assert abs(errors.sum()) < 1e-2


def test_position_counts_if_its_centre_is_in_the_box():
    """Pixels 1 to 5 of 8: centres at 1, 3, 5, 7; the last is on the edge."""
    found = inspection.object_filters(
        _generator(), _latents(2), [(1, 1, 0, 5, 8)], "maps_relu"
    )
    assert found.num_positives == 2 * 4


@pytest.mark.parametrize("layer_name", ["maps_relu", "norm"])
@pytest.mark.parametrize("conditional", [False, True])
def test_copy_without_a_map(layer_name, conditional):
    generator = _generator(conditional)
    latents = _latents(3)
    labels = np.eye(2, dtype=np.float32)[[0, 1, 0]]
    inputs = [latents, labels] if conditional else latents
    norm = generator.get_layer("norm")
    norm.moving_mean.assign([0.3, -0.2, 0.1])
    weights, images = generator.get_weights(), generator.predict(inputs, verbose=0)
    copy = inspection.drop_filters(generator, layer_name, [0, 2])
    part = keras.Model(generator.inputs, generator.get_layer(layer_name).output)
    maps = part.predict(inputs, verbose=0)
    maps[..., [0, 2]] = 0
    if layer_name == "maps_relu":
        if conditional:
            maps = maps * labels.dot(weights[0]).reshape(3, 1, 1, 3)
        maps = norm(maps, training=False)
    expected = np.tanh(generator.get_layer("deconv")(maps))
    result = copy.predict(inputs, verbose=0)
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-6)
    assert np.abs(result - images).max() > 0.01
    for old, new in zip(weights, generator.get_weights()):
        np.testing.assert_array_equal(old, new)
    np.testing.assert_array_equal(generator.predict(inputs, verbose=0), images)


def test_nothing_dropped_changes_nothing_and_copies_can_be_saved(tmp_path):
    generator, latents = _generator(), _latents(2)
    same = inspection.drop_filters(generator, "maps_relu", ())
    expected = generator.predict(latents, verbose=0)
    np.testing.assert_allclose(same.predict(latents, verbose=0), expected, rtol=1e-6)
    copy = inspection.drop_filters(generator, "maps_relu", [1])
    copy.save(tmp_path / "copy.keras")
    loaded = keras.models.load_model(tmp_path / "copy.keras")
    np.testing.assert_array_equal(
        loaded.predict(latents, verbose=0), copy.predict(latents, verbose=0)
    )


@pytest.mark.parametrize(
    ("boxes", "arguments", "quoted"),
    [
        ([(9, 0, 0, 4, 4)], {}, r"\(9, 0, 0, 4, 4\).*2 images of 8x8"),
        ([(0, 0, 0, 9, 4)], {}, r"\(0, 0, 0, 9, 4\)"),
        ([(0, 4, 0, 4, 4)], {}, r"\(0, 4, 0, 4, 4\)"),
        ([(0, 0, 0, 1, 1)], {}, "no centre of the 4x4 positions.*1 boxes"),
        ([(0, 0, 0, 8, 8), (1, 0, 0, 8, 8)], {}, "32, but 0 positions"),
        ([(0, 0, 0, 4, 4)], {"num_negatives": 0}, "num_negatives.*got 0"),
        ([(0, 0, 0, 4, 4)], {"c": 0}, "c must be.*got 0"),
    ],
)
def test_bad_boxes_and_arguments_are_quoted(boxes, arguments, quoted):
    with pytest.raises(ValueError, match=quoted):
        inspection.object_filters(
            _generator(), _latents(2), boxes, "maps_relu", **arguments
        )


def test_maps_that_do_not_exist_are_refused():
    with pytest.raises(ValueError, match="map 3 does not exist.*'maps_relu' has 3"):
        inspection.drop_filters(_generator(), "maps_relu", [3])
    with pytest.raises(ValueError, match="window"):
        inspection.drop_filters(_generator(), "window", [0])


def test_model_within_the_model_is_refused():
    generator = _generator()
    outer = keras.Sequential([keras.Input((48,)), generator])
    with pytest.raises(ValueError, match="'model.*a model within the model"):
        inspection.drop_filters(outer, generator.name, [0])
