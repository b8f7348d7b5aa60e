"""What all trainers share: updates, phases, noise, weight average, the best epoch."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import tensorflow as tf
from tensorflow import keras

from keras_cnns._checks import check_at_least, check_choice
from keras_cnns.trainers import distribution, optimizers
from keras_cnns.trainers.rate_factors import RateFactors
from keras_cnns.trainers.step_noise import StepNoise
from keras_cnns.trainers.weight_average import WeightAverage

if TYPE_CHECKING:
    from keras_cnns._types import Optimizer


class StepwiseTrainer(keras.Model):
    """Trains by the ``train_step`` of a subclass, which calls ``minimize``.

    Runs unchanged on one device and under ``MirroredStrategy``,
    ``MultiWorkerMirroredStrategy`` and ``TPUStrategy``: make it, the networks and the
    optimizers within the strategy's scope.

    Args:
        network: the network to train.
        metric_names: names of the values that ``minimize``'s losses report; empty:
            those of the class.
        weight_decay: L2 coefficient; ``weight_decay * w`` is added to the gradient of
            every trained network.
        weight_decay_scope: ``"all"`` trainable weights, as the authors' Torch code of
            ResNet and DenseNet has it, or ``"kernels"`` only.
        rate_factors: factors of the learning rate of some of ``network``'s weights, by
            pattern of ``<layer>/<weight>``, as ``RateFactors`` takes them; None: none.
        gradient_clip_norm: largest global norm of a network's gradient; 0: no limit.
        ema_decay: of the weight average of ``network``; 0: none.
        enable_xla: whether forward and backward passes are compiled by XLA.
        seed: of all noise.

    Attributes:
        metric_names: as above, where they are the same for all of a class.
        monitors: values by which epochs are compared: a list of ``(name, direction)``
            of reported values, the later ones for ties; direction is ``"max"`` or
            ``"min"``. Of several such lists the first counts whose values are all
            reported: there may be no validation.

    Raises:
        ValueError: if an argument is out of range, or XLA is enabled for a network with
            synchronised batch normalisation (its collectives cannot be compiled).
    """

    metric_names = ()
    monitors = ([("loss", "min")],)

    def __init__(
        self,
        network: keras.Model,
        *,
        metric_names: Sequence[str] = (),
        weight_decay: float = 0.0,
        weight_decay_scope: str = "all",
        rate_factors: dict[str, float] | None = None,
        gradient_clip_norm: float = 0.0,
        ema_decay: float = 0.0,
        enable_xla: bool = False,
        seed: int = 0,
    ) -> None:
        check_at_least(
            0, weight_decay=weight_decay, gradient_clip_norm=gradient_clip_norm
        )
        check_choice("weight_decay_scope", weight_decay_scope, ("all", "kernels"))
        super().__init__(name=f"{network.name}_trainer")
        if enable_xla:
            distribution.check_compilable(network)
        self.network = network
        self.average = WeightAverage(network, ema_decay) if ema_decay else None
        self.step = step_counter("step")
        self._weight_decay = weight_decay
        self._decays_all = weight_decay_scope == "all"
        self._rate_factors = RateFactors(network, rate_factors or {})
        self._gradient_clip_norm = gradient_clip_norm
        self._seed = seed
        self._enable_xla = enable_xla
        self._compiled = {}
        # Metric results are those of all replicas; Keras would add them up again.
        self.distribute_reduction_method = "first"
        self._means = {
            name: keras.metrics.Mean(name) for name in metric_names or self.metric_names
        }

    def compile(self, optimizer: Optimizer) -> None:
        """Sets the optimizer; under ``mixed_float16`` its loss is scaled."""
        self._rate_factors.check_optimizer(optimizer)
        super().compile(optimizer=loss_scaled(optimizer), jit_compile=False)
        optimizers.build_slots(self.optimizer, self.network.trainable_variables)
        self._compiled = {}

    @property
    def metrics(self) -> list:
        return list(self._means.values())

    @property
    def active_optimizer(self) -> Optimizer:
        """The optimizer that made the last update, whose learning rate is reported."""
        return self.optimizer

    @property
    def steps_done(self) -> int:
        """Number of training steps so far, including those before a resume."""
        return int(self.step.numpy())

    def checkpointed(self) -> dict:
        """Everything that further training depends on, by name, for a checkpoint."""
        return {"network": self.network, "optimizer": self.optimizer, **self.counted()}

    def counted(self) -> dict:
        """The part of it that is neither a network nor an optimizer."""
        return {
            "step": self.step,
            "average": self.average.averages if self.average else [],
            "metrics": self.metrics,
        }

    @property
    def networks(self) -> dict:
        """The trained networks by the name of their weight file."""
        return {"last": self.network}

    def score_epoch(self, row: dict) -> list | None:
        """Values by which epochs are compared, higher is better; None without any.

        Args:
            row: values that the epoch reported, by name.
        """
        for monitor in self.monitors:
            if all(name in row for name, _ in monitor):
                return [row[k] if way == "max" else -row[k] for k, way in monitor]
        return None

    def averaged_weights(self) -> AbstractContextManager:
        """Within the block, the network has its averaged weights."""
        if self.average is None:
            return contextlib.nullcontext()
        return self.average.swapped_in()

    def evaluate(self, *args, **kwargs) -> Any:
        """``keras.Model.evaluate`` with the averaged weights, where there are any."""
        with self.averaged_weights():
            return super().evaluate(*args, **kwargs)

    def next_step(self) -> Callable[[tuple], dict]:
        """The method that trains on the next batch; ``train_step`` unless overridden.

        The host asks before each batch, so that phases of a training can differ.
        """
        return self.train_step

    def make_train_function(self, force: bool = False) -> Callable:
        """As Keras', but each batch is trained on by what ``next_step`` returns."""
        functions = {}

        def run(step, iterator):
            outputs = self.distribute_strategy.run(step, args=(next(iterator),))
            first = self.distribute_strategy.experimental_local_results
            return tf.nest.map_structure(lambda value: first(value)[0], outputs)

        def train(iterator):
            step = self.next_step()
            name = step.__name__
            if name not in functions:
                functions[name] = tf.function(lambda values: run(step, values))
            return functions[name](iterator)

        if self.train_function is None or force:
            self.train_function = train
        return self.train_function

    def step_noise(self) -> StepNoise:
        """The random numbers of the step that is being trained."""
        return StepNoise(self._seed, self.step)

    def minimize(
        self,
        loss: Callable[..., tuple],
        network: keras.Model,
        optimizer: Optimizer,
        *inputs: tf.Tensor,
        adjust: Callable[[list, list], list] | None = None,
    ) -> None:
        """One update of one network; others are not changed.

        Args:
            loss: function of ``inputs`` to (scalar, dict of values to report, each a
                scalar or one value per example). XLA may compile it: only Keras
                layers may draw random numbers.
            network: the network to update.
            optimizer: its optimizer.
            *inputs: tensors, the noise among them.
            adjust: function of the global batch's gradients and the variables to other
                gradients, before these are clipped and weights decay; None: none.
        """
        values, gradients = self._gradient_function(loss, network, optimizer)(*inputs)
        variables = network.trainable_variables
        counts = True
        gradients = distribution.sum_over_replicas(gradients)
        if is_loss_scaled(optimizer):
            gradients = optimizer.get_unscaled_gradients(gradients)
            # If the scale is too high, the optimizer skips the step.
            finite = [tf.reduce_all(tf.math.is_finite(g)) for g in gradients]
            counts = tf.reduce_all(finite) | (optimizer.loss_scale <= 1)
        gradients = adjust(gradients, variables) if adjust else gradients
        gradients = self._clip_and_decay(gradients, variables)
        with self._rate_factors.scaled(variables):
            optimizer.apply_gradients(
                zip(gradients, variables), experimental_aggregate_gradients=False
            )
        for name, value in values.items():
            self._means[name].update_state(
                tf.where(counts, value, tf.zeros_like(value)),
                sample_weight=tf.cast(counts, tf.float32),
            )

    def _clip_and_decay(self, gradients, variables):
        """The gradients of the global batch, clipped, with weight decay."""
        if self._gradient_clip_norm:
            gradients, _ = tf.clip_by_global_norm(gradients, self._gradient_clip_norm)
        if not self._weight_decay:
            return gradients
        return [
            gradient + self._weight_decay * variable
            if self._decays_all or variable.shape.rank > 1
            else gradient
            for gradient, variable in zip(gradients, variables)
        ]

    def finish_step(
        self, metrics: Sequence[str] | None = None, network_moved: bool = True
    ) -> dict:
        """Counts the step, updates the average, and returns the metrics so far.

        Args:
            metrics: names, for a step that trains one network alone; None: all.
            network_moved: whether the averaged network was among the trained ones.
        """
        self.step.assign_add(1)
        if self.average is not None and network_moved:
            self.average.update(self.step)
        names = self._means if metrics is None else metrics
        return {name: self._means[name].result() for name in names}

    def _gradient_function(self, loss, network, optimizer):
        """Forward and backward pass of one loss: the part that XLA may compile."""

        def gradients(*inputs):
            with tf.GradientTape() as tape:
                total, values = loss(*inputs)
                total = distribution.scale_loss(total + sum(network.losses))
                if is_loss_scaled(optimizer):
                    total = optimizer.get_scaled_loss(total)
            return values, tape.gradient(total, network.trainable_variables)

        if not self._enable_xla:
            return gradients
        key = loss.__name__
        if key not in self._compiled:
            self._compiled[key] = tf.function(gradients, jit_compile=True)
        return self._compiled[key]


def step_counter(name: str) -> tf.Variable:
    """A counter of updates, the same on all replicas."""
    return tf.Variable(
        0,
        dtype=tf.int64,
        trainable=False,
        name=name,
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
    )


def is_loss_scaled(optimizer: Optimizer) -> bool:
    """Whether gradients must be unscaled before they are applied."""
    return isinstance(optimizer, keras.mixed_precision.LossScaleOptimizer)


def loss_scaled(optimizer: Optimizer) -> Optimizer:
    """The optimizer, with loss scaling if the policy requires it."""
    is_half = keras.mixed_precision.global_policy().name == "mixed_float16"
    if is_half and not is_loss_scaled(optimizer):
        return keras.mixed_precision.LossScaleOptimizer(optimizer)
    return optimizer
