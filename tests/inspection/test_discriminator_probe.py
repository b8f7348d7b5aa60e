"""Gradients that a discriminator gives its generator, against closed forms."""

import math

import numpy as np
import pytest
import tensorflow as tf
from scipy import integrate, stats
from tensorflow import keras

from keras_cnns import inspection, losses, trainers


def _linear(weights, bias=0.0):
    """x to w x + b."""
    weights = np.asarray(weights, np.float32).reshape(-1, 1)
    given = keras.Input([len(weights)])
    layer = keras.layers.Dense(1)
    model = keras.Model(given, layer(given))
    layer.set_weights([weights, np.array([bias], np.float32)])
    return model


def _sigmoid(values):
    return 1 / (1 + np.exp(-values))


@pytest.mark.parametrize(
    ("loss", "slope"),
    [
        (losses.minimax_generator_loss, lambda a: -_sigmoid(a)),
        (losses.non_saturating_generator_loss, lambda a: -_sigmoid(-a)),
    ],
)
def test_gradient_of_a_linear_generator(loss, slope):
    """Of G(z) = a z + c and D(x) = w x + b: by a mean of l'(D) w z, by c of l'(D) w."""
    generator, discriminator = _linear([0.5], 0.2), _linear([1.5], -0.4)
    latents = np.array([[1.0], [-2.0], [0.5]], np.float32)
    gradient = inspection.generator_gradient(generator, discriminator, loss)
    found = gradient(tf.constant(latents), tf.constant([0, 0])).numpy()
    outer = slope(1.5 * (0.5 * latents + 0.2) - 0.4) * 1.5
    np.testing.assert_allclose(
        found, [np.mean(outer * latents), np.mean(outer)], rtol=1e-5
    )


def test_noise_goes_to_the_discriminator_and_follows_the_seed():
    generator, discriminator = _linear([0.0], 0.0), _linear([1.0])
    gradient = inspection.generator_gradient(
        generator, discriminator, losses.non_saturating_generator_loss, 2.0
    )
    latents = tf.ones([4000, 1])
    first, again, other = (
        gradient(latents, tf.constant([seed, 0])).numpy() for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    # -E sigmoid(-2 n) is -1/2 by symmetry.
    np.testing.assert_allclose(first, [-0.5, -0.5], atol=0.02)


def test_statistics_of_gradients_by_hand():
    """Mean (2, 2); squared distances to it 1 + 4, 1 + 4, 0."""
    found = inspection.gradient_statistics([[1, 4], [3, 0], [2, 2]])
    assert found.norm == pytest.approx(math.sqrt(8))
    assert found.variance == pytest.approx(10 / 2)
    with pytest.raises(ValueError, match="got 1"):
        inspection.gradient_statistics([[1.0]])


def test_theorem_on_the_alternative_cost():
    """E[-d log D*(g)] is d[KL(P_g|P_r) - 2 JSD(P_g|P_r)] for N(0.7, 1) and N(0, 1)."""
    shift = 0.7
    # log of p_r / p_g, the logit of the best discriminator
    best = _linear([-shift], shift**2 / 2)
    generator = _linear([1.0], shift)
    places = (np.arange(100_000) + 0.5) / 100_000
    latents = stats.norm.ppf(places)[:, np.newaxis]
    gradient = inspection.generator_gradient(
        generator, best, losses.non_saturating_generator_loss
    )
    by_shift = gradient(tf.constant(latents, tf.float32), tf.constant([0, 0]))[1]

    def objective(theta):
        real, made = stats.norm(0, 1), stats.norm(theta, 1)

        def integrand(x):
            p, q = real.pdf(x), made.pdf(x)
            half = (p + q) / 2
            divergence = (p * np.log(p / half) + q * np.log(q / half)) / 2
            return q * np.log(q / p) - 2 * divergence

        return integrate.quad(integrand, -9, 9, epsabs=1e-12)[0]

    step = 1e-3
    expected = (objective(shift + step) - objective(shift - step)) / (2 * step)
    assert expected == pytest.approx(0.388451, abs=1e-5)
    assert float(by_shift) == pytest.approx(0.388451, abs=1e-4)


def test_means_of_cauchy_ratios_do_not_narrow():
    spreads = inspection.ratio_spreads((1, 10, 300), num_means=20_000)
    for size, spread in spreads.items():
        assert spread == pytest.approx(2.0, abs=0.1), size


def _points(seed, count=600):
    """On a line in the plane."""
    places = np.random.default_rng(seed).uniform(-1, 1, (count, 1))
    return np.concatenate([places, places + 1], axis=1).astype(np.float32)


def _probe(offset, **options):
    latents = trainers.Latents(1, "uniform")
    given = keras.Input([1])
    layer = keras.layers.Dense(2)
    generator = keras.Model(given, layer(given))
    layer.set_weights([np.ones((1, 2)), np.array([0, 1 + offset])])
    before = generator.get_weights()
    records = inspection.probe_discriminator(
        generator,
        latents,
        _points(0),
        inspection.dense_discriminator([2], (32, 32)),
        learning_rate=1e-2,
        num_minibatches=4,
        **options,
    )
    for old, new in zip(before, generator.get_weights()):
        np.testing.assert_array_equal(old, new)
    return records


def test_distributions_apart_are_told_and_their_gradient_vanishes():
    first, last = _probe(-1.0, record_steps=(5, 300))
    assert (first.step, last.step) == (5, 300)
    assert last.accuracy == 1 and last.loss < 1e-3
    assert last.jensen_shannon == pytest.approx(math.log(2), abs=1e-3)
    assert last.original.norm < 0.01 * first.original.norm
    assert last.alternative.norm > first.alternative.norm


def test_equal_distributions_cannot_be_told():
    (record,) = _probe(0.0, record_steps=(100,))
    assert record.loss == pytest.approx(math.log(4), abs=0.05)
    assert record.jensen_shannon == pytest.approx(0, abs=0.03)


def test_noise_keeps_the_gradient():
    (quiet,) = _probe(-1.0, record_steps=(300,))
    (noisy,) = _probe(-1.0, record_steps=(300,), noise_std=1.0)
    assert noisy.loss > 0.3
    assert noisy.original.norm > 100 * quiet.original.norm


@pytest.mark.parametrize(
    ("options", "quoted"),
    [
        ({"record_steps": (5, 5)}, r"\(5, 5\)"),
        ({"record_steps": ()}, "record_steps"),
        ({"batch_size": 601}, "601"),
        ({"noise_std": -1.0}, "-1.0"),
    ],
)
def test_bad_arguments_are_quoted(options, quoted):
    with pytest.raises(ValueError, match=quoted):
        _probe(0.0, **options)


def test_batch_normalisation_of_the_generator_stands_still():
    given = keras.Input([1])
    x = keras.layers.BatchNormalization()(keras.layers.Dense(2)(given))
    generator = keras.Model(given, x)
    before = generator.get_weights()
    inspection.probe_discriminator(
        generator,
        trainers.Latents(1),
        _points(0),
        inspection.dense_discriminator([2], (8,)),
        record_steps=(3,),
        num_minibatches=2,
    )
    for old, new in zip(before, generator.get_weights()):
        np.testing.assert_array_equal(old, new)
