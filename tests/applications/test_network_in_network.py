"""Network in Network and the maxout network that it is compared with."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from keras_cnns import applications

SMALL_NIN = {"filters": ((8, 6), (4,)), "kernel_sizes": (3, 3), "dropout_rate": 0.0}


def test_parameters_with_100_classes():
    """As counted from the authors' CIFAR-100 definition."""
    model = applications.create_model("network_in_network", classes=100)
    assert model.count_params() == 984_356


def test_sizes_of_the_maps():
    model = applications.NetworkInNetwork(include_top=False)
    assert model(tf.ones([1, 32, 17, 3])).shape == (1, 8, 4, 192)


@pytest.mark.parametrize("rectified", [True, False])
def test_scores_are_means_of_class_maps(rectified):
    model = applications.NetworkInNetwork(
        **SMALL_NIN, classes=5, rectified_class_maps=rectified
    )
    images = tf.random.stateless_normal([3, 32, 32, 3], seed=[0, 1])
    before = keras.Model(model.input, model.get_layer("block2_1_relu").output)
    kernel, bias = model.get_layer("predictions").get_weights()
    maps = before(images).numpy() @ kernel[0, 0] + bias
    scores = (np.maximum(maps, 0) if rectified else maps).mean(axis=(1, 2))
    expected = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model(images), expected, rtol=1e-4)


def test_dropout_after_each_pool_and_nowhere_else():
    def names(**kwargs):
        model = applications.NetworkInNetwork(**kwargs)
        kind = keras.layers.Dropout
        return {x.name: x.rate for x in model.layers if isinstance(x, kind)}

    assert names() == {"block1_dropout": 0.5, "block2_dropout": 0.5}
    assert names(dropout_rate=0.0) == {}


def test_class_maps_of_another_number_of_classes_stay_fresh(tmp_path):
    first = applications.NetworkInNetwork(**SMALL_NIN, classes=5)
    path = str(tmp_path / "weights.h5")
    applications.save_weights(first, path)
    second = applications.NetworkInNetwork(**SMALL_NIN, classes=3, weights=path)
    np.testing.assert_array_equal(
        first.get_layer("block2_1_conv").kernel,
        second.get_layer("block2_1_conv").kernel,
    )
    assert second.output_shape == (None, 3)


def _pool_by_definition(x, size, stride):
    """Windows from the first pixel on, the last one cut off where the map ends."""
    count = -(-(x.shape[1] - size) // stride) + 1
    result = np.empty((len(x), count, count, x.shape[-1]), x.dtype)
    for i in range(count):
        for j in range(count):
            window = x[
                :, i * stride : i * stride + size, j * stride : j * stride + size
            ]
            result[:, i, j] = window.max(axis=(1, 2))
    return result


@pytest.mark.parametrize("size", [32, 33])
def test_pool_by_definition(size):
    model = applications.NetworkInNetwork(
        **SMALL_NIN, include_top=False, input_shape=(size, size, 3)
    )
    ends = [model.get_layer(f"block1_{part}").output for part in ("2_relu", "pool")]
    images = tf.random.stateless_normal([2, size, size, 3], seed=[0, 1])
    maps, pooled = keras.Model(model.input, ends)(images)
    np.testing.assert_array_equal(pooled, _pool_by_definition(maps.numpy(), 3, 2))


@pytest.mark.parametrize("size", [32, 33])
def test_maxout_block_against_numpy(size):
    """Maximum over pieces, then over windows, of values that are negative too."""
    model = applications.MaxoutNetwork(
        filters=(4, 3, 3), units=5, input_shape=(size, size, 3), classes=2
    )
    model.get_layer("block1_conv").bias.assign([-5.0] * 8)
    ends = [model.get_layer(f"block1_{part}").output for part in ("conv", "pool")]
    images = tf.random.stateless_normal([2, size, size, 3], seed=[0, 1])
    maps, pooled = keras.Model(model.input, ends)(images)
    maps = maps.numpy().reshape(*maps.shape[:3], 2, 4).max(axis=3)
    expected = _pool_by_definition(maps, 4, 2)
    assert expected.max() < 0
    np.testing.assert_array_equal(pooled, expected)


def test_maxout_sizes_and_norms():
    """Map sizes as pylearn2 computes them for 32x32; kernels keep within their norm."""
    model = applications.MaxoutNetwork(filters=(4, 3, 3), units=5)
    for name, size in [("block1_pool", 16), ("block2_pool", 7), ("block3_pool", 5)]:
        assert model.get_layer(name).output_shape[1:3] == (size, size)
    kernel = model.get_layer("block1_conv").kernel
    kernel.assign(tf.ones_like(kernel))
    limited = kernel.constraint(kernel)
    np.testing.assert_allclose(
        tf.sqrt(tf.reduce_sum(limited**2, axis=[0, 1, 2])), 0.9, rtol=1e-5
    )


@pytest.mark.parametrize(
    ("build", "arguments", "quoted"),
    [
        (applications.NetworkInNetwork, {"filters": ((8,),)}, "filters"),
        (applications.NetworkInNetwork, {"filters": ((8,), (0,), (8,))}, "0"),
        (applications.NetworkInNetwork, {"kernel_sizes": (5, 5, 0)}, "kernel_sizes"),
        (applications.NetworkInNetwork, {"dropout_rate": 1.0}, "1.0"),
        (applications.NetworkInNetwork, {"initializer": "zeros"}, "zeros"),
        (applications.MaxoutNetwork, {"filters": (8, 8)}, "three"),
        (applications.MaxoutNetwork, {"units": 0}, "units.*0"),
        (applications.MaxoutNetwork, {"input_dropout_rate": -0.1}, "-0.1"),
    ],
)
def test_bad_arguments_are_quoted(build, arguments, quoted):
    with pytest.raises(ValueError, match=quoted):
        build(**arguments)
