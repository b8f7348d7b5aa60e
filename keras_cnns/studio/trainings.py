"""Trainings that the page starts, each in a process of its own."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
from typing import NamedTuple

_TAIL = 8192  # bytes of what a process printed that are shown
_PATIENCE = 60  # seconds in which a process saves its state before it is killed


class Look(NamedTuple):
    """How a training is doing.

    Attributes:
        folder: of its run.
        is_running: whether the process still works.
        printed: the end of what it printed.
    """

    folder: str
    is_running: bool
    printed: str


class Trainings:
    """A context; what still runs at its end is stopped, and can be resumed.

    Args:
        folder: below which runs are made.
        verbs: that train, of ``keras-cnns``, by the task's name.
        most: how many may run at the same time.

    Attributes:
        verbs: as given.
    """

    def __init__(self, folder: str, verbs: dict, most: int = 1):
        self.verbs = verbs
        self._folder, self._most = folder, most
        self._started = {}
        self._lock = threading.Lock()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for name in self.names():
            self.stop(name)
        for process, printed in self._started.values():
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            printed.close()

    def names(self) -> list:
        """Names of the runs that were started, the newest first."""
        return list(self._started)[::-1]

    def folder_of(self, name: str) -> str:
        """The folder of a run that is to be made.

        Raises:
            ValueError: if it would lie elsewhere.
        """
        parts = os.path.normpath(name or ".").split(os.sep)
        is_below = not os.path.isabs(name or "") and not {".", ".."} & set(parts)
        if not is_below or any(part.startswith(".") for part in parts):
            raise ValueError(
                f"the run needs a name, that of a folder below {self._folder}, as "
                f"digits or new/digits, got {name!r:.100}"
            )
        return os.path.join(self._folder, *parts)

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
        flags = [f"--{option}={_text(value)}" for option, value in given.items()]
        command = [sys.executable, "-m", "keras_cnns", self.verbs[task], *flags]
        with self._lock:
            running = [one for one in self._started if self.look(one).is_running]
            if len(running) >= self._most:
                raise ValueError(f"{running[0]} is being trained; wait, or stop it")
            printed = tempfile.TemporaryFile()  # noqa: SIM115  as long as the process
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the studio, which stops it
            )
            self._started.pop(name, None)
            self._started[name] = process, printed

    def stop(self, name: str) -> None:
        """Asks a training to save its state and to end."""
        with contextlib.suppress(ProcessLookupError):
            self._of(name)[0].send_signal(signal.SIGTERM)

    def look(self, name: str) -> Look:
        """How a training is doing.

        Raises:
            ValueError: if none of that name was started here.
        """
        process, printed = self._of(name)
        is_running = process.poll() is None
        number = printed.fileno()
        start = max(0, os.fstat(number).st_size - _TAIL)
        text = os.pread(number, _TAIL, start).decode(errors="replace")
        return Look(self.folder_of(name), is_running, text)

    def _of(self, name):
        if name not in self._started:
            raise ValueError(f"no training of the name {name!r} was started here")
        return self._started[name]


def _text(value):
    return ",".join(value) if isinstance(value, tuple) else str(value)
