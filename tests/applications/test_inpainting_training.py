"""Short trainings: U-Net finds discs, the inpainting networks beat the mean colour."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from keras_cnns import applications, data, exemplar
from keras_cnns.losses.inpainting import composite, hole_l1, valid_l1

SIZE = 64
WIDTHS = (32, 64, 96, 96, 96)
ROWS, COLUMNS = np.mgrid[:SIZE, :SIZE].astype(np.float32)


def _disc(generator, smallest, largest):
    row, column = generator.uniform(8, SIZE - 8, size=2)
    radius = generator.uniform(smallest, largest)
    return (ROWS - row) ** 2 + (COLUMNS - column) ** 2 < radius**2


def _ring(generator):
    """2 pixels wide."""
    row, column = generator.uniform(16, SIZE - 16, size=2)
    radius = generator.uniform(6, 14)
    distances = np.sqrt((ROWS - row) ** 2 + (COLUMNS - column) ** 2)
    return np.abs(distances - radius) < 1


def _labelled(shape, count, seed):
    """Bright shapes on a dark ground with noise, and where they are."""
    generator = np.random.default_rng(seed)
    labels = np.stack([shape(generator) for _ in range(count)])[..., None]
    labels = labels.astype(np.float32)
    noise = generator.normal(0, 0.1, size=labels.shape)
    return (0.3 + 0.4 * labels + noise).astype(np.float32), labels


def _intersection_over_union(shape, skips):
    """Of 20 new images, after 200 steps on 60."""
    keras.utils.set_random_seed(0)
    model = applications.UNet(
        (SIZE, SIZE, 1),
        filters=(16, 32, 64, 128, 256),
        classes=1,
        padding="same",
        upsampling="nearest",
        skips=skips,
    )
    images, labels = _labelled(shape, 60, seed=0)
    model.compile(
        keras.optimizers.Adam(1e-3), keras.losses.BinaryCrossentropy(from_logits=True)
    )
    batches = tf.data.Dataset.from_tensor_slices((images, labels))
    batches = batches.shuffle(60, seed=0).repeat().batch(6).take(200)
    model.fit(batches, verbose=0)
    images, labels = _labelled(shape, 20, seed=1)
    found, labels = model.predict(images, verbose=0) > 0, labels > 0.5
    return (found & labels).sum() / (found | labels).sum()


@pytest.mark.slow
def test_unet_finds_discs():
    score = _intersection_over_union(lambda g: _disc(g, 6, 14), skips=True)
    assert score >= 0.9


@pytest.mark.slow
def test_skips_help_with_thin_shapes():
    """2 pixels wide; the margin of 0.02 is unverified."""
    with_skips, without = (_intersection_over_union(_ring, s) for s in (True, False))
    assert with_skips >= without + 0.02


def _images(count, seed):
    """Three shapes of one colour each on a gradient between two colours."""
    generator = np.random.default_rng(seed)
    images = []
    for _ in range(count):
        first, second, *colours = generator.random((5, 3)).astype(np.float32)
        fraction = (ROWS if generator.random() < 0.5 else COLUMNS)[..., None] / SIZE
        image = first + fraction * (second - first)
        for colour in colours:
            image[_disc(generator, 5, 14)] = colour
        images.append(image)
    return np.stack(images)


def _masks(count, seed):
    """Irregular holes of 10 to 40 %."""
    return np.stack(
        [
            data.irregular_mask(SIZE, SIZE, [seed, i], hole_ratios=(0.1, 0.4))
            for i in range(count)
        ]
    )


def _psnr(filled, images):
    errors = np.mean((np.asarray(filled) - images) ** 2, axis=(1, 2, 3))
    return float(np.mean(-10 * np.log10(errors)))


def _gain(model, learning_rate, hole_weight):
    """Decibels above the mean of the known colours, after 600 steps of L1."""
    optimizer = keras.optimizers.Adam(learning_rate)

    @tf.function
    def step(images, masks):
        with tf.GradientTape() as tape:
            output = model([images, masks], training=True)
            losses = valid_l1(output, images, masks)
            losses += hole_weight * hole_l1(output, images, masks)
            loss = tf.reduce_mean(losses)
        slopes = tape.gradient(loss, model.trainable_weights)
        optimizer.apply_gradients(zip(slopes, model.trainable_weights))

    for i in range(600):
        step(tf.constant(_images(8, 10 + i)), tf.constant(_masks(8, 10 + i)))
    images, masks = _images(64, 1), _masks(64, 2)
    filled = composite(model.predict([images, masks], verbose=0), images, masks)
    return _psnr(filled, images) - _psnr(_simple_fill("mean", images, masks), images)


def _simple_fill(method, images, masks):
    fill, whole = getattr(exemplar, f"fill_{method}"), np.rint(images * 255)
    pairs = zip(whole.astype(np.uint8), masks)
    filled = np.stack([fill(image, mask) for image, mask in pairs]) / 255
    return composite(filled, images, masks)


def test_images_are_as_hard_as_those_of_the_measured_gains():
    """Shapes on gradients on which mean colours reach 21.7 dB, nearest pixels 29.0."""
    images, masks = _images(64, 1), _masks(64, 2)
    for method, published in (("mean", 21.7), ("nearest", 29.0)):
        quality = _psnr(_simple_fill(method, images, masks), images)
        assert quality == pytest.approx(published, abs=0.5)


@pytest.mark.slow
def test_partial_convolution_beats_the_mean_colour():
    keras.utils.set_random_seed(0)
    model = applications.PartialConvUNet((SIZE, SIZE, 3), WIDTHS)
    assert _gain(model, 1e-3, hole_weight=6.0) >= 2


@pytest.mark.slow
def test_lbam_beats_the_mean_colour_and_its_forward_half():
    gains = {}
    for attention in ("forward_reverse", "forward"):
        keras.utils.set_random_seed(0)
        model = applications.LearnableAttentionUNet(
            (SIZE, SIZE, 3), WIDTHS, attention=attention
        )
        gains[attention] = _gain(model, 5e-4, hole_weight=1.0)
    assert gains["forward_reverse"] >= 5
    assert gains["forward_reverse"] >= gains["forward"] - 0.2
