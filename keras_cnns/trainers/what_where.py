"""Training of what-where auto-encoders, with labels, without, or with a few."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tensorflow as tf

from keras_cnns._checks import check_at_least, check_choice
from keras_cnns.applications import autoencoder_parts
from keras_cnns.trainers.stepwise import StepwiseTrainer

if TYPE_CHECKING:
    from tensorflow import keras

REDUCTIONS = ("mean", "sum")


class WhatWhereTrainer(StepwiseTrainer):
    """Trains classifier, encoder and decoder together on three losses.

    ``L = L_NLL + reconstruction_weight |x - x'|^2 + middle_weight sum_m |x_m -
    x'_m|^2``: the cross-entropy of the labelled images, and of all images the error of
    the reconstruction and of the maps that enter the encoder's levels, with which the
    decoder's are compared. A network without a classifier has no first term. The mean
    over the batch is taken; that of the first term over its labelled images.

    It reports ``loss``; of a classifier ``nll``, the cross-entropy, and ``accuracy``;
    ``mse``, the mean squared error of a value of the reconstruction; and ``middle``,
    the sum over the levels.

    Args:
        network: a what-where auto-encoder, see ``applications.autoencoder_parts``.
        reconstruction_weight: of the error of the reconstruction.
        middle_weight: of the errors of the maps in between; 0 for a network of one
            level, which has none.
        reduction: ``"sum"`` of an image's squared errors over all values of a map, as
            the paper writes it, so that large maps weigh more, or their ``"mean"``.
        **options: of ``StepwiseTrainer``.

    Raises:
        ValueError: if an argument is bad, or the network is no such auto-encoder.

    Source: Zhao et al., arXiv 1506.02351, equations 1 to 4; the weights 1 and 0.2 are
    those of public code, where each term is half of the sum.
    """

    monitors = (
        [("val_accuracy", "max"), ("val_loss", "min")],
        [("val_loss", "min")],
        [("loss", "min")],
    )

    def __init__(
        self,
        network: keras.Model,
        *,
        reconstruction_weight: float = 1.0,
        middle_weight: float = 0.2,
        reduction: str = "sum",
        **options: Any,
    ) -> None:
        check_at_least(
            0, reconstruction_weight=reconstruction_weight, middle_weight=middle_weight
        )
        check_choice("reduction", reduction, REDUCTIONS)
        parts = autoencoder_parts(network)
        levels = [name for name in parts.output if name.startswith("encoded")]
        if middle_weight and not levels:
            raise ValueError(
                f"middle_weight={middle_weight!r} has no effect on {network.name}, "
                "which has one level; it must be 0"
            )
        names = ["loss", "mse", *(["middle"] if levels else [])]
        if "logits" in parts.output:
            names += ["nll", "accuracy"]
        super().__init__(network, metric_names=names, **options)
        self._parts = parts
        self._levels = levels
        self._weights = (reconstruction_weight, middle_weight)
        self._reduce = {"mean": tf.reduce_mean, "sum": tf.reduce_sum}[reduction]

    def call(
        self, images: tf.Tensor, training: bool = False
    ) -> tf.Tensor | list[tf.Tensor]:
        """What the network gives: reconstructions, and logits of a classifier."""
        return self.network(images, training=training)

    def train_step(self, data: tuple) -> dict:
        """One update.

        Args:
            data: (images, labels ``(batch, classes)``), probabilities, and perhaps
                images without labels, as a third. Labels have no effect on a network
                without a classifier.
        """
        self.minimize(self.objective, self.network, self.optimizer, *data)
        return self.finish_step()

    def test_step(self, data: tuple) -> dict:
        _, report = self._loss(*data, training=False)
        for name, values in report.items():  # the batch's loss is that of each image
            each = tf.zeros(tf.shape(data[0])[:1], values.dtype)
            self._means[name].update_state(values + each)
        return {metric.name: metric.result() for metric in self.metrics}

    def objective(
        self, images: tf.Tensor, labels: tf.Tensor, *unlabelled: tf.Tensor
    ) -> tuple:
        """The weighted sum of the losses, and what is reported."""
        return self._loss(images, labels, *unlabelled, training=True)

    def _loss(self, images, labels, *unlabelled, training):
        images = tf.concat([images, *unlabelled], axis=0)
        parts = self._parts(images, training=training)
        errors = self._squares(images, parts["reconstruction"])
        report = {"mse": tf.reduce_mean(errors, 1)}
        total = self._weights[0] * tf.reduce_mean(self._reduce(errors, 1))
        if self._levels:
            report["middle"] = tf.add_n(
                [
                    self._reduce(
                        self._squares(parts[name], parts[name.replace("en", "de", 1)]),
                        1,
                    )
                    for name in self._levels
                ]
            )
            total += self._weights[1] * tf.reduce_mean(report["middle"])
        if "logits" in parts:
            report |= _classification(labels, parts["logits"])
            total += tf.reduce_mean(report["nll"])
        return total, {"loss": total, **report}

    def _squares(self, x, y):
        """Squared differences of each example, ``(batch, values)``, float32 or more."""
        if x.dtype.size < 4:
            x, y = (tf.cast(values, tf.float32) for values in (x, y))
        errors = tf.math.squared_difference(x, tf.cast(y, x.dtype))
        return tf.reshape(errors, [tf.shape(errors)[0], -1])


def _classification(labels, logits):
    """Cross-entropy and accuracy of the labelled examples, which are the first."""
    logits = logits[: tf.shape(labels)[0]]
    labels = tf.cast(labels, logits.dtype)
    is_right = tf.argmax(logits, -1) == tf.argmax(labels, -1)
    return {
        "nll": tf.nn.softmax_cross_entropy_with_logits(labels, logits),
        "accuracy": tf.cast(is_right, tf.float32),
    }
