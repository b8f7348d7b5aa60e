"""Training that can stop at any moment and resume bit-exactly."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from tensorflow import keras

from keras_cnns import _files
from keras_cnns.runs import callbacks
from keras_cnns.runs.checkpoints import CheckpointStore
from keras_cnns.runs.progress import check_epochs
from keras_cnns.trainers import distribution

if TYPE_CHECKING:
    from keras_cnns.trainers import StepwiseTrainer


def fit_resumable(
    trainer: StepwiseTrainer,
    load_batches: Callable[[int], Iterable],
    *,
    run_dir: str,
    epochs: int,
    steps_per_epoch: int,
    validation_data: Iterable | None = None,
    validation_steps: int | None = None,
    checkpoint_interval: int = 0,
    patience: int = 0,
    is_chief: bool = True,
    further_callbacks: Sequence[keras.callbacks.Callback] = (),
) -> dict:
    """Trains up to ``epochs`` epochs, from the newest checkpoint in ``run_dir``.

    Args:
        trainer: compiled trainer.
        load_batches: function that returns the endless stream of batches from a step
            on, which must depend on the step alone; a dataset, or a distributed one.
        run_dir: folder of the run; gets ``checkpoints/``, ``logs/`` (TensorBoard),
            ``metrics.csv`` and the weights of the trainer's ``networks``.
        epochs: epochs of the whole run.
        steps_per_epoch: batches of one epoch.
        validation_data: dataset evaluated after each epoch; None for none.
        validation_steps: its number of batches; None: until it ends.
        checkpoint_interval: steps between checkpoints; 0 for one per epoch.
        patience: epochs without improvement before early stopping; 0: never.
        is_chief: whether this process writes.
        further_callbacks: called after an epoch is recorded, before it is saved.

    Returns:
        The run's progress: ``history`` (one dict per epoch), ``best_epoch``,
        ``stopped_early``.

    Raises:
        NonFiniteLossError: if the loss becomes NaN or infinite.
        TrainingInterrupted: after Ctrl-C or SIGTERM, with the state saved.
        OSError: if a checkpoint cannot be written.
        ValueError: if the checkpoint cannot be restored.
    """
    folder = os.path.join(run_dir, "checkpoints")
    store = CheckpointStore(folder, trainer, is_chief=is_chief)
    progress = _restore(store, trainer, run_dir, steps_per_epoch)
    step = trainer.steps_done
    stop_request = callbacks.StopRequest()
    bar = callbacks.ProgressBar(epochs * steps_per_epoch, step)
    recorder = callbacks.EpochRecorder(
        run_dir, epochs=epochs, progress=progress, patience=patience, is_chief=is_chief
    )
    watchers = [
        callbacks.StopOnNonFiniteLoss(store),
        bar,
        recorder,
        *further_callbacks,
        callbacks.StateSaver(
            store,
            progress=progress,
            steps_per_epoch=steps_per_epoch,
            interval=checkpoint_interval,
            stop_request=stop_request,
        ),
    ]

    def fit(first_step, last_epoch, *extra):
        trainer.fit(
            load_batches(first_step),
            initial_epoch=first_step // steps_per_epoch,
            epochs=last_epoch,
            steps_per_epoch=steps_per_epoch - first_step % steps_per_epoch,
            validation_data=validation_data,
            validation_steps=validation_steps,
            callbacks=[*extra, *watchers],
            verbose=0,
        )

    boards = _boards(run_dir, is_chief)
    with contextlib.closing(bar), stop_request.listening(), boards as board:
        watchers[:0] = board
        if step % steps_per_epoch:
            begun = callbacks.PartialEpochMetrics(trainer)
            fit(step, step // steps_per_epoch + 1, begun)
            step = trainer.steps_done
        if step < epochs * steps_per_epoch and not progress.get("stopped_early"):
            fit(step, epochs)
    return progress


@contextlib.contextmanager
def _boards(run_dir, is_chief):
    """Yields the callback that writes TensorBoard's logs, in a list; empty for none."""
    with _files.plain_path(run_dir) as folder:
        logs = os.path.join(folder, "logs")
        board = keras.callbacks.TensorBoard(logs, write_graph=False, profile_batch=0)
        yield [board] if is_chief else []


def _restore(store, trainer, run_dir, steps_per_epoch):
    """Restores the newest checkpoint; returns its progress, of no epochs if new."""
    progress = store.restore() or {"history": []}
    check_epochs(progress, trainer.steps_done, steps_per_epoch)
    _check_same_step(trainer, trainer.steps_done, run_dir)
    return progress


def _check_same_step(trainer, step, run_dir):
    """Refuses workers that would resume from different steps."""
    if not distribution.is_same_for_all_workers(trainer.distribute_strategy, step):
        raise ValueError(
            f"this worker would resume from step {step}, others from another; the "
            f"run's folder {run_dir} must be on a disk that all workers see"
        )
