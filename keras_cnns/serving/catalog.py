"""Models and their versions: found, loaded, taken over, let go.

A folder is looked through again and again. Of each model the newest versions that can
be loaded are served. A new one is loaded and warmed up beside those that answer; once
it is there, requests that name no version go to it, and the old one ends with its last
request. Without its folder a version ends too, and the next lower one is loaded: that
is the way back. As long as none of those in the folder can be loaded, the last one that
could stays.

A version is what its files are: with other files it is loaded anew.
"""

import contextlib
import dataclasses
import gc
import os
import threading
from collections.abc import Collection, Iterator
from typing import Optional

from absl import logging

from keras_cnns import _files, export
from keras_cnns.serving.servable import Servable
from keras_cnns.serving.status import Code, RequestError, invalid

LOADING, AVAILABLE, UNLOADING, END = 20, 30, 40, 50  # ModelVersionStatus.State


@dataclasses.dataclass
class Version:
    """What is known of a version.

    Attributes:
        number: of the version.
        files: what tells its files from others.
        state: ``LOADING``, ``AVAILABLE``, ``UNLOADING`` or ``END``.
        error: why it could not be loaded; empty if it could.
        servable: while it is loaded.
        users: number of requests that it answers.
    """

    number: int
    files: tuple
    state: int = LOADING
    error: str = ""
    servable: Optional[Servable] = None
    users: int = 0


