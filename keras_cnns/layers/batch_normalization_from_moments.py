"""Batch normalisation of concatenated maps whose moments are known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import tensorflow as tf
from tensorflow import keras

if TYPE_CHECKING:
    from keras_cnns._types import Shape

_UNSUPPORTED = ("renorm", "virtual_batch_size", "adjustment")
_EPSILON = 1e-3  # the fused operation adds it to a variance, which is 1 less it here


def normalize(
    maps: tf.Tensor, mean: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor
) -> tf.Tensor:
    """``(maps - mean) * scale + offset``, computed in float32 or more.

    Args:
        maps: ``(batch, height, width, channels)``.
        mean, scale, offset: ``(channels,)``, float64 for maps of float64, else float32.

    Returns:
        The shape and dtype of ``maps``. All arguments have gradients.
    """
    if maps.dtype == tf.float64:
        return (maps - mean) * scale + offset
    # The fused operation takes one pass over the maps instead of three. It has no
    # gradient of the mean it subtracts, so that it comes by way of the offset.
    subtracted = tf.stop_gradient(mean)
    return tf.compat.v1.nn.fused_batch_norm(
        maps,
        scale,
        offset + (subtracted - mean) * scale,
        subtracted,
        tf.fill(tf.shape(mean), 1 - _EPSILON),
        epsilon=_EPSILON,
        is_training=False,
    )[0]


def is_inference(training: bool | tf.Tensor | None) -> bool:
    """Whether ``training``, as a layer is called with it, is known to be false."""
    if training is None:
        training = keras.backend.learning_phase()
    return not tf.is_tensor(training) and not training


@keras.saving.register_keras_serializable("keras_cnns")
class BatchNormalizationFromMoments(keras.layers.BatchNormalization):
    """Batch normalisation that also gives what its output can be made again from.

    Arguments, weights, running statistics and values are those of
    ``keras.layers.BatchNormalization``. In training no gradient flows back through the
    normalised maps, so that nothing of their size is kept for it: it flows through
    mean, scale and offset instead, for ``RecomputingConv2D`` to use. In inference it
    flows through the maps.

    Input shape: list of the maps ``(batch, height, width, channels)`` and their moments
    ``(2, channels)`` (``ChannelMoments``).
    Output shape: list of the normalised maps, then mean, scale and offset
    (``normalize``), ``(channels,)`` each.

    Raises:
        ValueError: if ``axis`` is not the last one, or for ``renorm``,
            ``virtual_batch_size`` and ``adjustment``, which Keras takes besides.
    """

    def __init__(self, axis: int = -1, **kwargs) -> None:
        for name in _UNSUPPORTED:
            if kwargs.get(name):
                raise ValueError(f"takes no {name}, got {name}={kwargs[name]!r}")
        if axis not in (-1, 3, [-1], [3]):
            raise ValueError(f"axis must be the last one, -1 or 3, got {axis!r}")
        super().__init__(axis=axis, autocast=False, **kwargs)

    def build(self, input_shape: Sequence[Shape]) -> None:
        super().build(input_shape[0])
        self.input_spec = None  # the maps' alone

    def call(
        self, inputs: Sequence[tf.Tensor], training: bool | None = None
    ) -> list[tf.Tensor]:
        maps, moments = tf.cast(inputs[0], self.compute_dtype), inputs[1]
        training = training if self.trainable else False
        if is_inference(training):
            mean, variance = self.moving_mean, self.moving_variance
            normalized = super().call(maps, training=False)
            return [normalized, *self._coefficients(mean, variance)]
        coefficients = self._coefficients(*self._moments_used(maps, moments, training))
        return [normalize(*map(tf.stop_gradient, [maps, *coefficients])), *coefficients]

    def _moments_used(self, maps, moments, training):
        """Mean and variance to normalise by; moves the running ones."""
        count = tf.cast(tf.size(maps) / maps.shape[-1], moments.dtype)
        mean, variance = tf.unstack(moments)
        if self.synchronized:
            count, mean, variance = _over_replicas(count, mean, variance)
        # The running variance is an unbiased estimate in Keras' fused form alone.
        bessel = count / tf.maximum(count - 1, 1) if self.fused else 1
        running = [self.moving_mean, self.moving_variance]
        for variable, value in zip(running, [mean, variance * bessel]):
            value = keras.backend.in_train_phase(value, variable, training)
            variable.assign_sub((variable - value) * (1 - self.momentum))
        return [
            keras.backend.in_train_phase(value, variable, training)
            for variable, value in zip(running, [mean, variance])
        ]

    def _coefficients(self, mean, variance):
        """Mean, scale and offset of ``normalize``."""
        mean = tf.convert_to_tensor(mean)
        scale = tf.math.rsqrt(variance + self.epsilon)
        scale = scale * self.gamma if self.scale else scale
        offset = tf.convert_to_tensor(self.beta) if self.center else tf.zeros_like(mean)
        return [mean, scale, offset]

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> list[tuple]:
        return [tuple(input_shape[0]), *[(input_shape[0][-1],)] * 3]


def _over_replicas(count, mean, variance):
    """Number of values, mean and variance over all replicas, from a replica's own."""
    replica = tf.distribute.get_replica_context()
    if replica is None:  # while Keras traces shapes
        return count, mean, variance
    count, mean, square = replica.all_reduce(
        tf.distribute.ReduceOp.SUM,
        [count, count * mean, count * (variance + mean**2)],
    )
    mean = mean / count
    return count, mean, square / count - mean**2
