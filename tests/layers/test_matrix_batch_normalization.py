"""Batch normalisation by products of matrices, against the formula and Keras' layer."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from keras_cnns import applications, layers
from keras_cnns.layers import _instructions

LIST = "flags\t\t: fpu sse4_2 avx avx2 fma"
SHAPE = (3, 4, 5, 6)


@pytest.fixture
def narrow(monkeypatch):
    """A processor that is limited to AVX2, as far as layers ask."""
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    _instructions.is_limited_to_avx2.cache_clear()
    yield
    _instructions.is_limited_to_avx2.cache_clear()


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


def test_products_are_used_in_training_on_such_processors_alone(narrow, maps):
    layer = layers.MatrixBatchNormalization()
    used = _operations(layer, maps, training=True)
    assert "MatMul" in used and "FusedBatchNormV3" not in used
    frozen = layers.MatrixBatchNormalization(trainable=False)
    half = layers.MatrixBatchNormalization(dtype="mixed_float16")
    for kind, training in [(layer, False), (frozen, True), (half, True)]:
        used = _operations(kind, maps, training=training)
        assert "FusedBatchNormV3" in used and "MatMul" not in used


def test_wide_processors_have_the_fused_operation(monkeypatch, maps):
    monkeypatch.setattr(_instructions, "_FLAGS", "there_is_no_such_file")
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    _instructions.is_limited_to_avx2.cache_clear()
    used = _operations(layers.MatrixBatchNormalization(), maps, training=True)
    _instructions.is_limited_to_avx2.cache_clear()
    assert "FusedBatchNormV3" in used and "MatMul" not in used


@pytest.mark.parametrize(
    "text, limit, expected",
    [
        (f"model name : x\n{LIST}\n", None, True),
        (f"{LIST} avx512f\n", None, False),
        (f"{LIST} avx512f\n", "avx2", True),
        (f"{LIST} avx512f\n", "ALL", False),
        ("flags : fpu sse4_2\n", None, False),
        ("Features : fp asimd\n", None, False),
    ],
)
def test_processors_are_told_apart(monkeypatch, tmp_path, text, limit, expected):
    (tmp_path / "cpuinfo").write_text(text)
    monkeypatch.setattr(_instructions, "_FLAGS", str(tmp_path / "cpuinfo"))
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    if limit:
        monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    assert _instructions.is_limited_to_avx2.__wrapped__() is expected


def test_networks_train_as_with_keras_layer(narrow):
    """Losses of ten steps of a small DenseNet."""
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
        network.compile(keras.optimizers.SGD(0.01), "sparse_categorical_crossentropy")
        fitted = network.fit(x, y, epochs=10, batch_size=16, shuffle=False, verbose=0)
        losses.append(fitted.history["loss"])
    np.testing.assert_allclose(*losses, rtol=1e-4)
    for found, expected in zip(ours.get_weights(), theirs.get_weights()):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
