"""Adversarial losses against hand-computed values and NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from keras_cnns import losses


def _column(*values):
    return np.array(values, np.float32)[:, np.newaxis]


def test_at_the_optimum_the_value_is_minus_log_four():
    zeros = _column(0, 0, 0)
    np.testing.assert_allclose(
        losses.discriminator_loss(zeros, zeros), [1.386294] * 3, atol=1e-6
    )
    np.testing.assert_allclose(
        losses.minimax_generator_loss(zeros), [-0.693147] * 3, atol=1e-6
    )
    np.testing.assert_allclose(
        losses.non_saturating_generator_loss(zeros), [0.693147] * 3, atol=1e-6
    )


def test_losses_are_logarithms_of_the_sigmoid():
    real, fake = _column(-2, 0.5, 3), _column(1, -4, 0.25)
    d_real, d_fake = (1 / (1 + np.exp(-values)) for values in (real, fake))
    np.testing.assert_allclose(
        losses.discriminator_loss(real, fake),
        (-np.log(d_real) - np.log(1 - d_fake))[:, 0],
        rtol=1e-5,
    )
    np.testing.assert_allclose(
        losses.minimax_generator_loss(fake), np.log(1 - d_fake)[:, 0], rtol=1e-5
    )
    np.testing.assert_allclose(
        losses.non_saturating_generator_loss(fake), -np.log(d_fake)[:, 0], rtol=1e-5
    )


def test_a_sure_discriminator_gives_finite_losses_and_a_flat_minimax_gradient():
    logits = tf.constant(_column(-200.0))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(logits)
        flat = losses.minimax_generator_loss(logits)
        steep = losses.non_saturating_generator_loss(logits)
    assert float(steep[0]) == 200.0 and float(flat[0]) == 0.0
    assert float(tape.gradient(flat, logits)[0, 0]) == 0.0
    assert float(tape.gradient(steep, logits)[0, 0]) == -1.0


def test_wasserstein_losses_are_plain_differences():
    real, fake = _column(1.5, -2), _column(4, 1)
    np.testing.assert_allclose(losses.wasserstein_critic_loss(real, fake), [2.5, 3])
    np.testing.assert_allclose(losses.wasserstein_generator_loss(fake), [-4, -1])


def test_gradient_penalty_takes_the_norm_of_each_image():
    gradients = np.zeros((3, 2, 2, 1), np.float32)
    gradients[0, :, 0, 0] = 3, 4  # norm 5
    gradients[1, 0, 0, 0] = 1  # norm 1
    np.testing.assert_allclose(
        losses.gradient_penalty(gradients), [16, 0, 1], atol=1e-5
    )


def test_gradient_penalty_has_a_gradient_at_norm_zero():
    gradients = tf.zeros([2, 3])
    with tf.GradientTape() as tape:
        tape.watch(gradients)
        penalty = losses.gradient_penalty(gradients)
    assert np.isfinite(tape.gradient(penalty, gradients)).all()


def test_local_loss_sums_the_map():
    logits = np.zeros((1, 2, 3, 2), np.float32)
    logits[0, 0, 0] = 2, 0  # sure of "refined"
    sure = np.log(1 + np.exp(-2.0))
    np.testing.assert_allclose(
        losses.local_adversarial_loss(logits, is_refined=True),
        [sure + 5 * np.log(2)],
        rtol=1e-6,
    )
    np.testing.assert_allclose(
        losses.local_adversarial_loss(logits, is_refined=False),
        [sure + 2 + 5 * np.log(2)],
        rtol=1e-6,
    )


def test_self_regularization_sums_each_image():
    originals = np.zeros((2, 3, 2, 1), np.float32)
    refined = originals.copy()
    refined[1] = -0.5
    np.testing.assert_allclose(losses.self_regularization(refined, originals), [0, 3])


@pytest.mark.parametrize(
    "loss", [losses.non_saturating_generator_loss, losses.wasserstein_generator_loss]
)
def test_sixteen_bits_in_give_thirty_two_out(loss):
    assert loss(tf.zeros([2, 1], tf.float16)).dtype == tf.float32
