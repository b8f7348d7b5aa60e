"""Networks with spatial transformers: how they start, and that they can move."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from keras_cnns import applications
from keras_cnns.export import trust


def _images(*shape):
    return tf.random.stateless_uniform(shape, [1, 2])


@pytest.mark.parametrize("body", ["fcn", "cnn"])
@pytest.mark.parametrize("transform", ["affine", "projective", "tps"])
def test_starts_as_the_network_without_a_transformer(body, transform):
    plain = applications.create_model(f"stn_{body}")
    network = applications.create_model(f"stn_{body}_{transform}")
    for layer in plain.layers[1:]:
        network.get_layer(layer.name).set_weights(layer.get_weights())
    images = _images(3, 28, 28, 1)
    np.testing.assert_allclose(network(images), plain(images), atol=1e-5)


@pytest.mark.parametrize("name", ["stn_fcn_tps", "stn_cnn_projective"])
def test_the_start_has_a_gradient(name):
    network = applications.create_model(name)
    regression = network.get_layer("transformer1_parameters")
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(network(_images(4, 28, 28, 1))[:, 0])
    for gradient in tape.gradient(loss, regression.weights):
        assert np.abs(gradient).max() > 1e-4


def test_parallel_transformers_start_and_stay_different():
    network = applications.STN(
        transforms=["affine", "affine"], input_shape=(16, 16, 1), classes=3
    )
    outputs = [network.get_layer(f"transformer{i}").output for i in (1, 2)]
    parameters = [network.get_layer(f"transformer{i}_parameters") for i in (1, 2)]
    first, second = keras.Model(network.input, outputs)(_images(2, 16, 16, 1))
    assert np.abs(first - second).max() > 0.1
    network.compile(keras.optimizers.Adam(1e-2), "sparse_categorical_crossentropy")
    starts = [layer.bias.numpy() for layer in parameters]
    network.fit(_images(32, 16, 16, 1), np.arange(32) % 3, epochs=3, verbose=0)
    moves = [layer.bias.numpy() - s for layer, s in zip(parameters, starts)]
    assert min(np.abs(move).max() for move in moves) > 1e-3
    assert np.abs(moves[0] - moves[1]).max() > 1e-3


def test_side_by_side_are_the_channels():
    network = applications.STNAdditionFCNAffine2()
    pair = keras.Model(network.input, network.get_layer("pair").output)
    images = _images(2, 42, 84, 1)
    expected = np.concatenate([images[:, :, :42], images[:, :, 42:]], -1)
    np.testing.assert_array_equal(pair(images), expected)


def test_downsampling_averages_what_was_warped_at_full_size():
    network = applications.STN(input_shape=(8, 6, 1), downsampling=2)
    shapes = [
        network.get_layer(name).output_shape[1:]
        for name in ("transformer1", "downsampled")
    ]
    assert shapes == [(8, 6, 1), (4, 3, 1)]


def test_a_transformer_between_convolutions_of_any_size():
    """In the middle of a network whose images have no known size."""
    image = keras.Input([None, None, 1])
    x = keras.layers.Conv2D(3, 3, padding="same")(image)
    features = keras.layers.GlobalMaxPooling2D()(x)
    for k, transform in enumerate(("thin_plate_spline", "translation")):
        x = applications.spatial_transformer(x, features, transform, name=f"st{k}")
    network = keras.Model(image, keras.layers.Conv2D(2, 3)(x))
    copy = keras.Model.from_config(network.get_config())
    copy.set_weights(network.get_weights())
    images = _images(2, 9, 12, 1)
    np.testing.assert_array_equal(network(images), copy(images))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(network(images))
    assert None not in tape.gradient(loss, network.trainable_weights)


def test_svhn_warps_what_the_first_four_convolutions_get():
    network = applications.create_model("stn_svhn_multi", units=(8, 8))
    shapes = [network.get_layer(f"transformer{i}").output_shape for i in range(1, 5)]
    assert [shape[1:] for shape in shapes] == [
        (64, 64, 3), (32, 32, 48), (32, 32, 64), (16, 16, 128),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["stn_cnn_tps", "stn_addition_fcn_projective2"])
def test_graph_holds_trusted_operations(name):
    network = applications.create_model(name)
    images = _images(1, *network.input_shape[1:])
    graph = tf.function(network).get_concrete_function(images).graph
    assert {operation.type for operation in graph.get_operations()} <= trust.ALLOWED


@pytest.mark.parametrize(
    ("name", "arguments", "quoted"),
    [
        ("stn", {"body": "rnn"}, "body.*got 'rnn'"),
        ("stn", {"transforms": "affine"}, "transforms.*got 'affine'"),
        ("stn", {"transforms": ["shear"]}, "each of transforms.*got 'shear'"),
        ("stn", {"widths": [3]}, r"widths must have two entries, got \[3\]"),
        ("stn", {"transforms": None, "localisation_width": 4}, "width=4 has no effect"),
        ("stn", {"downsampling": 0}, "downsampling.*got 0"),
        ("stn", {"side_by_side": 1}, "side_by_side.*got 1"),
        ("stn_addition_fcn", {"input_shape": (42, 83, 1)}, "width must be.*got 83"),
        ("stn_svhn", {"transformers": "double"}, "transformers.*got 'double'"),
        ("stn_svhn", {"image_shape": (8, 64, 3)}, r"\(8, 64, 3\).*at least 16"),
        ("stn_svhn", {"stage_filters": 3}, "stage_filters.*got 3"),
        ("stn_svhn", {"stage_filters": [8, 8]}, "each of stage_filters.*got 8"),
        ("stn_colocalisation", {"image_shape": (12, 64, 3)}, "at least 13"),
    ],
)
def test_bad_arguments_are_quoted(name, arguments, quoted):
    with pytest.raises(ValueError, match=quoted):
        applications.create_model(name, **arguments)
