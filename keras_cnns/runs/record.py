"""The record of a run, ``run.json``: its task, options, networks and data."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import subprocess
import sys
import time
from importlib import metadata
from typing import Any

import tensorflow as tf
from tensorflow import keras

from keras_cnns import _files, _versions, applications
from keras_cnns._checks import check_choice, is_whole
from keras_cnns.data import Preprocessing

RECORD = "run.json"
# What a record leads to that has other values than ``write_record`` writes.
_UNREADABLE = (
    ArithmeticError,
    AttributeError,
    KeyError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
)
_LARGEST = 2**20  # whole number in a network's arguments


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """The networks of a run, and what they were trained on.

    Attributes:
        networks: by role, ``{"model": registry name, "args": arguments}`` as
            ``applications.create_model`` takes them.
        preprocessing: how images become inputs.
        class_names: tuple of names, by label.
        facts: what else must be the same when the run is resumed, such as the number of
            examples; JSON values by name.
        details: what else is needed to use the networks; JSON values by name.
    """

    networks: dict
    preprocessing: Preprocessing
    class_names: tuple
    facts: dict = dataclasses.field(default_factory=dict)
    details: dict = dataclasses.field(default_factory=dict)

    @classmethod
    def from_json(cls, fields: dict) -> RunConfig:
        """The config whose ``dataclasses.asdict`` was stored as JSON.

        Raises:
            ValueError, KeyError, TypeError, AttributeError: if it is none.
        """
        networks = {
            role: {"model": str(row["model"]), "args": _with_shapes(row["args"])}
            for role, row in fields["networks"].items()
        }
        return cls(
            networks=networks,
            preprocessing=Preprocessing.from_json(fields["preprocessing"]),
            class_names=tuple(_typed("class_names", fields["class_names"], list)),
            facts=_typed("facts", fields["facts"], dict),
            details=_typed("details", fields["details"], dict),
        )

    def build(
        self, role: str, size: tuple | None = None, **changes: Any
    ) -> keras.Model:
        """A network with fresh weights.

        Args:
            role: key of ``networks``.
            size: (height, width) other than the run's; ``(None, None)`` leaves them
                open, and auxiliary heads, which may need them fixed, out.
            **changes: further arguments of the builder.

        Raises:
            ValueError: if an argument is bad, or the network does not take that size.
        """
        if role not in self.networks:
            raise ValueError(
                f"there is no network {role!r}; there are {', '.join(self.networks)}"
            )
        model, args = self.networks[role]["model"], dict(self.networks[role]["args"])
        if size is not None:
            key = "input_shape" if "input_shape" in args else "image_shape"
            if None in size and "fixed_size" in applications.model_info(model).traits:
                height, width, _ = args[key]
                raise ValueError(
                    f"{model} takes inputs of {height}x{width} only, because its dense "
                    "layers see the whole map"
                )
            args[key] = (*size, args[key][2])
            if None in size and "aux_heads" in args:
                args["aux_heads"] = False
        return applications.create_model(model, **{**args, **changes})


def _typed(name, value, kind):
    if not isinstance(value, kind):
        raise ValueError(f"{name} must be a {kind.__name__}, got {value!r}")
    return value


def _with_shapes(args):
    """Builder arguments from JSON, whose shapes are tuples again.

    Raises:
        ValueError: if a number in them is larger than any network's: it would be built
            for ever.
    """
    for value in tf.nest.flatten(args):
        if is_whole(value) and abs(value) > _LARGEST:
            raise ValueError(f"{value!r:.50} in args is no size of a network")
    return {k: tuple(v) if k.endswith("_shape") else v for k, v in args.items()}


@dataclasses.dataclass(frozen=True)
class Run:
    """A run: folder, task, options and config.

    Attributes:
        folder: path.
        task: name of the task.
        options: dict of the options of its start.
        config: ``RunConfig``.
    """

    folder: str
    task: str
    options: dict
    config: RunConfig

    def load(
        self, role: str, weights: str = "", size: tuple | None = None, **changes: Any
    ) -> keras.Model:
        """A trained network, with its averaged weights where there are any.

        Args:
            role: which network, key of ``config.networks``.
            weights: name of its weight file without extension; empty: ``last`` of the
                role ``network``, which has ``best`` too, the role's of others.
            size, **changes: as ``RunConfig.build`` takes them.

        Raises:
            ValueError: if there are no such weights yet, they belong to another
                network or are none of its two, or it does not take that size.
        """
        name = weights or ("last" if role == "network" else role)
        if role == "network":
            check_choice("which", name, ("best", "last"))
        try:
            network = self.config.build(role, size, **changes)
        except _UNREADABLE as error:
            record = os.path.join(self.folder, RECORD)
            raise ValueError(
                f"the network of {record}: {_files.reason_of(error)}"
            ) from error
        path = os.path.join(self.folder, f"{name}.h5")
        if not os.path.isfile(path):
            reason = "no epoch has ended in that run"
            if name == "best":
                reason += ", or none was validated"
            raise ValueError(f"{self.folder} has no {name}.h5: {reason}")
        applications.load_weights(network, path, adapt=False)
        return network


def write_record(run: Run) -> None:
    """Writes ``run.json``: the run, versions, machine, source revision."""
    record = {
        "task": run.task,
        "options": run.options,
        "config": dataclasses.asdict(run.config),
        "versions": installed_versions(),
        "python": sys.version.split()[0],
        "machine": {"system": platform.platform(), "cpus": os.cpu_count()},
        "git_revision": _git_revision(),
        "started": time.strftime("%Y-%m-%d %H:%M:%S"),
    }
    path = os.path.join(run.folder, RECORD)
    _files.write_json(path, record, indent=2, durable=True)


def installed_versions() -> dict:
    """The version of each package that results depend on; None where it is missing."""
    versions = {}
    for name in _versions.PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = None
    return versions


def describe_versions() -> str:
    """Python, TensorFlow and Keras with their versions, in one line."""
    versions = installed_versions()
    named = (f"{name} {versions[name]}" for name in _versions.PACKAGES[1:3])
    return f"python {sys.version.split()[0]}, {', '.join(named)}"


def _git_revision():
    """Commit of the source tree, ``-dirty`` where it was changed; None if unknown."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    if not os.path.exists(os.path.join(root, ".git")):
        return None  # else git would describe what the package is installed in
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40"],
            cwd=root,
            env={k: v for k, v in os.environ.items() if not k.startswith("GIT_")},
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return described.stdout.strip()


