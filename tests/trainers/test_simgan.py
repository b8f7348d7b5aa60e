"""SimGAN against hand-computed losses, phase by phase, and on images of discs."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage
from tensorflow import keras

from keras_cnns import applications, metrics, runs, trainers
from keras_cnns.trainers.history_buffer import HistoryBuffer
from keras_cnns.trainers.step_noise import StepNoise

HALF = 4  # images that the history takes in at a time


def _pointwise(scale=1.0, channels=1, logits=(0.7, -0.4), side=2):
    """R(x) = scale x, and a map of two logits for each pixel, by 1x1 convolutions."""
    image = keras.Input((side, side, channels))
    start = keras.initializers.Constant
    options = {"use_bias": False}
    refined = keras.layers.Conv2D(
        channels, 1, kernel_initializer=start(scale * np.eye(channels)), **options
    )
    weights = np.tile(logits, (channels, 1)) / channels
    positions = keras.layers.Conv2D(2, 1, kernel_initializer=start(weights), **options)
    return keras.Model(image, refined(image)), keras.Model(image, positions(image))


def _trainer(networks=None, rate=0.1, **options):
    defaults = {
        "buffer_size": 5 * HALF,
        "refiner_steps": 1,
        "refiner_pretraining": 0,
        "discriminator_pretraining": 0,
    }
    trainer = trainers.SimGAN(*(networks or _pointwise()), **{**defaults, **options})
    trainer.compile(*(keras.optimizers.SGD(rate, jit_compile=False) for _ in range(2)))
    return trainer


def _images(count, seed=0, channels=1):
    random = np.random.default_rng(seed)
    return random.normal(size=(count, 2, 2, channels)).astype(np.float32)


def _cross_entropy(logits, label):
    return np.log(np.exp(logits).sum(-1)) - logits[..., label]


@pytest.mark.parametrize("weight", [0.0, 0.3])
def test_losses_are_those_of_equations_1_to_4(weight):
    trainer = _trainer(_pointwise(scale=0.5), regularization_weight=weight)
    simulated, real = _images(3), _images(3, seed=1)
    scores = np.array([0.7, -0.4])
    logits = 0.5 * simulated * scores  # (batch, 2, 2, 2), by broadcasting
    adversarial = _cross_entropy(logits, 1).sum((1, 2))
    change = np.abs(0.5 * simulated).sum((1, 2, 3))
    loss, report = trainer.refiner_objective(tf.constant(simulated), tf.zeros([1] * 4))
    assert float(loss) == pytest.approx(np.mean(adversarial + weight * change), 1e-5)
    assert float(report["adversarial_loss"]) == pytest.approx(
        adversarial.mean() / 4, 1e-5
    )
    assert float(report["self_regularization"]) == pytest.approx(
        change.mean() / 4, 1e-5
    )
    on_refined = _cross_entropy(simulated * scores, 0).sum((1, 2))
    on_real = _cross_entropy(real * scores, 1).sum((1, 2))
    loss, report = trainer.discriminator_objective(
        tf.constant(simulated), tf.constant(real)
    )
    assert float(loss) == pytest.approx(np.mean(on_refined + on_real), 1e-5)
    assert float(report["discriminator_loss"]) == pytest.approx(float(loss) / 4, 1e-6)


def test_a_discriminator_that_cannot_tell_has_log_4_per_position():
    trainer = _trainer(_pointwise(logits=(0.0, 0.0)))
    images = tf.constant(_images(3))
    _, report = trainer.discriminator_objective(images, images)
    assert float(report["discriminator_loss"]) == pytest.approx(np.log(4), 1e-6)


def test_features_say_what_must_stay():
    before = tf.constant(_images(3, channels=3))
    shifted, swapped = before + 1.0, before[..., ::-1]
    twice = _pointwise(scale=2.0, channels=3)[0]
    for features, after, expected in (
        ("identity", shifted, 12.0),
        ("derivatives", shifted, 0.0),
        ("channel_mean", swapped, 0.0),
        ("channel_mean", shifted, 4.0),
        (twice, shifted, 24.0),
    ):
        trainer = _trainer(_pointwise(channels=3), features=features)
        kept, _ = trainer._regularization(after, before)
        np.testing.assert_allclose(kept, [expected] * 3, atol=1e-5)
    trainer = _trainer(_pointwise(channels=3), features="derivatives")
    kept, _ = trainer._regularization(tf.constant(swapped), before)
    values = [np.asarray(x) for x in (before, swapped)]
    slopes = [
        np.abs(np.diff(values[0], axis=a) - np.diff(values[1], axis=a)) for a in (1, 2)
    ]
    np.testing.assert_allclose(kept, sum(s.sum((1, 2, 3)) for s in slopes), rtol=1e-5)


def _fit_step_by_step(trainer, steps):
    """The weights of both networks, and the logs, after each step."""
    seen = []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            self.model.reset_metrics()

        def on_train_batch_end(self, batch, logs=None):
            weights = [n.get_weights()[0].copy() for n in trainer.networks.values()]
            seen.append((weights, logs))

    data = (_images(4 * HALF), _images(2 * HALF, seed=1) + 1)
    stream = tf.data.Dataset.from_tensors(data).repeat(steps)
    trainer.fit(stream, callbacks=[Watch()], verbose=0)
    return seen


def test_phases():
    """The refiner alone, which learns the identity; the discriminator alone; both."""
    networks = _pointwise(scale=0.2)
    trainer = _trainer(
        networks, rate=0.04, refiner_pretraining=5, discriminator_pretraining=4
    )
    start = [network.get_weights()[0] for network in networks]
    seen = _fit_step_by_step(trainer, 11)
    refiners = [start[0], *(weights[0] for weights, _ in seen)]
    discriminators = [start[1], *(weights[1] for weights, _ in seen)]
    moved = [(a != b).any() for a, b in zip(refiners, refiners[1:])]
    assert moved == [True] * 5 + [False] * 4 + [True] * 2
    moved = [(a != b).any() for a, b in zip(discriminators, discriminators[1:])]
    assert moved == [False] * 5 + [True] * 6
    logs = [logs for _, logs in seen]
    changes = [log["self_regularization"] for log in logs[:5]]
    assert changes == sorted(changes, reverse=True) and changes[-1] < changes[0] / 2
    losses = [log["discriminator_loss"] for log in logs[5:9]]
    assert losses == sorted(losses, reverse=True)
    assert [sorted(log) for log in (logs[0], logs[5])] == [
        ["self_regularization"],
        ["discriminator_loss"],
    ]
    assert set(logs[-1]) == {
        "self_regularization", "discriminator_loss", "adversarial_loss",
    }  # fmt: skip


def _numbered(first):
    """Images that all have their own grey level."""
    numbers = np.arange(first, first + 2 * HALF, dtype=np.float32)
    return tf.constant(np.tile(numbers[:, None, None, None], (1, 2, 2, 1)))


def _numbers(images):
    images = np.asarray(images)
    np.testing.assert_array_equal(images, np.tile(images[:, :1, :1], (1, 2, 2, 1)))
    return images[:, 0, 0, 0].tolist()


def test_half_of_what_the_discriminator_takes_for_refined_is_old():
    """The refiner is the identity and does not move; images have numbers."""
    trainer = _trainer(rate=0.0)
    taken = []
    objective = trainer.discriminator_objective

    def spy(refined, real_images):
        taken.append(_numbers(refined))
        return objective(refined, real_images)

    trainer.discriminator_objective = spy
    real = tf.constant(_images(2 * HALF))
    before, sizes, ages = [], [], []
    for step in range(12):
        first = 1 + 100 * step
        simulated = tf.concat([-_numbered(first), _numbered(first)], 0)
        trainer.train_step((simulated, real))
        current = set(_numbers(_numbered(first)))
        new, old = taken[-1][:HALF], taken[-1][HALF:]
        assert set(new) <= current and len(set(new)) == HALF
        if step == 0:
            assert set(new) | set(old) == current  # there is no history yet
        else:
            assert set(old) <= set(before)
            ages += [step - int(number) // 100 for number in old]
        count = int(trainer.buffer.count)
        entries = _numbers(trainer.buffer.images)[:count]
        sizes.append(count)
        assert set(new) <= set(entries)
        # As many others are gone as new ones came in, once it is full.
        gone = len(set(before) - set(entries))
        assert gone == (HALF if step >= 5 else 0)
        before = entries
    assert sizes == [HALF, 2 * HALF, 3 * HALF, 4 * HALF] + [5 * HALF] * 8
    assert len(set(ages)) > 3


def test_without_a_history_all_are_new():
    trainer = _trainer(rate=0.0, buffer_size=0)
    taken = []
    trainer.discriminator_objective = lambda refined, real: (
        taken.append(_numbers(refined)) or (tf.reduce_sum(
            trainer.discriminator(refined)), {})
    )  # fmt: skip
    simulated = tf.concat([-_numbered(1), _numbered(1)], 0)
    trainer.train_step((simulated, tf.constant(_images(2 * HALF))))
    assert sorted(taken[0]) == sorted(_numbers(_numbered(1)))
    assert "buffer" not in trainer.checkpointed()


def test_history_is_drawn_evenly():
    buffer = HistoryBuffer(8, (2, 2, 1))
    noise = StepNoise(0, tf.constant(0, tf.int64))
    buffer.add(noise, _numbered(0))
    drawn = _numbers(buffer.draw(noise, 16_000, tf.zeros([16_000, 2, 2, 1])))
    counts = np.bincount(np.array(drawn, int), minlength=8)
    # 99.9 % point of the chi-squared distribution of 7 degrees of freedom
    assert ((counts - 2000) ** 2 / 2000).sum() < 24.3


def test_a_restored_trainer_goes_on_as_the_saved_one(tmp_path):
    simulated, real = _images(4 * HALF), _images(2 * HALF, seed=1)
    data = (tf.constant(simulated), tf.constant(real))

    def make(scale):
        return _trainer(_pointwise(scale), rate=0.01, ema_decay=0.9, seed=4)

    def state(trainer):
        buffer = trainer.buffer
        networks = [n.get_weights() for n in trainer.networks.values()]
        return [*sum(networks, []), buffer.images.numpy(), buffer.count.numpy()]

    first = make(0.5)
    for _ in range(7):
        first.train_step(data)
    runs.CheckpointStore(str(tmp_path), first).save({"stopped_early": True})
    second = make(0.9)
    assert runs.CheckpointStore(str(tmp_path), second).restore()["stopped_early"]
    assert int(second.buffer.count) == 5 * HALF and second.steps_done == 7
    for trainer in (first, second):
        for _ in range(3):
            trainer.train_step(data)
    for a, b in zip(state(first), state(second)):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(first.refine(simulated), second.refine(simulated))


def test_refining_uses_the_average_whatever_the_batches():
    trainer = _trainer(_pointwise(scale=0.5), ema_decay=0.9)
    images = _images(7)
    trainer.generator.set_weights([np.full((1, 1, 1, 1), 3.0, np.float32)])
    refined = trainer.refine(images, batch_size=3)
    np.testing.assert_allclose(refined, 0.5 * images, rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "quoted"),
    [
        ({"regularization_weight": -1}, "regularization_weight .* -1"),
        ({"regularization_weight": float("nan")}, "regularization_weight .* nan"),
        ({"features": "edges"}, "identity, channel_mean, derivatives.*'edges'"),
        ({"refiner_steps": 0}, "refiner_steps .* 0"),
        ({"discriminator_steps": 0}, "discriminator_steps .* 0"),
        ({"buffer_size": -4}, "buffer_size .* -4"),
        ({"refiner_pretraining": -1}, "refiner_pretraining .* -1"),
        ({"discriminator_pretraining": -2}, "discriminator_pretraining .* -2"),
    ],
)
def test_bad_arguments(options, quoted):
    with pytest.raises(ValueError, match=quoted):
        _trainer(**options)


def test_networks_that_do_not_fit():
    refiner, discriminator = _pointwise()
    with pytest.raises(ValueError, match=r"logits \(batch, rows, columns, 2\)"):
        trainers.SimGAN(refiner, refiner)
    with pytest.raises(ValueError, match="must keep the shape"):
        trainers.SimGAN(discriminator, discriminator)
    other = _pointwise(side=3)[1]
    with pytest.raises(ValueError, match=r"\(2, 2, 1\).*takes \(3, 3, 1\)"):
        trainers.SimGAN(refiner, other)
    anywhere = applications.SimGANRefiner((None, None, 1), blocks=1, filters=2)
    with pytest.raises(ValueError, match="must know the size"):
        trainers.SimGAN(anywhere, discriminator)


@pytest.mark.parametrize(
    ("counts", "options", "quoted"),
    [
        ((15, 8), {}, "15 simulated and 8 real .* 2 and 1 minibatches"),
        ((16, 4), {}, "of one size, got 8 and 4"),
        ((16, 8), {"buffer_size": 6}, "history of 6 images cannot take in 4"),
    ],
)
def test_batches_that_do_not_fit(counts, options, quoted):
    trainer = _trainer(**options)
    with pytest.raises(ValueError, match=quoted):
        trainer.train_step(tuple(tf.constant(_images(c)) for c in counts))


SIDE = 20


def _discs(count, seed, real):
    """Images of a disc and its centre; real ones are dim, blurred and textured."""
    random = np.random.default_rng(seed)
    centres = random.uniform(6, SIDE - 6, (count, 2))
    radii = random.uniform(3, 5, count)
    rows, columns = np.mgrid[:SIDE, :SIDE] + 0.5
    distances = np.hypot(
        rows - centres[:, 0, None, None], columns - centres[:, 1, None, None]
    )
    discs = np.clip(radii[:, None, None] - distances + 0.5, 0, 1)
    if not real:
        return (1.8 * discs - 0.9)[..., None].astype(np.float32), centres
    texture = ndimage.gaussian_filter(random.normal(size=discs.shape), (0, 0.7, 0.7))
    dim = 0.8 * ndimage.gaussian_filter(discs, (0, 1.2, 1.2)) - 0.5
    return np.clip(dim + 0.3 * texture, -1, 1)[..., None].astype(np.float32), centres


class _Regressor:
    """Tells a disc's centre; the layer below has 64 features."""

    def __init__(self, images, centres):
        keras.utils.set_random_seed(0)  # the same start for all that are compared
        layers = keras.layers
        image = keras.Input((SIDE, SIDE, 1))
        x = layers.Conv2D(16, 3, strides=2, padding="same", activation="relu")(image)
        x = layers.Conv2D(32, 3, strides=2, padding="same", activation="relu")(x)
        x = layers.Dense(64, activation="relu")(layers.Flatten()(x))
        self._model = keras.Model(image, [layers.Dense(2)(x), x])
        place = keras.Model(image, self._model.outputs[0])
        place.compile(keras.optimizers.Adam(2e-3), "mse")
        place.fit(images, centres - SIDE / 2, epochs=15, batch_size=64, verbose=0)

    def error(self, images, centres):
        """Mean distance to the true centre, in pixels."""
        places = self._model.predict(images, verbose=0)[0] + SIDE / 2
        return np.hypot(*(places - centres).T).mean()

    def features(self, images):
        return self._model.predict(images, verbose=0)[1]


