"""Deep dreams: sizes and objectives by hand, and that the layer is excited."""

import dataclasses

import numpy as np
import pytest
from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns import inspection


def test_sizes_of_the_octaves():
    """Caffe rounds one after the other, Keras cuts each off."""
    caffe, keras_recipe = (inspection.DREAMS[name] for name in ("caffe", "keras"))
    sizes = inspection.octave_sizes((224, 224), caffe)
    assert [size[0] for size in sizes] == [81, 114, 160, 224]
    sizes = inspection.octave_sizes((600, 600), keras_recipe)
    assert [size[0] for size in sizes] == [306, 428, 600]


def _one_by_one():
    """maps = 2 x, then a classifier of 28x28 images."""
    images = keras.Input((8, 8, 1))
    x = layers.Conv2D(1, 1, use_bias=False, name="twice")(images)
    x = layers.Dense(2)(layers.Flatten()(x))
    model = keras.Model(images, x)
    model.get_layer("twice").set_weights([np.full((1, 1, 1, 1), 2.0)])
    return model


def _plain(objective, **changes):
    return dataclasses.replace(
        inspection.DREAMS["caffe"],
        **{"objective": objective, "num_octaves": 1, "jitter": 0, **changes},
    )


def test_objectives_by_hand():
    """Of an image of ones, 6x7: half the squares are 42 * 4 / 2; Keras' leaves out 2
    positions at each border, so that 2x3 of 42 count."""
    image = np.ones((6, 7, 1))
    for objective, expected in (("half_squares", 84), ("mean_squares", 6 * 4 / 42)):
        found, values = inspection.deep_dream(
            _one_by_one(),
            image,
            (-10, 10),
            _plain(objective, num_steps=1, step_size=0.5),
            {"twice": 1.0},
        )
        assert values[0] == pytest.approx(expected, rel=1e-5)
    moved = np.ones((6, 7))
    moved[2:4, 2:5] += 0.5 * 42 / 6  # mean |g| is that over all pixels
    np.testing.assert_allclose(found[..., 0], moved, rtol=1e-5)


def test_an_octave_ends_at_the_largest_loss():
    recipe = _plain("half_squares", num_steps=9, step_size=1.0, largest_loss=100.0)
    _, values = inspection.deep_dream(
        _one_by_one(), np.ones((6, 7, 1)), (-99, 99), recipe, {"twice": 1.0}
    )
    assert len(values) == 3 and values[0] < 100 < values[1]


@pytest.fixture
def model():
    keras.utils.set_random_seed(5)
    images = keras.Input((32, 32, 3))
    x = layers.Conv2D(8, 3, activation="relu", name="a")(images)
    x = layers.MaxPooling2D()(x)
    x = layers.Conv2D(8, 3, activation="relu", name="b")(x)
    x = layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(x))
    return keras.Model(images, x)


@pytest.mark.parametrize("recipe", inspection.DREAMS)
@pytest.mark.parametrize("size", [(61, 47), (40, 40)])
def test_dreams_excite_the_layer_within_the_range(model, recipe, size):
    recipe = dataclasses.replace(
        inspection.DREAMS[recipe], step_size=0.05, num_steps=20, largest_loss=np.inf
    )
    image = np.random.default_rng(0).uniform(-0.5, 0.5, (*size, 3))
    before = model.predict(np.zeros((1, 32, 32, 3)), verbose=0)
    found, values = inspection.deep_dream(model, image, (-1, 1), recipe, {"b": 1.0})
    assert found.shape == image.shape and found.dtype == np.float32
    assert -1 <= found.min() < found.max() <= 1
    first = inspection.deep_dream(
        model, image, (-1, 1), dataclasses.replace(recipe, num_octaves=1), {"b": 1.0}
    )[1][0]
    assert values[-1] >= 2 * first
    after = model.predict(np.zeros((1, 32, 32, 3)), verbose=0)
    np.testing.assert_array_equal(after, before)


def test_bad_dreams_are_refused(model):
    image, limits = np.zeros((20, 20, 3)), (-1, 1)
    with pytest.raises(ValueError, match="recipe must be 'caffe' or .* got 'lsd'"):
        inspection.deep_dream(model, image, limits, "lsd")
    with pytest.raises(ValueError, match="no layer 'inception_4c'"):
        inspection.deep_dream(model, image, limits)
    for bad in (image[0], image[..., :1]):
        with pytest.raises(
            ValueError, match=r"image must be \(height, width, 3\), got"
        ):
            inspection.deep_dream(model, bad, limits, layers={"b": 1.0})
    with pytest.raises(ValueError, match="an octave of 2x2 .*too small"):
        recipe = _plain("half_squares")
        inspection.deep_dream(model, image[:2, :2], limits, recipe, {"b": 1.0})
    with pytest.raises(ValueError, match="an octave of 13x13 .*too small"):
        recipe = _plain("mean_squares")  # 11, 5 and 3 positions are left, 4 border
        inspection.deep_dream(model, image[:13, :13], limits, recipe, {"b": 1.0})
    with pytest.raises(ValueError, match="the objective of b became inf; take smaller"):
        recipe = _plain("half_squares")
        inspection.deep_dream(model, image + 1e30, limits, recipe, {"b": 1.0})
    flat = _one_by_one()
    name = flat.layers[-1].name
    with pytest.raises(ValueError, match=f"what leads to layer '{name}' takes images"):
        inspection.deep_dream(flat, image[..., :1], limits, layers={name: 1.0})
    with pytest.raises(ValueError, match="octave_ratio"):
        _plain("half_squares", octave_ratio=1.0)