class Catalog:
    """The models of a folder ``<model_base>/<model>/<version>/``."""

    def __init__(
        self,
        model_base: str,
        names: Collection[str] = (),
        num_versions: int = 1,
        trust_graph: bool = False,
    ) -> None:
        """Looks at nothing yet.

        Args:
            model_base: the folder.
            names: of the models; empty: all that are there.
            num_versions: how many of the newest versions of each are served.
            trust_graph: whether graphs may do more than compute.
        """
        self._base, self._names = model_base, tuple(names)
        self._num_versions, self._trust_graph = num_versions, trust_graph
        self._models = {name: {} for name in names}  # name: {number: Version}
        self._lock = threading.Lock()
        self._let_go = False  # since memory was last freed
        self._stopped = threading.Event()
        self._watcher = None

    def watch(self, interval: float) -> None:
        """Looks at the folder every ``interval`` seconds, until ``stop``."""

        def loop():
            while not self._stopped.wait(interval):
                try:
                    self.update()
                except Exception:  # the folder may be gone for a while
                    logging.exception("could not look through %s", self._base)

        self._watcher = threading.Thread(target=loop, name="versions", daemon=True)
        self._watcher.start()

    def stop(self) -> None:
        """Ends ``watch``."""
        self._stopped.set()
        if self._watcher:
            self._watcher.join()

    def update(self) -> None:
        """Looks at the folder once: loads what is new, lets go what is gone.

        Raises:
            OSError: if the folder cannot be read; what is loaded stays.
        """
        found = self._names or sorted(
            entry.name
            for entry in os.scandir(self._base)
            if entry.is_dir() and not entry.name.startswith(".")
        )
        for name in {*found, *self._models}:
            self._update_model(name)
        if self._let_go:
            self._let_go = False
            gc.collect()  # else large networks stay for long: they refer to themselves

    def _update_model(self, name):
        folder = os.path.join(self._base, name)
        on_disk = {}
        for number in export.list_versions(folder):
            files = _files_of(os.path.join(folder, str(number)))
            if files:
                on_disk[number] = files
        with self._lock:
            if on_disk:
                self._models.setdefault(name, {})
            versions = self._models.get(name, {})
        served = []
        for number in sorted(on_disk, reverse=True):
            if self._is_served(name, number, on_disk[number]):
                served.append(number)
            if len(served) == self._num_versions:
                break
        if served or not on_disk:
            for number in [n for n in versions if n not in served]:
                self._retire(versions[number])
        if not os.path.isdir(folder) and name not in self._names:
            self._forget(name)

    def _is_served(self, name, number, files) -> bool:
        """Whether a version answers, which is loaded unless it failed before."""
        versions = self._models[name]
        known = versions.get(number)
        answers = known is not None and known.state == AVAILABLE
        if known and known.files == files and (answers or known.error):
            return answers
        new = Version(number, files)
        if not answers:
            with self._lock:
                versions[number] = new
        self._load(name, new)
        if not answers:
            return not new.error
        if new.error:
            known.files = files  # not tried again until they change
            return True
        with self._lock:
            versions[number] = new
        self._retire(known)
        return True

    def _load(self, name, version):
        folder = os.path.join(self._base, name, str(version.number))
        try:
            servable = Servable(name, version.number, folder, self._trust_graph)
        except Exception as error:  # readers raise many things on damaged files
            reason = _files.reason_of(error)
            logging.error("%s cannot be loaded: %s", folder, reason)
            with self._lock:
                version.state, version.error = END, reason
        else:
            logging.info("%s is served", folder)
            with self._lock:
                version.state, version.servable = AVAILABLE, servable

    def _forget(self, name):
        with self._lock:
            versions = self._models.get(name, {}).values()
            if all(version.state == END for version in versions):
                self._models.pop(name, None)

    def _retire(self, version):
        with self._lock:
            if version.state == AVAILABLE:
                version.state = UNLOADING
                self._end_if_unused(version)

    def _end_if_unused(self, version):
        if version.state == UNLOADING and not version.users:
            version.state, version.servable = END, None
            self._let_go = True

    @contextlib.contextmanager
    def using(
        self, name: str, number: Optional[int] = None, label: str = ""
    ) -> Iterator[Servable]:
        """Within the block, a version that answers stays loaded.

        Args:
            name: the model's.
            number: of the version; None: the newest that is available.
            label: of the version; there are none.

        Raises:
            RequestError: if there is no such version.
        """
        if label:
            raise invalid(f"Unrecognized servable version label: {label}")
        with self._lock:
            version = self._find(name, number)
            version.users += 1
        try:
            yield version.servable
        finally:
            with self._lock:
                version.users -= 1
                self._end_if_unused(version)

    def _find(self, name, number):
        versions = self._models.get(name, {})
        found = [v for v in versions.values() if v.state == AVAILABLE]
        if number is not None:
            found = [v for v in found if v.number == number]
        if not found:
            asked = (
                f"Latest({name})" if number is None else f"Specific({name}, {number})"
            )
            raise RequestError(
                Code.NOT_FOUND, f"Servable not found for request: {asked}"
            )
        return max(found, key=lambda v: v.number)

    def versions(self, name: str, number: Optional[int] = None) -> list:
        """What is known of a model's versions, the newest first.

        Raises:
            RequestError: if nothing is.
        """
        with self._lock:
            found = sorted(self._models.get(name, {}).items(), reverse=True)
        if number is not None:
            found = [item for item in found if item[0] == number]
        if not found:
            asked = "any versions" if number is None else f"version {number}"
            raise RequestError(
                Code.NOT_FOUND, f"Could not find {asked} of model {name}"
            )
        return [version for _, version in found]

    def available(self) -> dict:
        """Numbers of the versions that answer, by model; newest first."""
        with self._lock:
            return {
                name: sorted(
                    (n for n, v in versions.items() if v.state == AVAILABLE),
                    reverse=True,
                )
                for name, versions in sorted(self._models.items())
            }


def _files_of(folder) -> tuple:
    """Names, sizes and times of a version's files; none if it is not a whole one."""
    if not os.path.isfile(os.path.join(folder, "saved_model.pb")):
        return ()
    files = []
    for place, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(place, name)
            with contextlib.suppress(FileNotFoundError):  # it is being removed
                told = os.stat(path)
                files.append((path, told.st_size, told.st_mtime_ns))
    return tuple(sorted(files))
