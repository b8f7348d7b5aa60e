"""The runs below a folder, and the few trained networks of them that are loaded."""

import collections
import dataclasses
import os
import threading
from collections.abc import Callable

from keras_cnns.runs import Run, read_run
from keras_cnns.runs.record import RECORD

_DEEPEST = 5  # folders below the one that is searched
_WEIGHTS = ("best.h5", "last.h5", "generator.h5")


@dataclasses.dataclass(frozen=True)
class Found:
    """What a search found.

    Attributes:
        runs: ``Run`` by name, the path from the searched folder; newest first.
        unreadable: why others are none, by name.
    """

    runs: dict
    unreadable: dict


class Shelf:
    """Finds runs and keeps the networks that were used last.

    Args:
        folder: below which runs are.
        max_networks: loaded networks that are kept; the one not used for longest goes.

    Attributes:
        folder: as given.
    """

    def __init__(self, folder: str, max_networks: int = 4):
        self.folder = folder
        self._max = max_networks
        self._loaded = collections.OrderedDict()
        self._lock = threading.Lock()

    def find(self) -> Found:
        """Looks for runs; symbolic links are not followed."""
        runs, unreadable = {}, {}
        for path in sorted(self._run_folders(), key=_when_written, reverse=True):
            name = os.path.relpath(path, self.folder)
            try:
                runs[name] = read_run(path)
            except ValueError as error:
                unreadable[name] = str(error)
        return Found(runs, unreadable)

    def _run_folders(self):
        for path, folders, files in os.walk(self.folder):
            depth = os.path.relpath(path, self.folder).count(os.sep)
            if RECORD in files or depth >= _DEEPEST:
                folders.clear()
            folders[:] = [name for name in folders if not name.startswith(".")]
            if RECORD in files:
                yield path

    def names(self, task: str) -> list:
        """Names of the runs of a task, newest first."""
        return [name for name, run in self.find().runs.items() if run.task == task]

    def run(self, name: str, task: str = "") -> Run:
        """A run by its name.

        Raises:
            ValueError: if there is none of that name, and of that task.
        """
        if not name:
            raise ValueError(
                f"choose a run{f' of {task}' if task else ''}; {self.folder} has none "
                "if there is nothing to choose"
            )
        found = self.find()
        if name in found.unreadable:
            raise ValueError(found.unreadable[name])
        if name not in found.runs:
            raise ValueError(f"{self.folder} has no run {name!r} any more")
        return read_run(found.runs[name], task)

    def load(self, run: Run, use: str, make: Callable):
        """What a run is used by; made at its first use, and when it was trained on.

        Args:
            run: of ``run``.
            use: tells apart what is made of one run.
            make: function of the run.
        """
        key = (run.folder, use, *_versions(run.folder))
        with self._lock:
            if key not in self._loaded:
                while len(self._loaded) >= self._max:
                    self._loaded.popitem(last=False)
                self._loaded[key] = make(run)
            self._loaded.move_to_end(key)
            return self._loaded[key]

    def __len__(self):
        """How many networks are loaded."""
        return len(self._loaded)


def _when_written(folder):
    return os.stat(os.path.join(folder, RECORD)).st_mtime


def _versions(folder):
    """When the weights of a run were written, where they are."""
    paths = (os.path.join(folder, name) for name in (RECORD, *_WEIGHTS))
    return [os.stat(path).st_mtime_ns if os.path.exists(path) else 0 for path in paths]
