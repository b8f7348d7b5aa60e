"""A memory of generated images, shared by all replicas."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

if TYPE_CHECKING:
    from keras_cnns.trainers.step_noise import StepNoise


class HistoryBuffer:
    """Images that a generator made earlier, replaced at random once it is full.

    Every replica holds all of it and updates it alike. Make it within the strategy's
    scope.

    Args:
        capacity: number of images.
        image_shape: ``(height, width, channels)``.

    Source: Shrivastava et al., arXiv 1612.07828, section 2.3.
    """

    def __init__(self, capacity: int, image_shape: tuple) -> None:
        same = tf.VariableAggregation.ONLY_FIRST_REPLICA
        self.capacity = capacity
        self.images = tf.Variable(
            tf.zeros([capacity, *image_shape]),
            trainable=False,
            name="history",
            aggregation=same,
        )
        self.count = tf.Variable(
            0, dtype=tf.int64, trainable=False, name="history_count", aggregation=same
        )

    def draw(self, noise: StepNoise, number: int, otherwise: tf.Tensor) -> tf.Tensor:
        """This replica's images, drawn at random with replacement.

        Args:
            noise: ``StepNoise``.
            number: number of images of this replica.
            otherwise: ``(number, height, width, channels)``, returned while the buffer
                is empty.
        """
        count = tf.cast(self.count, tf.float32)
        chosen = tf.cast(noise.uniform([number]) * count, tf.int64)
        drawn = tf.gather(self.images, chosen)
        return tf.where(self.count > 0, drawn, otherwise)

    def add(self, noise: StepNoise, images: tf.Tensor) -> None:
        """Adds each replica's images, in place of random ones once the buffer is full.

        Args:
            noise: ``StepNoise``.
            images: ``(number, height, width, channels)`` of this replica; the number
                over all replicas must divide the capacity.
        """
        replica = tf.distribute.get_replica_context()
        number = images.shape[0] * replica.num_replicas_in_sync
        if replica.num_replicas_in_sync > 1:
            images = replica.all_gather(images, axis=0)
        if self.capacity % number:
            raise ValueError(
                f"a history of {self.capacity} images cannot take in {number} at a "
                "time; the buffer's size must be a multiple of that"
            )
        at_random = tf.argsort(noise.shared_uniform(self.capacity))[:number]
        places = tf.where(
            self.count < self.capacity,
            self.count + tf.range(number, dtype=tf.int64),
            tf.cast(at_random, tf.int64),
        )
        self.images.assign(
            tf.tensor_scatter_nd_update(self.images, places[:, tf.newaxis], images)
        )
        self.count.assign(tf.minimum(self.count + number, self.capacity))
