"""Convolutions as products of matrices, against TensorFlow's."""

import functools
import itertools

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from keras_cnns import applications, layers, trainers
from keras_cnns.layers import matrix_convolution

PAIRS = {
    "Conv2D": (keras.layers.Conv2D, layers.MatrixConv2D),
    "Conv2DTranspose": (keras.layers.Conv2DTranspose, layers.MatrixConv2DTranspose),
}
# Sizes of the input that give the smaller maps at most 16 positions, most of the time.
SIZES = {"Conv2D": [(7, 8), (5, 6), (4, 3)], "Conv2DTranspose": [(4, 4), (2, 3)]}


def _both(kind, size, **arguments):
    """TensorFlow's layer and ours with the same random weights, and an input."""
    random = np.random.default_rng(0)
    arguments = {"filters": 5, "activation": "tanh", "dtype": "float64", **arguments}
    plain, ours = (layer(**arguments) for layer in PAIRS[kind])
    x = tf.constant(random.normal(size=(2, *size, 3)))
    for layer in (plain, ours):
        layer.build(x.shape)
    plain.set_weights([random.normal(size=w.shape) / 9 for w in plain.weights])
    ours.set_weights(plain.get_weights())
    return plain, ours, x


def _operations(layer, x, training):
    """Types of operations of a layer's call."""
    function = tf.function(lambda x: layer(x, training=training))
    graph = function.get_concrete_function(x).graph
    return {operation.type for operation in graph.get_operations()}


def _values(call, x, weights):
    """Output, and gradients of first and second order."""
    with tf.GradientTape() as outer:
        outer.watch([x, *weights])
        with tf.GradientTape() as inner:
            inner.watch(x)
            y = call(x)
            score = tf.reduce_sum(y**2)
        slope = inner.gradient(score, x)
        penalty = tf.reduce_sum(slope**2)
    return [y, slope, *outer.gradient(penalty, [x, *weights])]


@pytest.mark.parametrize(
    "kind, kernel_size, strides, padding",
    itertools.product(PAIRS, [(5, 5), (3, 4), (1, 2)], [2, 1, 3], ["same", "valid"]),
)
def test_values_and_gradients_of_both_orders(kind, kernel_size, strides, padding):
    used = 0
    for size in SIZES[kind]:
        shape = {"kernel_size": kernel_size, "strides": strides, "padding": padding}
        if kind == "Conv2D" and padding == "valid" and min(size) < max(kernel_size):
            continue
        plain, ours, x = _both(kind, size, **shape)
        expected = _values(plain, x, plain.weights)
        call = functools.partial(ours, training=True)
        found = _values(call, x, ours.weights)
        for value, right in zip(found, expected):
            np.testing.assert_allclose(value, right, rtol=1e-10, atol=1e-11)
        used += "GatherV2" in _operations(ours, x, training=True)
    assert used or (kind, padding) == ("Conv2D", "valid") and strides == 1


@pytest.mark.parametrize("kind", PAIRS)
def test_only_small_maps_in_training_are_matrices(kind):
    arguments = {"kernel_size": 5, "strides": 2, "padding": "same"}
    small, large = ((8, 8), (10, 8)) if kind == "Conv2D" else ((4, 4), (5, 4))
    _, ours, x = _both(kind, small, **arguments)
    assert "GatherV2" in _operations(ours, x, training=True)
    unknown = tf.TensorSpec([None, None, None, 3], tf.float64)
    for given, training in [(x, False), (x, None), (unknown, True)]:
        assert "GatherV2" not in _operations(ours, given, training)
    _, ours, x = _both(kind, large, **arguments)
    assert "GatherV2" not in _operations(ours, x, training=True)


@pytest.mark.parametrize(
    "kind, options",
    [
        *itertools.product(
            PAIRS, [{"dilation_rate": 2}, {"data_format": "channels_first"}]
        ),
        ("Conv2D", {"groups": 3}),  # of which Keras has no transposed ones
    ],
)
def test_what_it_does_not_speed_up_is_as_in_keras(kind, options):
    layer = PAIRS[kind][1](3, 2, **options)
    spec = tf.TensorSpec([2, 3, 3, 3])
    assert "GatherV2" not in _operations(layer, spec, training=True)


def test_batches_of_unknown_size_and_float16():
    layer = layers.MatrixConv2D(4, 3, padding="same", dtype="mixed_float16")
    images = keras.Input((4, 4, 2))
    model = keras.Model(images, layer(images))
    assert model(tf.ones([3, 4, 4, 2]), training=True).dtype == tf.float16
    assert model.output_shape == (None, 4, 4, 4)


def _losses(most_positions, monkeypatch):
    """Of 50 steps of a DCGAN in float64, with products of so many positions."""
    monkeypatch.setattr(matrix_convolution, "_MOST_POSITIONS", most_positions)
    keras.utils.set_random_seed(0)
    gan = trainers.GAN(
        applications.DCGANGenerator((16, 8), (8, 8, 1), latent_size=4),
        applications.DCGANDiscriminator((8, 16), (8, 8, 1)),
        latents=4,
        seed=1,
    )
    gan.compile(*(trainers.make_optimizer("adam", 1e-3) for _ in range(2)))
    images = np.random.default_rng(0).uniform(-1, 1, (50, 20, 8, 8, 1))
    images = images.astype(np.float32)
    step = tf.function(gan.train_step)
    return [
        [float(value) for value in step((tf.constant(x), tf.zeros([20]))).values()]
        for x in images
    ]


def test_fifty_steps_of_a_gan_are_the_same(monkeypatch):
    """In float32 rounding alone separates two such trainings after a few steps."""
    keras.mixed_precision.set_global_policy("float64")
    try:
        plain, fast = (_losses(count, monkeypatch) for count in (0, 16))
    finally:
        keras.mixed_precision.set_global_policy("float32")
    np.testing.assert_allclose(fast, plain, rtol=1e-4)
