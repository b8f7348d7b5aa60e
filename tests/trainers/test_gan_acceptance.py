"""Adversarial trainers on distributions that are known, as their papers promise.

The settings and thresholds are those of published or repeated toy experiments; each
test takes a minute or more.
"""

import numpy as np
import pytest
import tensorflow as tf
from sklearn import datasets, svm
from tensorflow import keras

from keras_cnns import applications, metrics, trainers

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
layers = keras.layers


def _dense(size, units, outputs, count=3, slope=0.0):
    inputs = x = keras.Input([size])
    for _ in range(count):
        x = layers.LeakyReLU(slope)(layers.Dense(units)(x))
    return keras.Model(inputs, layers.Dense(outputs)(x))


def _adam(rate, beta_1=0.5, beta_2=0.999):
    return trainers.make_optimizer("adam", rate, beta_1=beta_1, beta_2=beta_2)


def _glorot(network):
    """With Keras' usual kernels.

    The papers' own, within 0.05 and 0.005 whatever the width, belong to wider layers
    and to rates of 0.1: on these toys the generator collapses with them.
    """
    initializer = keras.initializers.GlorotUniform(seed=0)
    for weight in network.trainable_weights:
        if len(weight.shape) > 1:
            weight.assign(initializer(weight.shape))
    return network


def _fit(trainer, points, batch_size, steps, labels=None):
    """Trains on batches drawn from the points; gives the metrics of every step."""
    labels = np.zeros((len(points), 0), np.float32) if labels is None else labels
    stream = (
        tf.data.Dataset.from_tensor_slices((points, labels))
        .shuffle(len(points), seed=1)
        .repeat()
        .batch(batch_size, drop_remainder=True)
        .prefetch(4)
    )
    rows = []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            self.model.reset_metrics()

        def on_train_batch_end(self, batch, logs=None):
            rows.append(dict(logs))

    trainer.fit(stream, steps_per_epoch=steps, callbacks=[Watch()], verbose=0)
    return rows


def test_gan_reaches_its_optimum_on_a_gaussian():
    """The value of the game becomes -log 4, and the mean that of the data."""
    random = np.random.default_rng(0)
    mean = np.array([1.0, -0.5])
    points = random.normal(mean, 0.7, (50_000, 2)).astype(np.float32)
    networks = _dense(2, 128, 2), _dense(2, 128, 1)
    # The players go round the optimum; the average of their path is in its middle.
    trainer = trainers.GAN(*networks, latents=2, ema_decay=0.999)
    trainer.compile(_adam(1e-3), _adam(1e-3))
    rows = _fit(trainer, points, 256, 3000)
    value = -np.mean([row["discriminator_loss"] for row in rows[-500:]])
    assert abs(value + np.log(4)) < 0.03
    assert np.abs(trainer.sample(10_000).mean(0) - mean).max() < 0.15


def _ring(count, random):
    """Eight Gaussians on a circle."""
    angle = 2 * np.pi * random.integers(0, 8, count) / 8
    centres = 2 * np.stack([np.cos(angle), np.sin(angle)], 1)
    points = centres + random.normal(0, 0.02, (count, 2))
    return (points / 1.414).astype(np.float32)


def _modes(points):
    """Fractions of the points near each of the eight modes."""
    angle = 2 * np.pi * np.arange(8) / 8
    centres = 2 / 1.414 * np.stack([np.cos(angle), np.sin(angle)], 1)
    distance = np.linalg.norm(points[:, None] - centres, axis=-1)
    nearest = distance.argmin(1)
    return [np.mean((nearest == i) & (distance.min(1) < 0.15)) for i in range(8)]


def _sliced_wasserstein(first, second, random):
    """Mean distance of sorted projections on 100 directions."""
    directions = random.normal(size=(2, 100))
    directions /= np.linalg.norm(directions, axis=0)
    projected = [np.sort(points @ directions, axis=0) for points in (first, second)]
    return np.abs(projected[0] - projected[1]).mean()


def _median_filtered(values, width=101):
    half = width // 2
    padded = np.pad(values, half, mode="edge")
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, width), axis=1)


