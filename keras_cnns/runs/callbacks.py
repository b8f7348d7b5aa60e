"""Callbacks of a resumable run: checks, progress, records and checkpoints."""

from __future__ import annotations

import contextlib
import csv
import io
import math
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import tensorflow as tf
from absl import logging
from tensorflow import keras

from keras_cnns import _files, _progress, applications, figures
from keras_cnns.trainers import distribution

if TYPE_CHECKING:
    from keras_cnns._types import Optimizer
    from keras_cnns.runs.checkpoints import CheckpointStore
    from keras_cnns.trainers import StepwiseTrainer


class NonFiniteLossError(ArithmeticError):
    """The loss or a weight became NaN or infinite."""


class TrainingInterrupted(Exception):
    """The run was asked to stop (Ctrl-C or SIGTERM); its state is saved."""


class StopOnNonFiniteLoss(keras.callbacks.Callback):
    """Ends the run at the first step with a loss or metric that is NaN or infinite.

    The weights that gave this loss are those of the step before. A checkpoint of that
    step is removed: the newest one left has been trained on with a finite loss.
    """

    def __init__(self, store: CheckpointStore) -> None:
        super().__init__()
        self._store = store

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        for name, value in logs.items():
            if not math.isfinite(value):
                self._store.remove(self.model.steps_done - 1)
                self._stop(f"the {name.replace('_', ' ')} became {value}")

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        for network in self.model.networks.values():
            for weight in network.weights:  # which all workers read together
                if not tf.reduce_all(tf.math.is_finite(weight)):
                    self._stop(f"a weight became NaN or infinite ({weight.name})")

    def _stop(self, what):
        steps = self._store.steps()
        kept = "there is no good checkpoint yet"
        if steps:
            kept = f"the last good checkpoint, of step {steps[-1]}, is kept"
        raise NonFiniteLossError(
            f"{what} at step {self.model.steps_done}; {kept}. "
            "Try a smaller --learning_rate"
        )


class ProgressBar(keras.callbacks.Callback):
    """Shows how far a training is, and while it validates how far that is.

    Args:
        total_steps: steps of the whole run.
        start_step: step that it starts or resumes from.
        description: what is done.
    """

    def __init__(
        self, total_steps: int, start_step: int = 0, description: str = "training"
    ) -> None:
        super().__init__()
        self._validation, self._validation_steps = None, None
        self._bar = _progress.bar(
            desc=description,
            total=total_steps,
            initial=start_step,
            unit="step",
            mininterval=0.5,
            leave=True,
        )

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self._bar.update()
        if not self._bar.disable:
            values = {name: f"{value:.4f}" for name, value in logs.items()}
            self._bar.set_postfix(values, refresh=False)

    def on_test_begin(self, logs: dict | None = None) -> None:
        total = self._validation_steps  # known from the epoch before
        self._validation = _progress.bar(desc="validation", total=total, unit="step")

    def on_test_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self._validation.update()

    def on_test_end(self, logs: dict | None = None) -> None:
        self._validation_steps = self._validation.n
        self._validation.close()

    def close(self) -> None:
        for bar in (self._validation, self._bar):
            if bar is not None:
                bar.close()


class EpochRecorder(keras.callbacks.Callback):
    """Records each epoch, saves the networks' weights, stops early.

    Where the trainer's ``score_epoch`` ranks epochs, the weights of the best one are
    saved too.

    Args:
        run_dir: folder of ``metrics.csv`` and of a weight file for each of the
            trainer's ``networks``, and of ``best.h5``.
        epochs: number of epochs of the run, for the line on the terminal.
        progress: the run's progress, changed in place; an empty dict for a new run.
        patience: epochs without a better monitored value before the run stops; 0 never.
        is_chief: whether this process writes.
    """

    def __init__(
        self,
        run_dir: str,
        *,
        epochs: int,
        progress: dict,
        patience: int = 0,
        is_chief: bool = True,
    ) -> None:
        super().__init__()
        self._run_dir = run_dir
        self._epochs = epochs
        self._patience = patience
        self._is_chief = is_chief
        self._progress = progress
        progress.setdefault("history", [])
        progress.setdefault("best_epoch", 0)
        progress.setdefault("stopped_early", False)
        self._started = None

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._started = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        row = {
            "epoch": epoch + 1,
            "step": self.model.steps_done,
            "learning_rate": current_learning_rate(self.model.active_optimizer),
            "seconds": round(time.monotonic() - self._started, 2),
            **{name: float(value) for name, value in logs.items()},
        }
        history = self._progress["history"]
        history.append(row)
        networks = dict(self.model.networks)
        if self._is_best(row):
            self._progress["best_epoch"] = epoch + 1
            networks["best"] = self.model.network
        self._save_weights(networks)
        if self._is_chief:
            write_csv(os.path.join(self._run_dir, "metrics.csv"), history)
            self._show(row)
        waited = epoch + 1 - self._progress["best_epoch"]
        if self._patience and waited >= self._patience:
            self._progress["stopped_early"] = True
            self.model.stop_training = True
            logging.info("stopped early: no better epoch in the last %d", waited)

    def _is_best(self, row):
        score, best = self.model.score_epoch(row), self._progress["best_epoch"]
        if score is None or not best:
            return score is not None
        return score > self.model.score_epoch(self._progress["history"][best - 1])

    def _save_weights(self, networks):
        """Saves the averaged weights; all workers call it, as they read together."""
        with contextlib.ExitStack() as stack:
            folder = self._run_dir
            if not self._is_chief:
                folder = stack.enter_context(tempfile.TemporaryDirectory())
            stack.enter_context(self.model.averaged_weights())
            for name, network in networks.items():
                applications.save_weights(network, os.path.join(folder, f"{name}.h5"))

    def _show(self, row):
        measures = figures.measures_of(row).items()
        values = "  ".join(f"{name} {value:.4f}" for name, value in measures)
        seconds = f"{row['seconds']:.0f} s"
        _progress.note(f"epoch {row['epoch']}/{self._epochs}  {values}  {seconds}")


