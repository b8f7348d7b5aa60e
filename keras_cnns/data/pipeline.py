"""Sources into batches.

Training batches are an endless stream that is a pure function of the seed and the
step: the stream that starts at step s is the one from step 0 without its first s
batches, which is what makes a run resumable to the bit.
"""

import dataclasses
from typing import Optional

import tensorflow as tf

from keras_cnns.data import augment
from keras_cnns.data.preprocessing import Preprocessing
from keras_cnns.data.sources import Source, open_source


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """What is done at random to training examples.

    Attributes:
        operations: comma-separated names, each with an optional ``:number``, such as
            ``"pad_crop:4,flip,cutout:8"``; ``"random_resized_crop"``, first, replaces
            the resizing. Empty for none.
        mixup_alpha: parameter of mixup's Beta distribution; 0 for none.
        label_smoothing: share of each label spread evenly over the classes, [0, 1).
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
    data_dir: Optional[str] = None,
) -> tf.data.Dataset:
    """Every example of a split once, in order, for evaluation.

    Args:
        name, split, data_dir: as in ``open_source``.
        batch_size: examples per batch; the last batch may be smaller.
        preprocessing: how pictures become inputs.

    Returns:
        Dataset of (images ``(batch, height, width, channels)`` float32, labels
        ``(batch, classes)`` float32, one-hot).

    Raises:
        ValueError, OSError: as ``open_source``.
    """
    source = open_source(name, split, data_dir)
    depth = len(source.class_names)
    return sharded_by_data(
        source.examples.map(
            lambda content, label: (
                preprocessing(source.read(content)),
                tf.one_hot(label, depth),
            ),
            num_parallel_calls=tf.data.AUTOTUNE,
        )
        .batch(batch_size)
        .prefetch(tf.data.AUTOTUNE)
    )


def load_training(
    source: Source,
    batch_size: int,
    start_step: int = 0,
    *,
    preprocessing: Preprocessing,
    augmentation: Augmentation = Augmentation(),
    seed: int = 0,
) -> tf.data.Dataset:
    """The endless stream of training batches, from any step on.

    Every epoch has its own order and augmentation, drawn from ``seed``; the examples
    that do not fill a batch at its end are left out.

    Args:
        source: the training split.
        batch_size: examples per batch, over all replicas.
        start_step: batches to leave out at the beginning of the stream.
        preprocessing: how pictures become inputs.
        augmentation: what is done to them at random.
        seed: of everything random.

    Returns:
        Dataset as ``load`` gives, of whole batches only.

    Raises:
        ValueError: if there are fewer examples than one batch.
    """
    steps_per_epoch = source.num_examples // batch_size
    if not steps_per_epoch:
        raise ValueError(
            f"batch_size={batch_size} is larger than the {source.num_examples} "
            f"examples of {source.name} {source.split}"
        )
    start_epoch, start_batch = divmod(start_step, steps_per_epoch)
    start_epoch, start_batch = tf.constant([start_epoch, start_batch], tf.int64)
    used = steps_per_epoch * batch_size
    fold = tf.random.experimental.stateless_fold_in

    def epoch_examples(epoch):
        # Of this function's graph only: the order must not hang on the global seed.
        tf.compat.v1.set_random_seed(1)
        epoch_seed = fold(tf.constant([seed, 0], tf.int64), epoch)
        order_seed = tf.random.stateless_uniform(
            [], epoch_seed, maxval=tf.int64.max, dtype=tf.int64
        )
        skipped = tf.where(epoch == start_epoch, start_batch * batch_size, 0)
        return (
            source.examples.shuffle(
                source.shuffle_buffer,
                seed=order_seed,
                reshuffle_each_iteration=False,
            )
            .enumerate()
            .take(used)
            .skip(skipped)
            .map(lambda i, example: (fold(epoch_seed, i), *example))
        )

    depth = len(source.class_names)

    def example(example_seed, content, label):
        image = _training_image(
            source.read(content), example_seed, preprocessing, augmentation
        )
        return example_seed, image, tf.one_hot(label, depth)

    def finish(seeds, images, labels):
        smoothing = augmentation.label_smoothing
        labels = labels * (1 - smoothing) + smoothing / depth
        if augmentation.mixup_alpha:
            batch_seed = fold(seeds[0], -1)
            images, labels = augment.mixup(
                images, labels, batch_seed, augmentation.mixup_alpha
            )
        return images, labels

    epochs = tf.data.Dataset.range(start_epoch, tf.int64.max)
    return sharded_by_data(
        epochs.flat_map(epoch_examples)
        # Known to be endless, batches keep their static size under several workers.
        .apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY))
        .map(example, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        .batch(batch_size, drop_remainder=True)
        .map(finish)
        .prefetch(tf.data.AUTOTUNE)
    )


def _training_image(content, seed, preprocessing, augmentation):
    """One encoded picture to one augmented input."""
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


def sharded_by_data(dataset):
    """Workers share each global batch, whatever files it came from."""
    options = tf.data.Options()
    policy = tf.data.experimental.AutoShardPolicy.DATA
    options.experimental_distribute.auto_shard_policy = policy
    return dataset.with_options(options)
