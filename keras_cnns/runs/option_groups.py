"""Options of all trainings: the run, its data, its optimizer."""

import dataclasses
import functools
from typing import TYPE_CHECKING, Any, ClassVar, Optional

from tensorflow import keras

from keras_cnns.runs.models import find_model
from keras_cnns.runs.options import (
    Options,
    any_of,
    one_of,
    option,
    parse_factors,
    parse_numbers,
    required,
)
from keras_cnns.runs.record import holds_run, read_run
from keras_cnns.trainers import optimizers
from keras_cnns.trainers.distribution import STRATEGIES

if TYPE_CHECKING:
    from keras_cnns._types import Optimizer, Rate
    from keras_cnns.runs.models import PaperModel

_SCHEDULE = functools.partial(one_of, "schedule")
_DECOUPLED = [n for n in optimizers.OPTIMIZERS if optimizers.decays_weights(n)]
_DECAYED = [n for n in optimizers.OPTIMIZERS if not optimizers.decays_weights(n)]


def _taken(name):
    """Needs an optimizer that takes the option of a name."""
    known = optimizers.OPTIMIZERS
    return one_of("optimizer", *(kind for kind in known if name in known[kind][1]))


@dataclasses.dataclass(frozen=True)
class RunOptions(Options):
    """The run's folder and how it is executed."""

    run_dir: Optional[str] = required("folder of the run", writes="folder", free=True)
    seed: int = option(0, "seed of all random numbers", within="[0, inf)")
    deterministic: bool = option(False, "bit-exact reruns, at some cost in speed")
    distribution_strategy: str = option(
        "one_device", "devices to train on", choices=STRATEGIES, free=True
    )
    sync_batch_norm: bool = option(False, "batch-norm statistics over all devices")
    enable_xla: bool = option(False, "compile forward and backward by XLA", free=True)
    mixed_precision: str = option(
        "", "type to compute in; float32 if empty", choices=("", "float16", "bfloat16")
    )
    resume: bool = option(False, "continue from the newest checkpoint", free=True)
    checkpoint_interval: int = option(
        0, "steps between checkpoints; 0: one per epoch", within="[0, inf)", free=True
    )
    restarts: int = option(
        0,
        "how often to continue by itself from the last checkpoint, after the training "
        "process or another worker was lost",
        within="[0, inf)",
        free=True,
    )
    export_dir: str = option(
        "",
        "folder that gets <model>/<version>; empty: no export",
        writes="folder",
        free=True,
    )
    data_service: tuple = option(
        (),
        "addresses grpc://host:port of machines that make the batches, started by "
        "serve-data, comma-separated; empty: this one",
        free=True,
    )
    quiet: bool = option(False, "show neither progress nor notes", free=True)

    @property
    def folder(self) -> str:
        """Where the run is written."""
        return self.run_dir


@dataclasses.dataclass(frozen=True)
class DataOptions(Options):
    """The training data and their preprocessing."""

    dataset: Optional[str] = required(
        "digits, rendered_digits, distorted_digits/rts, fashion_mnist, photographs, "
        "photographs_128, any TFDS name, or an image folder"
    )
    data_dir: Optional[str] = option(
        None, "folder of prepared data sets (or Fashion-MNIST's files)", free=True
    )
    train_split: str = option("train", "split to train on")
    image_size: int = option(
        0,
        "height and width of the images; 0: the data set's; for image folders, "
        "generators and inpainting networks the model's",
        within="[0, 16384]",
    )
    channels: int = option(0, "1 (grey) or 3; 0: the data set's", choices=(0, 1, 3))
    augmentation: str = option(
        "",
        "random changes in order, such as pad_crop:4,flip,cutout:8 or "
        "random_resized_crop,flip; empty for none",
    )
    batch_size: int = option(
        64, "examples per step, over all devices", within="[1, inf)"
    )


