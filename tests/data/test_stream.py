"""What several workers read is what one reads alone; none decodes rows of others."""

import dataclasses
import functools

import numpy as np
import pytest
import tensorflow as tf

from keras_cnns import data, tasks
from keras_cnns.data import pipeline

PLAIN = data.Preprocessing(8, 8, 1, (0.0,), (1.0,))
CHANGES = data.Augmentation("pad_crop:1,flip", mixup_alpha=0.3, label_smoothing=0.1)
BATCH = 8


@pytest.fixture(scope="module")
def digits(data_dir):
    """52 images: six batches and a half."""
    source = data.open_source("digits", "train[:52]", data_dir)
    assert source.num_examples == 52
    return source


# Changes of each task's small options: few steps an epoch, all that draws numbers.
TRAININGS = {
    "autoencoding": {
        "train_split": "train[:52]",
        "num_labels": 20,
        "labelled_batch_size": BATCH,
    },
    "classification": {
        "train_split": "train[:52]",
        "augmentation": "pad_crop:1,flip",
        "mixup_alpha": 0.3,
        "label_smoothing": 0.1,
    },
    "detection": {"batch_size": 4},
    "generation": {"discriminator_steps": 2, "train_split": "train[:100]"},
    "inpainting": {"train_split": "train[:52]", "augmentation": "flip"},
    "refinement": {
        "real_dataset": "digits",
        "train_split": "train[:160]",
        "real_split": "test[:52]",
        "refiner_pretraining": 0,
        "discriminator_pretraining": 0,
    },
    "super_resolution": {"patches_per_picture": 2},
}
STEPS = 8


@pytest.fixture(scope="module")
def trainings(small_options, tmp_path_factory):
    """Function of a task's name to (its training stream of steps and shares, an
    epoch's steps, its first batches)."""

    @functools.cache
    def opened(name):
        kind, folder = tasks.TASKS[name], str(tmp_path_factory.mktemp(name))
        changes = {"batch_size": BATCH, "run_dir": folder, **TRAININGS[name]}
        options = kind.options_class.resolve(**small_options(name, **changes))
        task = kind(options)
        task.open()
        load = functools.partial(task.load_batches, task.configure())
        first = list(load(0).take(STEPS).as_numpy_iterator())
        return load, task.steps_per_epoch, first

    return opened


@pytest.fixture
def loaders(digits, data_dir):
    """Functions of a share to batches of evaluation, by name."""
    scenes = data.open_detection_source("scenes/items", "test", data_dir)
    scenes = data.spread(scenes, 20)
    boxes = {"preprocessing": data.Preprocessing.plain(1, 1, 3)}
    boxes.update(short_side=32, long_side=48)
    plain, part = {"preprocessing": PLAIN}, functools.partial
    return {
        "classified": part(data.load_evaluation, digits, BATCH, **plain),
        "inpainted": part(
            data.load_inpainting_evaluation, digits, BATCH, seed=3, **plain
        ),
        "detected": part(data.load_detection_evaluation, scenes, BATCH, **boxes),
    }


def _side_by_side(batches):
    return tf.nest.map_structure(lambda *rows: np.concatenate(rows), *batches)


def _assert_equal(one, other):
    tf.nest.map_structure(np.testing.assert_array_equal, one, other)


def test_all_tasks_are_read():
    assert set(TRAININGS) == set(tasks.TASKS)


@pytest.mark.parametrize("name", TRAININGS)
@pytest.mark.parametrize(("workers", "first"), [(2, 0), (2, 1), (4, 1)])
def test_workers_read_the_rows_of_one(trainings, name, workers, first):
    """To the bit, in this epoch and the next, also from a step within an epoch on."""
    load, epoch, whole = trainings(name)
    assert first < epoch < STEPS
    streams = [load(first, data.Share(i, workers)) for i in range(workers)]
    for stream in streams:
        assert stream.cardinality() == tf.data.INFINITE_CARDINALITY
        for rows, all_rows in zip(
            tf.nest.flatten(stream.element_spec), tf.nest.flatten(whole[0])
        ):
            assert rows.shape[0] == len(all_rows) // workers
    parts = zip(*(s.take(STEPS - first).as_numpy_iterator() for s in streams))
    for expected, found in zip(whole[first:], parts, strict=True):
        _assert_equal(expected, _side_by_side(found))


