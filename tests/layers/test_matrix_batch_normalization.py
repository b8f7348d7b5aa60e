"""Batch normalisation by products of matrices, against the formula and Keras' layer."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from keras_cnns import _processor, applications, data, export, layers

SHAPE = (3, 4, 5, 6)


@pytest.fixture
def narrow(monkeypatch):
    """A processor that is limited to AVX2, and oneDNN, as far as layers ask."""
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "1")


@pytest.fixture
def maps():
    return np.random.default_rng(0).normal(3, 2, SHAPE).astype(np.float32)


def _random_weights(layer):
    random = np.random.default_rng(1)
    layer.set_weights([random.uniform(0.5, 2, w.shape) for w in layer.weights])


def _operations(layer, maps, **call):
    function = tf.function(lambda x: layer(x, **call))
    graph = function.get_concrete_function(tf.constant(maps)).graph
    return {operation.type for operation in graph.get_operations()}


@pytest.mark.parametrize("options", [{}, {"center": False}, {"scale": False}])
def test_output_and_running_statistics_are_those_of_the_formula(narrow, maps, options):
    layer = layers.MatrixBatchNormalization(momentum=0.7, epsilon=0.01, **options)
    layer.build(SHAPE)
    _random_weights(layer)
    gamma = layer.gamma.numpy() if layer.scale else 1
    beta = layer.beta.numpy() if layer.center else 0
    old = [w.numpy() for w in (layer.moving_mean, layer.moving_variance)]
    exact = maps.astype(np.float64)
    mean, variance = exact.mean((0, 1, 2)), exact.var((0, 1, 2))
    expected = (exact - mean) / np.sqrt(variance + 0.01) * gamma + beta
    np.testing.assert_allclose(layer(maps, training=True), expected, rtol=0, atol=1e-5)
    unbiased = exact.var((0, 1, 2), ddof=1)
    np.testing.assert_allclose(layer.moving_mean, 0.7 * old[0] + 0.3 * mean, rtol=1e-5)
    np.testing.assert_allclose(
        layer.moving_variance, 0.7 * old[1] + 0.3 * unbiased, rtol=1e-5
    )


def _gradients(layer, maps):
    """Gradients of a sum of cubes, and those of the gradients' squares."""
    maps = tf.cast(maps, layer.compute_dtype)
    weights = layer.trainable_weights
    with tf.GradientTape() as outer:
        outer.watch(maps)
        with tf.GradientTape() as inner:
            inner.watch(maps)
            score = tf.reduce_sum(layer(maps, training=True) ** 3)
        slopes = inner.gradient(score, [maps, *weights])
        total = tf.add_n([tf.reduce_sum(slope**2) for slope in slopes])
    return slopes, outer.gradient(total, [maps, *weights])


def test_gradients_are_those_of_float64(narrow, maps):
    """Those of second order are TensorFlow's of its fused operation."""
    ours = layers.MatrixBatchNormalization()
    exact = keras.layers.BatchNormalization(dtype="float64")
    fused = keras.layers.BatchNormalization()
    for layer in (ours, exact, fused):
        layer.build(SHAPE)
        _random_weights(layer)
    slopes, curvatures = _gradients(ours, maps)
    pairs = [*zip(slopes, _gradients(exact, maps)[0])]
    pairs += zip(curvatures, _gradients(fused, maps)[1])
    for found, expected in pairs:
        size = np.abs(expected).max()
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * size)


def test_inference_is_that_of_the_formula(narrow, maps):
    layer = layers.MatrixBatchNormalization(epsilon=0.01)
    layer.build(SHAPE)
    _random_weights(layer)
    gamma, beta, mean, variance = (w.numpy().astype("float64") for w in layer.weights)
    expected = (maps - mean) / np.sqrt(variance + 0.01) * gamma + beta
    np.testing.assert_allclose(layer(maps), expected, rtol=0, atol=1e-5)
    layer.trainable = False
    np.testing.assert_allclose(layer(maps, training=True), expected, rtol=0, atol=1e-5)


