"""Supervised training of an image classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tensorflow as tf

from keras_cnns.trainers.stepwise import StepwiseTrainer

if TYPE_CHECKING:
    from tensorflow import keras

_TOP = 5


class ClassificationTrainer(StepwiseTrainer):
    """Trains a network of logits with cross-entropy.

    It reports ``loss``, the cross-entropy without weight decay, ``accuracy`` and, for
    more than five classes, ``top_5_accuracy``.

    Args:
        network: images ``(batch, height, width, channels)`` to logits
            ``(batch, classes)``; or to a list of such logits, the network's own first,
            then those of its auxiliary heads, which are for training only.
        auxiliary_weight: of each auxiliary head's cross-entropy in the loss that is
            minimised; positive where there are such heads, 0 where there are none.
        **options: of ``StepwiseTrainer``.

    Raises:
        ValueError: if an argument is out of range.
    """

    monitors = ([("val_accuracy", "max"), ("val_loss", "min")], [("loss", "min")])

    def __init__(
        self, network: keras.Model, *, auxiliary_weight: float = 0.0, **options: Any
    ) -> None:
        if auxiliary_weight < 0 or (auxiliary_weight > 0) != (len(network.outputs) > 1):
            raise ValueError(
                "auxiliary_weight must be positive for a network with auxiliary heads "
                f"and 0 for one without; got {auxiliary_weight!r} for {network.name} "
                f"with {len(network.outputs) - 1} auxiliary heads"
            )
        names = ["loss", "accuracy"]
        if network.outputs[0].shape[-1] > _TOP:
            names.append("top_5_accuracy")
        super().__init__(network, metric_names=names, **options)
        self._auxiliary_weight = auxiliary_weight

    def call(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        """The network's own logits, without those of auxiliary heads."""
        return tf.nest.flatten(self.network(images, training=training))[0]

    def train_step(self, data: tuple) -> dict:
        """One update.

        Args:
            data: (images, labels ``(batch, classes)``, probabilities).
        """
        self.minimize(self.objective, self.network, self.optimizer, *data)
        return self.finish_step()

    def test_step(self, data: tuple) -> dict:
        images, labels = data
        for name, values in self._report(labels, self(images)).items():
            self._means[name].update_state(values)
        return {metric.name: metric.result() for metric in self.metrics}

    def objective(self, images: tf.Tensor, labels: tf.Tensor) -> tuple:
        """Weighted mean cross-entropy of all heads, and the metrics of the first."""
        logits, *others = tf.nest.flatten(self.network(images, training=True))
        report = self._report(labels, logits)
        total = tf.reduce_mean(report["loss"])
        for other in others:
            auxiliary = tf.reduce_mean(_cross_entropy(labels, other))
            total += self._auxiliary_weight * auxiliary
        return total, report

    def _report(self, labels, logits):
        """Values per example, ``(batch,)``, by name."""
        truth = tf.argmax(labels, -1)
        own = tf.gather(logits, truth, axis=-1, batch_dims=1)[:, tf.newaxis]
        # Of equal logits the first come first, as ``metrics`` has it.
        is_earlier = (
            tf.range(logits.shape[-1], dtype=truth.dtype) < truth[:, tf.newaxis]
        )
        is_above = (logits > own) | ((logits == own) & is_earlier)
        above = tf.reduce_sum(tf.cast(is_above, tf.int32), -1)
        is_best = tf.argmax(logits, -1) == truth
        values = {
            "loss": _cross_entropy(labels, logits),
            "accuracy": tf.cast(is_best, tf.float32),
            "top_5_accuracy": tf.cast(above < _TOP, tf.float32),
        }
        return {name: values[name] for name in self._means}


def _cross_entropy(labels, logits):
    """Per-example cross-entropy against probabilities, in float32 or more."""
    if logits.dtype != tf.float64:
        logits = tf.cast(logits, tf.float32)
    labels = tf.cast(labels, logits.dtype)
    return tf.nn.softmax_cross_entropy_with_logits(labels, logits)
