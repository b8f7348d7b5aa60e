"""Supervised training of an image classifier."""

import contextlib

import tensorflow as tf
from tensorflow import keras

from keras_cnns.trainers import distribution
from keras_cnns.trainers.optimizers import build_slots
from keras_cnns.trainers.weight_average import WeightAverage


class ClassificationTrainer(keras.Model):
    """Trains a network of logits with cross-entropy.

    Runs unchanged on one device and under ``MirroredStrategy``,
    ``MultiWorkerMirroredStrategy`` and ``TPUStrategy``: make it, the network and the
    optimizer within the strategy's scope. The loss that it reports is the
    cross-entropy alone, without weight decay.

    Args:
        network: images ``(batch, height, width, channels)`` to logits
            ``(batch, classes)``; or to a list of such logits, the network's own first,
            then those of its auxiliary heads, which serve training alone.
        auxiliary_weight: share of each auxiliary head's cross-entropy in the loss that
            is minimised; positive where there are such heads, 0 where there are none.
        weight_decay: L2 coefficient; ``weight_decay * w`` is added to the gradient.
        weight_decay_scope: ``"all"`` trainable weights, as the authors' Torch code of
            ResNet and DenseNet has it, or ``"kernels"`` only.
        gradient_clip_norm: largest global norm of the gradient; 0 for no limit.
        ema_decay: of the weight average that evaluation uses; 0 for none.
        enable_xla: whether forward and backward pass are compiled by XLA.

    Raises:
        ValueError: if an argument is out of range, or XLA is asked of a network with
            synchronised batch normalisation (its collectives cannot be compiled).
    """

    def __init__(
        self,
        network,
        *,
        auxiliary_weight=0.0,
        weight_decay=0.0,
        weight_decay_scope="all",
        gradient_clip_norm=0.0,
        ema_decay=0.0,
        enable_xla=False,
    ):
        super().__init__(name=f"{network.name}_trainer")
        if weight_decay < 0:
            raise ValueError(f"weight_decay must be >= 0, got {weight_decay!r}")
        if weight_decay_scope not in ("all", "kernels"):
            raise ValueError(
                "weight_decay_scope must be 'all' or 'kernels', got "
                f"{weight_decay_scope!r}"
            )
        if gradient_clip_norm < 0:
            raise ValueError(
                f"gradient_clip_norm must be >= 0, got {gradient_clip_norm!r}"
            )
        if enable_xla:
            distribution.check_compilable(network)
        if auxiliary_weight < 0 or (auxiliary_weight > 0) != (len(network.outputs) > 1):
            raise ValueError(
                "auxiliary_weight must be positive for a network with auxiliary heads "
                f"and 0 for one without; got {auxiliary_weight!r} for {network.name} "
                f"with {len(network.outputs) - 1} auxiliary heads"
            )
        self.network = network
        self._auxiliary_weight = auxiliary_weight
        self._weight_decay = weight_decay
        self._decays_all = weight_decay_scope == "all"
        self._gradient_clip_norm = gradient_clip_norm
        self.average = WeightAverage(network, ema_decay) if ema_decay else None
        self.step = tf.Variable(
            0,
            dtype=tf.int64,
            trainable=False,
            name="step",
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )
        self._gradients = self._compute_gradients
        if enable_xla:
            self._gradients = tf.function(self._compute_gradients, jit_compile=True)
        # Metric results are those of all replicas; Keras would add them up once more.
        self.distribute_reduction_method = "first"
        self._loss = keras.metrics.Mean(name="loss")
        self._quality = [keras.metrics.CategoricalAccuracy("accuracy", "float32")]
        if network.outputs[0].shape[-1] > 5:
            self._quality.append(
                keras.metrics.TopKCategoricalAccuracy(5, "top_5_accuracy", "float32")
            )

    def compile(self, optimizer):
        """Sets the optimizer; under ``mixed_float16`` Keras scales its loss."""
        super().compile(optimizer=optimizer, jit_compile=False)
        build_slots(self.optimizer, self.network.trainable_variables)

    @property
    def metrics(self):
        return [self._loss, *self._quality]

    @property
    def steps_done(self) -> int:
        """Number of training steps so far, of this run and of those it resumed."""
        return int(self.step.numpy())

    def checkpointed(self) -> dict:
        """Everything that decides how training goes on, by name, for a checkpoint."""
        return {
            "network": self.network,
            "optimizer": self.optimizer,
            "step": self.step,
            "average": self.average.averages if self.average else [],
            "metrics": self.metrics,
        }

    @property
    def networks(self) -> dict:
        """The trained networks by the name of their weight file."""
        return {"last": self.network}

    def call(self, images, training=False):
        """The network's own logits, without those of auxiliary heads."""
        return self._logits(images, training)[0]

    def train_step(self, data):
        images, labels = data
        losses, logits, gradients = self._gradients(images, labels)
        self._apply(gradients)
        self.step.assign_add(1)
        if self.average is not None:
            self.average.update(self.step)
        return self._report(losses, labels, logits)

    def test_step(self, data):
        images, labels = data
        logits = self(images)
        return self._report(_cross_entropy(labels, logits), labels, logits)

    def evaluate(self, *args, **kwargs):
        """``keras.Model.evaluate`` with the averaged weights, where there are any."""
        with self.averaged_weights():
            return super().evaluate(*args, **kwargs)

    def averaged_weights(self):
        """Within the block, the network has its averaged weights."""
        if self.average is None:
            return contextlib.nullcontext()
        return self.average.swapped_in()

    def _logits(self, images, training):
        """Logits of all heads, as a list."""
        return tf.nest.flatten(self.network(images, training=training))

    def _compute_gradients(self, images, labels):
        """Forward and backward pass: the part that XLA may compile."""
        with tf.GradientTape() as tape:
            logits, *others = self._logits(images, training=True)
            losses = _cross_entropy(labels, logits)
            total = tf.reduce_mean(losses) + sum(self.network.losses)
            for other in others:
                auxiliary = tf.reduce_mean(_cross_entropy(labels, other))
                total += self._auxiliary_weight * auxiliary
            total = distribution.scale_loss(total)
            if self._scales_loss:
                total = self.optimizer.get_scaled_loss(total)
        return losses, logits, tape.gradient(total, self.network.trainable_variables)

    def _apply(self, gradients):
        """Sum over replicas, clip, decay, update."""
        if self._scales_loss:
            gradients = self.optimizer.get_unscaled_gradients(gradients)
        gradients = distribution.sum_over_replicas(gradients)
        if self._gradient_clip_norm:
            gradients, _ = tf.clip_by_global_norm(gradients, self._gradient_clip_norm)
        variables = self.network.trainable_variables
        if self._weight_decay:
            gradients = [
                gradient + self._weight_decay * variable
                if self._decays_all or variable.shape.rank > 1
                else gradient
                for gradient, variable in zip(gradients, variables)
            ]
        self.optimizer.apply_gradients(
            zip(gradients, variables), experimental_aggregate_gradients=False
        )

    @property
    def _scales_loss(self):
        return isinstance(self.optimizer, keras.mixed_precision.LossScaleOptimizer)

    def _report(self, losses, labels, logits):
        self._loss.update_state(losses)
        for metric in self._quality:
            metric.update_state(labels, logits)
        return {metric.name: metric.result() for metric in self.metrics}


def _cross_entropy(labels, logits):
    """Per-example cross-entropy against probabilities, in float32 or more."""
    if logits.dtype != tf.float64:
        logits = tf.cast(logits, tf.float32)
    labels = tf.cast(labels, logits.dtype)
    return tf.nn.softmax_cross_entropy_with_logits(labels, logits)
