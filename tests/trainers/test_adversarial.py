"""Adversarial trainers against hand-computed updates, and on data of known shape."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from keras_cnns import trainers
from keras_cnns.trainers.step_noise import StepNoise

RATE = 0.1
slow = pytest.mark.slow


def _linear(b=0.0):
    """G(z) = a z and D(x) = w x + b for single numbers."""
    latents, number = keras.Input([1]), keras.Input([1])
    start = keras.initializers.Constant
    a = keras.layers.Dense(1, use_bias=False, kernel_initializer=start(0.5))
    w = keras.layers.Dense(1, kernel_initializer=start(0.8), bias_initializer=start(b))
    return keras.Model(latents, a(latents)), keras.Model(number, w(number))


def _compiled(trainer, rate=RATE):
    optimizers = [keras.optimizers.SGD(rate, jit_compile=False) for _ in range(2)]
    trainer.compile(*optimizers)
    return trainer


def _train_once(trainer, reals, labels=None):
    labels = tf.zeros([len(reals), 0]) if labels is None else labels
    data = tf.data.Dataset.from_tensors((reals, labels))
    return trainer.fit(data, verbose=0).history


def _draws(kind, count):
    """What the trainer draws in step 0: latents, and others by the draw's number."""
    noise = StepNoise(0, tf.constant(0, tf.int64))
    values = []
    for draw in kind:
        if draw == "latents":
            values.append(noise.latents(trainers.Latents(1), count).numpy())
        else:
            values.append(noise.uniform([count, 1]).numpy())
    return values


def _weights(trainer):
    (a,) = trainer.generator.get_weights()
    w, b = trainer.discriminator.get_weights()
    return float(a[0, 0]), float(w[0, 0]), float(b[0])


def _sigmoid(values):
    return 1 / (1 + np.exp(-values))


REALS = np.array([[1.0], [2.0], [4.0], [-1.0]], np.float32)


