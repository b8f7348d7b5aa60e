"""SRGAN's training against NumPy's losses and updates, phase by phase, and resumed."""

import numpy as np
import pytest
import tensorflow as tf
import trainer_kinds
from tensorflow import keras

from keras_cnns import data, losses, runs, trainers

RATE = 0.1
PIXELS = {"generator_loss", "pixel_loss"}
PERCEPTUAL = {
    "generator_loss", "content_loss", "adversarial_loss", "discriminator_loss"
}  # fmt: skip


def _constant(value):
    return keras.initializers.Constant(value)


def _scaling():
    """0.8 x + 0.1"""
    pictures = keras.Input((None, None, 1))
    made = keras.layers.Conv2D(
        1, 1, kernel_initializer=_constant(0.8), bias_initializer=_constant(0.1)
    )(pictures)
    return keras.Model(pictures, made, name="scaling")


def _linear(side=3, channels=1, units=1):
    """The sum of all pixels times a weight of their own."""
    pictures = keras.Input((side, side, channels))
    x = keras.layers.Flatten()(pictures)
    count = x.shape[-1] or 1
    start = 0.3 * np.cos(np.arange(count * units)).reshape(count, units)
    logits = keras.layers.Dense(
        units, use_bias=False, kernel_initializer=_constant(start)
    )(x)
    return keras.Model(pictures, logits, name="discriminator")


def _features(value_range="unit"):
    """Grey levels less 100, divided by 50, times 2, and then times -1 as well."""
    pictures = keras.Input((None, None, 1))
    x = keras.layers.Conv2D(
        1, 1, use_bias=False, kernel_initializer=_constant(2.0), name="fine"
    )(pictures)
    end = keras.layers.Conv2D(
        1, 1, use_bias=False, kernel_initializer=_constant(-1.0), name="coarse"
    )(x)
    feed = data.Preprocessing(3, 3, 1, (100.0,), (50.0,))
    network = keras.Model(pictures, end, name="classifier")
    names = ("fine", "coarse")
    return trainers.FeatureNetwork("linear", network, feed, names, value_range)


def _trainer(*networks, count=3, **options):
    given = {"feature_network": _features(), "pixel_steps": 1, **options}
    trainer = trainers.SRGANTrainer(*(networks or (_scaling(), _linear())), **given)
    trainer.compile(
        *(keras.optimizers.SGD(RATE, jit_compile=False) for _ in range(count))
    )
    return trainer


def _batch(count=4, side=3):
    random = np.random.default_rng(0)
    return random.uniform(size=(2, count, side, side, 1)).astype(np.float32)


def _softplus(values):
    return np.log1p(np.exp(values))


def _weights(network):
    return np.concatenate([value.ravel() for value in network.get_weights()])


def test_content_is_the_scaled_squared_difference():
    maps = np.random.default_rng(0).normal(size=(2, 4, 5, 6, 7)).astype(np.float32)
    (a, b), (c, d) = maps, maps[:, :, :2, :3]
    found = losses.content([a, c], [b, d], 0.5)
    expected = 0.25 * (((a - b) ** 2).mean((1, 2, 3)) + ((c - d) ** 2).mean((1, 2, 3)))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    # The paper's factor of the loss, as it has it: about 0.006.
    np.testing.assert_allclose(
        losses.content([a], [b]), 0.006151 * ((a - b) ** 2).mean((1, 2, 3)), rtol=1e-3
    )


@pytest.mark.parametrize("loss", ["l1", "l2"])
def test_the_first_phase_is_numpys(loss):
    small, large = _batch()
    trainer = _trainer(loss=loss)
    before = _weights(trainer.discriminator)
    report = trainer.generator_step((small, large))
    error = 0.8 * small.astype(float) + 0.1 - large
    slope = np.sign(error) if loss == "l1" else 2 * error
    expected = [0.8 - RATE * (slope * small).mean(), 0.1 - RATE * slope.mean()]
    np.testing.assert_allclose(_weights(trainer.network), expected, rtol=1e-5)
    value = np.abs(error).mean() if loss == "l1" else (error**2).mean()
    assert set(report) == PIXELS
    for name in PIXELS:
        assert float(report[name]) == pytest.approx(value, rel=1e-5)
    np.testing.assert_array_equal(before, _weights(trainer.discriminator))


