"""The training step against values worked out by hand."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from keras_cnns import applications, metrics, trainers

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.normal(size=(6, 2, 2, 1)).astype(np.float32)
LABELS = np.eye(3, dtype=np.float32)[RANDOM.integers(0, 3, 6)]


def _linear():
    """Softmax regression: its gradient is known."""
    keras.utils.set_random_seed(3)
    inputs = keras.Input((2, 2, 1))
    x = keras.layers.Flatten()(inputs)
    return keras.Model(inputs, keras.layers.Dense(3, dtype="float32")(x), name="linear")


def _trainer(network=None, rate=0.5, **kwargs):
    trainer = trainers.ClassificationTrainer(network or _linear(), **kwargs)
    trainer.compile(trainers.make_optimizer("sgd", rate, momentum=0.0))
    return trainer


def _fit(trainer, steps=1):
    batch = tf.data.Dataset.from_tensors((IMAGES, LABELS)).repeat()
    return trainer.fit(batch, steps_per_epoch=steps, verbose=0).history


def _gradient(kernel, bias):
    """Of the mean cross-entropy, by hand; and the loss."""
    x = IMAGES.reshape(6, 4)
    logits = x @ kernel + bias
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    loss = -np.log((p * LABELS).sum(1)).mean()
    return x.T @ (p - LABELS) / 6, (p - LABELS).mean(0), loss


def test_step_is_gradient_descent_on_the_mean_cross_entropy():
    trainer = _trainer()
    kernel, bias = trainer.network.get_weights()
    kernel_gradient, bias_gradient, loss = _gradient(kernel, bias)
    history = _fit(trainer)
    assert history["loss"][0] == pytest.approx(loss, rel=1e-5)
    after = trainer.network.get_weights()
    np.testing.assert_allclose(
        after[0], kernel - 0.5 * kernel_gradient, rtol=1e-4, atol=1e-6
    )
    np.testing.assert_allclose(
        after[1], bias - 0.5 * bias_gradient, rtol=1e-4, atol=1e-6
    )
    assert trainer.steps_done == 1


def _with_auxiliary_head():
    keras.utils.set_random_seed(3)
    inputs = keras.Input((2, 2, 1))
    x = keras.layers.Flatten()(inputs)
    heads = [keras.layers.Dense(3, name=name)(x) for name in ("main", "auxiliary")]
    return keras.Model(inputs, heads, name="two_heads")


@pytest.mark.parametrize("enable_xla", [False, True])
def test_auxiliary_heads_have_their_fraction_of_the_gradient(enable_xla):
    network = _with_auxiliary_head()
    trainer = _trainer(network, auxiliary_weight=0.3, enable_xla=enable_xla)
    before = network.get_weights()
    gradients = [_gradient(*before[:2]), _gradient(*before[2:])]
    history = _fit(trainer)
    assert history["loss"][0] == pytest.approx(gradients[0][2], rel=1e-5)
    main, _, auxiliary, _ = network.get_weights()
    moved = before[0] - 0.5 * gradients[0][0], before[2] - 0.5 * 0.3 * gradients[1][0]
    np.testing.assert_allclose(main, moved[0], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(auxiliary, moved[1], rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(trainer(IMAGES), network(IMAGES)[0])


def test_auxiliary_weight_and_heads_belong_together():
    with pytest.raises(ValueError, match="0.0 for two_heads with 1 auxiliary"):
        _trainer(_with_auxiliary_head())
    with pytest.raises(ValueError, match="0.3 for linear with 0 auxiliary"):
        _trainer(auxiliary_weight=0.3)


@pytest.mark.parametrize("scope", ["all", "kernels"])
def test_weight_decay(scope):
    network = _linear()
    network.layers[-1].set_weights([np.ones((4, 3)), np.ones(3)])
    trainer = _trainer(network, weight_decay=0.1, weight_decay_scope=scope)
    kernel_gradient, bias_gradient, _ = _gradient(np.ones((4, 3)), np.ones(3))
    _fit(trainer)
    kernel, bias = network.get_weights()
    np.testing.assert_allclose(kernel, 1 - 0.5 * (kernel_gradient + 0.1), rtol=1e-5)
    decay = 0.1 if scope == "all" else 0.0
    np.testing.assert_allclose(bias, 1 - 0.5 * (bias_gradient + decay), rtol=1e-5)


def test_gradient_is_clipped_by_its_global_norm():
    trainer = _trainer(gradient_clip_norm=0.01)
    before = trainer.network.get_weights()
    _fit(trainer)
    moved = [a - b for a, b in zip(trainer.network.get_weights(), before)]
    norm = np.sqrt(sum((m**2).sum() for m in moved))
    assert norm == pytest.approx(0.5 * 0.01, rel=1e-3)


def test_average_follows_its_formula_and_is_used_in_evaluation():
    trainer = _trainer(ema_decay=0.9)
    average = [w.copy() for w in trainer.network.get_weights()]
    for step in range(1, 4):
        _fit(trainer)
        decay = min(0.9, (1 + step) / (10 + step))
        weights = trainer.network.get_weights()
        average = [decay * a + (1 - decay) * w for a, w in zip(average, weights)]
    for ours, expected in zip(trainer.average.averages, average):
        np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-7)
    _, _, loss = _gradient(*average)
    result = trainer.evaluate(IMAGES, LABELS, verbose=0, return_dict=True)
    assert result["loss"] == pytest.approx(loss, rel=1e-5)
    for a, b in zip(weights, trainer.network.get_weights()):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("classes", "names"), [(5, []), (7, ["top_5_accuracy"])])
def test_metrics_are_those_of_keras(classes, names):
    """Of 20 examples in batches of 6, the last of 2; labels may be mixed.

    With ties, of which the first count, as in our reports; Keras counts all of them
    among the best five.
    """
    inputs = keras.Input([classes])
    network = keras.Model(inputs, keras.layers.Activation("linear")(inputs))
    trainer = _trainer(network)
    logits = RANDOM.integers(0, 9, (20, classes)).astype(np.float32)
    labels = RANDOM.dirichlet(np.ones(classes), 20).astype(np.float32)
    accuracy = keras.metrics.CategoricalAccuracy()
    accuracy.update_state(labels, logits)
    report = metrics.report(logits, labels.argmax(axis=1), ("",) * classes)
    stream = tf.data.Dataset.from_tensor_slices((logits, labels)).batch(6)
    found = trainer.evaluate(stream, verbose=0, return_dict=True)
    assert list(found) == ["loss", "accuracy", *names]
    assert 0 < found["accuracy"] < 1
    assert found["accuracy"] == pytest.approx(float(accuracy.result()))
    assert report.top_1 == pytest.approx(found["accuracy"])
    if names:
        assert 0 < report.top_5 < 1
        assert found["top_5_accuracy"] == pytest.approx(report.top_5)
    loss = keras.losses.categorical_crossentropy(labels, logits, from_logits=True)
    assert found["loss"] == pytest.approx(float(tf.reduce_mean(loss)), rel=1e-5)


def test_an_epoch_reports_the_mean_of_its_examples():
    """Before each update, as it is trained on; here nothing moves."""
    trainer = _trainer(rate=1e-30)
    images = np.concatenate([IMAGES, -IMAGES])
    labels = np.concatenate([LABELS, LABELS])
    history = trainer.fit(images, labels, batch_size=5, epochs=1, verbose=0).history
    found = trainer.evaluate(images, labels, verbose=0, return_dict=True)
    for name, (value,) in history.items():
        assert value == pytest.approx(found[name], rel=1e-5)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_moves_every_weight(policy):
    keras.mixed_precision.set_global_policy(policy)
    network = applications.ResNet(
        (1, 1), "basic", 4, stem="small", input_shape=(8, 8, 1), classes=3,
        classifier_activation=None,
    )  # fmt: skip
    trainer = _trainer(network)
    is_scaled = isinstance(trainer.optimizer, keras.mixed_precision.LossScaleOptimizer)
    assert is_scaled == (policy == "mixed_float16")
    before = network.get_weights()
    images = RANDOM.normal(size=(6, 8, 8, 1)).astype(np.float32)
    trainer.fit(images, LABELS, batch_size=6, epochs=3, verbose=0)
    for weight, old in zip(network.weights, before):
        assert weight.dtype == tf.float32
        assert np.isfinite(weight).all() and not np.array_equal(weight, old), (
            weight.name
        )


def _convolutions():
    inputs = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(4, 3, padding="same", use_bias=False)(inputs)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(3)(x))


def test_xla_gives_the_same_step():
    images = np.random.default_rng(5).normal(size=(6, 8, 8, 1)).astype(np.float32)
    results = []
    for enable_xla in (False, True):
        keras.utils.set_random_seed(1)
        network = _convolutions()
        trainer = _trainer(network, rate=0.1, enable_xla=enable_xla)
        history = trainer.fit(images, LABELS, batch_size=6, epochs=3, verbose=0).history
        results.append((history["loss"], network.get_weights()))
    np.testing.assert_allclose(results[0][0], results[1][0], rtol=1e-4)
    for a, b in zip(results[0][1], results[1][1]):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


def test_frozen_layers_stay_batch_statistics_too():
    network = applications.CifarResNet20(input_shape=(8, 8, 1), classes=3,
                                         classifier_activation=None)  # fmt: skip
    trainers.freeze_up_to(network, "conv3_block1_out")
    frozen = {x.name for x in network.layers if not x.trainable}
    assert "conv3_block1_0_pad" in frozen and "conv3_block2_1_conv" not in frozen
    before = {x.name: x.get_weights() for x in network.layers}
    images = RANDOM.normal(size=(6, 8, 8, 1)).astype(np.float32)
    _trainer(network).fit(images, LABELS, batch_size=6, epochs=2, verbose=0)
    for layer in network.layers:
        for a, b in zip(before[layer.name], layer.get_weights()):
            assert np.array_equal(a, b) == (layer.name in frozen), layer.name


@pytest.mark.parametrize("name", ["no_such_layer", "predictions"])
def test_freezing_nothing_or_everything_is_refused(name):
    network = applications.CifarResNet20(input_shape=(8, 8, 1))
    with pytest.raises(ValueError, match=name):
        trainers.freeze_up_to(network, name)


@pytest.mark.parametrize(
    "arguments",
    [
        {"weight_decay": -0.1},
        {"weight_decay_scope": "some"},
        {"gradient_clip_norm": -1.0},
        {"ema_decay": 1.5},
    ],
)
def test_bad_arguments_are_quoted(arguments):
    with pytest.raises(ValueError, match=str(next(iter(arguments.values())))):
        trainers.ClassificationTrainer(_linear(), **arguments)
