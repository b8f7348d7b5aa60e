"""Hashes of images, and which images share them."""

import numpy as np
import pytest
import tensorflow as tf
from sklearn import datasets
from tensorflow import keras

from keras_cnns import applications, inspection


def _digits(size):
    images = datasets.load_digits().images[..., np.newaxis] / 16
    return tf.image.resize(images, (size, size)).numpy()


def test_auto_encoder_is_the_papers():
    network = applications.DeduplicationAutoencoder()
    assert network.input_shape == network.output_shape == (None, 32, 32, 3)
    assert network.get_layer("code").output_shape == (None, 128)
    assert network.count_params() == 3072 * 128 + 128 + 128 * 3072 + 3072


def _two_bit_encoder():
    """Bits: left pixel above 0.5, right pixel above 0.5."""
    network = applications.DeduplicationAutoencoder((1, 2, 1), code_size=2)
    network.get_layer("code").set_weights([np.eye(2), np.full(2, -0.5)])
    return network


def test_bits_and_groups_by_hand():
    values = [[0.9, 0.1], [0.2, 0.1], [0.8, 0.4], [0.9, 0.9], [0.1, 0.0], [0.7, 0.3]]
    images = np.array(values).reshape(6, 1, 2, 1)
    network = _two_bit_encoder()
    bits = inspection.hash_bits(network, images)
    np.testing.assert_array_equal(bits, np.array(values) > 0.5)
    found = inspection.find_duplicates(network, images, batch_size=4)
    np.testing.assert_array_equal(found.kept, [0, 1, 3])
    np.testing.assert_array_equal(found.removed, [2, 4, 5])
    assert found.groups == ((0, 2, 5), (1, 4))
    copies, pairs = inspection.collision_rates(network, images, noise=1e-3)
    assert copies == 1 and pairs == pytest.approx(4 / 15)  # 3 and 1 pairs of 15


def test_noise_turns_over_bits_near_the_edge():
    images = np.full((400, 1, 2, 1), 0.5 + 1e-3, np.float32)
    images[:, 0, 1] = 0.9
    copies, pairs = inspection.collision_rates(_two_bit_encoder(), images, noise=2e-3)
    assert copies == pytest.approx(0.75, abs=0.08) and pairs == 1


@pytest.mark.parametrize("size", [16, pytest.param(32, marks=pytest.mark.slow)])
def test_digits_collide_with_their_copies_and_not_with_each_other(size):
    """The fact sheet's limits: above 90 % and below 1 %."""
    keras.utils.set_random_seed(1)
    images = _digits(size)
    network = inspection.train_deduplicator(images, epochs=40)
    copies, pairs = inspection.collision_rates(network, images)
    assert copies > 0.9 and pairs < 0.01
    both = np.concatenate([images, images[:50]])
    removed = inspection.find_duplicates(network, both).removed
    assert set(range(len(images), len(both))) <= set(removed)


def test_training_lowers_the_error_at_any_shape():
    colours = np.random.default_rng(0).uniform(size=(64, 1, 1, 3))
    images = (colours * np.ones((1, 5, 7, 1))).astype(np.float32)
    network = inspection.train_deduplicator(
        images, epochs=60, batch_size=16, code_size=16, dropout_rate=0.0
    )
    errors = (network.predict(images, verbose=0) - images) ** 2
    assert errors.mean() < 0.2 * images.var()
    assert inspection.hash_bits(network, images).shape == (64, 16)


def test_thumbnails_are_central_squares():
    wide = np.zeros((4, 10, 1))
    wide[:, 3:5], wide[:, 5:7] = 0.25, 0.75
    tall = np.full((8, 2, 1), 0.5)
    result = inspection.central_thumbnails([wide, tall], size=2)
    assert result.shape == (2, 2, 2, 1)
    assert result[0, 0, 0, 0] < 0.4 and result[0, 1, 1, 0] > 0.6
    np.testing.assert_allclose(result[1], 0.5)
    images = np.random.default_rng(1).uniform(size=(2, 5, 5, 3))
    np.testing.assert_allclose(
        inspection.central_thumbnails(images, size=5), images, rtol=1e-6
    )


@pytest.mark.parametrize(
    ("call", "quoted"),
    [
        (lambda i: i.train_deduplicator(np.zeros((2, 4, 4))), r"got \(2, 4, 4\)"),
        (lambda i: i.train_deduplicator(-np.ones((2, 4, 4, 1))), "from -1.0"),
        (lambda i: i.train_deduplicator(np.full((2, 4, 4, 1), np.nan)), "nan"),
        (lambda i: i.train_deduplicator(np.ones((2, 4, 4, 1)), epochs=0), "got 0"),
        (
            lambda i: i.train_deduplicator(np.ones((2, 4, 4, 1)), dropout_rate=1.0),
            "dropout_rate.*got 1.0",
        ),
        (
            lambda i: i.train_deduplicator(np.ones((2, 4, 4, 1)), noise_stddev=0),
            "noise_stddev.*got 0",
        ),
        (lambda i: i.central_thumbnails([np.ones((3, 3))]), r"got \(3, 3\)"),
        (lambda i: i.central_thumbnails([], size=0), "size.*got 0"),
        (
            lambda i: i.collision_rates(_two_bit_encoder(), np.ones((1, 1, 2, 1))),
            "got 1",
        ),
    ],
)
def test_bad_arguments_are_quoted(call, quoted):
    with pytest.raises(ValueError, match=quoted):
        call(inspection)
