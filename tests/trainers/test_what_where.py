"""The three losses of what-where auto-encoders, with labels, without, and with few."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from keras_cnns import applications, trainers

SHAPE = (6, 6, 1)


def _network(**changes):
    arguments = {"notation": "(3)3c-2p-(4)3c-2p-5fc-3fc", "image_shape": SHAPE}
    return applications.create_model("swwae_small", **{**arguments, **changes})


def _images(count, seed=1):
    random = np.random.default_rng(seed)
    return random.uniform(size=(count, *SHAPE)).astype(np.float32)


def _labels(count):
    return np.eye(3, dtype=np.float32)[np.arange(count) % 3]


def _trainer(network, **options):
    trainer = trainers.WhatWhereTrainer(network, **options)
    trainer.compile(keras.optimizers.SGD(0.1, jit_compile=False))
    return trainer


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("unlabelled", [0, 5])
def test_the_losses_are_those_of_the_formula(reduction, unlabelled):
    network = _network()
    trainer = _trainer(
        network, reconstruction_weight=0.7, middle_weight=0.3, reduction=reduction
    )
    images, labels = _images(4), _labels(4)
    data = (images, labels, *([_images(unlabelled, 2)] if unlabelled else []))
    everything = np.concatenate([images, *data[2:]])
    parts = {
        name: x.numpy() for name, x in applications.autoencoder_parts(network)(
            everything
        ).items()
    }  # fmt: skip

    def error(x, y):
        squares = (x - y).reshape(len(x), -1).astype(np.float64) ** 2
        return getattr(squares, reduction)(axis=1).mean()

    logits = parts["logits"][:4].astype(np.float64)
    nll = np.log(np.exp(logits).sum(1)) - (logits * labels).sum(1)
    middle = error(parts["encoded3"], parts["decoded3"])
    middle += error(parts["encoded5"], parts["decoded5"])
    total = nll.mean() + 0.3 * middle
    total += 0.7 * error(everything, parts["reconstruction"])
    loss, report = trainer.objective(*map(tf.constant, data))
    assert float(loss) == pytest.approx(total, rel=1e-5)
    found = {name: float(tf.reduce_mean(values)) for name, values in report.items()}
    assert found == pytest.approx(
        {
            "loss": total,
            "nll": nll.mean(),
            "accuracy": (logits.argmax(1) == labels.argmax(1)).mean(),
            "mse": ((everything - parts["reconstruction"]) ** 2).mean(),
            "middle": middle,
        },
        rel=1e-5,
    )


def test_without_weights_of_errors_unlabelled_images_have_no_effect():
    """It is then the supervised twin: the decoder stays as it is."""
    weights, options = [], {"reconstruction_weight": 0.0, "middle_weight": 0.0}
    for unlabelled in ((), (_images(7, 2),)):
        keras.utils.set_random_seed(3)
        network = _network()
        before = network.get_layer("deconv1").get_weights()
        _trainer(network, **options).train_step((_images(6), _labels(6), *unlabelled))
        weights.append(network.get_weights())
        for old, new in zip(before, network.get_layer("deconv1").get_weights()):
            np.testing.assert_array_equal(old, new)
    for one, other in zip(*weights):
        np.testing.assert_allclose(one, other, atol=1e-7)


def test_unlabelled_images_train_encoder_and_decoder():
    network = _network()
    before = {w.name: w.numpy() for w in network.trainable_weights}
    _trainer(network).train_step((_images(3), _labels(3), _images(6, 2)))
    for weight in network.trainable_weights:
        assert (weight.numpy() != before[weight.name]).any(), weight.name


@pytest.mark.parametrize(
    "unpooling",
    [
        "where",
        *(pytest.param(u, marks=pytest.mark.slow) for u in ("soft", "upsampling")),
    ],
)
def test_a_network_without_a_classifier_learns_to_reconstruct(unpooling):
    network = _network(unpooling=unpooling, include_top=False)
    trainer = _trainer(network, reduction="mean")
    data = (_images(12), np.ones((12, 1), np.float32))
    first = {k: float(v) for k, v in trainer.train_step(data).items()}
    assert set(first) == {"loss", "mse", "middle"}
    train = tf.function(trainer.train_step)
    for _ in range(30):
        train(data)
    last = trainer.test_step(data)
    trainer.reset_metrics()
    whole = {k: float(v) for k, v in trainer.test_step(data).items()}
    assert whole["mse"] < 0.8 * first["mse"]
    trainer.reset_metrics()
    for part in (slice(10), slice(10, 12)):  # a batch of two counts as two images
        found = trainer.test_step(tuple(x[part] for x in data))
    np.testing.assert_allclose(found["loss"], whole["loss"], rtol=1e-5)
    assert trainer.score_epoch({f"val_{k}": float(v) for k, v in last.items()})


def test_what_is_better_is_told_by_accuracy_where_there_is_one():
    trainer = _trainer(_network())
    row = {"val_accuracy": 0.5, "val_loss": 2.0, "loss": 1.0}
    assert trainer.score_epoch(row) == [0.5, -2.0]
    assert trainer.score_epoch({"val_loss": 2.0, "loss": 1.0}) == [-2.0]
    assert trainer.score_epoch({"loss": 1.0}) == [-1.0]


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        ({}, {"reduction": "half"}, "reduction.*got 'half'"),
        ({}, {"reconstruction_weight": -1}, "reconstruction_weight.*got -1"),
        ({}, {"middle_weight": float("nan")}, "middle_weight.*got nan"),
        (
            {"notation": "(3)3c-2p"},
            {},
            "middle_weight=0.2 has no effect on swwae_small",
        ),
    ],
)
def test_bad_arguments_are_refused(changes, options, message):
    with pytest.raises(ValueError, match=message):
        trainers.WhatWhereTrainer(_network(**changes), **options)


def test_other_networks_are_refused():
    network = applications.create_model("deduplication_autoencoder")
    with pytest.raises(ValueError, match="no what-where auto-encoder"):
        trainers.WhatWhereTrainer(network)