@pytest.mark.parametrize("pixel_weight", [0.0, 2.0])
def test_the_second_phase_is_numpys(pixel_weight):
    """Both updates: the network is judged by the discriminator that has just moved."""
    small, large = (x.astype(float) for x in _batch())
    trainer = _trainer(
        adversarial_weight=0.5, feature_scale=0.1, pixel_weight=pixel_weight
    )
    a = _weights(trainer.discriminator).reshape(3, 3, 1)
    report = trainer.train_step((tf.constant(small, tf.float32), large))
    output = 0.8 * small + 0.1

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    def logits(pictures):
        return (pictures * a).sum((1, 2, 3), keepdims=True)

    found = {name: float(value) for name, value in report.items()}
    on_real, on_made = logits(large), logits(output)
    expected = (_softplus(-on_real) + _softplus(on_made)).mean()
    assert found["discriminator_loss"] == pytest.approx(expected, rel=1e-5)
    a = a - RATE * (sigmoid(on_made) * output - sigmoid(-on_real) * large).mean(0)
    np.testing.assert_allclose(_weights(trainer.discriminator), a.ravel(), rtol=1e-4)

    error = output - large
    factor = 2 * 0.1**2 * (255 / 50 * 2) ** 2  # both layers: the sign does not matter
    adversarial = _softplus(-logits(output)).mean()
    pixels = (error**2).mean()
    expected = {
        "content_loss": factor * pixels,
        "adversarial_loss": adversarial,
        "generator_loss": (factor + pixel_weight) * pixels + 0.5 * adversarial,
        **({"pixel_loss": pixels} if pixel_weight else {}),
    }
    assert set(found) == {*expected, "discriminator_loss"}
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-4)
    slope = (factor + pixel_weight) * 2 * error / 9
    slope = slope - 0.5 * sigmoid(-logits(output)) * a
    by_weight = [(slope * small).sum((1, 2, 3)).mean(), slope.sum((1, 2, 3)).mean()]
    expected = np.array([0.8, 0.1]) - RATE * np.array(by_weight)
    np.testing.assert_allclose(_weights(trainer.network), expected, rtol=1e-4)


def test_gradients_are_those_of_finite_differences():
    """Through the features, the discriminator and the shuffle, by one direction."""
    trainer = trainer_kinds.make_trainer("srgan")
    small, large = (tf.constant(x[0]) for x in trainer_kinds.small_and_large(1))
    objective, variables = (
        trainer.generator_objective,
        trainer.network.trainable_weights,
    )
    random = np.random.default_rng(2)
    ways = [random.normal(size=v.shape).astype(np.float32) for v in variables]
    with tf.GradientTape() as tape:
        loss, _ = objective(small, large)
    gradients = tape.gradient(loss, variables)
    slope = sum(float(tf.reduce_sum(g * way)) for g, way in zip(gradients, ways))
    ends = []
    for step in (1e-3, -2e-3):
        for variable, way in zip(variables, ways):
            variable.assign_add(step * way)
        ends.append(float(objective(small, large)[0]))
    assert (ends[0] - ends[1]) / 2e-3 == pytest.approx(slope, rel=5e-3)


class _Watch(keras.callbacks.Callback):
    """What is moved by each step, and what is reported."""

    def __init__(self):
        super().__init__()
        self.moved, self.logs, self.alone = [], [], []

    def on_train_batch_begin(self, batch, logs=None):
        self._before = self._state()

    def on_train_batch_end(self, batch, logs=None):
        after = self._state()
        self.moved.append(
            {n for n, b in self._before.items() if any(map(np.any, _less(after[n], b)))}
        )
        self.logs.append(set(logs))
        self.alone.append(self.model.active_optimizer is self.model.pixel_optimizer)

    def _state(self):
        trainer = self.model
        optimizers = {
            name: getattr(trainer, f"{name}_optimizer").variables
            for name in ("pixel", "generator", "discriminator")
        }
        optimizers = {f"{k} moments": v for k, v in optimizers.items()}
        values = {
            "network": trainer.network.trainable_weights,
            "statistics": trainer.network.non_trainable_weights,
            "critic": trainer.discriminator.trainable_weights,
            "average": trainer.average.averages,
            **optimizers,
        }
        return {name: [v.numpy() for v in found] for name, found in values.items()}


def _less(after, before):
    return [a != b for a, b in zip(after, before)]