def _centroids(images):
    """Centres of what is brighter than the middle of an image's range."""
    images = ndimage.gaussian_filter(images[..., 0], (0, 1, 1))
    low, high = np.percentile(images, (5, 95), axis=(1, 2), keepdims=True)
    weights = np.clip(images - (low + high) / 2, 0, None)
    weights /= weights.sum((1, 2), keepdims=True)
    places = np.arange(SIDE) + 0.5
    return np.stack(
        [(weights.sum(2) * places).sum(1), (weights.sum(1) * places).sum(1)], 1
    )


def _refined_discs(weight, simulated, real):
    """The trained refiner's images, and what it reports on the way."""
    pretraining, rounds = 150, 300
    shape = {"image_shape": (SIDE, SIDE, 1)}
    trainer = trainers.SimGAN(
        applications.create_model("simgan_eye_refiner", filters=24, **shape),
        applications.create_model(
            "simgan_eye_discriminator", filters=(48, 48, 32, 32), **shape
        ),
        regularization_weight=weight,
        refiner_pretraining=pretraining,
        discriminator_pretraining=30,
        buffer_size=1600,
    )
    assert trainer.discriminator.output_shape == (None, 5, 5, 2)
    trainer.compile(
        *(keras.optimizers.Adam(5e-4, beta_1=0.5, jit_compile=False) for _ in range(2))
    )
    streams = [
        tf.data.Dataset.from_tensor_slices(images)
        .shuffle(len(images), seed=1)
        .repeat()
        .batch(size, drop_remainder=True)
        for images, size in ((simulated, 96), (real, 32))
    ]
    stream = tf.data.Dataset.zip(tuple(streams))
    trainer.fit(stream, steps_per_epoch=pretraining, verbose=0)
    kept = np.abs(trainer.refine(simulated[:500]) - simulated[:500]).mean()
    trainer.fit(stream, steps_per_epoch=30 + rounds - 50, verbose=0)
    logs = trainer.fit(stream, steps_per_epoch=50, verbose=0).history
    return trainer.refine(simulated), kept, logs["discriminator_loss"][0]


