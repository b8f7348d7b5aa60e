"""DenseNets that recompute their maps against those that keep them."""

import contextlib
import re

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from keras_cnns import applications
from keras_cnns._graph import copy_network

BOTTLENECK = pytest.mark.parametrize("bottleneck", [True, False], ids=["bc", "basic"])
JOINED_OR_NORMALIZED = ("ConcatV2", "FusedBatchNormV3", "Relu")


def build(memory_efficient, **options):
    """A network of two blocks with a transition, whose weights all differ."""
    options = {"blocks": (3, 1), "growth_rate": 4, "initial_filters": 8, **options}
    network = applications.DenseNet(
        **options,
        stem="small",
        input_shape=(8, 8, 3),
        classes=5,
        classifier_activation=None,
        memory_efficient=memory_efficient,
    )
    random = np.random.default_rng(0)
    for variable in network.weights:
        values = random.uniform(0.5, 1.5, variable.shape)
        if "kernel" in variable.name:
            values = random.normal(size=variable.shape) / np.prod(variable.shape[:-1])
        variable.assign(values)
    return network


def pair(**options):
    return [build(memory_efficient, **options) for memory_efficient in (False, True)]


@contextlib.contextmanager
def policy(name):
    keras.mixed_precision.set_global_policy(name)
    try:
        yield
    finally:
        keras.mixed_precision.set_global_policy("float32")


def images(batch=6):
    return tf.random.stateless_normal([batch, 8, 8, 3], seed=[1, 2])