def test_what_is_used_on_such_processors(narrow, maps):
    layer = layers.MatrixBatchNormalization()
    frozen = layers.MatrixBatchNormalization(trainable=False)
    used = _operations(layer, maps, training=True)
    assert "MatMul" in used and "FusedBatchNormV3" not in used
    for kind, training in [(layer, False), (frozen, True)]:
        used = _operations(kind, maps, training=training)
        assert "Mul" in used and not used & {"MatMul", "FusedBatchNormV3"}
    half = layers.MatrixBatchNormalization(dtype="mixed_float16")
    for training in (False, True):
        used = _operations(half, maps, training=training)
        assert "FusedBatchNormV3" in used and "MatMul" not in used


@pytest.mark.parametrize("form", [export.SAVED_MODEL, export.Form(optimize=True)])
def test_exports_have_the_fused_operation(narrow, tmp_path, form):
    """They may run anywhere; and what optimises them looks for it."""
    inputs = keras.Input((8, 8, 3))
    maps = layers.MatrixBatchNormalization()(inputs)  # behind no convolution
    x = keras.layers.Conv2D(4, 3)(tf.nn.relu(maps))
    x = layers.MatrixBatchNormalization()(x)  # can be folded
    x = keras.layers.GlobalAveragePooling2D()(x)
    network = keras.Model(inputs, keras.layers.Dense(2, activation="softmax")(x))
    path, _ = export.export_saved_model(
        network,
        str(tmp_path),
        "net",
        preprocessing=data.Preprocessing(8, 8, 3, (0.5,) * 3, (0.25,) * 3),
        class_names=["a", "b"],
        form=form,
    )
    graph = tf.saved_model.load(path).signatures["serving_default"].graph
    definition = graph.as_graph_def()
    nodes = [
        *definition.node,
        *(n for f in definition.library.function for n in f.node_def),
    ]
    found = sum(node.op == "FusedBatchNormV3" for node in nodes)
    assert found == (1 if form.optimize else 2)


def test_wide_processors_have_the_fused_operation(monkeypatch, maps):
    monkeypatch.setattr(_processor, "_FLAGS", "there_is_no_such_file")
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    used = _operations(layers.MatrixBatchNormalization(), maps, training=True)
    assert "FusedBatchNormV3" in used and "MatMul" not in used


@pytest.mark.parametrize("training", [False, True])
def test_without_onednn_it_is_the_fused_operation(narrow, monkeypatch, maps, training):
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    layer = layers.MatrixBatchNormalization()
    used = _operations(layer, maps, training=training)
    assert "FusedBatchNormV3" in used and not used & {"MatMul", "Mul"}


def test_networks_train_as_with_keras_layer(narrow):
    """Losses of fifty steps of a small DenseNet.

    At a larger rate rounding may turn a ReLU's sign, after which losses differ by 1e-3.
    """
    arguments = {"blocks": [2, 2], "growth_rate": 8, "initial_filters": 8}
    arguments |= {"stem": "small", "input_shape": (8, 8, 1), "classes": 3}
    ours = applications.create_model("densenet", **arguments)

    def plain(layer):
        if isinstance(layer, layers.MatrixBatchNormalization):
            return keras.layers.BatchNormalization.from_config(layer.get_config())
        return type(layer).from_config(layer.get_config())

    theirs = keras.models.clone_model(ours, clone_function=plain)
    theirs.set_weights(ours.get_weights())
    random = np.random.default_rng(0)
    x, y = random.normal(size=(16, 8, 8, 1)), random.integers(0, 3, 16)
    losses = []
    for network in (ours, theirs):
        network.compile(keras.optimizers.SGD(0.002), "sparse_categorical_crossentropy")
        fitted = network.fit(x, y, epochs=50, batch_size=16, shuffle=False, verbose=0)
        losses.append(fitted.history["loss"])
    assert losses[0][-1] < 0.95 * losses[0][0]
    np.testing.assert_allclose(*losses, rtol=1e-5)
    assert losses[0][0] == pytest.approx(losses[1][0], rel=1e-6)
    for found, expected in zip(ours.get_weights(), theirs.get_weights()):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
