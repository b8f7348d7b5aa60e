"""Checkpoints: the whole state of a training, in folders written atomically."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

import tensorflow as tf
from absl import logging

from keras_cnns import _files
from keras_cnns.runs.progress import read_progress

if TYPE_CHECKING:
    from keras_cnns.trainers import StepwiseTrainer

_PREFIX = "step_"
_PROGRESS = "progress.json"
# What TensorFlow's readers raise for truncated, damaged or other networks' files.
_UNREADABLE = (
    AssertionError,
    IndexError,
    OSError,
    RuntimeError,
    ValueError,
    tf.errors.OpError,
)


class CheckpointStore:
    """Saves and restores a trainer with everything that further training depends on.

    Each checkpoint is a folder ``step_<number>`` with a TensorFlow checkpoint and
    ``progress.json``, written atomically; then all but the ``keep`` newest are removed.

    Args:
        directory: folder of the checkpoints.
        trainer: compiled trainer; its ``checkpointed`` and ``networks`` name what is
            saved.
        is_chief: whether this process keeps what it writes. All workers must call
            ``save`` together, since replicated variables are read together.
        keep: number of checkpoints to keep.
    """

    def __init__(
        self,
        directory: str,
        trainer: StepwiseTrainer,
        *,
        is_chief: bool = True,
        keep: int = 2,
    ) -> None:
        self.directory = directory
        self._is_chief = is_chief
        self._keep = keep
        self._trainer = trainer
        self._objects = tf.train.Checkpoint(
            **trainer.checkpointed(),
            generators=_random_generators(trainer.networks.values()),
        )

    def steps(self) -> list:
        """Steps of the complete checkpoints, ascending."""
        return list_steps(self.directory)

    def save(self, progress: dict) -> None:
        """Writes a checkpoint of the current step.

        Args:
            progress: what else the run depends on, as JSON values.

        Raises:
            OSError: if it could not be written (disk full, for example); the older
                checkpoints stay.
        """
        step = self._trainer.steps_done
        if step in self.steps():
            return
        path = self._path(step)
        try:
            if self._is_chief:
                with _files.atomic_folder(path, durable=True) as partial:
                    with _files.plain_path(partial) as folder:
                        self._write(os.path.join(folder, "state"))
                    _files.write_json(os.path.join(partial, _PROGRESS), progress)
            else:
                with tempfile.TemporaryDirectory() as folder:
                    self._write(os.path.join(folder, "state"))
        except (OSError, tf.errors.OpError) as error:
            kept = self.steps()
            last = (
                f"the last good one is {self._path(kept[-1])}" if kept else "none yet"
            )
            raise OSError(
                f"could not write checkpoint {path}: {error} ({last}; free space, then "
                "resume)"
            ) from error
        self._remove_old()

    def _write(self, path):
        """Writes the state, and goes on from what is written, as a resumed run would.

        Replicas have statistics and sums of their own, of which the mean or the total
        is written.
        """
        self._objects.write(path)
        if self._trainer.distribute_strategy.num_replicas_in_sync > 1:
            self._objects.read(path).assert_existing_objects_matched()

    def _remove_old(self):
        for old in self.steps()[: -self._keep] if self._is_chief else ():
            _files.remove_folder(self._path(old))

    def remove(self, step: int) -> None:
        """Removes the checkpoint of a step, if there is one."""
        if self._is_chief and step in self.steps():
            _files.remove_folder(self._path(step))

    def restore(self) -> dict | None:
        """Restores the newest checkpoint.

        Returns:
            Its progress; None if there is no checkpoint.

        Raises:
            ValueError: if it is truncated, corrupt, or of another network.
        """
        steps = self.steps()
        if not steps:
            return None
        path = self._path(steps[-1])
        try:
            progress = read_progress(os.path.join(path, _PROGRESS))
            with _files.plain_path(path) as folder:
                status = self._objects.read(os.path.join(folder, "state"))
                status.assert_existing_objects_matched()
        except _UNREADABLE as error:
            first_line = (str(error).strip() or repr(error)).splitlines()[0]
            older = ""
            if len(steps) > 1:
                older = f", or remove it to resume from {self._path(steps[-2])}"
            raise ValueError(
                f"checkpoint {path} cannot be restored, it is truncated, corrupt or of "
                f"another network: {first_line}. Restore it from a copy{older}"
            ) from error
        logging.info("resumed from %s", path)
        self._remove_old()  # which a kill may have left
        return progress

    def _path(self, step):
        return os.path.join(self.directory, _name(step))


def list_steps(directory: str) -> list:
    """Steps of the complete checkpoints in a folder, ascending."""
    if not os.path.isdir(directory):
        return []
    return sorted(
        int(name[len(_PREFIX) :])
        for name in os.listdir(directory)
        if name.startswith(_PREFIX) and name[len(_PREFIX) :].isdecimal()
    )


def newest_progress(directory: str) -> dict | None:
    """Progress in the newest complete checkpoint of a folder; None without any.

    Raises:
        ValueError: if it cannot be read.
    """
    steps = list_steps(directory)
    if not steps:
        return None
    return read_progress(os.path.join(directory, _name(steps[-1]), _PROGRESS))


def _name(step):
    return f"{_PREFIX}{step:08d}"


def _random_generators(networks):
    """State of the layers that draw random numbers, such as dropout.

    Keras leaves it out of checkpoints; without it a resumed run would draw other
    numbers.
    """
    generators = []
    for layer in [layer for network in networks for layer in network.layers]:
        for part in (layer, *layer.submodules):
            source = getattr(part, "_random_generator", None)
            generator = getattr(source, "_generator", None)
            if generator is not None:
                generators.append(generator)
    return generators
