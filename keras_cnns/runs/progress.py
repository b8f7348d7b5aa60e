"""The progress of a run, as its checkpoints hold it: what its epochs reported."""

import json
import math

from keras_cnns._checks import check_flag, is_number, is_whole
from keras_cnns._files import reason_of

_UNREADABLE = (OSError, ValueError, RecursionError)


def read_progress(path: str) -> dict:
    """The progress in a file ``progress.json``.

    Returns:
        ``history``, a dict of numbers for each epoch, ``best_epoch``, 0 for none, and
        ``stopped_early``. Numbers that JSON has no form for are NaN.

    Raises:
        ValueError: naming the file, if it holds anything else.
    """
    try:
        with open(path, encoding="utf-8") as file:
            stored = json.load(file)
        if not isinstance(stored, dict):
            raise ValueError(f"it must be an object, got {stored!r:.50}")
        history = stored.get("history", [])
        if not isinstance(history, list):
            raise ValueError(f"history must be a list, got {history!r:.50}")
        rows = [_row(values, epoch) for epoch, values in enumerate(history, 1)]
        best, stopped = stored.get("best_epoch", 0), stored.get("stopped_early", False)
        if not is_whole(best) or not 0 <= best <= len(rows):
            raise ValueError(
                f"best_epoch must be one of {len(rows)} epochs, or 0, got {best!r:.50}"
            )
        check_flag("stopped_early", stopped)
    except _UNREADABLE as error:
        raise ValueError(
            f"{path} is not the progress of a run: {reason_of(error)}"
        ) from error
    return {**stored, "history": rows, "best_epoch": best, "stopped_early": stopped}


def _row(values, epoch):
    """What an epoch reported, with NaN for null."""
    if not isinstance(values, dict) or values.get("epoch") != epoch:
        raise ValueError(f"row {epoch} of history is not of epoch {epoch}")
    row = {name: math.nan if v is None else v for name, v in values.items()}
    for name, value in row.items():
        if not is_number(value):
            raise ValueError(
                f"{name} of epoch {epoch} must be a number, got {value!r:.50}"
            )
    return row


def check_epochs(progress: dict, step: int, steps_per_epoch: int) -> None:
    """Refuses progress that does not belong to a step.

    Raises:
        ValueError: if it has other epochs than have ended by then.
    """
    told, ended = len(progress["history"]), step // steps_per_epoch
    if told != ended:
        raise ValueError(
            f"the checkpoint of step {step} tells of {told} epochs, but {ended} have "
            f"ended by then, of {steps_per_epoch} steps each; restore the run from a "
            "copy, or give its own data and batch size"
        )
