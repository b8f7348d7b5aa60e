"""Batches of ``(images, labels)`` from sources."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from keras_cnns import _progress
from keras_cnns._checks import check_count
from keras_cnns.data import augment
from keras_cnns.data.preprocessing import Preprocessing
from keras_cnns.data.sources import Source, open_source
from keras_cnns.data.stream import WHOLE, Share, evaluation_stream, training_stream

_READ = 256  # images of a batch where all are read


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """Random changes of training examples.

    Attributes:
        operations: comma-separated names, each with an optional ``:number``, such as
            ``"pad_crop:4,flip,cutout:8"``; ``"random_resized_crop"``, first, replaces
            the resizing. Empty for none.
        mixup_alpha: parameter of mixup's Beta distribution; 0 for none.
        label_smoothing: fraction of each label spread evenly over the classes, [0, 1).
    """

    operations: str = ""
    mixup_alpha: float = 0.0
    label_smoothing: float = 0.0

    def __post_init__(self):
        _ = self.steps
        if self.mixup_alpha < 0:
            raise ValueError(f"mixup_alpha must be >= 0, got {self.mixup_alpha!r}")
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(
                f"label_smoothing must be in [0, 1), got {self.label_smoothing!r}"
            )

    @property
    def crops_at_random(self) -> bool:
        """Whether a random resized crop replaces the resizing."""
        return self.operations.split(",")[0] == "random_resized_crop"

    @property
    def steps(self) -> list:
        """(operation, number) pairs in order, after a random resized crop.

        Raises:
            ValueError: if an operation is unknown or its number is out of range.
        """
        items = [item.strip() for item in self.operations.split(",") if item.strip()]
        steps = []
        for item in items[1:] if self.crops_at_random else items:
            name, _, number = item.partition(":")
            if name not in augment.OPERATIONS:
                raise ValueError(
                    f"unknown augmentation {item!r}; there are random_resized_crop "
                    f"(first), {', '.join(augment.OPERATIONS)}, each with an optional "
                    ":number"
                )
            operation, default, allowed = augment.OPERATIONS[name]
            if (number and not number.isdigit()) or not allowed(int(number or default)):
                raise ValueError(f"augmentation {item!r}: the number is out of range")
            steps.append((operation, int(number or default)))
        return steps


def load(
    name: str,
    split: str,
    batch_size: int,
    *,
    preprocessing: Preprocessing,
    data_dir: str | None = None,
) -> tf.data.Dataset:
    """Every example of a split once, in order, for evaluation.

    Args:
        name, split, data_dir: as in ``open_source``.
        batch_size: examples per batch; the last batch may be smaller.
        preprocessing: how images become inputs.

    Returns:
        Dataset of (images ``(batch, height, width, channels)`` float32, labels
        ``(batch, classes)`` float32, one-hot).

    Raises:
        ValueError, OSError: as ``open_source``.
    """
    source = open_source(name, split, data_dir)
    return load_evaluation(source, batch_size, preprocessing=preprocessing)


def load_evaluation(
    source: Source,
    batch_size: int,
    *,
    preprocessing: Preprocessing,
    share: Share = WHOLE,
) -> tf.data.Dataset:
    """``load`` of a source that is open already, whose targets are labels.

    Args:
        source, batch_size, share: as ``evaluation_stream`` takes them.
        preprocessing: how images become inputs.
    """
    depth = len(source.class_names)
    return evaluation_stream(
        source,
        batch_size,
        lambda content, label: (
            preprocessing(source.read(content)),
            tf.one_hot(label, depth),
        ),
        share,
    )


def load_training(
    source: Source,
    batch_size: int,
    start_step: int = 0,
    *,
    preprocessing: Preprocessing,
    augmentation: Augmentation = Augmentation(),
    seed: int = 0,
    share: Share = WHOLE,
) -> tf.data.Dataset:
    """The endless stream of training batches, from any step on.

    Args:
        source: the training split, whose targets are labels.
        batch_size, start_step, seed, share: as ``training_stream`` takes them.
        preprocessing: how images become inputs.
        augmentation: random changes of them.

    Returns:
        Dataset as of ``load``, of full batches only.

    Raises:
        ValueError: as ``training_stream``; also if mixup would pair examples of two
            workers.
    """
    depth, alpha = len(source.class_names), augmentation.mixup_alpha
    smoothing = augmentation.label_smoothing
    if alpha and share.count > 1 and share.rows_of(batch_size) % 2:
        raise ValueError(
            f"mixup blends pairs, which batch_size={batch_size} would part between "
            f"{share.count} workers; give each an even number of examples"
        )

    def transform(example_seed, content, label):
        image = augmented_input(
            source.read(content), example_seed, preprocessing, augmentation
        )
        example = image, tf.one_hot(label, depth) * (1 - smoothing) + smoothing / depth
        if not alpha:
            return example
        mixup_seed = tf.random.experimental.stateless_fold_in(example_seed, -1)
        return *example, augment.mixup_fraction(mixup_seed, alpha)

    return training_stream(
        source,
        batch_size,
        start_step,
        transform,
        finish=augment.mixup if alpha else None,
        seed=seed,
        share=share,
    )


def augmented_input(
    content: tf.Tensor,
    seed: tf.Tensor | Sequence[int],
    preprocessing: Preprocessing,
    augmentation: Augmentation,
) -> tf.Tensor:
    """One encoded image as an augmented input.

    Args:
        content: encoded bytes.
        seed: two integers.
        preprocessing: ``Preprocessing``.
        augmentation: ``Augmentation``; only its operations matter.

    Returns:
        float32 ``(height, width, channels)``.
    """
    fold = tf.random.experimental.stateless_fold_in
    image = preprocessing.decode(content)
    if augmentation.crops_at_random:
        image = augment.random_resized_crop(
            tf.cast(image, tf.float32),
            tf.cast(seed, tf.int32),
            preprocessing.height,
            preprocessing.width,
        )
    else:
        image = preprocessing.resize(image)
    image = preprocessing.standardize(image)
    for position, (operation, number) in enumerate(augmentation.steps, start=1):
        image = operation(image, fold(seed, position), number)
    return image


def read_images(source: Source, preprocessing: Preprocessing, count: int = 0) -> tuple:
    """The first images of a split as arrays.

    Args:
        source: the split; images come in the order of its ``examples``.
        preprocessing: how images become inputs.
        count: largest number of images; 0: all.

    Returns:
        (images ``(count, height, width, channels)`` float32, targets as the source has
        them), NumPy.

    Raises:
        ValueError: if ``count`` is negative.
    """
    check_count("count", count, 0)
    examples = source.examples.take(count or -1).map(
        lambda content, target: (preprocessing(source.read(content)), target),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
    num_images = min(count or source.num_examples, source.num_examples)
    batches = _progress.track(
        examples.batch(_READ).as_numpy_iterator(), "images", -(-num_images // _READ)
    )
    return tf.nest.map_structure(lambda *parts: np.concatenate(parts), *batches)


def balanced(source: Source, count: int, seed: int) -> Source:
    """Some labelled examples of a split, as many of each class, kept in memory.

    Args:
        source: the split, whose targets are labels.
        count: how many, a multiple of the number of classes.
        seed: of which ones.

    Raises:
        ValueError: if ``count`` is no such number, or a class has too few examples.
    """
    names = source.class_names
    check_count("count", count)
    each, rest = divmod(count, len(names))
    if rest:
        raise ValueError(
            f"{count} examples cannot be as many of each of {len(names)} classes of "
            f"{source.name}; take a multiple of {len(names)}"
        )
    labels = source.examples.map(lambda content, label: label)
    labels = np.fromiter(labels.as_numpy_iterator(), np.int64)
    random, is_chosen = np.random.default_rng(seed), np.zeros(len(labels), bool)
    for label, name in enumerate(names):
        (of_class,) = np.nonzero(labels == label)
        if len(of_class) < each:
            raise ValueError(
                f"{source.name} {source.split} has {len(of_class)} examples of "
                f"{name}, of which {each} are needed for {count} of all classes"
            )
        is_chosen[random.choice(of_class, each, replace=False)] = True
    chosen = (
        source.examples.enumerate()
        .filter(lambda i, example: tf.gather(is_chosen, i))
        .map(lambda i, example: example[0])
    )
    contents = tf.constant(list(chosen.as_numpy_iterator()))
    examples = tf.data.Dataset.from_tensor_slices((contents, labels[is_chosen]))
    return dataclasses.replace(
        source, examples=examples, num_examples=count, shuffle_buffer=count
    )


def spread(source: Source, count: int) -> Source:
    """Evenly spaced examples of a split, since folders are sorted by class.

    Args:
        source: the split.
        count: how many, at most as many as there are.
    """
    total = source.num_examples
    examples = (
        source.examples.enumerate()
        .filter(lambda i, example: (i + 1) * count // total > i * count // total)
        .map(lambda i, example: example)
    )
    return dataclasses.replace(source, examples=examples, num_examples=count)
