"""LBAM's two functions of mask features: published values, limits, safe gradients."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from keras_cnns import layers


def test_published_values():
    g_A = layers.LearnableMaskActivation()
    values = g_A(tf.constant([0.0, 1.0, 2.0, 3.0, 30.0, -30.0])).numpy()
    expected = [0.020147, 0.404667, 1.1, 1.036788, 1.0, 0.0]
    np.testing.assert_allclose(values, expected, atol=1e-5)
    assert [float(w) for w in g_A.trainable_weights] == pytest.approx([1.1, 2, 1, 1])
    below, above = g_A(tf.constant([2.0 - 1e-4, 2.0 + 1e-4])).numpy()
    assert abs(below - above) < 1e-6


def test_both_sides_have_their_own_shape():
    g_A = layers.LearnableMaskActivation(3.0, 1.0, gamma_left=2.0, gamma_right=0.5)
    values = g_A(tf.constant([0.5, 1.0, 2.0])).numpy()
    expected = [3 * np.exp(-0.5), 3, 1 + 2 * np.exp(-0.5)]
    np.testing.assert_allclose(values, expected, rtol=1e-5)


@pytest.mark.parametrize(("rate", "side"), [(100.0, 0), (-100.0, 1)])
def test_updates_end_at_the_limits(rate, side):
    g_A = layers.LearnableMaskActivation()
    x = tf.constant([1.0, 3.0])
    g_A(x)
    optimizer = keras.optimizers.SGD(rate)
    ones = [tf.ones([]) for _ in g_A.trainable_weights]
    optimizer.apply_gradients(zip(ones, g_A.trainable_weights))
    limits = [(1.01, 6.0), (0.1, 3.0), (0.5, 2.0), (0.5, 2.0)]
    values = [float(w) for w in g_A.trainable_weights]
    assert values == pytest.approx([pair[side] for pair in limits])


def test_slopes_of_the_shape_against_finite_differences():
    x = tf.constant(np.random.default_rng(0).normal(2, 1, 50))
    start = np.array([1.5, 1.8, 0.9, 0.7])
    g_A = layers.LearnableMaskActivation(*start.tolist(), dtype="float64")
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(g_A(x) ** 2)
    gradients = tape.gradient(loss, g_A.trainable_weights)
    for i, (weight, gradient) in enumerate(zip(g_A.trainable_weights, gradients)):
        losses = []
        for step in (1e-6, -1e-6):
            weight.assign(start[i] + step)
            losses.append(float(tf.reduce_sum(g_A(x) ** 2)))
        weight.assign(start[i])
        slope = (losses[0] - losses[1]) / 2e-6
        assert float(gradient) == pytest.approx(slope, rel=1e-6, abs=1e-6)


def test_mask_update_has_finite_slopes_everywhere():
    x = tf.constant([-5.0, -1e-9, 0.0, 1e-12, 1e-3, 1.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layers.MaskUpdate()(x)
    expected = [0, 0, 0, 0, 1e-3**0.8, 1]
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=2e-5)
    slopes = tape.gradient(y, x).numpy()
    assert np.isfinite(slopes).all() and (slopes[:3] == 0).all()
    np.testing.assert_allclose(slopes[4:], [0.8 * 1e-3**-0.2, 0.8], rtol=1e-5)
