"""Detection losses against hand-computed values and NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from keras_cnns import losses

RESIDUALS = [0.05, 1 / 9, 0.5, 1, 2]
SMOOTH = {
    1.0: [0.00125, 0.0061728, 0.125, 0.5, 1.5],
    3.0: [0.01125, 0.0555556, 0.4444444, 0.9444444, 1.9444444],
}


@pytest.mark.parametrize("sigma", SMOOTH)
def test_smooth_l1_by_hand(sigma):
    for sign in (1, -1):
        residuals = sign * tf.constant(RESIDUALS)
        found = losses.smooth_l1(residuals, sigma)
        np.testing.assert_allclose(found, SMOOTH[sigma], atol=1e-6)


def test_smooth_l1_of_extremes():
    residuals = tf.constant([0.0, 1e30, -1e30])
    with tf.GradientTape() as tape:
        tape.watch(residuals)
        found = losses.smooth_l1(residuals)
    np.testing.assert_allclose(found, [0, 1e30, 1e30])
    np.testing.assert_array_equal(tape.gradient(found, residuals), [0, 1, -1])
    assert losses.smooth_l1(tf.constant([300.0], tf.float16)).dtype == tf.float32


@pytest.mark.parametrize(
    ("form", "expected"), [("code", 0.013064), ("paper", 0.008859)]
)
def test_rpn_losses_by_hand(form, expected):
    """One positive anchor of 256 sampled ones, and one that is not sampled."""
    labels = np.zeros((1, 257), int)
    labels[0, 0], labels[0, -1] = 1, -1
    logits, deltas = np.zeros((1, 257, 2)), np.zeros((1, 257, 4))
    deltas[0, 0] = 0.05, 0.5, 1, 2
    classes, boxes = losses.rpn_losses(logits, deltas, labels, 0 * deltas, form)
    np.testing.assert_allclose(classes, [np.log(2)], atol=1e-6)
    np.testing.assert_allclose(boxes, [expected], atol=1e-6)


def _random(shape, num_labels, seed=0):
    random = np.random.default_rng(seed)
    logits = random.normal(size=(*shape, num_labels)).astype(np.float32)
    labels = random.integers(-1, num_labels, shape)
    targets = random.normal(size=(*shape, 4)).astype(np.float32)
    return random, logits, labels, targets


def test_region_losses_are_numpys():
    random, logits, labels, targets = _random((3, 11), 4)
    deltas = random.normal(size=(3, 11, 4, 4)).astype(np.float32)
    classes, boxes = losses.region_losses(logits, deltas, labels, targets)
    for b in range(3):
        sampled = np.nonzero(labels[b] >= 0)[0]
        entropy = distance = 0
        for r in sampled:
            label = labels[b, r]
            entropy -= logits[b, r, label] - np.log(np.exp(logits[b, r]).sum())
            if label > 0:
                size = np.abs(deltas[b, r, label] - targets[b, r])
                distance += np.where(size < 1, size**2 / 2, size - 0.5).sum()
        np.testing.assert_allclose(classes[b], entropy / len(sampled), rtol=1e-5)
        np.testing.assert_allclose(boxes[b], distance / len(sampled), rtol=1e-5)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_what_is_not_sampled_adds_nothing_even_nan(jit_compile):
    """Nor do the targets of background; nothing sampled in an image: its loss is 0."""
    _, logits, labels, targets = _random((2, 9), 2)
    labels[0], labels[1, :3] = -1, (0, 1, -1)
    deltas = np.ones((2, 9, 4), np.float32)
    logits[labels < 0] = np.nan
    deltas[labels < 0] = np.inf
    targets[labels < 1] = np.nan

    @tf.function(jit_compile=jit_compile)
    def gradients(logits, deltas):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch([logits, deltas])
            classes, boxes = losses.rpn_losses(logits, deltas, labels, targets)
        first = tape.gradient(classes, logits), tape.gradient(boxes, deltas)
        return classes, boxes, *first

    classes, boxes, *found = gradients(tf.constant(logits), tf.constant(deltas))
    assert classes[0] == 0 and boxes[0] == 0
    for values in (classes, boxes, *found):
        assert np.isfinite(values).all()
    assert not found[0].numpy()[labels < 0].any()
    assert not found[1].numpy()[labels < 1].any()


def test_unknown_form_and_sigma_are_refused():
    with pytest.raises(ValueError, match="form must be 'code' or 'paper', got 'x'"):
        losses.rpn_losses(*[np.zeros((1, 1, 2))] * 4, form="x")
    with pytest.raises(ValueError, match="sigma must be a positive number, got 0"):
        losses.smooth_l1([1.0], 0)
