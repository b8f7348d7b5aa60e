"""The record of a run, and the trained network that it leaves."""

import dataclasses
import json
import os
import platform
import subprocess
import sys
import time
from importlib import metadata

from tensorflow import keras

from keras_cnns import _files, applications
from keras_cnns.data import Preprocessing

RECORD = "run.json"
_PACKAGES = [
    "keras-cnns",
    "tensorflow",
    "keras",
    "tensorflow-addons",
    "tensorflow-datasets",
    "numpy",
]


# What builder arguments may not change: data and flags decide it.
_DECIDED = {
    "include_top",
    "weights",
    "input_shape",
    "classes",
    "classifier_activation",
}
_DECIDED_OF_OTHERS = {"image_shape", "classes", "name", "output_activation"}


class Description:
    """What ``run.json`` tells of a run's networks; dataclasses derive from it.

    They have ``class_names``, a tuple, and a ``preprocessing`` among their fields.
    """

    @classmethod
    def from_json(cls, fields: dict) -> "Description":
        """The description whose ``dataclasses.asdict`` was stored as JSON."""
        fields = dict(fields)
        fields["class_names"] = tuple(fields["class_names"])
        fields["preprocessing"] = Preprocessing.from_json(fields["preprocessing"])
        return cls(**fields)


@dataclasses.dataclass(frozen=True)
class NetworkDescription(Description):
    """What it takes to build a run's network again and to feed it.

    Attributes:
        model: registry name.
        builder_args: further arguments of its constructor.
        class_names: tuple of names, by output.
        preprocessing: how pictures become inputs.
        num_examples: size of the training split, which sets the steps of an epoch.
    """

    model: str
    builder_args: dict
    class_names: tuple
    preprocessing: Preprocessing
    num_examples: int

    def build(
        self, weights=None, classifier_activation="softmax", size=None
    ) -> keras.Model:
        """The network; see ``keras_cnns.applications`` for the arguments.

        Args:
            size: (height, width) other than the run's; ``(None, None)`` leaves them
                open, and auxiliary heads, which may want them known, out.

        Raises:
            ValueError: if the network does not take that size.
        """
        feed = self.preprocessing
        size = (feed.height, feed.width) if size is None else tuple(size)
        traits = applications.model_info(self.model).traits
        if None in size and "fixed_size" in traits:
            raise ValueError(
                f"{self.model} takes inputs of {feed.height}x{feed.width} only, "
                "because its dense layers see the whole map"
            )
        builder_args = dict(self.builder_args)
        if None in size and "aux_heads" in builder_args:
            builder_args["aux_heads"] = False
        return applications.create_model(
            self.model,
            input_shape=(*size, feed.channels),
            classes=len(self.class_names),
            weights=weights,
            classifier_activation=classifier_activation,
            **builder_args,
        )


def parse_builder_args(text: str) -> dict:
    """Further arguments of a classifier's constructor.

    Args:
        text: JSON object; empty for none.

    Raises:
        ValueError: if it is no such object, or sets what data and flags decide.
    """
    arguments = _parse_object(text)
    if not isinstance(arguments, dict):
        raise _not_such_as({"dropout_rate": 0.2}, text)
    _check_undecided("builder_args", arguments, _DECIDED)
    return arguments


def parse_builder_args_by_role(text: str, example: dict) -> dict:
    """Changes of the architectures of networks that are no classifiers.

    Args:
        text: JSON object of an object for each role; empty for no changes.
        example: such a value that has all roles, for the message.

    Raises:
        ValueError: if it is no such object, or changes what data and flags decide.
    """
    arguments = _parse_object(text)
    is_fine = isinstance(arguments, dict) and all(
        role in example and isinstance(changes, dict)
        for role, changes in arguments.items()
    )
    if not is_fine:
        raise _not_such_as(example, text)
    for role, changes in arguments.items():
        _check_undecided(f"builder_args of the {role}", changes, _DECIDED_OF_OTHERS)
    return arguments


def _parse_object(text):
    """The value of JSON text, that of ``{}`` if it is empty; None if it is none."""
    try:
        return json.loads(text or "{}")
    except ValueError:
        return None


def _not_such_as(example, text):
    return ValueError(
        f"builder_args must be a JSON object such as {json.dumps(example)}, got "
        f"{text!r}"
    )


def _check_undecided(what, arguments, decided):
    if decided & set(arguments):
        raise ValueError(
            f"{what} cannot set {', '.join(sorted(decided & set(arguments)))}: data "
            "and flags decide that"
        )


def write_record(run_dir: str, flags: dict, description) -> None:
    """Writes ``run.json``: flags, network, versions, machine, source revision."""
    record = {
        "flags": flags,
        "network": dataclasses.asdict(description),
        "versions": {name: _version(name) for name in _PACKAGES},
        "python": sys.version.split()[0],
        "machine": {"system": platform.platform(), "cpus": os.cpu_count()},
        "git_revision": _git_revision(),
        "started": time.strftime("%Y-%m-%d %H:%M:%S"),
    }
    _files.write_text(os.path.join(run_dir, RECORD), json.dumps(record, indent=2))


def _version(package):
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _git_revision():
    """Commit of the source tree, ``-dirty`` where it was changed; None if unknown."""
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40"],
            cwd=os.path.dirname(os.path.abspath(__file__)),
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return described.stdout.strip()


def read_record(run_dir: str, kind=NetworkDescription):
    """Flags and network description of a run.

    Args:
        run_dir: folder of the run.
        kind: class of the description, with ``from_json``.

    Returns:
        (dict of flags, description); None if the folder holds no run.

    Raises:
        ValueError: if the record cannot be read.
    """
    path = os.path.join(run_dir, RECORD)
    if not os.path.isfile(path):
        return None
    try:
        with open(path, encoding="utf-8") as file:
            record = json.load(file)
        return record["flags"], kind.from_json(record["network"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not the record of a run: {error!r}") from error


def describe_run(run_dir: str, kind=NetworkDescription):
    """The description of a run, as ``read_record`` takes it.

    Raises:
        ValueError: if the folder holds no run, or one of another kind.
    """
    record = read_record(run_dir, kind)
    if record is None:
        raise ValueError(f"{run_dir} holds no run: there is no {RECORD} in it")
    return record[1]


def load_trained(network, run_dir: str, name: str) -> None:
    """Gives a run's network the weights ``<name>.h5`` of the run.

    Raises:
        ValueError: if there are none yet, or they are of another network.
    """
    path = os.path.join(run_dir, f"{name}.h5")
    if not os.path.isfile(path):
        reason = "no epoch has ended in that run"
        if name == "best":
            reason += ", or none was validated"
        raise ValueError(f"{run_dir} has no {name}.h5: {reason}")
    applications.load_weights(network, path, adapt=False)


def load_run(run_dir: str, which: str = "best", size=None):
    """The trained network of a run.

    Args:
        run_dir: folder of the run.
        which: ``"best"`` or ``"last"`` epoch.
        size: (height, width) of the input other than the run's, as ``build`` takes it.

    Returns:
        (``keras.Model`` that ends in probabilities, without auxiliary heads;
        ``NetworkDescription``).

    Raises:
        ValueError: if ``which`` is neither, the folder holds no run, or its weights
            cannot be read, or the network does not take that size.
    """
    if which not in ("best", "last"):
        raise ValueError(f"which must be 'best' or 'last', got {which!r}")
    description = describe_run(run_dir)
    network = description.build(size=size)
    load_trained(network, run_dir, which)
    if len(network.outputs) > 1:
        network = keras.Model(network.inputs, network.outputs[0], name=network.name)
    return network, description
