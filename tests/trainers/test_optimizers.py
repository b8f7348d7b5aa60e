"""Schedules against their formulas; every optimizer trains and resumes bit-exactly."""

import functools
import math

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from keras_cnns import data, runs, trainers
from keras_cnns.trainers import optimizers


def _rates(name, steps, **kwargs):
    schedule = optimizers.make_schedule(name, 0.4, 100, **kwargs)
    return [float(schedule(step)) for step in steps]


def test_schedules():
    assert _rates("constant", [0, 50, 99]) == pytest.approx([0.4] * 3)
    steps = [0, 50, 51, 75, 76, 99]
    expected = [0.4, 0.4, 0.04, 0.04, 0.004, 0.004]
    assert _rates("step", steps) == pytest.approx(expected)
    # 400 epochs fall at 200, 300, 350 and 375, as FractalNet's paper has it.
    halving = optimizers.make_schedule("halving", 0.02, 400)
    rates = [float(halving(step)) for step in (200, 201, 300, 301, 350, 351, 375, 376)]
    expected = [2e-2, 2e-3, 2e-3, 2e-4, 2e-4, 2e-5, 2e-5, 2e-6]
    assert rates == pytest.approx(expected)
    cosine = [0.2 * (1 + math.cos(math.pi * s / 100)) for s in steps]
    assert _rates("cosine", steps) == pytest.approx(cosine, rel=1e-3)
    stairs = _rates("exponential", [0, 9, 10, 25], decay_rate=0.94, decay_steps=10)
    assert stairs == pytest.approx([0.4, 0.4, 0.4 * 0.94, 0.4 * 0.94**2])
    rising = _rates("constant", [0, 4, 9, 10], warmup_steps=10)
    assert rising == pytest.approx([0.04, 0.2, 0.4, 0.4])


@pytest.mark.parametrize(
    ("arguments", "quoted"),
    [
        (("triangular", 0.1, 10), "triangular"),
        (("cosine", 0.0, 10), "0.0"),
        (("step", 0.1, 10, {"boundaries": (0.7, 0.5)}), "0.7"),
        (("step", 0.1, 10, {"boundaries": (0.5, 1.5)}), "1.5"),
        (("cosine", 0.1, 10, {"warmup_steps": 11}), "11"),
    ],
)
def test_bad_schedules_are_quoted(arguments, quoted):
    *positional, kwargs = (
        arguments if isinstance(arguments[-1], dict) else (*arguments, {})
    )
    with pytest.raises(ValueError, match=quoted):
        optimizers.make_schedule(*positional, **kwargs)


def test_rmsprop_with_epsilon_one_as_inception_has_it():
    """Epsilon stands under the root: with 1.0 it is no longer a mere safeguard."""
    optimizer = optimizers.make_optimizer("rmsprop", 0.045, momentum=0.9, epsilon=1.0)
    variable = tf.Variable([1.0, -2.0])
    value, square, velocity = np.array([1.0, -2.0]), 0.0, 0.0
    for gradient in ([0.5, -3.0], [0.1, 2.0]):
        gradient = np.array(gradient)
        optimizer.apply_gradients([(tf.constant(gradient, tf.float32), variable)])
        square = 0.9 * square + 0.1 * gradient**2
        velocity = 0.9 * velocity + 0.045 * gradient / np.sqrt(square + 1.0)
        value = value - velocity
    np.testing.assert_allclose(variable, value, rtol=1e-6)


def test_unknown_optimizer():
    with pytest.raises(ValueError, match="'adamax'.*lookahead"):
        trainers.make_optimizer("adamax", 0.1)


def _network():
    inputs = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(8, 3, strides=2, use_bias=False)(inputs)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
    return keras.Model(inputs, keras.layers.Dense(10)(keras.layers.Flatten()(x)))


# Those that begin with small steps, of 12 here, are given larger rates than the others.
RATES = {"adadelta": 1.0, "rectified_adam": 0.02, "lookahead": 0.1}


def _train(run_dir, data_dir, name, epochs):
    keras.utils.set_random_seed(1)
    network = _network()
    trainer = trainers.ClassificationTrainer(network, ema_decay=0.9)
    rate = RATES.get(name, 0.002)
    schedule = optimizers.make_schedule("exponential", rate, 20, decay_steps=3)
    trainer.compile(trainers.make_optimizer(name, schedule, weight_decay=1e-3))
    load_batches = functools.partial(
        data.load_training,
        data.open_source("digits", "train[:192]", data_dir),
        32,
        preprocessing=data.Preprocessing(8, 8, 1, (128.0,), (90.0,)),
        augmentation=data.Augmentation("pad_crop:1"),
    )
    progress = runs.fit_resumable(
        trainer, load_batches, run_dir=str(run_dir), epochs=epochs, steps_per_epoch=6
    )
    return network.get_weights(), progress


# Those that add little to what the others show are left to the long run.
ALIKE = ("adadelta", "adamw", "lamb", "rectified_adam", "lookahead", "rmsprop")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow) if name in ALIKE else name
        for name in optimizers.OPTIMIZERS
    ],
)
def test_two_epochs_straight_are_one_and_one_resumed(tmp_path, data_dir, name):
    straight, whole = _train(tmp_path / "straight", data_dir, name, 2)
    _train(tmp_path / "halves", data_dir, name, 1)
    resumed, progress = _train(tmp_path / "halves", data_dir, name, 2)
    for a, b in zip(straight, resumed):
        np.testing.assert_array_equal(a, b)
    assert whole["history"][1]["loss"] < whole["history"][0]["loss"]
    for a, b in zip(whole["history"], progress["history"]):
        assert {**a, "seconds": 0} == {**b, "seconds": 0}


def test_a_constant_rate_and_then_a_schedule_from_its_start():
    later = optimizers.make_schedule("linear", 0.4, 8)
    rate = optimizers.ConstantFirst(0.1, 3, later)
    again = type(rate).from_config(rate.get_config())
    for step, expected in ((0, 0.1), (2, 0.1), (3, 0.4), (5, 0.3), (11, 0.0)):
        assert float(rate(step)) == pytest.approx(expected)
        assert float(again(step)) == pytest.approx(expected)
