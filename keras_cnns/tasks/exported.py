"""What an export tells of the run that it comes from."""

import dataclasses
import os

from keras_cnns import export
from keras_cnns.figures import measures_of
from keras_cnns.runs import Run, newest_progress


def from_run(form: export.Form, run: Run, which: str = "last") -> export.Form:
    """The form, whose export tells task, model, data, epoch and its measures.

    Args:
        form: how the network is stored.
        run: that it was trained by.
        which: ``"best"`` or ``"last"`` epoch.
    """
    progress = newest_progress(os.path.join(run.folder, "checkpoints")) or {}
    history = progress.get("history") or []
    last = len(history)
    epoch = progress.get("best_epoch", 0) if which == "best" else last
    models = sorted({row["model"] for row in run.config.networks.values()})
    about = {
        "task": run.task,
        "model": run.options.get("model") or ", ".join(models),
        "data": str(run.options.get("dataset", "")),
        "epoch": epoch,
        "measures": measures_of(history[epoch - 1]) if 0 < epoch <= last else {},
    }
    return dataclasses.replace(form, about={**form.about, **about})
