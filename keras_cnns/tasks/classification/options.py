"""The options of training a classifier."""

import dataclasses

from keras_cnns.runs import TrainingOptions, any_of, changed, option
from keras_cnns.tasks.classification.recipes import recipe

_EXPORT = any_of("export_dir")


@dataclasses.dataclass(frozen=True)
class ClassificationOptions(TrainingOptions):
    """What ``train-classifier`` takes."""

    task = "classification"

    recipe: str = option(
        "", "published hyper-parameters by name; explicit flags win", free=True
    )
    init_weights: str = option(
        "", "start from a public checkpoint (imagenet), a weight file or a run's folder"
    )
    freeze: str = option("", "freeze this layer and all before it, batch norm too")
    validation_split: str = option("test", "split evaluated each epoch; empty: none")
    preprocessing: str = option(
        "",
        "dataset (its own mean and standard deviation), torch, caffe, tf, dpn, "
        "bn_inception, pixels (as they are) or facenet; empty: that of the initial "
        "weights, else dataset",
    )
    mixup_alpha: float = option(0.0, "alpha of mixup; 0 for none", within="[0, inf)")
    label_smoothing: float = option(
        0.0, "fraction of labels spread over all classes", within="[0, 1)"
    )
    auxiliary_weight: float = option(
        0.0, "loss weight of auxiliary heads; 0: no heads", within="[0, inf)"
    )
    early_stopping: int = option(
        0, "epochs without improvement before stopping; 0: never", within="[0, inf)"
    )
    warmup_requests: int = option(
        -1,
        "warm-up requests for TF Serving; 0: none; -1: one, if serving is installed",
        within="[-1, inf)",
        free=True,
        needs=_EXPORT,
    )
    optimizer: str = changed(TrainingOptions, "optimizer", "sgd")
    learning_rate: float = changed(TrainingOptions, "learning_rate", 0.1)
    nesterov: bool = changed(TrainingOptions, "nesterov", True)
    weight_decay: float = changed(TrainingOptions, "weight_decay", 1e-4)
    schedule: str = changed(TrainingOptions, "schedule", "cosine")

    @classmethod
    def find_defaults(cls, given: dict) -> dict:
        """A recipe overrides a resumed run, which then refuses what differs."""
        values = super().find_defaults(given)
        return {**values, **recipe(given["recipe"])} if given.get("recipe") else values
