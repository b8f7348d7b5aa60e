"""Runs and exports below folders, and the few of their networks that are loaded."""

from __future__ import annotations

import collections
import dataclasses
import os
import threading
from collections.abc import Callable
from typing import Any

from keras_cnns import export, inference
from keras_cnns.runs import Run, read_run
from keras_cnns.runs.record import RECORD

_DEEPEST = 5  # folders below the one that is searched
_GRAPH = "saved_model.pb"
_WEIGHTS = ("best.h5", "last.h5", "generator.h5", _GRAPH)
_EXPORT = "export "  # an export's name begins so
# What is looked at of what an export tells.
_TOLD = {"task": str, "model": str, "data": str, "signatures": dict, "measures": dict}


@dataclasses.dataclass(frozen=True)
class Export:
    """A SavedModel.

    Attributes:
        folder: of the version.
        card: what it tells of itself, JSON values by name; empty where it tells
            nothing, as exports of other programs.
    """

    folder: str
    card: dict

    @property
    def task(self) -> str:
        """Name of its task; empty where it tells none."""
        return self.card.get("task", "")

    @property
    def is_usable(self) -> bool:
        """Whether the tab of its task can use it."""
        signatures = self.card.get("signatures", {})
        given_regions = self.task == "detection" and "serve_images" not in signatures
        return self.task in inference.EXPORTED_TASKS and not given_regions


@dataclasses.dataclass(frozen=True)
class Found:
    """What a search found.

    Attributes:
        runs: ``Run`` by name, the path from the searched folder; newest first.
        exports: ``Export`` by name, which begins with ``"export "``; newest first.
        unreadable: why others are none, by name.
    """

    runs: dict
    exports: dict
    unreadable: dict


class Shelf:
    """Finds runs and exports, and keeps the networks that were used last.

    Args:
        folder: below which runs are, and exports may be.
        max_networks: loaded networks that are kept; the one not used for longest goes.
        exports: another folder below which exports are; empty, or none there: only the
            first one is searched.
        trust_graph: whether graphs of exports may do more than compute.

    Attributes:
        folder: as given.
    """

    def __init__(
        self,
        folder: str,
        max_networks: int = 4,
        *,
        exports: str = "",
        trust_graph: bool = False,
    ) -> None:
        self.folder = folder
        self._max = max_networks
        self._exports, self._trust_graph = exports, trust_graph
        self._loaded = collections.OrderedDict()
        self._lock = threading.Lock()

    def find(self) -> Found:
        """Looks for runs and exports; symbolic links are not followed."""
        runs, exports, unreadable = {}, {}, {}
        for name, path in _folders_with(RECORD, self.folder):
            _read_into(runs, unreadable, name, lambda path=path: read_run(path))
        seen = set()
        for root in filter(None, (self.folder, self._exports)):
            for name, path in _folders_with(_GRAPH, root):
                if os.path.realpath(path) not in seen:  # one may lie within the other
                    seen.add(os.path.realpath(path))
                    name = f"{_EXPORT}{name}"
                    if name in exports or name in unreadable:  # below both folders
                        name = f"{_EXPORT}{path}"
                    _read_into(
                        exports, unreadable, name, lambda path=path: _read_export(path)
                    )
        return Found(runs, exports, unreadable)

    def choices(self, task: str) -> tuple:
        """(names of a task's runs, of its exports that can be used), newest first."""
        found = self.find()
        runs = [name for name, run in found.runs.items() if run.task == task]
        exports = [
            name
            for name, one in found.exports.items()
            if one.task == task and one.is_usable
        ]
        return runs, exports

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

    def item(self, name: str, task: str = "") -> Run | Export:
        """A ``Run`` or an ``Export`` by its name.

        Raises:
            ValueError: as ``run``, or if an export has another task.
        """
        one = self.find().exports.get(name)
        if one is None:
            return self.run(name, task)
        if task not in ("", one.task):
            raise ValueError(f"{name} is of {one.task or 'no task'}, not of {task}")
        return one

    def use(
        self, name: str, task: str, use: str, make: Callable, **options: Any
    ) -> Any:
        """What a run or an export is used by, as ``load``.

        Args:
            name, task: of ``item``.
            use, make: of ``load``, for runs.
            **options: of ``inference.open_export``, for exports.
        """
        one = self.item(name, task)
        if isinstance(one, Run):
            return self.load(one, use, make)

        def open_export(one):
            return inference.open_export(one.folder, self._trust_graph, **options)

        return self.load(one, f"export {options}", open_export)

    def load(self, run: Run | Export, use: str, make: Callable) -> Any:
        """What a run is used by; made at its first use, and when it was trained on.

        Args:
            run: of ``run`` or ``item``.
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


def _folders_with(file, root):
    """(name, path) of folders below one that have a file, the newest first."""
    found = []
    for path, folders, files in os.walk(root):
        depth = os.path.relpath(path, root).count(os.sep)
        if file in files or depth >= _DEEPEST:
            folders.clear()
        folders[:] = [name for name in folders if not name.startswith(".")]
        if file in files:
            when = os.stat(os.path.join(path, file)).st_mtime
            found.append((when, os.path.relpath(path, root), path))
    return [(name, path) for _, name, path in sorted(found, reverse=True)]


def _read_into(found, unreadable, name, read):
    try:
        found[name] = read()
    except ValueError as error:
        unreadable[name] = str(error)


def _read_export(folder):
    """The ``Export`` of a folder.

    Raises:
        ValueError: if its description is damaged.
    """
    card = export.read_card(folder)
    for name, kind in _TOLD.items():
        if not isinstance(card.get(name, kind()), kind):
            raise ValueError(
                f"the description of {folder} has {name} {card[name]!r:.80}"
            )
    return Export(folder, card)


def _versions(folder):
    """When the weights of a run were written, where they are."""
    paths = (os.path.join(folder, name) for name in (RECORD, *_WEIGHTS))
    return [os.stat(path).st_mtime_ns if os.path.exists(path) else 0 for path in paths]
