"""Training batches as an endless stream that is a pure function of seed and step.

The stream that starts at step s is the one from step 0 without its first s batches,
which makes bit-exact resume possible. The caller defines what an example is turned
into. Of several workers each reads its own rows of the same batches, and decodes no
others.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from keras_cnns.data.sources import Source


@dataclasses.dataclass(frozen=True)
class Share:
    """The rows of every batch that one worker reads: equal parts, in order.

    Attributes:
        index: of the worker, from 0.
        count: number of workers.
    """

    index: int = 0
    count: int = 1

    def rows_of(self, batch_size: int) -> int:
        """Rows of a batch that this worker reads.

        Raises:
            ValueError: if the workers cannot have as many each.
        """
        rows, rest = divmod(batch_size, self.count)
        if rest:
            raise ValueError(
                f"batch_size={batch_size} must be a multiple of the number of "
                f"workers, {self.count}"
            )
        return rows

    def most_rows_of(self, batch_size: int) -> int:
        """The same where the last workers may have fewer, or none; at least 1."""
        most = -(-batch_size // self.count)
        return max(1, min(most, batch_size - self.index * most))

    def of(
        self, numbered: tf.data.Dataset, batch_size: int, total: int
    ) -> tf.data.Dataset:
        """This worker's part of a numbered dataset.

        Args:
            numbered: dataset of (position in the split, example).
            batch_size: examples per batch, over all workers; the last one may be
                smaller, and its parts are, too.
            total: number of examples.
        """
        if self.count == 1:
            return numbered

        def is_own(position, _):
            row = position % batch_size
            rows = tf.minimum(total - position + row, batch_size)
            return row // -(-rows // self.count) == self.index

        return numbered.filter(is_own)


WHOLE = Share()


def training_stream(
    source: Source,
    batch_size: int,
    start_step: int,
    transform: Callable,
    *,
    finish: Callable | None = None,
    seed: int = 0,
    share: Share = WHOLE,
) -> tf.data.Dataset:
    """The endless stream of training batches, from any step on.

    Every epoch has its own order, drawn from ``seed``; examples that do not fill a
    batch at its end are left out.

    Args:
        source: the training split.
        batch_size: examples per batch, over all replicas.
        start_step: batches to leave out at the beginning of the stream.
        transform: function of a seed (two integers, different for each example and
            epoch), the ``source.read`` input and the target, to a tuple of nested
            tensors of the same shapes for all examples.
        finish: function of the batched components of those tuples to the components to
            train on; it sees a worker's rows. None: unchanged.
        seed: of everything random.
        share: which rows of every batch are read.

    Returns:
        Dataset of the rows of full batches, of static shapes.

    Raises:
        ValueError: if there are fewer examples than one batch, or workers cannot share
            a batch.
    """
    rows = share.rows_of(batch_size)
    if source.num_examples < batch_size:
        raise ValueError(
            f"batch_size={batch_size} is larger than the {source.num_examples} "
            f"examples of {source.name} {source.split}"
        )

    batches = (
        _shuffled_examples(source, batch_size, start_step, seed, share)
        .map(transform, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        .batch(rows, drop_remainder=True)
    )
    if finish:
        batches = batches.map(finish)
    return sharded_by_data(endless(batches).prefetch(tf.data.AUTOTUNE))


def sharded_by_data(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """A dataset of which TensorFlow, if it has to spread it over workers, gives each
    its rows of every batch, and never files of its own."""
    options = tf.data.Options()
    policy = tf.data.experimental.AutoShardPolicy.DATA
    options.experimental_distribute.auto_shard_policy = policy
    return dataset.with_options(options)


def endless(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """A dataset that is known not to end: only then do batches under several workers
    have static sizes."""
    return dataset.apply(
        tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY)
    )


def split_batches(batches: tf.data.Dataset, parts: int) -> tf.data.Dataset:
    """Each batch as several in succession, of its rows in order.

    Args:
        batches: dataset; its components may have batches of different sizes.
        parts: how many; the last ones of a batch that is no multiple have fewer rows.
    """
    if parts == 1:
        return batches

    def rows_of(part, values):
        size, known = -(-tf.shape(values)[0] // parts), values.shape[0]
        rows = values[part * size : (part + 1) * size]
        if known and not known % parts:
            rows = tf.ensure_shape(rows, [known // parts, *values.shape[1:]])
        return rows

    def split(*batch):
        whole = batch if len(batch) > 1 else batch[0]
        return tf.data.Dataset.range(parts, output_type=tf.int32).map(
            lambda part: tf.nest.map_structure(lambda x: rows_of(part, x), whole)
        )

    is_endless = batches.cardinality() == tf.data.INFINITE_CARDINALITY
    batches = batches.flat_map(split)
    return endless(batches) if is_endless else batches


def evaluation_stream(
    source: Source, batch_size: int, transform: Callable, share: Share = WHOLE
) -> tf.data.Dataset:
    """Every example once, in order.

    Args:
        source: the split.
        batch_size: examples per batch; the last batch may be smaller.
        transform: function of ``source.read``'s input and the target to any structure
            of tensors, of one shape for all examples.
        share: which rows of every batch are read.

    Returns:
        Dataset of batches. The parts of a last batch that is smaller are, too, and the
        last workers may have none.
    """
    numbered, total = source.examples.enumerate(), source.num_examples
    batches = (
        share.of(numbered, batch_size, total)
        .map(
            lambda _, example: transform(*example),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
        .batch(share.most_rows_of(batch_size))
    )
    if share == WHOLE:
        count = -(-total // batch_size)
        batches = batches.apply(tf.data.experimental.assert_cardinality(count))
    return sharded_by_data(batches.prefetch(tf.data.AUTOTUNE))


def _shuffled_examples(source, batch_size, start_step, seed, share):
    """(seed, content, target) of a share of the training examples from a step on."""
    steps_per_epoch = source.num_examples // batch_size
    start_epoch, start_batch = divmod(start_step, steps_per_epoch)
    start_epoch, start_batch = tf.constant([start_epoch, start_batch], tf.int64)
    used = steps_per_epoch * batch_size
    fold = tf.random.experimental.stateless_fold_in

    def epoch_examples(epoch):
        # Affects this function's graph only: the order must not depend on the global
        # seed.
        tf.compat.v1.set_random_seed(1)
        epoch_seed = fold(tf.constant([seed, 0], tf.int64), epoch)
        order_seed = tf.random.stateless_uniform(
            [], epoch_seed, maxval=tf.int64.max, dtype=tf.int64
        )
        skipped = tf.where(epoch == start_epoch, start_batch * batch_size, 0)
        numbered = (
            source.examples.shuffle(
                source.shuffle_buffer,
                seed=order_seed,
                reshuffle_each_iteration=False,
            )
            .enumerate()
            .take(used)
            .skip(skipped)
        )
        return share.of(numbered, batch_size, used).map(
            lambda i, example: (fold(epoch_seed, i), *example)
        )

    return tf.data.Dataset.range(start_epoch, tf.int64.max).flat_map(epoch_examples)
