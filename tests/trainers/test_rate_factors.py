"""Learning rates of single weights against updates worked out in NumPy."""

import functools

import numpy as np
import pytest
import tensorflow as tf
import trainer_kinds
from tensorflow import keras

from keras_cnns import applications, runs, trainers
from keras_cnns.trainers.rate_factors import RateFactors

FACTORS = {"second/*": 0.1, "*/bias": 2.0}
# By weight, in the order of the network's.
EXPECTED = (1.0, 2.0, 0.1, 0.2)
RATE = 0.05


def _network():
    """(w1 x + b1) w2 + b2"""
    pictures = keras.Input((None, None, 1))
    x = keras.layers.Conv2D(1, 1, kernel_initializer="ones", name="first")(pictures)
    start = keras.initializers.Constant(0.5)
    made = keras.layers.Conv2D(1, 1, kernel_initializer=start, name="second")(x)
    return keras.Model(pictures, made)


def _batch():
    random = np.random.default_rng(0)
    return random.uniform(size=(2, 3, 4, 4, 1)).astype(np.float32)


def _gradients(weights, small, large, decay):
    w1, b1, w2, b2 = weights
    inner = w1 * small.astype(float) + b1
    slope = 2 * (inner * w2 + b2 - large) / large.size
    found = [slope * w2 * small, slope * w2, slope * inner, slope]
    return np.array([g.sum() for g in found]) + decay * np.array(weights)


def _sgd(rates):
    velocity = 0.0

    def change(gradient):
        nonlocal velocity
        velocity = 0.9 * velocity - rates * gradient
        return velocity

    return change


def _adam(rates):
    mean, square, steps = 0.0, 0.0, 0

    def change(gradient):
        nonlocal mean, square, steps
        steps += 1
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient**2
        root = np.sqrt(square / (1 - 0.999**steps))
        return -rates * mean / (1 - 0.9**steps) / (root + 1e-7)

    return change


@pytest.mark.parametrize(
    ("name", "rule"), [("sgd", _sgd), ("adam", _adam)], ids=["sgd", "adam"]
)
@pytest.mark.parametrize("compiled", [False, True])
def test_updates_are_numpys(name, rule, compiled):
    """Rates of their own for each weight, momentum, moments and decay included."""
    network = _network()
    trainer = trainers.SuperResolutionTrainer(
        network,
        loss="l2",
        rate_factors=FACTORS,
        weight_decay=0.01,
        enable_xla=compiled,
    )
    trainer.compile(trainers.make_optimizer(name, RATE, nesterov=False))
    change, weights = rule(RATE * np.array(EXPECTED)), np.array([1.0, 0.0, 0.5, 0.0])
    small, large = _batch()
    batches = tf.data.Dataset.from_tensors((small, large)).repeat(4)
    trainer.fit(batches, verbose=0)
    for _ in range(4):
        weights += change(_gradients(weights, small, large, 0.01))
    found = [float(np.squeeze(value)) for value in network.get_weights()]
    np.testing.assert_allclose(found, weights, rtol=2e-4, atol=1e-6)


@pytest.mark.parametrize(
    "name", [name for name in trainers.OPTIMIZERS if name != "lookahead"]
)
def test_updates_are_proportional_to_the_rate(name):
    """Of one weight, a factor is a rate of that many times."""
    small, large = _batch()
    found = []
    for rate, factors in ((RATE, {"*": 0.3}), (0.3 * RATE, None)):
        network = _network()
        trainer = trainers.SuperResolutionTrainer(network, rate_factors=factors)
        trainer.compile(trainers.make_optimizer(name, rate, weight_decay=0.02))
        for _ in range(3):
            trainer.train_step((small, large))
        found.append(np.concatenate([w.ravel() for w in network.get_weights()]))
    np.testing.assert_allclose(*found, rtol=1e-4, atol=1e-6)


def test_only_the_first_of_two_networks_has_them():
    small, large = _batch()
    generator, discriminator = trainer_kinds.KINDS["simgan"].networks()
    trainer = trainers.SimGAN(
        generator, discriminator, rate_factors={"*": 1e-9}, refiner_pretraining=0,
        discriminator_pretraining=0, refiner_steps=1, buffer_size=0,
    )  # fmt: skip
    trainer.compile(*(trainers.make_optimizer("sgd", 0.1) for _ in range(2)))
    before = [network.get_weights() for network in (generator, discriminator)]
    trainer.train_step((tf.concat([small, large], 0), large))
    moved = [
        max(np.abs(a - b).max() for a, b in zip(one, network.get_weights()))
        for one, network in zip(before, (generator, discriminator))
    ]
    assert moved[0] < 1e-6 and moved[1] > 1e-3


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_papers_networks_have_such_weights(policy):
    """SRCNN's last layer and FSRCNN's deconvolution: that one, and no other."""
    keras.mixed_precision.set_global_policy(policy)
    for name, layer in (("srcnn915", "conv3"), ("fsrcnn_x3", "upsample1_conv")):
        network = applications.create_model(name)
        before = network.get_weights()
        factors = RateFactors(network, {f"{layer}/*": 0.1})
        with factors.scaled(network.trainable_variables):
            for variable in network.trainable_variables:
                variable.assign_add(tf.ones(variable.shape))
        moved = [(b - a).ravel() for a, b in zip(before, network.get_weights())]
        for change, variable in zip(moved, network.trainable_variables):
            expected = 0.1 if variable.name.startswith(f"{layer}/") else 1.0
            np.testing.assert_allclose(change, expected, atol=1e-6)


def test_two_epochs_straight_are_one_and_one_resumed(tmp_path):
    random = np.random.default_rng(1)
    batches = random.uniform(size=(2, 4, 3, 4, 4, 1)).astype(np.float32)
    stream = tf.data.Dataset.from_tensor_slices(tuple(batches)).repeat()

    def train(folder, epochs):
        network = _network()
        trainer = trainers.SuperResolutionTrainer(network, rate_factors=FACTORS)
        trainer.compile(trainers.make_optimizer("adam", RATE))
        runs.fit_resumable(
            trainer, stream.skip, run_dir=str(tmp_path / folder), epochs=epochs,
            steps_per_epoch=3,
        )  # fmt: skip
        return network.get_weights()

    straight = train("straight", 2)
    train("halves", 1)
    for a, b in zip(straight, train("halves", 2)):
        np.testing.assert_array_equal(a, b)


def test_bad_factors_are_quoted():
    refused = functools.partial(trainers.SuperResolutionTrainer, _network())
    with pytest.raises(ValueError, match="no weights 'third/.*second/bias"):
        refused(rate_factors={"third/*": 0.1})
    with pytest.raises(ValueError, match=r"'\*/bias' must be a positive.*got 0"):
        refused(rate_factors={"*/bias": 0})
    trainer = refused(rate_factors={"*": 0.5})
    with pytest.raises(ValueError, match="cannot be combined with Lookahead"):
        trainer.compile(trainers.make_optimizer("lookahead", 0.1))
