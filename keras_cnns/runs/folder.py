"""The folder of a run: claimed by a new run, or resumed with the same options."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING

from absl import logging

from keras_cnns import _files
from keras_cnns.runs import supervision
from keras_cnns.runs.checkpoints import list_steps
from keras_cnns.runs.record import holds_run

if TYPE_CHECKING:
    from keras_cnns.runs.option_groups import RunOptions
    from keras_cnns.runs.record import Run

_LOCK = ".lock"
_WRITTEN = ("", "checkpoints", "samples", "refined")  # by the training alone


@contextlib.contextmanager
def claimed_folder(run_dir: str, resume: bool, is_chief: bool = True) -> Iterator[None]:
    """Creates the folder of a run; within the block no other process trains in it.

    What a killed training has left half-written in it is removed.

    Args:
        run_dir: folder.
        resume: whether it may hold a run.
        is_chief: whether this process claims it for all workers.

    Raises:
        ValueError: if it holds a run that is not to be resumed, or another process
            trains in it.
        OSError: if it cannot be created or written into.
    """
    os.makedirs(run_dir, exist_ok=True)
    with contextlib.ExitStack() as stack:
        if is_chief:
            stack.enter_context(_locked(run_dir))
        _check_free(run_dir, resume)
        for name in _WRITTEN if is_chief else ():
            _files.remove_partials(os.path.join(run_dir, name))
        yield


@contextlib.contextmanager
def _locked(run_dir):
    holder = f"process {supervision.process_to_signal()} on {socket.gethostname()}"
    lock = _files.locked(os.path.join(run_dir, _LOCK), wait=False, text=holder)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(lock)
        except BlockingIOError as error:
            other = " ".join(error.strerror.split()) or "another process"
            raise ValueError(
                f"{other} trains in {run_dir}; wait until it has ended, or take "
                "another folder"
            ) from error
        yield


def _check_free(run_dir, resume):
    """Refuses a folder that holds a run, unless it is to be resumed."""
    is_used = list_steps(os.path.join(run_dir, "checkpoints")) or holds_run(run_dir)
    if is_used and not resume:
        raise ValueError(
            f"{run_dir} already holds a run; give --resume to continue it, or another "
            "folder"
        )
    if resume and not is_used:
        logging.info("nothing to resume in %s: a new run", run_dir)


def check_unchanged(
    run: Run, options: RunOptions, class_names: tuple, facts: dict
) -> None:
    """Refuses to resume a run with other options or data.

    Args:
        run: ``Run`` that was started.
        options: ``TrainingOptions`` now.
        class_names: of the data now.
        facts: of the data now, as ``RunConfig`` has them.

    Raises:
        ValueError: naming all that differs.
    """
    now, fields = options.to_json(), dataclasses.fields(options)
    # An option that did not exist then had the effect of its default.
    then = {**options.default_json(), **run.options}
    changed = [
        f"{field.name} was {then[field.name]!r}, is {now[field.name]!r}"
        for field in fields
        if not field.metadata["free"] and then[field.name] != now[field.name]
    ]
    before = {"classes of the data": run.config.class_names, **run.config.facts}
    after = {"classes of the data": class_names, **facts}
    for what in {**after, **before}:
        if before.get(what) != after.get(what):
            changed.append(
                f"the {what} was {before.get(what)!r}, is {after.get(what)!r}"
            )
    if changed:
        raise ValueError(
            f"a resumed run must keep its options and data; {'; '.join(changed)}. Undo "
            "that, or start a new run in another folder"
        )
