"""The options of pruning a classifier."""

import dataclasses
from typing import Optional

from keras_cnns.runs import (
    OptimizerOptions,
    RunOptions,
    any_of,
    changed,
    holds_run,
    one_of,
    option,
    read_run,
    required,
)
from keras_cnns.tasks.classification.options import ClassificationOptions

# What is that of the run that is pruned, unless it is given: the data, and, unless
# there is another optimizer, all of the updates but how many.
_DATA = (
    *("dataset", "data_dir", "train_split", "validation_split", "batch_size"),
    *("augmentation", "mixup_alpha", "label_smoothing", "auxiliary_weight"),
)
_UPDATES = tuple(
    field.name
    for field in dataclasses.fields(OptimizerOptions)
    if field.name != "epochs"
)
_OF_NATURAL = one_of("patterns", "natural")
_ADMM = any_of("admm_rounds")


def _of_run(name, default):
    """A classifier's option, whose default is the run's."""
    return changed(ClassificationOptions, name, default, required=False)


@dataclasses.dataclass(frozen=True)
class PruningOptions(RunOptions, OptimizerOptions):
    """What ``prune-classifier`` takes."""

    run_dir: Optional[str] = changed(RunOptions, "run_dir", None, writes="")
    which: str = option(
        "last", "weights of the best or the last epoch", choices=("best", "last")
    )
    output_dir: Optional[str] = required(
        "folder of the results", writes="folder", free=True
    )
    patterns: str = option(
        "natural",
        "patterns of 3x3 kernels: the network's own most frequent ones, four T-shapes, "
        "or none",
        choices=("natural", "fixed", "none"),
    )
    num_patterns: int = option(
        8, "number of different patterns", within="[1, 56]", needs=_OF_NATURAL
    )
    connectivity: float = option(
        3.6, "one of so many 3x3 kernels is kept; 1: all are", within="[1, inf)"
    )
    other_connectivity: float = option(
        3.6, "the same of kernels of other sizes", within="[1, inf)"
    )
    keep_dense: tuple = option(
        (), "layers that are not pruned, comma-separated; * is any characters"
    )
    admm_rounds: int = option(
        0, "rounds of ADMM before the masks are fixed; 0: none", within="[0, inf)"
    )
    round_epochs: int = option(
        1, "epochs of such a round", within="[1, inf)", needs=_ADMM
    )
    admm_rho: float = option(
        1e-2,
        "weight of the squared distance from pruned weights",
        within="(0, inf)",
        needs=_ADMM,
    )
    admm_learning_rate: float = option(
        0.0,
        "its learning rate, which is constant; 0: learning_rate",
        within="[0, inf)",
        needs=_ADMM,
    )
    dataset: Optional[str] = _of_run("dataset", None)
    data_dir: Optional[str] = _of_run("data_dir", None)
    train_split: str = _of_run("train_split", "train")
    validation_split: str = _of_run("validation_split", "test")
    batch_size: int = _of_run("batch_size", 64)
    augmentation: str = _of_run("augmentation", "")
    mixup_alpha: float = _of_run("mixup_alpha", 0.0)
    label_smoothing: float = _of_run("label_smoothing", 0.0)
    auxiliary_weight: float = _of_run("auxiliary_weight", 0.0)
    learning_rate: float = changed(OptimizerOptions, "learning_rate", 1e-3)
    schedule: str = changed(OptimizerOptions, "schedule", "cosine")
    warmup_requests: int = changed(ClassificationOptions, "warmup_requests", -1)

    def check(self) -> None:
        super().check()
        admm = self.admm_rounds * self.round_epochs
        if admm >= self.epochs:
            raise ValueError(
                f"admm_rounds={self.admm_rounds} of round_epochs={self.round_epochs} "
                f"leave none of epochs={self.epochs} to train what is kept; give more "
                "epochs or fewer rounds"
            )

    @property
    def folder(self) -> str:
        return self.output_dir

    @classmethod
    def find_defaults(cls, given: dict) -> dict:
        """Those of the pruning that is resumed, else of the run that is pruned."""
        dense, resumed = (given.get(n) or "" for n in ("run_dir", "output_dir"))
        is_resumed = given.get("resume") and holds_run(resumed)
        folder = resumed if is_resumed else dense
        if not holds_run(folder):
            return {}
        stored = read_run(folder, ClassificationOptions.task).options
        names = (*_DATA, *_UPDATES)
        if is_resumed:
            names = [field.name for field in dataclasses.fields(cls)]
        elif given.get("optimizer", stored["optimizer"]) != stored["optimizer"]:
            names = _DATA
        return {name: stored[name] for name in names if name in stored}