def steps(network, count=1, training=True, **compilation):
    """Outputs and gradients of image and weights at each of some updates."""

    def step(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            logits = network(x, training=training)
            loss = tf.reduce_mean(tf.square(logits - tf.cast(targets, logits.dtype)))
        gradients = tape.gradient(loss, [x, *network.trainable_weights])
        for variable, gradient in zip(network.trainable_weights, gradients[1:]):
            variable.assign_sub(0.1 * gradient)
        return [logits, *gradients]

    targets = tf.random.stateless_normal([6, 5], seed=[3, 4])
    if compilation:
        step = tf.function(step, **compilation)
    x = tf.cast(images(), network.compute_dtype)
    return [values for _ in range(count) for values in step(x)]


def assert_close(actual, expected, tolerance=1e-5):
    """Differences, against the largest value of all tensors."""
    actual, expected = (
        [np.asarray(tf.cast(x, tf.float64)) for x in tensors]
        for tensors in (actual, expected)
    )
    assert len(actual) == len(expected)
    limit = tolerance * max(np.abs(x).max() for x in expected)
    for a, b in zip(actual, expected):
        np.testing.assert_allclose(a, b, rtol=0, atol=limit)


@BOTTLENECK
def test_layers_and_weights_have_the_same_names_in_the_same_order(bottleneck):
    plain, efficient = pair(bottleneck=bottleneck)
    assert [w.name for w in plain.weights] == [w.name for w in efficient.weights]
    names = [[x.name for x in net.layers[1:]] for net in (plain, efficient)]
    kept = [name for name in names[1] if not name.endswith("_moments")]
    assert sorted(kept) == sorted(names[0])


@pytest.mark.parametrize(
    ("bottleneck", "compilation"),
    [
        pytest.param(True, {}, id="bc, eager", marks=pytest.mark.slow),
        pytest.param(True, {"jit_compile": False}, id="bc, graph"),
        pytest.param(True, {"jit_compile": True}, id="bc, XLA", marks=pytest.mark.slow),
        pytest.param(False, {}, id="basic, eager", marks=pytest.mark.slow),
        pytest.param(
            False, {"jit_compile": False}, id="basic, graph", marks=pytest.mark.slow
        ),
        pytest.param(False, {"jit_compile": True}, id="basic, XLA"),
    ],
)
def test_outputs_gradients_and_statistics_are_the_same(bottleneck, compilation):
    plain, efficient = pair(bottleneck=bottleneck)
    expected, actual = (steps(net, 2, **compilation) for net in (plain, efficient))
    assert_close(actual, expected)
    assert_close(efficient.get_weights(), plain.get_weights())


def test_they_are_the_same_to_the_last_digits_of_64_bits():
    with policy("float64"):
        plain, efficient = pair()
        expected, actual = (
            steps(net, 2, jit_compile=False) for net in (plain, efficient)
        )
    assert_close(actual, expected, 1e-10)
    # Keras rounds 1 - momentum to 32 bits.
    assert_close(efficient.get_weights(), plain.get_weights(), 1e-8)


@pytest.mark.parametrize(
    ("name", "tolerance"),
    [
        ("mixed_float16", 0.02),
        pytest.param("mixed_bfloat16", 0.15, marks=pytest.mark.slow),
    ],
)
def test_sixteen_bits_differ_as_they_round(name, tolerance):
    reference = steps(build(False), jit_compile=False)
    with policy(name):
        plain, efficient = pair()
        assert efficient.get_layer("pool2_relu").output.dtype.size == 2
        plain, efficient = (steps(net, jit_compile=False) for net in (plain, efficient))
    assert_close(plain, reference, tolerance)
    assert_close(efficient, reference, tolerance)


@pytest.mark.parametrize(
    "training", [False, pytest.param(None, marks=pytest.mark.slow)]
)
def test_inference_is_the_same_and_has_gradients_of_every_map(training):
    plain, efficient = pair()
    expected, actual = (
        steps(net, training=training, jit_compile=False) for net in (plain, efficient)
    )
    assert_close(actual, expected)
    found = []
    for network in pair():
        layer = network.get_layer("pool2_relu")
        part = keras.Model(network.inputs, [layer.output, network.output])
        with tf.GradientTape() as tape:
            maps, logits = part(images())
        found.append([maps, tape.gradient(logits, maps)])
    assert_close(*found)


def test_frozen_normalisation_is_the_same():
    networks = pair()
    for network in networks:
        for layer in network.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.trainable = False
    plain, efficient = networks
    before = efficient.get_layer("conv2_block2_0_bn").get_weights()
    assert_close(steps(efficient, jit_compile=False), steps(plain, jit_compile=False))
    assert_close(efficient.get_layer("conv2_block2_0_bn").get_weights(), before, 0)
    assert_close(efficient.get_weights(), plain.get_weights())


@pytest.mark.parametrize("file", ["weights.h5", "checkpoint"])
def test_weights_are_loaded_either_way(file, tmp_path):
    plain, efficient = pair()
    path = str(tmp_path / file)
    for source, target in ((plain, efficient), (efficient, plain)):
        for variable in source.weights:
            variable.assign_add(tf.ones_like(variable))
        source.save_weights(path)
        status = target.load_weights(path)
        if status is not None:
            status.assert_existing_objects_matched()
        assert_close(target.get_weights(), source.get_weights(), 0)


def test_copies_are_as_efficient():
    network = build(True, dropout_rate=0.3)
    copies = [copy_network(network), keras.Model.from_config(network.get_config())]
    copies[1].set_weights(network.get_weights())
    for copy in copies:
        assert [x.name for x in copy.layers] == [x.name for x in network.layers]
        assert list(map(type, copy.layers)) == list(map(type, network.layers))
        assert_close([copy(images())], [network(images())], 0)


@BOTTLENECK
def test_backward_pass_takes_no_joined_or_normalised_maps_of_the_blocks(bottleneck):
    plain, efficient = (kept_maps(net) for net in pair(bottleneck=bottleneck))
    assert {x.type for x in plain} >= {"ConcatV2", "Relu"}
    assert not [x.name for x in efficient if x.type in JOINED_OR_NORMALIZED]


def kept_maps(network):
    """Operations of blocks and transition whose maps the backward pass takes.

    The last maps are left out, which the normalisation before the classifier takes.
    """

    @tf.function
    def gradients(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(network(x, training=True))
        return loss, tape.gradient(loss, network.trainable_weights)

    graph = gradients.get_concrete_function(images()).graph
    forward, pending = set(), [graph.outputs[0].op]
    while pending:
        operation = pending.pop()
        if operation not in forward:
            forward.add(operation)
            pending += [x.op for x in operation.inputs]
            pending += operation.control_inputs
    return {
        x.op
        for operation in graph.get_operations()
        if operation not in forward
        for x in operation.inputs
        if x.op in forward
        and x.shape.rank == 4
        and re.search("_block|pool2", x.op.name)
        and "conv3_block1_concat" not in x.op.name
    }
