"""The super-resolution trainer against updates worked out in NumPy."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from keras_cnns import applications, trainers

RATE = 0.1


def scaling(w=0.8, b=0.1, outputs=1):
    """w x + b, of each output with weights of its own."""
    images = keras.Input((None, None, 1))
    made = [
        keras.layers.Conv2D(
            1,
            1,
            kernel_initializer=keras.initializers.Constant(w),
            bias_initializer=keras.initializers.Constant(b),
        )(images)
        for _ in range(outputs)
    ]
    return keras.Model(images, made if outputs > 1 else made[0])


def compiled(network, rate=RATE, **options):
    trainer = trainers.SuperResolutionTrainer(network, **options)
    trainer.compile(keras.optimizers.SGD(rate, jit_compile=False))
    return trainer


def batch(size=5):
    random = np.random.default_rng(0)
    return random.uniform(size=(2, 3, size, size, 1)).astype(np.float32)


def weights(network):
    return [float(value.numpy().squeeze()) for value in network.trainable_weights]


@pytest.mark.parametrize("loss", ["l1", "l2"])
def test_one_update_by_hand(loss):
    small, large = batch()
    network = scaling()
    report = compiled(network, loss=loss).train_step((small, large))
    error = 0.8 * small.astype(float) + 0.1 - large
    slope = np.sign(error) if loss == "l1" else 2 * error
    expected = [0.8 - RATE * (slope * small).mean(), 0.1 - RATE * slope.mean()]
    np.testing.assert_allclose(weights(network), expected, rtol=1e-5)
    value = np.abs(error).mean() if loss == "l1" else (error**2).mean()
    assert float(report["loss"]) == pytest.approx(value, rel=1e-5)


def test_recursive_supervision_falls_to_nothing():
    """The weights of the outputs: final 0, 1/2, 1; recursions (1, 1/2, 0) / 2 each."""
    small, large = batch()
    network = scaling(outputs=3)
    trainer = compiled(network, loss="l2", supervision_steps=2)
    values = np.array([[0.8, 0.1]] * 3)
    for alpha in (1.0, 0.5, 0.0):
        parts = np.array([1 - alpha, alpha / 2, alpha / 2])
        trainer.train_step((small, large))
        for value, part in zip(values, parts):
            error = value[0] * small.astype(float) + value[1] - large
            slope = [(2 * error * small).mean(), (2 * error).mean()]
            value -= RATE * part * np.array(slope)
        np.testing.assert_allclose(weights(network), values.ravel(), rtol=1e-5)


def test_gradients_are_clipped_by_theta_over_the_rate():
    """So that no weight moves by more than theta."""
    small, large = batch()
    for rate in (0.1, 10.0):
        network = scaling(w=5.0, b=3.0)
        trainer = compiled(network, rate, loss="l2", gradient_clip_value=0.01)
        trainer.train_step((small, large))
        np.testing.assert_allclose(weights(network), [4.99, 2.99], rtol=1e-5)


def test_networks_without_padding_see_the_middle():
    small, large = batch(9)
    network = applications.SRCNN(
        filters=(2, 2), kernel_sizes=(3, 1, 3), padding="valid"
    )
    output = network(small).numpy()
    assert output.shape == (3, 5, 5, 1)
    expected = np.abs(output - large[:, 2:-2, 2:-2]).mean()
    report = compiled(network, loss="l1").train_step((small, large))
    assert float(report["loss"]) == pytest.approx(expected, rel=1e-5)


def test_evaluation_is_of_bytes_within_the_border():
    small, large = batch(20)
    trainer = compiled(scaling(w=1.2, b=-0.1), shave=2)
    logs = trainer.evaluate(
        tf.data.Dataset.from_tensor_slices((small, large)).batch(1),
        verbose=0,
        return_dict=True,
    )
    made = np.rint(255 * np.clip(1.2 * small.astype(float) - 0.1, 0, 1)) / 255
    squares = ((made - large)[:, 2:-2, 2:-2] ** 2).mean((1, 2, 3))
    assert logs["psnr"] == pytest.approx((-10 * np.log10(squares)).mean(), rel=1e-4)


def test_epochs_are_compared_by_psnr():
    trainer = compiled(scaling())
    assert trainer.score_epoch({"val_psnr": 30.0, "loss": 1.0}) == [30.0]
    assert trainer.score_epoch({"loss": 1.0}) == [-1.0]


@pytest.mark.parametrize(
    ("options", "quoted"),
    [
        ({"loss": "l3"}, "loss must be.*got 'l3'"),
        ({"supervision_steps": 10}, "supervision_steps=10 has no effect"),
        ({"supervision_steps": -1}, "supervision_steps.*got -1"),
        ({"gradient_clip_value": -0.1}, "gradient_clip_value.*-0.1"),
        ({"shave": 1.5}, "shave.*got 1.5"),
    ],
)
def test_bad_arguments_are_quoted(options, quoted):
    with pytest.raises(ValueError, match=quoted):
        trainers.SuperResolutionTrainer(scaling(), **options)