def holds_run(run_dir: str) -> bool:
    """Whether a folder holds the record of a run."""
    return os.path.isfile(os.path.join(run_dir, RECORD))


def run_of_weights(path: str, task: str = "") -> Run | None:
    """The run that a weight file, or a folder, belongs to; None if there is none.

    Args:
        path: of a weight file or a run's folder; anything else has no run.
        task: as ``read_run`` takes it.

    Raises:
        ValueError: as ``read_run``.
    """
    folder = path
    if os.path.isfile(path):
        folder = os.path.dirname(os.path.abspath(path))
    return read_run(folder, task) if folder and holds_run(folder) else None


def read_run(run_dir: str | Run, task: str = "") -> Run:
    """The run in a folder.

    Args:
        run_dir: folder of the run; or the ``Run``, which is given back.
        task: name of the task that it must be of; empty: any.

    Raises:
        ValueError: if the folder holds no run, its record cannot be read, or it is of
            another task.
    """
    run = run_dir if isinstance(run_dir, Run) else _read(os.fspath(run_dir))
    if task and run.task != task:
        raise ValueError(
            f"{run.folder} is a run of {run.task}; a run of {task} is wanted here"
        )
    return run


def _read(run_dir):
    path = os.path.join(run_dir, RECORD)
    if not holds_run(run_dir):
        raise ValueError(f"{run_dir} holds no run: there is no {RECORD} in it")
    try:
        with open(path, encoding="utf-8") as file:
            record = json.load(file)
        if "flags" in record and "task" not in record:
            raise ValueError("it was written before runs knew their task, train again")
        options = _typed("options", record["options"], dict)
        config = RunConfig.from_json(record["config"])
        return Run(run_dir, _typed("task", record["task"], str), options, config)
    except _UNREADABLE as error:
        raise ValueError(
            f"{path} is not the record of a run: {_files.reason_of(error)}"
        ) from error