@dataclasses.dataclass(frozen=True)
class OptimizerOptions(Options):
    """Length of the training, and its updates."""

    epochs: int = option(10, "epochs of the whole run", within="[1, inf)")
    optimizer: str = option("adam", "optimizer", choices=tuple(optimizers.OPTIMIZERS))
    learning_rate: float = option(2e-4, "peak learning rate", within="(0, inf)")
    momentum: float = option(
        0.9, "momentum of sgd and rmsprop", within="[0, 1)", needs=_taken("momentum")
    )
    nesterov: bool = option(
        False, "whether the momentum of sgd is Nesterov's", needs=_taken("nesterov")
    )
    rho: float = option(
        0.9,
        "decay rate of the mean square of gradients",
        within="[0, 1)",
        needs=_taken("rho"),
    )
    beta_1: float = option(
        0.9,
        "decay rate of the first moment of adam and its variants",
        within="[0, 1)",
        needs=_taken("beta_1"),
    )
    beta_2: float = option(
        0.999,
        "decay rate of their second moment",
        within="[0, 1)",
        needs=_taken("beta_2"),
    )
    epsilon: float = option(
        1e-7,
        "added to the optimizer's denominator",
        within="(0, inf)",
        needs=_taken("epsilon"),
    )
    initial_mean_square: float = option(
        0.0,
        "initial mean square of rmsprop; 1 in TensorFlow 1",
        within="[0, inf)",
        needs=_taken("initial_mean_square"),
    )
    weight_decay: float = option(
        0.0, f"L2 coefficient; decoupled for {', '.join(_DECOUPLED)}", within="[0, inf)"
    )
    weight_decay_scope: str = option(
        "all",
        "which weights decay",
        needs=(any_of("weight_decay"), one_of("optimizer", *_DECAYED)),
        choices=("all", "kernels"),
    )
    rate_factors: str = option(
        "",
        "multipliers of the learning rate, by pattern of layer/weight, such as "
        "conv3/*:0.1,*/bias:2",
        needs=one_of(
            "optimizer", *(n for n in optimizers.OPTIMIZERS if n != "lookahead")
        ),
    )
    gradient_clip_norm: float = option(
        0.0,
        "largest global norm of a network's gradient; 0: no limit",
        within="[0, inf)",
    )
    schedule: str = option(
        "constant", "learning-rate schedule", choices=optimizers.SCHEDULES
    )
    boundaries: str = option(
        "0.5,0.75", "fractions of the run where the rate drops", needs=_SCHEDULE("step")
    )
    decay_rate: float = option(
        0.1,
        "factor of a drop",
        within="(0, 1]",
        needs=_SCHEDULE("step", "halving", "exponential"),
    )
    decay_epochs: float = option(
        1.0, "epochs between drops", within="(0, inf)", needs=_SCHEDULE("exponential")
    )
    warmup_epochs: float = option(0.0, "linear warm-up, in epochs", within="[0, inf)")
    ema_decay: float = option(
        0.0,
        "decay of the moving average of weights, which is then used; 0: none",
        within="[0, 1)",
    )

    def check(self) -> None:
        super().check()
        if self.optimizer in _DECOUPLED and self.weight_decay_scope != "all":
            raise ValueError(
                f"weight_decay_scope={self.weight_decay_scope!r} has no effect with "
                f"{self.optimizer}, which decays all weights itself"
            )
        parse_numbers("boundaries", self.boundaries)
        parse_factors("rate_factors", self.rate_factors)

    def make_optimizer(
        self,
        updates: int,
        updates_per_epoch: float,
        *,
        learning_rate: "Rate | None" = None,
        **changes: Any,
    ) -> "Optimizer":
        """The optimizer of one network.

        Args:
            updates: updates of this network in the whole run.
            updates_per_epoch: its updates in an epoch.
            learning_rate: peak learning rate or schedule; None: that of the options.
            **changes: options that differ from these.

        Raises:
            ValueError: if an option is out of range.
        """
        options = dataclasses.replace(self, **changes)
        rate = options.learning_rate if learning_rate is None else learning_rate
        if not isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
            rate = options.make_schedule(updates, updates_per_epoch, rate)
        _, names = optimizers.OPTIMIZERS[options.optimizer]
        values = {name: getattr(options, name) for name in names}
        return optimizers.make_optimizer(options.optimizer, rate, **values)

    def make_schedule(
        self, updates: int, updates_per_epoch: float, learning_rate: float
    ) -> "Rate":
        """The learning-rate schedule of ``make_optimizer``, with the same arguments."""
        return optimizers.make_schedule(
            self.schedule,
            learning_rate,
            updates,
            warmup_steps=round(self.warmup_epochs * updates_per_epoch),
            boundaries=parse_numbers("boundaries", self.boundaries),
            decay_rate=self.decay_rate,
            decay_steps=round(self.decay_epochs * updates_per_epoch),
        )


@dataclasses.dataclass(frozen=True)
class TrainingOptions(RunOptions, DataOptions, OptimizerOptions):
    """Options of every task; tasks derive their own from it.

    Attributes:
        task: name of the task.
        models: ``PaperModel`` by name, where ``model`` is not a registry name.
    """

    task: ClassVar[str] = ""
    models: ClassVar[dict] = {}

    model: Optional[str] = required("name of the model; list-models shows all")
    builder_args: str = option(
        "",
        'further builder arguments as JSON, {"dropout_rate": 0.2}; for several '
        'networks by role: {"generator": {"filters": [256, 128]}}',
    )

    @classmethod
    def find_defaults(cls, given: dict) -> dict:
        """Those of the resumed run, or of the paper."""
        run_dir = given.get("run_dir") or ""
        if not (given.get("resume") and holds_run(run_dir)):
            return cls.published(given)
        stored = read_run(run_dir, cls.task).options
        fields = dataclasses.fields(cls)
        return {
            field.name: stored[field.name] for field in fields if field.name in stored
        }

    @classmethod
    def published(cls, given: dict) -> dict:
        """Options that the source of a model gives, if any.

        Args:
            given: values of the command line or the call.

        Raises:
            ValueError: if there is no such model.
        """
        if not cls.models or not given.get("model"):
            return {}
        return find_model(cls.models, given["model"]).options

    @property
    def row(self) -> "PaperModel":
        """The ``PaperModel`` of ``model``."""
        return find_model(self.models, self.model)