def test_wgan_gp_finds_all_modes_of_the_ring():
    random = np.random.default_rng(0)
    points = _ring(100_000, random)
    trainer = trainers.WassersteinGANGP(
        applications.create_model("wgan_gp_toy_generator"),
        applications.create_model("wgan_gp_toy_critic"),
        latents=2,
        penalty_weight=0.1,
    )
    trainer.compile(_adam(5e-4, 0.5, 0.9), _adam(5e-4, 0.5, 0.9))
    rows = _fit(trainer, points, 5 * 256, 2500)
    made = trainer.sample(10_000, batch_size=10_000)
    assert min(_modes(made)) > 0.01
    assert _sliced_wasserstein(made, _ring(10_000, random), random) < 0.15
    estimate = _median_filtered([row["wasserstein_estimate"] for row in rows])
    early, middle, last = (
        estimate[len(rows) // 4],
        estimate[len(rows) // 2],
        estimate[-1],
    )
    assert middle < 1.05 * early and last < 1.05 * middle
    assert last < 0.4 * estimate[0]


def test_wgan_with_a_wider_clip_finds_all_modes_of_the_ring():
    random = np.random.default_rng(0)
    trainer = trainers.WassersteinGAN(
        _dense(2, 128, 2), _dense(2, 128, 1), latents=2, clip_value=0.1
    )
    rate = {"rho": 0.99, "momentum": 0.0, "epsilon": 1e-8}
    trainer.compile(
        trainers.make_optimizer("rmsprop", 5e-4, **rate),
        trainers.make_optimizer("rmsprop", 5e-4, **rate),
    )
    _fit(trainer, _ring(100_000, random), 5 * 256, 2500)
    largest = max(np.abs(w).max() for w in trainer.discriminator.get_weights())
    assert largest <= np.float32(0.1)
    assert min(_modes(trainer.sample(10_000, batch_size=10_000))) > 0.01


@pytest.mark.parametrize("distance", [0.5, 1.0])
def test_the_penalised_estimate_on_parallel_lines(distance):
    """Between the distance and the bias d (1 + d / (2 lambda)) of the penalty."""
    random = np.random.default_rng(0)
    heights = random.uniform(size=(50_000, 1)).astype(np.float32)
    reals = np.concatenate([np.zeros_like(heights), heights], 1)
    latents = keras.Input([1])
    # A weight of 1 that its optimizer does not move, for there is nothing to learn.
    height = layers.Dense(1, use_bias=False, kernel_initializer="ones")(latents)
    across = layers.Rescaling(0.0, offset=distance)(latents)
    line = keras.Model(latents, layers.Concatenate()([across, height]))
    trainer = trainers.WassersteinGANGP(
        line,
        _dense(2, 64, 1, count=2),
        latents=trainers.Latents(1, "unit_uniform"),
        discriminator_steps=1,
    )
    trainer.compile(_adam(0.0), _adam(1e-3, 0.5, 0.9))
    rows = _fit(trainer, reals, 256, 1500)
    estimate = np.mean([row["wasserstein_estimate"] for row in rows[-200:]])
    assert 0.98 * distance <= estimate <= 1.03 * distance * (1 + distance / 20)


def _digits():
    """Scikit-learn's digits in [0, 1], with one-hot labels; 8x8x1."""
    pixels, labels = datasets.load_digits(return_X_y=True)
    images = (pixels / 16).astype(np.float32).reshape(-1, 8, 8, 1)
    return images, labels, np.eye(10, dtype=np.float32)[labels]


def test_a_conditional_gan_draws_the_digit_it_is_asked_for():
    """As a support vector machine trained on real digits reads them.

    The discriminator's dropout, the paper's, is needed: without it the generator learns
    to ignore the labels.
    """
    images, labels, one_hot = _digits()
    flat = images.reshape(len(images), -1)
    order = np.random.default_rng(0).permutation(len(flat))
    known, unknown = order[:1400], order[1400:]
    reader = svm.SVC(gamma=0.25).fit(flat[known], labels[known])
    assert reader.score(flat[unknown], labels[unknown]) > 0.98
    maxout = {"image_pieces": 3, "label_pieces": 3, "joint_pieces": 3}
    generator = applications.CGANGenerator(
        latent_units=128, label_units=128, joint_units=256,
        image_shape=(8, 8, 1), dropout_rate=0.0,
    )  # fmt: skip
    discriminator = applications.CGANDiscriminator(
        image_units=128, label_units=64, joint_units=128, **maxout,
        image_shape=(8, 8, 1),
    )  # fmt: skip
    networks = _glorot(generator), _glorot(discriminator)
    trainer = trainers.ConditionalGAN(*networks, latents=100)
    trainer.compile(_adam(1e-3), _adam(1e-3))
    _fit(trainer, images, 64, 6000, labels=one_hot)
    asked = np.arange(1000) % 10
    made = trainer.sample(1000, labels=asked).reshape(1000, -1)
    read = reader.predict(made)
    fractions = [np.mean(read[asked == digit] == digit) for digit in range(10)]
    assert np.mean(read == asked) >= 0.95 and min(fractions) >= 0.85
    shuffled = np.random.default_rng(0).permutation(asked)
    assert 0.05 < np.mean(read == shuffled) < 0.16
    spread = [
        made[asked == digit].std(0).mean() / flat[labels == digit].std(0).mean()
        for digit in range(10)
    ]
    assert min(spread) >= 0.3 and np.mean(spread) >= 0.5
    estimate = metrics.parzen_estimate(made, flat[:500], flat[500:])
    assert 8 < estimate.mean < 27


def test_tags_of_a_image_cover_its_words():
    """The paper's second experiment on a toy: three words for each of five images.

    Its generator adds what it makes of the latents to what it makes of the image, so
    the words lie in the same three directions from the middle of each image's. They
    are points: without instance noise only one of the three is found.
    """
    random = np.random.default_rng(0)
    codes = random.normal(size=(5, 32)).astype(np.float32)
    middles = random.normal(0, 32**-0.5, size=(5, 1, 16))
    directions = random.normal(0, 32**-0.5, size=(3, 16))
    words = (middles + directions).reshape(15, 16).astype(np.float32)
    image = random.integers(0, 5, 20_000)
    word = 3 * image + random.integers(0, 3, 20_000)
    sizes = {"code_size": 32, "word_size": 16, "dropout_rate": 0.0}
    generator = _glorot(applications.CGANWordGenerator(64, 64, **sizes))
    discriminator = _glorot(applications.CGANWordDiscriminator(64, 64, 64, **sizes))
    trainer = trainers.ConditionalGAN(
        generator,
        discriminator,
        latents=100,
        instance_noise=trainers.InstanceNoise(0.5, 0.2, 3000),
    )
    trainer.compile(_adam(1e-3), _adam(1e-3))
    _fit(trainer, words[word], 128, 3000, labels=codes[image])
    covered, right = [], []
    for i in range(5):
        latents = trainer.latents.draw(100, [0, i])
        made = generator([latents, tf.repeat(codes[i : i + 1], 100, 0)]).numpy()
        nearest = ((made[:, None] - words) ** 2).sum(-1).argmin(1)
        covered.append(set(range(3 * i, 3 * i + 3)) <= set(nearest))
        right.append(np.mean(nearest // 3 == i))
    assert np.mean(covered) >= 0.8 and min(right) >= 0.95


def test_dcgan_draws_all_digits():
    images, labels, _ = _digits()
    large = tf.image.resize(images * 2 - 1, (16, 16)).numpy()
    reader = svm.SVC(gamma=0.01).fit(large.reshape(len(large), -1), labels)
    shape = {"image_shape": (16, 16, 1)}
    generator = applications.DCGANGenerator(filters=(64, 32), **shape)
    discriminator = applications.DCGANDiscriminator(filters=(32, 64), **shape)
    trainer = trainers.GAN(
        generator, discriminator, latents=trainers.Latents(100, "uniform")
    )
    trainer.compile(_adam(2e-4), _adam(2e-4))

    def classes():
        read = reader.predict(trainer.sample(500).reshape(500, -1))
        return sum(np.bincount(read, minlength=10) >= 1)

    before = classes()
    _fit(trainer, large, 64, 600)
    assert before <= 3 and classes() == 10
    latents = trainer.latents.draw(200, [5, 5])
    gap = generator(latents, training=True) - generator(latents, training=False)
    assert np.abs(gap).mean() < 0.02