@pytest.mark.parametrize(
    "enable_xla", [False, pytest.param(True, marks=pytest.mark.slow)]
)
def test_who_is_updated_in_which_phase(enable_xla):
    """Each phase's optimizer starts anew; the discriminator waits for the second."""
    trainer = trainer_kinds.make_trainer(
        "srgan", net={"batch_norm": True}, pixel_weight=0.0, enable_xla=enable_xla
    )
    watch = _Watch()
    stream = tf.data.Dataset.from_tensor_slices(trainer_kinds.small_and_large(4))
    trainer.fit(stream, callbacks=[watch], verbose=0)
    common = {"network", "statistics", "average"}
    first = common | {"pixel moments"}
    second = common | {"critic", "generator moments", "discriminator moments"}
    assert watch.moved == [first, first, second, second]
    assert watch.logs == [PIXELS, PIXELS, PERCEPTUAL, PERCEPTUAL]
    assert watch.alone == [True, True, False, False]


def test_evaluation_compares_the_middles_by_features():
    """Of bytes, as large as the discriminator's patches; epochs are compared by it."""
    small, large = _batch(count=3, side=9)
    trainer = _trainer(_scaling(), _linear(5), feature_scale=0.1, shave=1)
    found = trainer.evaluate(
        tf.data.Dataset.from_tensor_slices((small, large)).batch(1),
        verbose=0,
        return_dict=True,
    )
    made = np.rint(255 * np.clip(0.8 * small.astype(float) + 0.1, 0, 1)) / 255
    squares = (made - large) ** 2
    factor = 2 * 0.1**2 * (255 / 50 * 2) ** 2
    expected = factor * squares[:, 2:7, 2:7].mean()
    assert found["content_loss"] == pytest.approx(expected, rel=1e-4)
    expected = -10 * np.log10(squares[:, 1:-1, 1:-1].mean((1, 2, 3))).mean()
    assert found["psnr"] == pytest.approx(expected, rel=1e-4)
    row = {"val_psnr": 30.0, "val_content_loss": 0.5, "generator_loss": 1.0}
    assert trainer.score_epoch(row) == [-0.5]
    assert trainer.score_epoch({"generator_loss": 1.0}) is None


@pytest.mark.parametrize("stop", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_two_parts_train_as_one(tmp_path, stop):
    """Stopped within the first phase, or within the second: equal to the bit."""
    arrays = trainer_kinds.small_and_large(6)
    stream = tf.data.Dataset.from_tensor_slices(arrays).repeat()

    def train(folder, epochs):
        keras.utils.set_random_seed(5)
        trainer = trainer_kinds.make_trainer(
            "srgan", net={"batch_norm": True}, pixel_steps=3
        )
        progress = runs.fit_resumable(
            trainer, stream.skip, run_dir=str(tmp_path / folder), epochs=epochs,
            steps_per_epoch=2,
        )  # fmt: skip
        networks = trainer.networks.values()
        return [_weights(network) for network in networks], progress["history"]

    straight, history = train("straight", 3)
    train("parts", stop)
    resumed, resumed_history = train("parts", 3)
    for a, b in zip(straight, resumed):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(history, resumed_history):
        assert {**a, "seconds": 0} == {**b, "seconds": 0}


@pytest.mark.parametrize(
    ("changes", "quoted"),
    [
        ({"pixel_steps": -1}, "pixel_steps.*got -1"),
        ({"feature_scale": 0.0}, "feature_scale must be a positive.*got 0.0"),
        ({"adversarial_weight": -1.0}, "adversarial_weight.*got -1.0"),
        ({"pixel_weight": -0.5}, "pixel_weight.*got -0.5"),
        ({"loss": "l3"}, "loss must be.*got 'l3'"),
        ({"feature_network": _features("signed")}, "'signed', pictures are in 'unit'"),
        ({"discriminator": _linear(units=2)}, r"1 values.*gives \[\(2,\)\]"),
        ({"discriminator": _linear(channels=3)}, r"1 channels.*takes \(3, 3, 3\)"),
    ],
)
def test_bad_arguments_are_quoted(changes, quoted):
    discriminator = changes.pop("discriminator", None) or _linear()
    given = {"feature_network": _features(), **changes}
    with pytest.raises(ValueError, match=quoted):
        trainers.SRGANTrainer(_scaling(), discriminator, **given)


def test_optimizers_are_not_shared():
    with pytest.raises(ValueError, match="an optimizer each"):
        trainer = _trainer()
        one, other = (keras.optimizers.SGD(RATE, jit_compile=False) for _ in range(2))
        trainer.compile(one, one, other)
