"""Runs: options, record, training, checkpoints and resume."""

from keras_cnns.runs.callbacks import NonFiniteLossError, TrainingInterrupted
from keras_cnns.runs.checkpoints import (
    CheckpointStore,
    list_steps,
    newest_progress,
)
from keras_cnns.runs.models import PaperModel, find_model, parse_arguments
from keras_cnns.runs.option_groups import (
    DataOptions,
    OptimizerOptions,
    RunOptions,
    TrainingOptions,
)
from keras_cnns.runs.options import (
    Options,
    any_of,
    changed,
    one_of,
    option,
    parse_numbers,
    required,
)
from keras_cnns.runs.record import (
    Run,
    RunConfig,
    holds_run,
    read_run,
    run_of_weights,
    write_record,
)
from keras_cnns.runs.resumable import fit_resumable
from keras_cnns.runs.supervision import LOSSES, LostProcessError
from keras_cnns.runs.task import Task
from keras_cnns.runs.training import train

__all__ = [
    "CheckpointStore",
    "DataOptions",
    "LOSSES",
    "LostProcessError",
    "NonFiniteLossError",
    "Options",
    "OptimizerOptions",
    "PaperModel",
    "Run",
    "RunConfig",
    "RunOptions",
    "Task",
    "TrainingInterrupted",
    "TrainingOptions",
    "any_of",
    "changed",
    "find_model",
    "fit_resumable",
    "holds_run",
    "list_steps",
    "newest_progress",
    "one_of",
    "option",
    "parse_arguments",
    "parse_numbers",
    "read_run",
    "run_of_weights",
    "required",
    "train",
    "write_record",
]