@pytest.mark.parametrize(
    ("loss", "steps"), [("minimax", 1), ("non_saturating", 1), ("non_saturating", 2)]
)
def test_gan_step_is_algorithm_1(loss, steps):
    options = {"generator_loss": loss, "discriminator_steps": steps}
    trainer = _compiled(trainers.GAN(*_linear(), latents=1, **options))
    _train_once(trainer, REALS)
    a, w, b = 0.5, 0.8, 0.0
    *draws, last = _draws(["latents"] * (steps + 1), 4 // steps)
    for reals, latents in zip(np.split(REALS, steps), draws):
        fakes = a * latents
        on_real, on_fake = _sigmoid(w * reals + b) - 1, _sigmoid(w * fakes + b)
        w, b = (
            w - RATE * np.mean(on_real * reals + on_fake * fakes),
            b - RATE * np.mean(on_real + on_fake),
        )
    d = _sigmoid(w * a * last + b)
    slope = -d if loss == "minimax" else d - 1
    a = a - RATE * np.mean(slope * w * last)
    np.testing.assert_allclose(_weights(trainer), (a, w, b), rtol=1e-5)


def _gradients_of_gan(a, w, b):
    """Of D's weights, and a function of D's new ones to that of G's; D's loss."""
    latents, last = _draws(["latents"] * 2, 4)
    fakes = a * latents
    on_real, on_fake = _sigmoid(w * REALS + b), _sigmoid(w * fakes + b)
    of_d = (
        np.mean((on_real - 1) * REALS + on_fake * fakes),
        np.mean(on_real - 1 + on_fake),
    )
    loss = -np.mean(np.log(on_real) + np.log(1 - on_fake))
    return of_d, lambda w, b: np.mean((_sigmoid(w * a * last + b) - 1) * w * last), loss


@pytest.mark.parametrize("enable_xla", [False, pytest.param(True, marks=slow)])
@pytest.mark.parametrize("scope", ["all", "kernels"])
def test_weight_decay_is_of_both_networks(scope, enable_xla):
    """``decay * w`` on top of each gradient; what is reported is the game alone."""
    options = {"weight_decay": 0.2, "weight_decay_scope": scope}
    networks = _linear(b=0.3)
    trainer = _compiled(
        trainers.GAN(*networks, latents=1, enable_xla=enable_xla, **options)
    )
    history = _train_once(trainer, REALS)
    a, w, b = 0.5, 0.8, 0.3
    (by_w, by_b), by_a, loss = _gradients_of_gan(a, w, b)
    w -= RATE * (by_w + 0.2 * w)
    b -= RATE * (by_b + 0.2 * b * (scope == "all"))
    a -= RATE * (by_a(w, b) + 0.2 * a)
    np.testing.assert_allclose(_weights(trainer), (a, w, b), rtol=1e-5)
    np.testing.assert_allclose(history["discriminator_loss"], [loss], rtol=1e-5)


@pytest.mark.parametrize("decay", [0.0, 0.2])
@pytest.mark.parametrize("limit", [0.05, 10.0])
def test_gradients_are_clipped_by_their_global_norm_before_they_decay(limit, decay):
    """Kernel and bias of D together, G by itself; those that are short enough stay."""
    options = {"gradient_clip_norm": limit, "weight_decay": decay}
    trainer = _compiled(trainers.GAN(*_linear(b=0.3), latents=1, **options))
    _train_once(trainer, REALS)
    a, w, b = 0.5, 0.8, 0.3
    of_d, by_a, _ = _gradients_of_gan(a, w, b)
    norm = np.hypot(*of_d)
    assert 0.05 < norm < 10
    by_w, by_b = np.array(of_d) * min(1, limit / norm)
    w -= RATE * (by_w + decay * w)
    b -= RATE * (by_b + decay * b)
    of_g = by_a(w, b)
    assert 0.05 < abs(of_g) < 10
    a -= RATE * (np.clip(of_g, -limit, limit) + decay * a)
    np.testing.assert_allclose(_weights(trainer), (a, w, b), rtol=1e-5)


def test_wgan_step_is_algorithm_1_with_clipping():
    trainer = _compiled(
        trainers.WassersteinGAN(
            *_linear(), latents=1, discriminator_steps=2, clip_value=0.3
        )
    )
    _train_once(trainer, REALS)
    a, w, b = 0.5, 0.8, 0.0
    draws = _draws(["latents"] * 3, 2)
    for reals, latents in zip((REALS[:2], REALS[2:]), draws):
        w = np.clip(w - RATE * np.mean(a * latents - reals), -0.3, 0.3)
    a = a + RATE * np.mean(w * draws[2])
    np.testing.assert_allclose(_weights(trainer), (a, w, b), rtol=1e-5)


@pytest.mark.parametrize("steps", [1, 2])
def test_wgan_gp_step_is_algorithm_1(steps):
    """The gradient of a linear critic is w, so the penalty is (|w| - 1)^2.

    Each update of the critic has its own part of the batch, and its own latents.
    """
    trainer = _compiled(
        trainers.WassersteinGANGP(
            *_linear(), latents=1, discriminator_steps=steps, penalty_weight=3.0
        )
    )
    history = _train_once(trainer, REALS)
    draws = _draws(["latents", "uniform"] * steps + ["latents"], 4 // steps)
    a, w, penalties = 0.5, 0.8, []
    for reals, latents in zip(np.split(REALS, steps), draws[:-1:2]):
        penalties.append((w - 1) ** 2)
        w = w - RATE * (np.mean(a * latents - reals) + 3 * 2 * (w - 1))
    a = a + RATE * np.mean(w * draws[-1])
    assert len(set(np.concatenate(draws).ravel())) == 4 // steps * len(draws)
    np.testing.assert_allclose(_weights(trainer), (a, w, 0.0), rtol=1e-4)
    np.testing.assert_allclose(
        history["gradient_penalty"], [np.mean(penalties)], rtol=1e-4
    )


class _Squares(keras.layers.Layer):
    """f(x) = w x^2, whose gradient 2 w x tells where it was taken."""

    def build(self, _):
        self.w = self.add_weight("w", [1], initializer=keras.initializers.Constant(0.8))

    def call(self, x):
        return self.w * x**2


def test_the_penalty_looks_at_points_between_pairs():
    """At x + u (G(z) - x), with a fraction u of each pair's own, uniform in [0, 1)."""
    generator, _ = _linear()
    number = keras.Input([1])
    critic = keras.Model(number, _Squares()(number))
    trainer = _compiled(
        trainers.WassersteinGANGP(generator, critic, latents=1, discriminator_steps=1)
    )
    history = _train_once(trainer, REALS)
    latents, fractions, _ = _draws(["latents", "uniform", "latents"], 4)
    between = REALS + fractions * (0.5 * latents - REALS)
    penalty = np.mean((np.abs(2 * 0.8 * between) - 1) ** 2)
    assert len(set(fractions.ravel())) == 4
    np.testing.assert_allclose(history["gradient_penalty"], [penalty], rtol=1e-4)


@pytest.mark.parametrize("moving", ["generator", "discriminator"])
def test_the_other_network_stays_to_the_bit(moving):
    trainer = trainers.GAN(*_linear(), latents=1)
    rates = [0.1 if name == moving else 0.0 for name in ("generator", "discriminator")]
    trainer.compile(*(keras.optimizers.SGD(rate, jit_compile=False) for rate in rates))
    _train_once(trainer, REALS)
    a, w, b = _weights(trainer)
    assert (a == np.float32(0.5)) == (moving == "discriminator")
    assert (w == np.float32(0.8) and b == 0) == (moving == "generator")


def test_critic_weights_are_clipped_after_each_update():
    trainer = _compiled(
        trainers.WassersteinGAN(*_linear(), latents=1, clip_value=0.01), rate=5.0
    )

    class Check(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            for weight in self.model.discriminator.trainable_weights:
                assert np.abs(weight).max() <= np.float32(0.01)

    data = tf.data.Dataset.from_tensors((tf.ones([10, 1]), tf.zeros([10, 0]))).repeat(6)
    trainer.fit(data, callbacks=[Check()], verbose=0)
    assert trainer.discriminator_optimizer.iterations.numpy() == 30
    assert trainer.generator_optimizer.iterations.numpy() == 6


def test_warm_up_trains_the_critic_a_hundred_times_for_each_early_generator_update():
    trainer = _compiled(
        trainers.WassersteinGAN(*_linear(), latents=1, critic_warm_up=True)
    )
    data = tf.data.Dataset.from_tensors((tf.ones([10, 1]), tf.zeros([10, 0])))
    counts = []

    class Count(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            counts.append(
                (
                    int(self.model.generator_updates),
                    int(self.model.discriminator_optimizer.iterations),
                )
            )

    trainer.fit(data.repeat(25 * 20 + 3), callbacks=[Count()], verbose=0)
    critic_updates = dict(reversed(counts))
    assert [critic_updates[g] for g in (1, 2, 25)] == [100, 200, 2500]
    assert critic_updates[26] == 2505 and critic_updates[28] == 2515


def test_warm_up_comes_back_every_500_generator_updates():
    trainer = trainers.WassersteinGAN(*_linear(), latents=1, critic_warm_up=True)
    for updates, name in (
        (24, "critic"),
        (499, "train"),
        (500, "critic"),
        (501, "train"),
    ):
        trainer.generator_updates.assign(updates)
        assert trainer.next_step().__name__ == f"{name}_step"
    trainer.generator_updates.assign(1000)
    trainer.critic_rounds.assign(19)
    assert trainer.next_step().__name__ == "train_step"
    # 25 updates of 20 steps, 475 of one, one of 20, and 4 more
    steps = 500 + 475 + 20 + 4
    assert trainer.count_updates(steps, steps) == ((505, 505), (5 * steps, 5 * steps))
    steady = trainers.WassersteinGAN(*_linear(), latents=1)
    assert steady.count_updates(100, 10) == ((100, 10), (500, 50))


def test_the_penalty_refuses_a_critic_with_batch_normalisation():
    generator, _ = _linear()
    number = keras.Input([1])
    x = keras.layers.BatchNormalization(name="norm")(keras.layers.Dense(4)(number))
    critic = keras.Model(number, keras.layers.Dense(1)(x))
    with pytest.raises(ValueError, match="layer norm .* batch normalisation"):
        trainers.WassersteinGANGP(generator, critic, latents=1)


def test_fractions_of_the_penalty_are_uniform():
    fractions = StepNoise(4, tf.constant(9)).uniform([20_000, 1]).numpy()
    counts, _ = np.histogram(fractions, bins=10, range=(0, 1))
    assert fractions.min() >= 0 and fractions.max() < 1
    # 99.9 % point of the chi-squared distribution of 9 degrees of freedom
    assert ((counts - 2000) ** 2 / 2000).sum() < 27.9


@pytest.mark.parametrize(
    ("kind", "mean", "deviation", "bound"),
    [
        ("normal", 0, 1, np.inf),
        ("uniform", 0, 1 / 3**0.5, 1),
        ("unit_uniform", 0.5, 1 / 12**0.5, 1),
        ("standard_uniform", 0, 1, 3**0.5),
    ],
)
def test_latents(kind, mean, deviation, bound):
    values = trainers.Latents(50, kind).draw(2000, [1, 2]).numpy()
    assert abs(values.mean() - mean) < 0.01
    assert abs(values.std() - deviation) < 0.01 and np.abs(values).max() <= bound


def test_instance_noise_anneals():
    noise = trainers.InstanceNoise(0.4, 0.1, steps=10)
    deviations = [float(noise.std(tf.constant(s))) for s in (0, 5, 10, 99)]
    np.testing.assert_allclose(deviations, [0.4, 0.25, 0.1, 0.1], rtol=1e-6)


@pytest.mark.parametrize(
    "kind", [trainers.GAN, trainers.WassersteinGAN, trainers.WassersteinGANGP]
)
def test_the_discriminator_sees_noise_on_all_images_in_both_updates(kind):
    """Real images are 0 and G gives 0, so that all it sees is the noise."""
    noise = trainers.InstanceNoise(0.4, steps=10)
    trainer = kind(*_linear(), latents=1, discriminator_steps=1, instance_noise=noise)
    trainer.generator.set_weights([np.zeros((1, 1))])
    seen = []

    def spy(images, labels, training=True):
        seen.append(images.numpy())
        return trainer.discriminator(images, training=training)

    trainer.discriminate = spy
    trainer.compile(*(keras.optimizers.SGD(0.1, jit_compile=False) for _ in range(2)))
    trainer.train_step((tf.zeros([5000, 1]), tf.zeros([5000, 0])))
    by_penalty = kind is trainers.WassersteinGANGP
    assert (
        len(seen) == 3 + by_penalty
    )  # real, generated, the penalty's, the generator's
    for i, images in enumerate(seen):
        if not (by_penalty and i == 2):
            assert abs(images.std() - 0.4) < 0.02
    assert len({images.tobytes() for images in seen}) == len(seen)


def test_a_conditional_gan_pairs_real_and_generated_with_the_same_labels():
    latents, labels, number = keras.Input([1]), keras.Input([2]), keras.Input([1])
    image = keras.layers.Dense(1)(keras.layers.Concatenate()([latents, labels]))
    generator = keras.Model([latents, labels], image)
    logit = keras.layers.Dense(1)(keras.layers.Concatenate()([number, labels]))
    trainer = trainers.ConditionalGAN(
        generator, keras.Model([number, labels], logit), latents=1
    )
    seen = []
    trainer.discriminate = lambda images, given, training=True: (
        seen.append(given)
        or (trainer.discriminator([images, given], training=training))
    )
    given = tf.constant([[1.0, 0.0]] * 3)
    zero = tf.zeros([1, 1])
    trainer.discriminator_objective(tf.ones([3, 1]), given, tf.ones([3, 1]), zero, zero)
    assert len(seen) == 2 and all((labels == given).numpy().all() for labels in seen)
    assert trainer.sample(4, labels=[0, 1, 1, 0]).shape == (4, 1)
    with pytest.raises(ValueError, match="4 class numbers, got none"):
        trainer.sample(4)
    with pytest.raises(ValueError, match="from 0 to 1, got 2"):
        trainer.sample(2, labels=[0, 2])


def test_samples_hang_on_the_seed_alone_and_use_the_average():
    trainer = trainers.GAN(*_linear(), latents=1, ema_decay=0.5)
    first = trainer.sample(7, seed=3)
    np.testing.assert_array_equal(first, trainer.sample(7, seed=3, batch_size=2))
    assert (first != trainer.sample(7, seed=4)).any()
    trainer.generator.set_weights([np.array([[5.0]], np.float32)])
    np.testing.assert_array_equal(first, trainer.sample(7, seed=3))
    with pytest.raises(ValueError, match="no labels"):
        trainer.sample(2, labels=[1, 1])


def test_bad_arguments():
    generator, discriminator = _linear()
    pair = (generator, discriminator)
    with pytest.raises(ValueError, match="latents of 1 values, got 7"):
        trainers.GAN(*pair, latents=7)
    with pytest.raises(ValueError, match="'gauss'"):
        trainers.Latents(3, "gauss")
    with pytest.raises(ValueError, match="'hinge'"):
        trainers.GAN(*pair, latents=1, generator_loss="hinge")
    with pytest.raises(ValueError, match="discriminator_steps .* 0"):
        trainers.GAN(*pair, latents=1, discriminator_steps=0)
    with pytest.raises(ValueError, match="one input|an input and labels"):
        trainers.ConditionalGAN(*pair, latents=1)
    with pytest.raises(ValueError, match="clip_value .* -1"):
        trainers.WassersteinGAN(*pair, latents=1, clip_value=-1)
    with pytest.raises(ValueError, match="start"):
        trainers.InstanceNoise(0.1, 0.5, steps=3)
    one = keras.optimizers.SGD(0.1)
    with pytest.raises(ValueError, match="an optimizer each"):
        trainers.GAN(*pair, latents=1).compile(one, one)
    trainer = _compiled(trainers.GAN(*pair, latents=1, discriminator_steps=3))
    with pytest.raises(ValueError, match="4 images .* 3 discriminator steps"):
        _train_once(trainer, REALS)