@pytest.mark.slow
def test_refined_discs_look_real_and_stay_where_they_are():
    """With a small weight; with a large one the refiner gives its input back."""
    simulated, centres = _discs(3000, 1, real=False)
    real, real_centres = _discs(3000, 2, real=True)
    test, test_centres = _discs(1000, 3, real=True)
    oracle = _Regressor(real, real_centres)
    real_features = oracle.features(test)

    def distance(images):
        features = oracle.features(images[:1000])
        return metrics.kernel_distance(features, real_features, 500, 20).mean

    unrefined = distance(simulated)
    error = _Regressor(simulated, centres).error(test, test_centres)
    gap = np.abs(simulated - _discs(3000, 1, real=True)[0]).mean()  # the same discs
    refined, kept, loss = _refined_discs(0.5, simulated, real)
    change = np.abs(refined - simulated).mean()
    shift = np.hypot(*(_centroids(refined) - _centroids(simulated)).T).mean()
    better = _Regressor(refined, centres).error(test, test_centres)
    print(f"{kept=} {loss=} {change=} {gap=} {shift=} {error=} {better=}")
    print(f"{unrefined=} refined={distance(refined)}")
    assert kept < 0.02
    assert abs(loss - np.log(4)) < 0.15
    assert distance(refined) < 0.3 * unrefined
    assert change < 1.1 * gap + 0.05
    assert shift < 1
    assert better < 0.65 * error
    refined, _, loss = _refined_discs(20.0, simulated, real)
    change = np.abs(refined - simulated).mean()
    better = _Regressor(refined, centres).error(test, test_centres)
    print(f"{loss=} {change=} {better=} refined={distance(refined)}")
    assert change < 0.02 and loss < 0.1
    assert distance(refined) > 0.9 * unrefined
    assert better > 0.95 * error
