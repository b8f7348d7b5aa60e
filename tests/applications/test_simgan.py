"""SimGAN's networks against the paper's list of layers."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from keras_cnns import applications


def _convolutions(model):
    return [
        (x.kernel_size[0], x.strides[0], x.filters)
        for x in model.layers
        if isinstance(x, keras.layers.Conv2D)
    ]


def test_discriminator_of_eyes():
    model = applications.SimGANEyeDiscriminator()
    assert model.output_shape == (None, 9, 14, 2)
    layers = [(3, 2, 96), (3, 2, 64), (3, 1, 32), (1, 1, 32), (1, 1, 2)]
    assert _convolutions(model) == layers
    pool = model.get_layer("pool")
    assert (pool.pool_size, pool.strides) == ((3, 3), (1, 1))
    order = [x.name for x in model.layers]
    assert order.index("conv2") < order.index("pool") < order.index("conv3")


def test_discriminator_of_hands():
    model = applications.SimGANHandDiscriminator()
    assert model.output_shape == (None, 7, 7, 2)
    layers = [(7, 4, 96), (5, 2, 64), (3, 2, 32), (1, 1, 32), (1, 1, 2)]
    assert _convolutions(model) == layers
    assert model.get_layer("pool").strides == (2, 2)


@pytest.mark.parametrize(
    ("name", "size", "blocks"),
    [("simgan_eye_refiner", 3, 4), ("simgan_hand_refiner", 7, 10)],
)
def test_refiners(name, size, blocks):
    model = applications.create_model(name)
    assert model.output_shape == model.input_shape
    layers = [(size, 1, 64)] * (1 + 2 * blocks) + [(1, 1, 1)]
    assert _convolutions(model) == layers
    assert sum(isinstance(x, keras.layers.Add) for x in model.layers) == blocks


def test_a_block_adds_before_its_last_relu():
    """With weights of zero the blocks hand on what they get."""
    model = applications.SimGANRefiner((6, 7, 1), blocks=2, filters=3)
    for layer in model.layers:
        if layer.name.startswith("block") and layer.weights:
            layer.set_weights([np.zeros(w.shape) for w in layer.weights])
    images = tf.random.stateless_uniform([2, 6, 7, 1], [1, 2], -1.0, 1.0)
    features = keras.Model(
        model.input,
        [model.get_layer(n).output for n in ("first_conv", "block2_out")],
    )
    first, last = features(images)
    np.testing.assert_array_equal(first, last)
    assert np.min(first) == 0 and np.max(first) > 0


def test_small_sizes_and_open_ones():
    discriminator = applications.SimGANDiscriminator(
        (20, 20, 1), filters=(48, 32, 16, 16)
    )
    assert discriminator.output_shape == (None, 5, 5, 2)
    assert applications.SimGANDiscriminator(
        (16, 16, 3), filters=(8,), kernel_sizes=(3,), strides=(2,)
    ).output_shape == (None, 8, 8, 2)
    refiner = applications.SimGANRefiner((None, None, 3), blocks=1, filters=4)
    assert refiner(tf.zeros([1, 9, 5, 3])).shape == (1, 9, 5, 3)


def test_nothing_is_normalised():
    for name in applications.list_models("refinement"):
        model = applications.create_model(name)
        kinds = {type(x).__name__ for x in model.layers}
        assert not kinds & {"BatchNormalization", "GroupNormalization"}, name


def test_pixels_see_their_surroundings_only():
    """The map is local: of a change in one corner the other knows nothing."""
    model = applications.SimGANEyeDiscriminator()
    images = np.zeros([1, 35, 55, 1], np.float32)
    before = model(images).numpy()
    images[0, 0, 0] = 1.0
    changed = (model(images).numpy() != before).any(axis=-1)[0]
    assert changed[0, 0] and not changed[-1, -1]
    assert changed.any(axis=1).sum() <= 5 and changed.any(axis=0).sum() <= 5
