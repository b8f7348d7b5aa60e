"""Training batches as an endless stream that is a pure function of seed and step.

The stream that starts at step s is the one from step 0 without its first s batches,
which makes bit-exact resume possible. The caller defines what an example is turned
into.
"""

import tensorflow as tf

from keras_cnns.data.sources import Source


def training_stream(
    source: Source,
    batch_size: int,
    start_step: int,
    transform,
    *,
    finish=None,
    seed: int = 0,
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
        finish: function of the seeds of a batch ``(batch, 2)`` and the batched
            components of those tuples to the components to train on; None: unchanged.
        seed: of everything random.

    Returns:
        Dataset of full batches, of static shapes.

    Raises:
        ValueError: if there are fewer examples than one batch.
    """
    if source.num_examples < batch_size:
        raise ValueError(
            f"batch_size={batch_size} is larger than the {source.num_examples} "
            f"examples of {source.name} {source.split}"
        )

    def transformed(example_seed, content, target):
        return example_seed, *transform(example_seed, content, target)

    def finished(seeds, *batch):
        return finish(seeds, *batch) if finish else batch

    return sharded_by_data(
        _shuffled_examples(source, batch_size, start_step, seed)
        # Only an endless stream keeps static batch sizes under several workers.
        .apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY))
        .map(transformed, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        .batch(batch_size, drop_remainder=True)
        .map(finished)
        .prefetch(tf.data.AUTOTUNE)
    )


def evaluation_stream(source: Source, batch_size: int, transform) -> tf.data.Dataset:
    """Every example once, in order.

    Args:
        source: the split.
        batch_size: examples per batch; the last batch may be smaller.
        transform: function of ``source.read``'s input and the target to any structure
            of tensors, of one shape for all examples.

    Returns:
        Dataset of batches.
    """
    return sharded_by_data(
        source.examples.map(
            transform, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
        )
        .batch(batch_size)
        .prefetch(tf.data.AUTOTUNE)
    )


def _shuffled_examples(source, batch_size, start_step, seed):
    """(seed, content, target) of all training examples from a step on, in order."""
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

    return tf.data.Dataset.range(start_epoch, tf.int64.max).flat_map(epoch_examples)


def sharded_by_data(dataset):
    """Splits each global batch over the workers, whatever files it came from."""
    options = tf.data.Options()
    policy = tf.data.experimental.AutoShardPolicy.DATA
    options.experimental_distribute.auto_shard_policy = policy
    return dataset.with_options(options)
