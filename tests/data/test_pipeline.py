"""Batches: a pure function of seed and step; labels, mixup, smoothing."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from keras_cnns import data
from keras_cnns.data import augment

PLAIN = data.Preprocessing(8, 8, 1, (0.0,), (1.0,))


def _stream(data_dir, count, **kwargs):
    source = data.open_source("digits", "train", data_dir)
    kwargs.setdefault("preprocessing", PLAIN)
    stream = data.load_training(source, 64, **kwargs).take(count)
    return [(images.numpy(), labels.numpy()) for images, labels in stream]


ALL = data.Augmentation(
    "pad_crop:1,flip,cutout:2", mixup_alpha=0.2, label_smoothing=0.1
)


@pytest.fixture(scope="module")
def whole(data_dir):
    """24 steps, of which 22 make an epoch."""
    return _stream(data_dir, 24, augmentation=ALL, seed=5)


@pytest.mark.parametrize("start", [1, 21, 22, 23])
def test_a_stream_from_a_step_is_the_rest_of_the_whole(data_dir, whole, start):
    """The starts lie within an epoch, at its end and behind it."""
    tf.random.set_seed(99)  # the global seed must not matter
    rest = _stream(data_dir, 24 - start, augmentation=ALL, seed=5, start_step=start)
    assert len(rest) == 24 - start
    for (a, b), (c, d) in zip(whole[start:], rest):
        np.testing.assert_array_equal(a, c)
        np.testing.assert_array_equal(b, d)


def test_epochs_and_seeds_differ_but_hold_the_same_examples(data_dir):
    stream = _stream(data_dir, 44, seed=1)
    epochs = [np.concatenate([x for x, _ in stream[i : i + 22]]) for i in (0, 22)]
    assert not np.array_equal(*epochs)
    examples = data.open_source("digits", "train", data_dir).examples
    plain = examples.map(lambda content, _: PLAIN(content))
    known = {image.tobytes() for image in plain.as_numpy_iterator()}
    for epoch in epochs:
        assert {image.tobytes() for image in epoch} <= known
        assert len({image.tobytes() for image in epoch}) > 1390  # few digits are twins
    assert not np.array_equal(stream[0][0], _stream(data_dir, 1, seed=2)[0][0])


def test_evaluation_gives_each_example_once_in_order(data_dir):
    batches = list(
        data.load("digits", "test", 100, preprocessing=PLAIN, data_dir=data_dir)
    )
    assert [len(labels) for _, labels in batches] == [100, 100, 100, 60]
    again = list(
        data.load("digits", "test", 360, preprocessing=PLAIN, data_dir=data_dir)
    )
    np.testing.assert_array_equal(np.concatenate([x for x, _ in batches]), again[0][0])
    np.testing.assert_array_equal(np.sum(again[0][1], axis=1), 1)


def test_label_smoothing_spreads_its_fraction(data_dir):
    smooth = data.Augmentation(label_smoothing=0.2)
    (_, hard), (_, soft) = (
        _stream(data_dir, 1)[0],
        _stream(data_dir, 1, augmentation=smooth)[0],
    )
    np.testing.assert_allclose(soft, hard * 0.8 + 0.02, rtol=1e-6)


def test_mixup_blends_images_and_labels_of_neighbours_alike():
    """Pairs of rows, each with its first one's fraction; the fifth stays alone."""
    images = tf.reshape(tf.range(5.0), [5, 1, 1, 1])
    mixed, soft = augment.mixup(
        images, tf.eye(5), tf.constant([0.75, 0.1, 1.0, 0.2, 0.3])
    )
    expected = np.eye(5)
    expected[:2, :2] = [[0.75, 0.25], [0.25, 0.75]]
    np.testing.assert_allclose(soft, expected, rtol=1e-6)
    np.testing.assert_allclose(mixed[:, 0, 0, 0], expected @ np.arange(5), rtol=1e-6)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_mixup_fractions_have_the_moments_of_their_distribution(alpha):
    """Beta(a, a): mean 1/2, variance 1 / (4 (2 a + 1)); 4,000 draws."""
    seeds = tf.stack([tf.range(4000), tf.ones(4000, tf.int32)], axis=1)
    draw = functools.partial(augment.mixup_fraction, alpha=alpha)
    seeds = tf.data.Dataset.from_tensor_slices(seeds)
    drawn = np.array(list(seeds.map(draw).as_numpy_iterator()))
    variance = 1 / (4 * (2 * alpha + 1))
    assert abs(drawn.mean() - 0.5) < 4 * (variance / 4000) ** 0.5
    assert abs(drawn.var() / variance - 1) < 0.1
    assert drawn.min() >= 0 and drawn.max() <= 1


