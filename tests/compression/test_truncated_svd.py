"""Truncated dense layers: outputs, weights counted by hand, what is refused."""

import numpy as np
import pytest
from tensorflow import keras

from keras_cnns import compression, layers


def _network():
    """A dense layer used twice, one behind regions, and outputs by name."""
    x = images = keras.Input([6, 6, 2])
    rois = keras.Input([3, 4])
    x = layers.FoldRegions()(layers.RoIPooling(2, 1.0)([x, rois]))
    x = keras.layers.Dense(9, "relu", name="fc")(keras.layers.Flatten()(x))
    twice = keras.layers.Dense(9, "tanh", name="twice")
    x = keras.layers.Add(name="sum")([twice(x), twice(twice(x))])
    boxes = keras.layers.Dense(
        4, name="boxes", kernel_regularizer="l2", kernel_constraint="max_norm"
    )(x)
    scores = keras.layers.Dense(5, use_bias=False, name="scores")(x)
    return keras.Model([images, rois], {"boxes": boxes, "scores": scores})


def _inputs():
    random = np.random.default_rng(0)
    images = random.normal(size=(2, 6, 6, 2)).astype(np.float32)
    return images, np.tile(np.float32([0, 1, 5, 6]), (2, 3, 1))


def test_outputs_are_the_same_at_full_rank():
    network, inputs = _network(), _inputs()
    ranks = {"fc": 8, "twice": 9, "boxes": 4, "scores": 5}
    smaller = compression.truncate_dense(network, ranks)
    expected, found = network(inputs), smaller(inputs)
    for name in ("boxes", "scores"):
        np.testing.assert_allclose(found[name], expected[name], atol=1e-5)
    assert smaller.get_layer("twice_u").count_params() == 9 * 9 + 9
    assert smaller.get_layer("fc_v").activation is keras.activations.linear


def test_kernel_is_the_closest_of_its_rank():
    network = _network()
    smaller = compression.truncate_dense(network, {"fc": 3, "boxes": 1})
    kernel = network.get_layer("fc").kernel.numpy()
    parts = [smaller.get_layer(f"fc_{part}").kernel.numpy() for part in "vu"]
    assert [part.shape for part in parts] == [(8, 3), (3, 9)]
    values = np.linalg.svd(kernel, compute_uv=False)
    error = np.linalg.norm(kernel - parts[0] @ parts[1])
    np.testing.assert_allclose(error, np.linalg.norm(values[3:]), rtol=1e-4)
    np.testing.assert_array_equal(
        smaller.get_layer("fc_u").bias, network.get_layer("fc").bias
    )
    # Others are copies, of their own.
    smaller.get_layer("twice").kernel.assign_add(np.ones((9, 9)))
    difference = smaller.get_layer("twice").kernel - network.get_layer("twice").kernel
    np.testing.assert_allclose(difference, np.ones((9, 9)), rtol=1e-5)


def test_sequential_networks_and_16_bits():
    network = keras.Sequential(
        [
            keras.layers.Flatten(input_shape=(4, 4, 2)),
            keras.layers.Dense(20, "softmax", name="fc", dtype="mixed_float16"),
        ]
    )
    smaller = compression.truncate_dense(network, {"fc": 20})
    x = np.random.default_rng(0).normal(size=(3, 4, 4, 2)).astype(np.float32)
    np.testing.assert_allclose(smaller(x), network(x), atol=2e-3)
    assert smaller.get_layer("fc_v").compute_dtype == "float16"


def test_weights_of_vgg16_are_as_published(monkeypatch):
    """fc6 and fc7; factors of nothing, which take minutes to compute."""
    monkeypatch.setattr(
        np.linalg,
        "svd",
        lambda kernel, full_matrices: (
            np.broadcast_to(kernel.dtype.type(0), kernel.shape),
            np.zeros(kernel.shape[1], kernel.dtype),
            np.broadcast_to(kernel.dtype.type(0), [kernel.shape[1]] * 2),
        ),
    )
    for inputs, rank, before, after in (
        (25088, 1024, 102_760_448, 29_884_416),
        (4096, 256, 16_777_216, 2_097_152),
    ):
        fc = keras.layers.Dense(
            4096, kernel_initializer="zeros", name="fc", dtype="float16"
        )
        network = keras.Sequential([keras.Input([inputs]), fc])
        assert network.count_params() == before + 4096
        smaller = compression.truncate_dense(network, {"fc": rank})
        assert smaller.count_params() == after + 4096


def test_bad_ranks_are_quoted():
    network = _network()
    for ranks, quoted in (
        ({}, r"ranks must be a rank by name of a layer, got \{\}"),
        ({"fc9": 2}, r"dense layers \(fc, twice, boxes, scores\), got 'fc9'"),
        ({"sum": 2}, "got 'sum'"),
        ({"fc": 9}, r"the rank of 'fc' must be in \[1, 8\], got 9"),
        ({"fc": 0}, "got 0"),
        ({"fc": 2.5}, "the rank of 'fc' must be whole, got 2.5"),
        ({"fc": True}, "got True"),
    ):
        with pytest.raises(ValueError, match=quoted):
            compression.truncate_dense(network, ranks)


def test_what_is_truncated_already_is_refused():
    network = compression.truncate_dense(_network(), {"fc": 2})
    with pytest.raises(ValueError, match="got 'fc'"):
        compression.truncate_dense(network, {"fc": 2})
    twice = compression.truncate_dense(network, {"fc_u": 2})
    assert twice.get_layer("fc_u_v").units == 2
    with pytest.raises(ValueError, match="keras.Model of the functional API"):
        compression.truncate_dense(keras.Sequential(), {"fc": 2})