@pytest.mark.parametrize("name", ["classified", "inpainted", "detected"])
@pytest.mark.parametrize("workers", [2, 4])
def test_workers_evaluate_the_rows_of_one(loaders, name, workers):
    """Each example once; the smaller last batch is shared, too."""
    load = loaders[name]
    whole = list(load().as_numpy_iterator())
    assert load().cardinality() == len(whole)
    shares = [data.Share(i, workers) for i in range(workers)]
    parts = [list(load(share=share).as_numpy_iterator()) for share in shares]
    for step, expected in enumerate(whole):
        found = [batches[step] for batches in parts if step < len(batches)]
        _assert_equal(expected, _side_by_side(found))


def test_the_first_of_two_workers_has_batches_of_one(digits):
    def size(share):
        batches = data.load_evaluation(digits, 1, preprocessing=PLAIN, share=share)
        return len(list(batches))

    assert [size(data.Share(i, 2)) for i in range(2)] == [52, 0]


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_workers_decode_their_own_rows_alone(digits, workers):
    """Of thirty batches of training, as many images as the worker has rows in them."""
    decoded = []

    def read(content):
        def note(value):
            decoded.append(1)
            return value

        return tf.ensure_shape(tf.numpy_function(note, [content], tf.string), [])

    watched = dataclasses.replace(digits, read=read)
    share = data.Share(workers - 1, workers)
    stream = data.load_training(watched, BATCH, preprocessing=PLAIN, share=share)
    options = tf.data.Options()
    options.autotune.enabled = False
    options.threading.private_threadpool_size = 1
    list(stream.with_options(options).take(30))
    total = len(decoded)
    # What is read ahead is at most the images in flight and batches in waiting.
    own = 30 * BATCH // workers
    assert own <= total <= own + 48 // workers < 2 * own

    decoded.clear()
    list(data.load_evaluation(watched, BATCH, preprocessing=PLAIN, share=share))
    assert abs(len(decoded) - 52 / workers) < BATCH / workers


def test_what_workers_cannot_share_is_refused(digits):
    load = functools.partial(data.load_training, digits, preprocessing=PLAIN)
    with pytest.raises(ValueError, match="batch_size=9 must be a multiple of .* 2"):
        load(9, share=data.Share(0, 2))
    mixup = data.Augmentation(mixup_alpha=0.2)
    with pytest.raises(ValueError, match="pairs, which batch_size=6 .* 2 workers"):
        load(6, share=data.Share(0, 2), augmentation=mixup)
    assert load(7, augmentation=mixup)


def test_replicas_of_a_worker_part_its_batches():
    """Components by themselves; a last batch of 5 rows gives 2, 2 and 1."""
    numbers = tf.data.Dataset.range(11).batch(6)
    parts = data.split_batches(numbers, 3).as_numpy_iterator()
    assert [part.tolist() for part in parts] == [
        [0, 1], [2, 3], [4, 5], [6, 7], [8, 9], [10],
    ]  # fmt: skip
    pairs = tf.data.Dataset.zip(
        (
            tf.data.Dataset.range(8).batch(4, drop_remainder=True),
            {"many": tf.data.Dataset.range(16).batch(8, drop_remainder=True)},
        )
    )
    parted = data.split_batches(data.endless(pairs.repeat()), 2)
    assert parted.cardinality() == tf.data.INFINITE_CARDINALITY
    assert [s.shape for s in tf.nest.flatten(parted.element_spec)] == [[2], [4]]
    few, many = list(parted.take(2).as_numpy_iterator())[1]
    assert few.tolist() == [2, 3] and many["many"].tolist() == [4, 5, 6, 7]


def test_augmented_inputs_do_not_depend_on_the_batch(digits):
    """Mixup aside, an example's changes are its own."""
    changes = dataclasses.replace(CHANGES, mixup_alpha=0.0)
    content, _ = next(iter(digits.examples))
    one, same, other = (
        pipeline.augmented_input(digits.read(content), seed, PLAIN, changes)
        for seed in ([1, 2], [1, 2], [1, 5])
    )
    _assert_equal(one, same)
    assert not np.array_equal(one, other)
