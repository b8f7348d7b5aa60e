"""Pruning a trained classifier: a further run of the classification task.

The pruned run has the networks, preprocessing and classes of the run that it is made
of, so that all that takes a classifier's run takes it. What it has besides is in
``details`` of its config: the patterns.
"""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING

import numpy as np
from absl import logging
from tensorflow import keras

from keras_cnns import _arrays, _files, compression, figures, metrics, trainers
from keras_cnns.runs import holds_run, read_run
from keras_cnns.runs.callbacks import write_csv
from keras_cnns.tasks.classification.pruning_options import PruningOptions
from keras_cnns.tasks.classification.task import ClassificationTask
from keras_cnns.trainers.optimizers import ConstantFirst

if TYPE_CHECKING:
    from keras_cnns.runs.record import Run, RunConfig
    from keras_cnns.trainers import StepwiseTrainer

_MASKS, _REPORT, _FIGURE = "masks.npz", "pruning", "kernels.png"
_DRAWN, _SCALE = 20, 12  # kernels of the figure; its pixels for each weight


class PruningTask(ClassificationTask):
    """Trains the network of a run further, with a part of its weights."""

    options_class = PruningOptions
    trainer_class = trainers.PruningTrainer
    patience = 0

    def __init__(self, options: PruningOptions) -> None:
        super().__init__(options)
        self._trainer = None

    @property
    def _is_resumed(self):
        return self.options.resume and holds_run(self.options.folder)

    def _dense(self):
        """The run that is pruned."""
        return read_run(self.options.run_dir, self.name)

    def check(self, num_replicas: int) -> None:
        super().check(num_replicas)
        if not self._is_resumed:
            self._dense()

    def facts(self) -> dict:
        return {**super().facts(), "kind of training": "pruning"}

    def configure(self) -> RunConfig:
        dense = self._dense()
        ours, theirs = self.source.class_names, dense.config.class_names
        if ours != theirs:
            odd = sorted(set(ours) ^ set(theirs)) or list(ours)
            raise ValueError(
                f"{self.source.name} has other classes than {dense.folder} was trained "
                f"on, or in another order: {', '.join(odd[:3])} ({len(odd)})"
            )
        network = dense.load("network", self.options.which)
        details = {**dense.config.details, "patterns": self._patterns(network)}
        return dataclasses.replace(dense.config, details=details)

    def _patterns(self, network):
        """Patterns of 3x3 kernels, as ``compression.plan_pruning`` takes them."""
        if self.options.patterns == "none":
            return ()
        if self.options.patterns == "fixed":
            return compression.FIXED_PATTERNS
        return compression.find_library(network, self.options.num_patterns)

    def make_trainer(self, config: RunConfig, is_new: bool) -> StepwiseTrainer:
        logits = {"classifier_activation": None}
        if is_new:
            network = self._dense().load("network", self.options.which, **logits)
        else:
            network = config.build("network", **logits)
        network = self.prepare_networks({"network": network})["network"]
        kind, options = self.trainer_class, self.options
        steps = self.steps_per_epoch * options.round_epochs
        rules = self._rules(network, config)
        given = self.trainer_options(kind, rules=rules, round_steps=steps)
        self._trainer = kind(network, **given)
        self._trainer.compile(self._optimizer(options.admm_rounds * steps))
        return self._trainer

    def _optimizer(self, admm_steps):
        """One whose rate is constant in ADMM; the schedule is of what follows."""
        options = self.options
        updates = self.total_steps - admm_steps, self.steps_per_epoch
        rate = options.make_schedule(*updates, options.learning_rate)
        if admm_steps:
            first = options.admm_learning_rate or options.learning_rate
            rate = ConstantFirst(first, admm_steps, rate)
        return options.make_optimizer(*updates, learning_rate=rate)

    def _rules(self, network, config):
        options = self.options
        return compression.plan_pruning(
            network,
            config.details["patterns"],
            options.connectivity,
            options.other_connectivity,
            options.keep_dense,
        )

    def complete(self, run: Run) -> None:
        """The masks, beside the weights that they are of."""
        path = os.path.join(run.folder, _MASKS)
        _arrays.write_arrays(path, self._trainer.masks)

    def report(self, run: Run, progress: dict) -> None:
        """What every classifier's run reports, and what is left of each layer."""
        super().report(run, progress)
        rows = compression.report_pruning(self._trainer.masks)
        accuracy = self._accuracies(run, progress)
        progress["pruning"] = {"layers": rows, "accuracy": accuracy}
        path = os.path.join(run.folder, f"{_REPORT}.csv")
        write_csv(path, rows)
        patterns = run.config.details["patterns"]
        record = {**progress["pruning"], "patterns": [list(kept) for kept in patterns]}
        _files.write_json(os.path.join(run.folder, f"{_REPORT}.json"), record, indent=2)
        if holds_run(self.options.run_dir):
            self._draw_kernels(run)
        _show(rows, accuracy)

    def _draw_kernels(self, run):
        """The first 3x3 kernels of the last layer that has such, with what is left."""
        kernels = []
        for one, which in ((self._dense(), self.options.which), (run, "last")):
            rules = self._rules(one.load("network", which), run.config)
            found = [rule for rule in rules if rule.variable.shape[:2] == (3, 3)]
            if not found:
                return
            values = found[-1].variable.numpy().reshape(3, 3, 1, -1)
            kernels.append(np.moveaxis(values[..., :_DRAWN], 3, 0))
        figures.image_grid(
            figures.signed_heat(np.concatenate(kernels)),
            os.path.join(run.folder, _FIGURE),
            len(kernels[0]),
            value_range="unit",
            row_labels=("before", "after"),
            scale=_SCALE,
        )

    def _accuracies(self, run, progress):
        """Accuracy before pruning, right after it, and trained; none held out: none.

        The first two are missing of a pruning that was resumed after its run had gone.
        """
        if self._held_out is None:
            return {}
        retrained = progress["report"].top_1
        if not holds_run(self.options.run_dir):
            logging.warning("%s is gone: nothing to compare to", self.options.run_dir)
            return {"retrained": retrained}
        network = self._dense().load("network", self.options.which)
        dense = self._accuracy(network, run)
        if self.options.admm_rounds:
            last = self.options.admm_rounds * self.options.round_epochs
            projected = progress["history"][last - 1]["val_accuracy"]
        else:
            compression.prune(self._rules(network, run.config))
            projected = self._accuracy(network, run)
        return {"dense": dense, "projected": projected, "retrained": retrained}

    def _accuracy(self, network, run):
        classifier = keras.Model(network.inputs, network.outputs[0])
        validation = self.load_validation(run.config)
        names = run.config.class_names
        return metrics.evaluate_classifier(classifier, validation, names).top_1


def _show(rows, accuracy):
    width = max(len(row["weight"]) for row in rows)
    print(
        f"{'weight':{width}}  kernel  kernels     kept  entries     kept  times fewer"
    )
    for row in rows:
        print(
            f"{row['weight']:{width}}  {row['kernel'] or '':>6}  "
            f"{row['kernels']:7d}  {row['kept_kernels']:7d}  "
            f"{row['entries']:7d}  {row['kept_entries']:7d}  {row['compression']:11.2f}"
        )
    if accuracy:
        told = "  ".join(f"{name} {value:.2%}" for name, value in accuracy.items())
        print(f"accuracy: {told}")
