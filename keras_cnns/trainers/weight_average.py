"""Exponential moving average of a network's weights, used in evaluation."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import tensorflow as tf

if TYPE_CHECKING:
    from tensorflow import keras


class WeightAverage:
    """Averages of all weights of a network, batch statistics included.

    The decay grows as ``min(decay, (1 + step) / (10 + step))``, so that early values
    are forgotten. Make it within the strategy's scope.

    Args:
        network: the network to follow.
        decay: fraction of the old average that each step keeps, in (0, 1).
    """

    def __init__(self, network: keras.Model, decay: float) -> None:
        if not 0 < decay < 1:
            raise ValueError(f"ema_decay must be in (0, 1), got {decay!r}")
        self._decay = decay
        self._followed = network.weights
        self.averages = [
            tf.Variable(
                weight,
                trainable=False,
                name="average",
                # Trained weights are the same on all replicas, statistics are not.
                aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA
                if weight.trainable
                else tf.VariableAggregation.MEAN,
            )
            for weight in network.weights
        ]

    def update(self, step: tf.Tensor) -> None:
        """Moves the averages towards the weights; call in replica context."""
        step = tf.cast(step, tf.float32)
        decay = tf.minimum(self._decay, (1 + step) / (10 + step))
        for average, weight in zip(self.averages, self._followed):
            rate = tf.cast(1 - decay, average.dtype)
            average.assign(average + rate * (tf.convert_to_tensor(weight) - average))

    @contextlib.contextmanager
    def swapped_in(self) -> Iterator[None]:
        """Within the block, the network has the averages as its weights."""
        kept = [tf.convert_to_tensor(weight) for weight in self._followed]
        try:
            for weight, average in zip(self._followed, self.averages):
                weight.assign(average)
            yield
        finally:
            for weight, value in zip(self._followed, kept):
                weight.assign(value)
