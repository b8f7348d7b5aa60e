"""Drop-path of fractal networks: which inputs their joins keep, per mini-batch."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf
from tensorflow import keras

if TYPE_CHECKING:
    from keras_cnns._types import Shape


def fractal_joins(columns: int) -> list:
    """How many of the deepest columns each join of one block takes, in order.

    A join follows every second unit of the deepest column; it takes the columns of
    which a unit ends there.
    """
    ends = range(2, 2 ** (columns - 1) + 1, 2)
    return [(end & -end).bit_length() for end in ends]


@keras.saving.register_keras_serializable("keras_cnns")
class FractalDropPath(keras.layers.Layer):
    """Weights of the inputs of all joins: equal ones for those that are kept.

    In training, a mini-batch is either local, where each join drops each of its inputs
    independently and keeps a random one if it would lose all; or global, where one
    column, the same in the whole network, is kept alone. A join that does not take the
    chosen column keeps all its inputs; nothing kept depends on it. In inference all are
    kept. All draws come from one layer of Gaussian noise, so that
    they are saved and restored as those of dropout are.

    Args:
        columns: columns of the network (C).
        blocks: blocks of the network (B).
        drop_rate: probability that a join drops an input, in local mini-batches.
        global_fraction: probability that a mini-batch is a global one.
        seed: of the noise.

    Input shape:
        Any; the input only gives the layer its place in the network.

    Output shape:
        ``(joins, columns)``: one row for each join of the network, in order; the
        shallowest column first, 0 for those that a join does not take.
    """

    def __init__(
        self,
        columns: int,
        blocks: int,
        drop_rate: float = 0.15,
        global_fraction: float = 0.5,
        seed: int | None = None,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        for name, value, least in (("columns", columns, 2), ("blocks", blocks, 1)):
            if not isinstance(value, int) or value < least:
                raise ValueError(
                    f"{name} must be a whole number of at least {least}, got {value!r}"
                )
        if not 0 <= drop_rate < 1:
            raise ValueError(f"drop_rate must be in [0, 1), got {drop_rate!r}")
        if not 0 <= global_fraction <= 1:
            raise ValueError(
                f"global_fraction must be in [0, 1], got {global_fraction!r}"
            )
        self.columns = columns
        self.blocks = blocks
        self.drop_rate = drop_rate
        self.global_fraction = global_fraction
        self.seed = seed
        widths = np.array(fractal_joins(columns) * blocks)
        self._takes = np.arange(columns) >= columns - widths[:, np.newaxis]
        self._noise = keras.layers.GaussianNoise(1.0, seed=seed, dtype="float32")

    def build(self, input_shape: Shape) -> None:
        self._noise.build((1 + self.columns + self._takes.size,))
        super().build(input_shape)

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        def drawn():
            zeros = tf.zeros([1 + self.columns + self._takes.size])
            return self.kept(self._noise(zeros, training=True))

        def all_kept():
            return tf.constant(self._takes)

        kept = keras.backend.in_train_phase(drawn, all_kept, training=training)
        weights = tf.cast(kept, self.compute_dtype)
        return weights / tf.reduce_sum(weights, axis=1, keepdims=True)

    def kept(self, noise: tf.Tensor) -> tf.Tensor:
        """Which inputs the joins keep, from independent N(0, 1) values.

        Args:
            noise: vector of 1 + columns + joins * columns values: what the mini-batch
                is, which column it would take, and what each join drops.

        Returns:
            Boolean tensor ``(joins, columns)``.
        """
        mode, column, values = tf.split(
            noise, [1, self.columns, self._takes.size], axis=0
        )
        chosen = tf.range(self.columns) == tf.argmax(column, output_type=tf.int32)
        has_chosen = tf.reduce_any(self._takes & chosen, axis=1, keepdims=True)
        globally = self._takes & (chosen | ~has_chosen)
        values = tf.where(self._takes, tf.reshape(values, self._takes.shape), -np.inf)
        largest = tf.reduce_max(values, axis=1, keepdims=True)
        locally = values >= tf.minimum(_quantile(self.drop_rate), largest)
        is_global = mode[0] < _quantile(self.global_fraction)
        return tf.where(is_global, globally, locally & self._takes)

    def compute_output_shape(self, input_shape: Shape) -> tuple:
        return tuple(self._takes.shape)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "columns": self.columns,
            "blocks": self.blocks,
            "drop_rate": self.drop_rate,
            "global_fraction": self.global_fraction,
            "seed": self.seed,
        }


def _quantile(probability):
    """The value below which a N(0, 1) one lies with this probability."""
    if probability in (0, 1):
        return np.inf if probability else -np.inf
    return statistics.NormalDist().inv_cdf(probability)
