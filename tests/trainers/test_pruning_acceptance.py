"""What pruning costs a small network of Fashion-MNIST, and what ADMM is worth.

The thresholds are those of trainings of other code, with one seed; all together take
some minutes.
"""

import os

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns import compression, data, trainers

FASHION = "/usr/share/datasets/fashion-mnist"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3000),
    pytest.mark.skipif(not os.path.isdir(FASHION), reason="needs Fashion-MNIST"),
]
STEPS = 12_000 // 64


def _network():
    x = image = keras.Input((28, 28, 1))
    for i, filters in enumerate((16, 32, 64)):
        x = layers.Conv2D(
            filters, 3, padding="same", activation="relu", name=f"conv{i}"
        )(x)
        x = layers.MaxPooling2D()(x)
    return keras.Model(image, layers.Dense(10)(layers.Flatten()(x)))


class _RandomRule(compression.KernelRule):
    """As many weights of as many kernels, whatever their values."""

    def mask(self, values):
        random = np.random.default_rng(values.shape)
        return super().mask(random.normal(size=values.shape))


@pytest.fixture(scope="module")
def results():
    """Accuracies and residuals by name, all from one trained network."""
    keras.utils.set_random_seed(0)
    feed = data.Preprocessing.for_range(28, 28, 1, "unit")
    train, test = (
        data.read_images(data.open_source("fashion_mnist", split, FASHION), feed, count)
        for split, count in (("train", 12_000), ("test", 5000))
    )
    stream = tf.data.Dataset.from_tensor_slices((train[0], np.eye(10)[train[1]]))
    stream = stream.shuffle(12_000, seed=1).repeat().batch(64)
    held_out = tf.data.Dataset.from_tensor_slices((test[0], np.eye(10)[test[1]]))
    held_out = held_out.batch(500)

    def fit(trainer, rate, epochs):
        trainer.compile(trainers.make_optimizer("adam", rate))
        trainer.fit(stream, steps_per_epoch=STEPS, epochs=epochs, verbose=0)

    def score(trainer):
        return trainer.evaluate(held_out, verbose=0, return_dict=True)["accuracy"]

    dense = trainers.ClassificationTrainer(_network())
    fit(dense, 1e-3, 8)
    found, weights = {"dense": score(dense)}, dense.network.get_weights()

    def prune(name, connectivity=3.6, kind=compression.KernelRule, **options):
        network = _network()
        network.set_weights(weights)
        library = compression.find_library(network, 8)
        rules = compression.plan_pruning(
            network, library, connectivity, keep_dense=["conv0"]
        )
        rules = [kind(**vars(rule)) for rule in rules]
        trainer = trainers.PruningTrainer(
            network, rules=rules, round_steps=STEPS, **options
        )
        trainer.compile(trainers.make_optimizer("adam", 5e-4))
        if options:
            history = trainer.fit(
                stream, steps_per_epoch=STEPS, epochs=6, verbose=0
            ).history
            found[f"{name} residual"] = history["residual"][-1]
        found[f"{name} projected"] = score(trainer)
        trainer.optimizer.learning_rate.assign(1e-3)
        trainer.fit(stream, steps_per_epoch=STEPS, epochs=4, verbose=0)
        found[f"{name} retrained"] = score(trainer)
        rows = compression.report_pruning(trainer.masks)
        found[f"{name} compression"] = rows[-1]["compression"]

    prune("patterns", 1)
    prune("eight")
    prune("random", kind=_RandomRule)
    for rho in (1e-3, 1e-2, 1e-1):
        prune(f"admm {rho}", admm_rounds=6, admm_rho=rho)
    for name, value in found.items():
        print(f"{name}: {value:.4f}")
    return found


def test_the_same_compression(results):
    assert results["patterns compression"] == 2.25
    assert results["eight compression"] == pytest.approx(8.09, abs=0.01)
    assert results["random compression"] == results["eight compression"]


def test_patterns_alone_cost_little_at_once(results):
    assert results["patterns projected"] >= results["dense"] - 0.06


def test_what_is_left_learns_again(results):
    """Two points less than the whole network, and better than chosen by chance."""
    assert results["eight retrained"] >= results["dense"] - 0.02
    assert results["eight retrained"] >= results["random retrained"] + 0.015


@pytest.mark.parametrize("rho", [1e-2, 1e-1])
def test_admm_prepares_for_pruning(results, rho):
    assert results[f"admm {rho} projected"] >= results["eight projected"] + 0.2


def test_the_residual_falls_as_rho_rises(results):
    residuals = [results[f"admm {rho} residual"] for rho in (1e-3, 1e-2, 1e-1)]
    assert residuals == sorted(residuals, reverse=True)
