"""The one training loop: from options to a finished run."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import os
from typing import TYPE_CHECKING

from absl import logging
from tensorflow import keras

from keras_cnns import _files, _progress
from keras_cnns.data import naming_bad_images
from keras_cnns.data.data_servers import load_from_servers, naming_lost_servers
from keras_cnns.runs import callbacks, process
from keras_cnns.runs.checkpoints import list_steps
from keras_cnns.runs.folder import check_unchanged, claimed_folder
from keras_cnns.runs.record import (
    Run,
    describe_versions,
    holds_run,
    read_run,
    write_record,
)
from keras_cnns.runs.resumable import fit_resumable
from keras_cnns.runs.supervision import train_supervised
from keras_cnns.trainers import clusters, distribution

if TYPE_CHECKING:
    from keras_cnns.runs.option_groups import RunOptions
    from keras_cnns.runs.task import Task

_EXPORT = "export.json"  # in the run's folder: which version it was exported as


def train(task_class: type[Task], options: RunOptions) -> dict:
    """Trains a new run, or resumes one from its newest checkpoint.

    With ``options.restarts`` it does so in a process of its own, which is started again
    where it, or another worker, is lost; the module of ``__main__`` must be one that
    can be imported then, as ``multiprocessing`` wants it.

    Args:
        task_class: subclass of ``Task``.
        options: of its ``options_class``.

    Returns:
        The run's progress, with ``history``.

    Raises:
        ValueError: if an option is bad or does not suit the data.
        OSError: if data cannot be read, or the run's folder cannot be written.
        LostWorkerError: if another worker has ended.
        LostServerError: if a data server was started again.
        LostProcessError: if the process of its own has ended without telling why.
        NonFiniteLossError, TrainingInterrupted: as ``fit_resumable``.
    """
    if options.restarts:
        return train_supervised(_train, task_class, options)
    return _train(task_class, options)


@naming_bad_images()
def _train(task_class, options):
    """Trains in this process."""
    if options.deterministic:
        process.make_deterministic()
    name, cluster = options.distribution_strategy, None
    if name == "multi_worker":
        cluster = clusters.find_cluster()
    lost_workers = clusters.naming_lost_workers(cluster)
    lost_servers = naming_lost_servers(options.data_service)
    with _progress.shown(options.quiet), lost_workers, lost_servers:
        strategy = distribution.make_strategy(name, cluster)
        task = task_class(options)
        task.check(strategy.num_replicas_in_sync)
        process.set_up(options.seed, options.mixed_precision)
        is_chief = distribution.is_chief(strategy)
        shown = contextlib.nullcontext() if is_chief else _progress.hidden()
        with shown, claimed_folder(options.folder, options.resume, is_chief):
            return _fit(task, strategy, is_chief)


def _fit(task, strategy, is_chief):
    """Trains in the run's folder."""
    options = task.options
    with strategy.scope():
        task.open()
        run, is_new = _begin(task)
        has_state = list_steps(os.path.join(options.folder, "checkpoints"))
        trainer = task.make_trainer(run.config, not has_state)
    validation, validation_steps = _validation(task, strategy, run.config)
    samples = _samples(task, trainer, run, is_chief)
    if is_chief and is_new:
        write_record(run)
    progress = fit_resumable(
        trainer,
        lambda step: distribution.worker_batches(
            strategy, _batches_of(task, run.config, step)
        ),
        run_dir=options.folder,
        epochs=options.epochs,
        steps_per_epoch=task.steps_per_epoch,
        validation_data=validation,
        validation_steps=validation_steps,
        checkpoint_interval=options.checkpoint_interval,
        patience=task.patience,
        is_chief=is_chief,
        further_callbacks=samples,
    )
    keras.mixed_precision.set_global_policy("float32")
    try:
        if is_chief:
            _finish(task, run, progress)
    finally:
        distribution.wait_for_workers(strategy)
    return progress


def _batches_of(task, config, step):
    """Function of a share to its rows of the batches from a step on."""
    load = functools.partial(task.load_batches, config, step)
    addresses = task.options.data_service
    if not addresses:
        return load
    return functools.partial(
        load_from_servers, lambda share: load(share=share), addresses
    )


def _begin(task):
    """(the run, whether it is new)."""
    options, facts = task.options, json.loads(json.dumps(task.facts()))
    source, steps = task.source, task.steps_per_epoch
    logging.info("%s", describe_versions())
    logging.info("%d examples, %d steps per epoch", source.num_examples, steps)
    if options.resume and holds_run(options.folder):
        run = read_run(options.folder, task.name)
        check_unchanged(run, options, source.class_names, facts)
        return run, False
    config = dataclasses.replace(task.configure(), facts=facts)
    return Run(options.folder, task.name, options.to_json(), config), True


def _validation(task, strategy, config):
    """(what ``evaluate`` takes or None, its number of batches or None: to its end)."""
    whole = task.load_validation(config)
    if whole is None or not distribution.has_workers(strategy):
        return whole, None
    batches = distribution.worker_batches(
        strategy, functools.partial(task.load_validation, config)
    )
    return batches, int(whole.cardinality())


def _samples(task, trainer, run, is_chief):
    """The callback that writes samples after each epoch, in a list; empty for none."""
    sampler = task.sampler(trainer, run.config)
    if sampler is None:
        return []
    folder = os.path.join(run.folder, "samples")
    return [callbacks.EpochSamples(*sampler, folder, is_chief=is_chief)]


def _finish(task, run, progress):
    """The export, and the report; where one fails, the other is made nevertheless."""
    task.complete(run)
    try:
        if task.options.export_dir:
            _export(task, run)
    finally:
        task.report(run, progress)
        print(f"everything is in {run.folder}")


def _export(task, run):
    """The export, unless the same one was made before the run was resumed."""
    folder, options = task.options.export_dir, task.export_options()
    asked = {"export_dir": os.path.abspath(folder), **options}
    record = os.path.join(run.folder, _EXPORT)
    path = _exported(record, asked)
    if path:
        print(f"{path} is there already and stays unchanged")
        return
    path, difference = task.export(run, folder, **options)
    _files.write_json(record, {"path": os.path.abspath(path), "asked": asked})
    print(f"exported and verified: {path} (largest difference {difference:.1g})")


def _exported(record, asked) -> str:
    """The folder that a record tells of, if it is there and was asked for alike."""
    with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
        with open(record, encoding="utf-8") as file:
            made = json.load(file)
        if made["asked"] == asked and os.path.isdir(made["path"]):
            return made["path"]
    return ""
