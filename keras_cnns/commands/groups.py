"""Options shared by several commands."""

import dataclasses
from typing import Optional

from keras_cnns.runs import (
    DataOptions,
    Options,
    RunOptions,
    any_of,
    changed,
    option,
    required,
)


@dataclasses.dataclass(frozen=True)
class OneRun(Options):
    """A finished training."""

    run_dir: Optional[str] = changed(RunOptions, "run_dir", None, writes="")


@dataclasses.dataclass(frozen=True)
class SomeRuns(Options):
    """Finished trainings, or none."""

    run_dir: tuple = option(
        (), "folder of the run; several, comma-separated, are averaged"
    )


@dataclasses.dataclass(frozen=True)
class Epoch(Options):
    """Which weights of a run are used."""

    which: str = option(
        "last", "weights of the best or the last epoch", choices=("best", "last")
    )


@dataclasses.dataclass(frozen=True)
class Split(Options):
    """The data set."""

    dataset: Optional[str] = changed(DataOptions, "dataset", None)
    split: str = option("test", "its split")
    data_dir: Optional[str] = changed(DataOptions, "data_dir", None)


@dataclasses.dataclass(frozen=True)
class Written(Options):
    """Where results go."""

    output_dir: Optional[str] = required("folder of the results", writes="folder")


@dataclasses.dataclass(frozen=True)
class Seeded(Options):
    """The seed."""

    seed: int = changed(RunOptions, "seed", 0)


@dataclasses.dataclass(frozen=True)
class Counted(Options):
    """The number of images."""

    num_images: int = option(
        0, "number of images, from the first on; 0 for all", within="[0, inf)"
    )


@dataclasses.dataclass(frozen=True)
class Exported(Options):
    """An exported model, in place of runs."""

    saved_model: str = option("", "folder of an exported SavedModel version")
    trust_graph: bool = option(
        False,
        "whether the exported model's graph, which executes, may do more than compute",
        needs=any_of("saved_model"),
    )