def test_pad_crop_is_a_shift_with_zeros():
    image = tf.reshape(tf.range(1.0, 26.0), [5, 5, 1])
    padded = np.pad(image.numpy(), [(2, 2), (2, 2), (0, 0)])
    shifts = {
        padded[i : i + 5, j : j + 5].tobytes(): (i, j)
        for i in range(5)
        for j in range(5)
    }
    seen = {
        shifts[augment.pad_crop(image, [seed, 0], 2).numpy().tobytes()]
        for seed in range(300)
    }
    assert len(seen) == 25


def test_flip_happens_half_of_the_time():
    image = tf.reshape(tf.range(6.0), [2, 3, 1])
    flipped = [
        not np.array_equal(augment.flip(image, [seed, 7], 0), image)
        for seed in range(400)
    ]
    assert 0.4 < np.mean(flipped) < 0.6


def test_cutout_blanks_one_square():
    holes = [
        1 - augment.cutout(tf.ones([12, 12, 1]), [seed, 1], 4).numpy()[..., 0]
        for seed in range(60)
    ]
    for hole in holes:
        rows, columns = np.where(hole.any(1))[0], np.where(hole.any(0))[0]
        assert hole.sum() == len(rows) * len(columns) <= 16
        assert np.ptp(rows) < 4 and np.ptp(columns) < 4
    assert max(hole.sum() for hole in holes) == 16


def test_random_resized_crop_keeps_to_the_published_ranges():
    """On a ramp, the crop's corners tell its size and place."""
    rows, columns = np.mgrid[0:90, 0:120].astype(np.float32)
    ramp = tf.stack([rows, columns], axis=-1)
    areas, aspects = [], []
    for seed in range(300):
        crop = augment.random_resized_crop(ramp, [seed, 2], 30, 30).numpy()
        height = (crop[-1, 0, 0] - crop[0, 0, 0]) * 30 / 29
        width = (crop[0, -1, 1] - crop[0, 0, 1]) * 30 / 29
        areas.append(height * width / (90 * 120))
        aspects.append(width / height)
    assert 0.06 < min(areas) < 0.2 and 0.7 < max(areas) <= 1.05
    assert 0.68 < min(aspects) < 0.85 and 1.15 < max(aspects) < 1.45


@pytest.mark.parametrize(
    ("arguments", "quoted"),
    [
        ({"operations": "rotate:3"}, "rotate:3"),
        ({"operations": "cutout:3"}, "cutout:3"),
        ({"operations": "pad_crop:0"}, "pad_crop:0"),
        ({"operations": "flip,random_resized_crop"}, "random_resized_crop"),
        ({"mixup_alpha": -1.0}, "-1.0"),
        ({"label_smoothing": 1.0}, "1.0"),
    ],
)
def test_bad_augmentations_are_quoted(arguments, quoted):
    with pytest.raises(ValueError, match=quoted):
        data.Augmentation(**arguments)


def test_a_batch_must_not_exceed_the_data(data_dir):
    source = data.open_source("digits", "train", data_dir)
    with pytest.raises(ValueError, match="batch_size=2000.*1437"):
        data.load_training(source, 2000, preprocessing=PLAIN)
