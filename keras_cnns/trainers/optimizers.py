"""Optimizers and learning-rate schedules, by name."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import tensorflow as tf
from tensorflow import keras

from keras_cnns import _addons

if TYPE_CHECKING:
    from keras_cnns._types import Optimizer, Rate


def _plain(kind):
    """A Keras optimizer that leaves its update to TensorFlow, not to XLA."""
    return functools.partial(kind, jit_compile=False)


@keras.saving.register_keras_serializable("keras_cnns")
class RMSprop(keras.optimizers.RMSprop):
    """Keras' with a mean square that starts at ``initial_mean_square``.

    TensorFlow 1's starts at 1, so that first updates are small.
    """

    def __init__(
        self,
        learning_rate: Rate,
        initial_mean_square: float = 0.0,
        **options: Any,
    ) -> None:
        super().__init__(learning_rate, **options)
        self.initial_mean_square = initial_mean_square

    def build(self, var_list: Sequence[tf.Variable]) -> None:
        is_new = not getattr(self, "_built", False)
        super().build(var_list)
        if is_new and self.initial_mean_square:
            for square in self._velocities:
                square.assign(tf.fill(square.shape, self.initial_mean_square))

    def get_config(self) -> dict:
        config = super().get_config()
        return {**config, "initial_mean_square": self.initial_mean_square}


def _lookahead(schedule, **values):
    inner = _addons.RectifiedAdam(schedule, **values)
    return _addons.Lookahead(inner, sync_period=6, slow_step_size=0.5)


_MOMENTS = ("beta_1", "beta_2", "epsilon")
# Of those that decay weights themselves, apart from the gradient.
_WITH_DECAY = (*_MOMENTS, "weight_decay")
# name: (factory, the options that it takes beside the learning rate)
OPTIMIZERS = {
    "sgd": (_plain(keras.optimizers.SGD), ("momentum", "nesterov")),
    "rmsprop": (
        _plain(RMSprop),
        ("momentum", "rho", "epsilon", "initial_mean_square"),
    ),
    "adadelta": (_plain(keras.optimizers.Adadelta), ("rho", "epsilon")),
    "adam": (_plain(keras.optimizers.Adam), _MOMENTS),
    "adamw": (_plain(keras.optimizers.AdamW), _WITH_DECAY),
    "lamb": (_addons.LAMB, _WITH_DECAY),
    "rectified_adam": (_addons.RectifiedAdam, _WITH_DECAY),
    "lookahead": (_lookahead, _WITH_DECAY),
}
SCHEDULES = ("constant", "step", "halving", "linear", "cosine", "exponential")
# Where the remaining steps of the "halving" schedule have halved.
_HALVINGS = (0.5, 0.75, 0.875, 0.9375)


def make_optimizer(
    name: str,
    learning_rate: Rate,
    *,
    momentum: float = 0.9,
    nesterov: bool = True,
    rho: float = 0.9,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    initial_mean_square: float = 0.0,
    weight_decay: float = 0.0,
) -> Optimizer:
    """An optimizer by name.

    Args:
        name: ``sgd``, ``rmsprop``, ``adadelta``, ``adam``, ``adamw``, ``lamb``,
            ``rectified_adam`` or ``lookahead`` (around rectified Adam).
        learning_rate: number or schedule.
        momentum: of ``sgd`` and ``rmsprop``; it multiplies the last change of weights,
            as in Caffe, which where the rate drops is larger than PyTorch's.
        nesterov: whether the momentum of ``sgd`` is Nesterov's.
        rho: fraction of the old mean square that ``rmsprop`` and ``adadelta`` keep.
        beta_1, beta_2: fractions of the old mean and mean square that ``adam`` keeps.
        epsilon: added to the denominator, except for ``sgd``: under the root for
            ``rmsprop`` and ``adadelta``, beside it for the others, where the mean
            square is not corrected yet.
        initial_mean_square: of ``rmsprop``; 1 is TensorFlow 1's.
        weight_decay: used by the optimizers that decay weights themselves.

    Raises:
        ValueError: if the name is unknown or the decay negative.
    """
    values = {
        "momentum": momentum, "nesterov": nesterov, "rho": rho, "beta_1": beta_1,
        "beta_2": beta_2, "epsilon": epsilon, "weight_decay": weight_decay,
        "initial_mean_square": initial_mean_square,
    }  # fmt: skip
    if weight_decay < 0:
        raise ValueError(f"weight_decay must be >= 0, got {weight_decay!r}")
    if name not in OPTIMIZERS:
        raise ValueError(
            f"unknown optimizer {name!r}; there are {', '.join(OPTIMIZERS)}"
        )
    factory, names = OPTIMIZERS[name]
    return factory(learning_rate, **{key: values[key] for key in names})


def build_slots(optimizer: Optimizer, variables: Sequence[tf.Variable]) -> None:
    """Creates an optimizer's moments at once, so that checkpoints can be restored.

    Those of tensorflow-addons, which are legacy Keras optimizers, create theirs later.
    """
    if hasattr(optimizer, "build"):
        optimizer.build(variables)


def decays_weights(name: str) -> bool:
    """Whether an optimizer decays weights itself, apart from the gradient."""
    return name in OPTIMIZERS and "weight_decay" in OPTIMIZERS[name][1]


@keras.saving.register_keras_serializable("keras_cnns")
class LinearWarmup(keras.optimizers.schedules.LearningRateSchedule):
    """Rises linearly from 0 to another schedule over its first steps.

    Args:
        schedule: the schedule to reach; it counts steps from the start.
        warmup_steps: length of the rise, in steps.
    """

    def __init__(
        self,
        schedule: keras.optimizers.schedules.LearningRateSchedule,
        warmup_steps: int,
    ) -> None:
        super().__init__()
        self.schedule = schedule
        self.warmup_steps = warmup_steps

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        step = keras.backend.cast(step, "float32")
        fraction = keras.backend.minimum(1.0, (step + 1.0) / self.warmup_steps)
        return fraction * self.schedule(step)

    def get_config(self) -> dict:
        return {"schedule": self.schedule, "warmup_steps": self.warmup_steps}


@keras.saving.register_keras_serializable("keras_cnns")
class ConstantFirst(keras.optimizers.schedules.LearningRateSchedule):
    """A constant rate, then another schedule from its start.

    Args:
        learning_rate: the constant.
        steps: how long, in steps.
        schedule: what follows.
    """

    def __init__(
        self,
        learning_rate: float,
        steps: int,
        schedule: keras.optimizers.schedules.LearningRateSchedule,
    ) -> None:
        super().__init__()
        self.learning_rate = learning_rate
        self.steps = steps
        self.schedule = schedule

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        step = keras.backend.cast(step, "float32")
        later = self.schedule(keras.backend.maximum(step - self.steps, 0.0))
        is_first = keras.backend.cast(step < self.steps, "float32")
        return is_first * self.learning_rate + (1.0 - is_first) * later

    def get_config(self) -> dict:
        return {
            "learning_rate": self.learning_rate,
            "steps": self.steps,
            "schedule": self.schedule,
        }


def make_schedule(
    name: str,
    learning_rate: float,
    total_steps: int,
    *,
    warmup_steps: int = 0,
    boundaries: tuple = (0.5, 0.75),
    decay_rate: float = 0.1,
    decay_steps: int = 1,
) -> keras.optimizers.schedules.LearningRateSchedule:
    """A learning-rate schedule by name.

    Args:
        name: ``"constant"``, ``"step"`` (times ``decay_rate`` at each boundary),
            ``"halving"`` (the same where 1/2, 1/4, 1/8 and 1/16 of the training
            remain, as in FractalNet), ``"linear"`` or ``"cosine"`` (to 0 at
            ``total_steps``) or ``"exponential"`` (times ``decay_rate`` every
            ``decay_steps``, in stairs).
        learning_rate: start value, positive.
        total_steps: steps of the whole training.
        warmup_steps: steps of linear warm-up.
        boundaries: fractions of the training, in (0, 1), increasing.
        decay_rate: factor of ``"step"``, ``"halving"`` and ``"exponential"``.
        decay_steps: period of ``"exponential"``, in steps.

    Raises:
        ValueError: if the name is unknown or a number is out of range.
    """
    if not learning_rate > 0:
        raise ValueError(f"learning_rate must be positive, got {learning_rate!r}")
    if not 0 <= warmup_steps <= total_steps:
        raise ValueError(
            f"warmup_steps={warmup_steps} must be between 0 and the {total_steps} "
            "steps of the training"
        )
    schedules = keras.optimizers.schedules
    if name == "constant":
        schedule = schedules.PiecewiseConstantDecay([2**62], [learning_rate] * 2)
    elif name in ("step", "halving"):
        boundaries = _HALVINGS if name == "halving" else boundaries
        schedule = _drops(learning_rate, total_steps, boundaries, decay_rate)
    elif name == "linear":
        schedule = schedules.PolynomialDecay(learning_rate, total_steps, 0.0)
    elif name == "cosine":
        schedule = schedules.CosineDecay(learning_rate, total_steps)
    elif name == "exponential":
        schedule = _stairs(learning_rate, decay_steps, decay_rate)
    else:
        raise ValueError(f"unknown schedule {name!r}; there are {', '.join(SCHEDULES)}")
    return LinearWarmup(schedule, warmup_steps) if warmup_steps else schedule


def _drops(learning_rate, total_steps, boundaries, decay_rate):
    """Times ``decay_rate`` at each boundary, a fraction of the training."""
    rising = list(boundaries) == sorted(set(boundaries))
    if not boundaries or not rising or not 0 < boundaries[0] <= boundaries[-1] < 1:
        raise ValueError(
            f"boundaries must be increasing fractions in (0, 1), got {boundaries!r}"
        )
    return keras.optimizers.schedules.PiecewiseConstantDecay(
        [round(fraction * total_steps) for fraction in boundaries],
        [learning_rate * decay_rate**i for i in range(len(boundaries) + 1)],
    )


def _stairs(learning_rate, decay_steps, decay_rate):
    """Times ``decay_rate`` every ``decay_steps``."""
    if decay_steps < 1:
        raise ValueError(
            f"the exponential schedule's period of {decay_steps} steps is too short: "
            "it must be at least one step"
        )
    return keras.optimizers.schedules.ExponentialDecay(
        learning_rate, decay_steps, decay_rate, staircase=True
    )