def write_csv(path: str, rows: Sequence[dict]) -> None:
    """Writes rows (dicts) as a CSV file with a header, atomically."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    _files.write_text(path, text.getvalue())


def current_learning_rate(optimizer: Optimizer) -> float:
    """The current learning rate of any kind of optimizer."""
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    optimizer = getattr(optimizer, "_optimizer", optimizer)  # addons' Lookahead
    rate = optimizer.learning_rate
    if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        rate = rate(optimizer.iterations)
    return float(keras.backend.get_value(rate))


class EpochSamples(keras.callbacks.Callback):
    """Writes samples after each epoch, always of the same inputs.

    Args:
        sample: function that returns images; all workers call it together.
        write: function of (images, path).
        folder: gets ``epoch_0001.png`` and so on.
        is_chief: whether this process writes.
    """

    def __init__(
        self,
        sample: Callable[[], Any],
        write: Callable[[Any, str], object],
        folder: str,
        *,
        is_chief: bool = True,
    ) -> None:
        super().__init__()
        self._sample = sample
        self._write = write
        self._folder = folder
        self._is_chief = is_chief

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        images = self._sample()
        if self._is_chief:
            name = f"epoch_{epoch + 1:04d}.png"
            self._write(images, os.path.join(self._folder, name))


class StateSaver(keras.callbacks.Callback):
    """Saves the whole state, and ends the run cleanly on request.

    The state is saved after every ``interval`` steps and after every epoch, once it is
    validated and recorded.

    Args:
        store: ``CheckpointStore``.
        progress: the run's progress, saved with it.
        steps_per_epoch: steps of one epoch.
        interval: steps between checkpoints within an epoch; 0 for epochs only.
        stop_request: ``StopRequest``.
    """

    def __init__(
        self,
        store: CheckpointStore,
        *,
        progress: dict,
        steps_per_epoch: int,
        interval: int,
        stop_request: StopRequest,
    ) -> None:
        super().__init__()
        self._store = store
        self._progress = progress
        self._steps_per_epoch = steps_per_epoch
        self._interval = interval
        self._stop_request = stop_request

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        step = self.model.steps_done
        if step % self._steps_per_epoch == 0:
            return
        is_due = self._interval and step % self._interval == 0
        is_asked = self._is_asked(may_ask_workers=is_due)
        if is_due or is_asked:
            self._store.save(self._progress)
        if is_asked:
            raise TrainingInterrupted(f"stopped at step {step}, state saved")

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self._store.save(self._progress)
        if self._is_asked(may_ask_workers=True):
            step = self.model.steps_done
            raise TrainingInterrupted(f"stopped at step {step}, state saved")

    def _is_asked(self, may_ask_workers):
        """Whether to stop now; several workers agree on it only when they save."""
        strategy = self.model.distribute_strategy
        if not distribution.has_workers(strategy):
            return self._stop_request.received
        return may_ask_workers and distribution.any_worker(
            strategy, self._stop_request.received
        )


class StopRequest:
    """Records SIGINT and SIGTERM, so that a run ends between two steps.

    The second Ctrl-C ends the process at once.
    """

    def __init__(self) -> None:
        self.received = False

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Within the block, the signals set ``received``."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        kinds = (signal.SIGINT, signal.SIGTERM)
        before = {kind: signal.signal(kind, self._note) for kind in kinds}
        try:
            yield
        finally:
            for kind, handler in before.items():
                signal.signal(kind, handler)

    def _note(self, *_):
        if self.received:
            raise KeyboardInterrupt
        self.received = True
        logging.info("stopping after this step; once more to stop at once")


class PartialEpochMetrics(keras.callbacks.Callback):
    """Restores the metrics of a run that stopped within an epoch.

    ``fit`` resets them as an epoch begins; this sets the restored values again, once.
    """

    def __init__(self, trainer: StepwiseTrainer) -> None:
        super().__init__()
        self._values = [metric.get_weights() for metric in trainer.metrics]

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        for metric, values in zip(self.model.metrics, self._values or []):
            metric.set_weights(values)
        self._values = None
