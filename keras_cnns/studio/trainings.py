"""Trainings that the page starts and resumes, each in a process of its own."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
from typing import IO, NamedTuple

from keras_cnns._checks import is_whole
from keras_cnns.runs import Run, newest_progress, read_run
from keras_cnns.runs.folder import claimed_folder
from keras_cnns.studio.shelf import Shelf

_TAIL = 8192  # bytes of what a process printed that are shown
_PATIENCE = 60  # seconds in which a process saves its state before it is killed
_ENDED, _ELSEWHERE = "(ended)", "(not started on this page)"
_KIND = "kind of training"  # fact of runs that other verbs than their task's make


class Look(NamedTuple):
    """How a training is doing.

    Attributes:
        folder: of its run.
        is_running: whether the process still works.
        printed: the end of what it printed, and whether it ended.
    """

    folder: str
    is_running: bool
    printed: str


class _Started(NamedTuple):
    """A training of this page: its run's folder, its process, what that prints."""

    folder: str
    process: subprocess.Popen
    printed: IO


class Trainings:
    """A context; what still runs at its end is stopped, and can be resumed.

    Args:
        shelf: finds the runs of before; new ones are made in its folder.
        verbs: that train, of ``keras-cnns``, by the task's name.
        most: how many may run at the same time.

    Attributes:
        verbs: as given.
    """

    def __init__(self, shelf: Shelf, verbs: dict, most: int = 1) -> None:
        self.verbs = verbs
        self._shelf, self._most = shelf, most
        self._started = {}
        self._lock = threading.Lock()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for name in self._started:
            self.stop(name)
        for _, process, printed in self._started.values():
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            printed.close()

    def names(self) -> list:
        """Names of the runs that were started, then of others that can be resumed.

        Both have the newest first.
        """
        started = list(self._started)[::-1]
        found = self._shelf.find().runs.items()
        return started + [
            name
            for name, run in found
            if name not in self._started and self._can_go_on(run.folder)
        ]

    def folder_of(self, name: str) -> str:
        """The folder of a run that is to be made.

        Raises:
            ValueError: if it would lie elsewhere.
        """
        parts = os.path.normpath(name or ".").split(os.sep)
        is_below = not os.path.isabs(name or "") and not {".", ".."} & set(parts)
        if not is_below or any(part.startswith(".") for part in parts):
            raise ValueError(
                "the run needs a name, that of a folder below "
                f"{self._shelf.folder}, as digits or new/digits, got {name!r:.100}"
            )
        return os.path.join(self._shelf.folder, *parts)

    def start(self, name: str, task: str, given: dict) -> None:
        """Starts a training.

        Args:
            name: of the run.
            task: key of ``verbs``.
            given: values of options by name; ``run_dir`` is that of the name.

        Raises:
            ValueError: if the name is no folder below, or too many are running.
        """
        given = {**given, "run_dir": self.folder_of(name)}
        name = os.path.normpath(name)
        with self._lock:
            self._check_idle(name)
            self._launch(name, task, given)

    def resume(self, name: str) -> None:
        """Goes on with a training from its newest checkpoint, with its own options.

        Args:
            name: of ``names``.

        Raises:
            ValueError: if there is none of that name, it is finished or has no
                checkpoint, it is being trained, here or elsewhere, or too many are.
        """
        with self._lock:
            self._check_idle(name)
            folder = self._folder_of_known(name)
            run = self._unfinished(folder)
            with claimed_folder(folder, resume=True):
                pass  # no other process trains in it
            self._launch(name, run.task, {"run_dir": folder, "resume": True})

    def _folder_of_known(self, name):
        if name in self._started:
            return self._started[name].folder
        return self._shelf.run(name).folder

    def _can_go_on(self, folder):
        """Whether it is to be offered; ``resume`` tells why one is not."""
        try:
            self._unfinished(folder)
        except ValueError:
            return False
        return True

    def _unfinished(self, folder) -> Run:
        """The run in a folder; refused if it cannot go on."""
        progress = newest_progress(os.path.join(folder, "checkpoints"))
        if progress is None:
            raise ValueError(
                f"{folder} has no checkpoint to resume from; train anew, by another "
                "name"
            )
        run = read_run(folder)
        if run.task not in self.verbs or _KIND in run.config.facts:
            kind = run.config.facts.get(_KIND, run.task)
            raise ValueError(f"{folder} is of {kind}, which this page does not train")
        done, epochs = len(progress["history"]), run.options.get("epochs")
        if not is_whole(epochs):
            raise ValueError(
                f"epochs of {folder} must be a whole number, got {epochs!r:.50}"
            )
        if done >= epochs or progress["stopped_early"]:
            early = ", and was stopped early" if done < epochs else ""
            raise ValueError(
                f"{folder} is finished: it has {done} of {epochs} epochs{early}"
            )
        return run

    def _check_idle(self, name):
        """Refuses a training that is running, and one too many."""
        running = [one for one in self._started if self.look(one).is_running]
        if name in running or len(running) >= self._most:
            busy = name if name in running else running[0]
            raise ValueError(f"{busy} is being trained; wait, or stop it")

    def _launch(self, name, task, given):
        flags = [f"--{option}={_text(value)}" for option, value in given.items()]
        printed = tempfile.TemporaryFile()  # noqa: SIM115  as long as the process
        process = subprocess.Popen(
            [sys.executable, "-m", "keras_cnns", self.verbs[task], *flags],
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for the studio, which stops it
        )
        self._started.pop(name, None)
        self._started[name] = _Started(given["run_dir"], process, printed)

    def stop(self, name: str) -> None:
        """Asks a training to save its state and to end."""
        if name not in self._started:
            raise ValueError(f"no training of the name {name!r} was started here")
        with contextlib.suppress(ProcessLookupError):
            self._started[name].process.send_signal(signal.SIGTERM)

    def look(self, name: str) -> Look:
        """How a training is doing.

        Raises:
            ValueError: if there is none of that name.
        """
        if name not in self._started:
            return Look(self._shelf.run(name).folder, False, _ELSEWHERE)
        folder, process, printed = self._started[name]
        is_running = process.poll() is None
        number = printed.fileno()
        start = max(0, os.fstat(number).st_size - _TAIL)
        text = os.pread(number, _TAIL, start).decode(errors="replace")
        return Look(folder, is_running, text if is_running else f"{text}\n{_ENDED}")


def _text(value):
    return ",".join(value) if isinstance(value, tuple) else str(value)
