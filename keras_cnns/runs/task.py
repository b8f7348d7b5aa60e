"""The base class of tasks: what differs between kinds of training."""

from __future__ import annotations

import abc
import inspect
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import tensorflow as tf
from absl import logging
from tensorflow import keras

from keras_cnns import applications, data, figures
from keras_cnns.runs.models import parse_builder_args
from keras_cnns.runs.option_groups import TrainingOptions
from keras_cnns.runs.options import parse_factors
from keras_cnns.trainers import StepwiseTrainer, distribution, optimizers

if TYPE_CHECKING:
    import numpy as np

    from keras_cnns.runs.record import Run, RunConfig


class Task(abc.ABC):
    """One training, whose methods ``runs.train`` calls.

    Args:
        options: of the class ``options_class``.

    Attributes:
        name: of the task, as ``run.json`` has it.
        options_class: its ``TrainingOptions``.
        sources: set by ``open``, ``(Source, minibatches per step)``; the first one's
            examples make an epoch.
        needs_labels: whether data must have classes.
        patience: epochs without improvement before early stopping; 0: never.
    """

    name = ""
    options_class = TrainingOptions
    needs_labels = False
    patience = 0

    def __init__(self, options: TrainingOptions) -> None:
        self.options = options
        self.sources = []

    def check(self, num_replicas: int) -> None:
        """Refuses early what would fail later.

        Raises:
            ValueError: if options do not suit that many replicas, or each other.
        """
        size = self.options.batch_size
        if size % num_replicas:
            raise ValueError(
                f"batch_size={size} must be a multiple of the number of replicas, "
                f"{num_replicas}"
            )
        _ = self.augmentation

    @abc.abstractmethod
    def open(self) -> None:
        """Opens the data and whatever else training starts from; sets ``sources``.

        It is called within the strategy's scope.

        Raises:
            ValueError, OSError: if that is not possible.
        """

    def open_source(self, split: str, dataset: str = "") -> data.Source | None:
        """The ``data.Source`` of a split; None of an empty one.

        Args:
            split: its name.
            dataset: other data than those of the options; empty: these.

        Raises:
            ValueError, OSError: if there are no such data.
        """
        if not split:
            return None
        options, labelled = self.options, self.needs_labels
        name = dataset or options.dataset
        return data.open_source(name, split, options.data_dir, labelled=labelled)

    @property
    def source(self) -> data.Source:
        """The first source, whose examples make an epoch."""
        return self.sources[0][0]

    @property
    def augmentation(self) -> data.Augmentation | None:
        """The ``data.Augmentation`` of training images."""
        return data.Augmentation(self.options.augmentation)

    @property
    def steps_per_epoch(self) -> int:
        """Steps that take each example of the first source once.

        Raises:
            ValueError: if a source has fewer examples than a step takes.
        """
        size = self.options.batch_size
        for source, minibatches in self.sources:
            if source.num_examples < minibatches * size:
                times = "" if minibatches == 1 else f"{minibatches} times "
                raise ValueError(
                    f"a step takes {times}batch_size={size} examples of {source.name} "
                    f"{source.split}, which has {source.num_examples}"
                )
        source, minibatches = self.sources[0]
        return source.num_examples // (minibatches * size)

    @property
    def total_steps(self) -> int:
        """Steps of the whole run."""
        return self.options.epochs * self.steps_per_epoch

    def facts(self) -> dict:
        """What must be the same when the run is resumed; see ``RunConfig``."""
        counts = [source.num_examples for source, _ in self.sources]
        return {"number of examples": counts if len(counts) > 1 else counts[0]}

    @abc.abstractmethod
    def configure(self) -> RunConfig:
        """The ``RunConfig`` of a new run, ``facts`` aside.

        Raises:
            ValueError: if no network suits the options and data.
        """

    @property
    @abc.abstractmethod
    def trainer_class(self) -> type[StepwiseTrainer]:
        """The ``StepwiseTrainer`` that the options ask for."""

    @abc.abstractmethod
    def make_trainer(self, config: RunConfig, is_new: bool) -> StepwiseTrainer:
        """The compiled ``trainer_class``; it is called within the strategy's scope.

        Args:
            config: ``RunConfig`` of the run.
            is_new: whether no checkpoint will be restored.
        """

    def load_batches(
        self, config: RunConfig, start_step: int, share: data.Share = data.WHOLE
    ) -> tf.data.Dataset:
        """The endless stream of training batches from a step on.

        Args:
            config: ``RunConfig`` of the run.
            start_step: batches to leave out at the beginning of the stream.
            share: ``data.Share`` of the batches that this worker reads.
        """
        source, minibatches = self.sources[0]
        return data.load_training(
            source,
            self.options.batch_size * minibatches,
            start_step,
            preprocessing=config.preprocessing,
            augmentation=self.augmentation,
            seed=self.options.seed,
            share=share,
        )

    def load_validation(
        self, config: RunConfig, share: data.Share = data.WHOLE
    ) -> tf.data.Dataset | None:
        """Dataset to evaluate after each epoch; None for none."""
        return

    def sampler(self, trainer: StepwiseTrainer, config: RunConfig) -> tuple | None:
        """Samples after each epoch: (function that returns images, function that writes
        images to a path); None for none. All workers call the first together.
        """
        return

    def complete(self, run: Run) -> None:  # noqa: B027  most tasks have nothing to add
        """What else is learned once all epochs have ended, in the chief process.

        A run that is resumed does it again.

        Args:
            run: ``Run``; its weights are those of the last epoch.
        """

    def report(self, run: Run, progress: dict) -> None:
        """Writes figures and other results of a finished run, in the chief process.

        Args:
            run: ``Run``; its weights are those of the last epoch.
            progress: of the run, with ``history``; may be extended.
        """
        path = os.path.join(run.folder, "training_curves.png")
        figures.plot_training_curves(progress["history"], path)

    def export_options(self) -> dict:
        """Arguments of ``export`` that the options give."""
        return {}

    @classmethod
    def models(cls) -> dict:
        """What ``--model`` takes: by name, registry names of the networks by role."""
        return {name: row.networks for name, row in cls.options_class.models.items()}

    @classmethod
    @abc.abstractmethod
    def inferencer(cls, run: Run, **options: Any) -> Callable:
        """The object that uses the trained networks of a ``Run``."""

    @classmethod
    @abc.abstractmethod
    def export(cls, run: Run, export_dir: str, name: str = "", **options: Any) -> tuple:
        """Exports a ``Run`` for TF Serving, verified in a fresh process.

        Args:
            run: of this task.
            export_dir: folder that gets ``<name>/<version>/``.
            name: model name in the path; empty takes the run's.
            **options: of the task's export; ``form``, an ``export.Form``, tells how
                it is stored.

        Returns:
            (the version's folder, largest relative difference of an output on
            reloading).
        """

    @classmethod
    def calibration_images(cls, run: Run, count: int) -> np.ndarray:
        """Inputs of the network, by which the ranges of 8-bit numbers are chosen.

        Args:
            run: of this task.
            count: how many, evenly from the images that it was trained on.

        Returns:
            NumPy ``(count, height, width, channels)``.

        Raises:
            ValueError: if the task has none.
        """
        raise ValueError(f"8 bits are for classifiers; {run.folder} is of {cls.name}")

    def preprocess_for(self, model: str) -> data.Preprocessing:
        """``Preprocessing`` of networks that output images.

        Args:
            model: registry name; it gives the default size, and the range of values:
                [-1, 1] where it has none of its own.
        """
        options, info = self.options, applications.model_info(model)
        size = (options.image_size,) * 2 if options.image_size else info.input_shape[:2]
        channels = options.channels or self.source.image_shape[2] or 3
        value_range = "unit" if info.preprocessing == "unit" else "signed"
        return data.Preprocessing.for_range(*size, channels, value_range)

    def networks_of(self, arguments: Callable[[str, str], dict], example: dict) -> dict:
        """The networks of the model as ``RunConfig`` has them, with ``builder_args``.

        Args:
            arguments: function of role and registry name to arguments that data and
                options set.
            example: a value of ``builder_args``, for the error message.
        """
        names = self.options.row.networks
        decided = {role: arguments(role, name) for role, name in names.items()}
        example = {**dict.fromkeys(decided, {}), **example}
        changes = parse_builder_args(self.options.builder_args, example, decided)
        return {
            role: {"model": name, "args": {**decided[role], **changes.get(role, {})}}
            for role, name in names.items()
        }

    def build_networks(self, config: RunConfig) -> dict:
        """All networks of a ``RunConfig`` by role, with fresh weights."""
        return self.prepare_networks({r: config.build(r) for r in config.networks})

    def phase_steps(self, *names: str) -> list:
        """Steps of phases, 0 only where a fraction is 0.

        Args:
            *names: of options that are fractions of the run's steps.

        Raises:
            ValueError: if one is not in [0, 1] or gives no step, or if several leave no
                step for what comes after them.
        """
        total, counts = self.total_steps, []
        for name in names:
            fraction = getattr(self.options, name)
            if not 0 <= fraction <= 1:
                raise ValueError(
                    f"{name} must be a fraction in [0, 1], got {fraction!r}"
                )
            counts.append(round(fraction * total))
            if fraction and not counts[-1]:
                raise ValueError(
                    f"{name}={fraction} of {total} steps is none; give a larger "
                    "fraction, 0 for no such phase, or more steps"
                )
        if sum(counts) >= total:
            told = " and ".join(f"{n}={getattr(self.options, n)}" for n in names)
            raise ValueError(
                f"{told} leave none of {total} steps for the rest of the training; "
                "their sum must be less than 1"
            )
        return counts

    def prepare_networks(self, networks: dict) -> dict:
        """Networks as the options require, by role; logs their sizes.

        Raises:
            ValueError: if none has a batch normalisation to synchronise.
        """
        if self.options.sync_batch_norm:
            if not any(map(_has_batch_norm, networks.values())):
                raise ValueError(
                    "sync_batch_norm has no effect: "
                    f"{', '.join(n.name for n in networks.values())} without batch "
                    "normalisation; leave it out"
                )
            networks = {
                role: distribution.synchronize_batch_norm(network)
                for role, network in networks.items()
            }
        for network in networks.values():
            count = sum(int(tf.size(w)) for w in network.trainable_weights)
            logging.info("%s: %s parameters", network.name, f"{count:,}")
        return networks

    def trainer_options(self, kind: type[StepwiseTrainer], **others: Any) -> dict:
        """Arguments of a trainer: the options of these names that have an effect.

        Args:
            kind: subclass of ``StepwiseTrainer``.
            **others: arguments that are no options, or not as the trainer takes them.
        """
        classes = [c for c in kind.__mro__ if issubclass(c, StepwiseTrainer)]
        names = {n for c in classes for n in inspect.signature(c.__init__).parameters}
        given = self.options.effective(*names & set(vars(self.options)))
        if optimizers.decays_weights(self.options.optimizer):
            given["weight_decay"] = 0.0
        if "rate_factors" in given:
            text = given["rate_factors"]
            given["rate_factors"] = parse_factors("rate_factors", text)
        return {**given, **others}


def _has_batch_norm(network):
    kind = keras.layers.BatchNormalization
    return any(isinstance(layer, kind) for layer in network.submodules)
