"""Trainings that go on by themselves: a process that trains, and one that starts it.

A collective operation that failed leaves TensorFlow unusable, and a process that was
killed cannot help itself. So the training runs in a process of its own; the one that
the user started waits for it, and starts another with ``resume`` where it was lost, or
has lost another worker. Whatever else it ends with is the result.
"""

from __future__ import annotations

import _thread
import contextlib
import ctypes
import dataclasses
import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING

import tensorflow as tf
from absl import flags, logging

from keras_cnns._quiet import call_pickled, start_log
from keras_cnns.data.data_servers import LostServerError
from keras_cnns.runs.callbacks import NonFiniteLossError, TrainingInterrupted
from keras_cnns.trainers.clusters import LostWorkerError

if TYPE_CHECKING:
    from keras_cnns.runs.option_groups import RunOptions
    from keras_cnns.runs.task import Task

_NAME = "supervised training"
_PR_SET_PDEATHSIG = 1  # of Linux
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# What a training ends with that is no fault of the program.
_EXPECTED = (
    ImportError,
    KeyboardInterrupt,
    MemoryError,
    NonFiniteLossError,
    OSError,
    TrainingInterrupted,
    ValueError,
    tf.errors.OpError,
)


class LostProcessError(OSError):
    """The process that trains was ended by a signal."""


# What another try from the last checkpoint may get over.
LOSSES = (LostProcessError, LostServerError, LostWorkerError)


def train_supervised(
    train: Callable[[type[Task], RunOptions], dict],
    task_class: type[Task],
    options: RunOptions,
) -> dict:
    """Trains in a process of its own, and goes on in another if that one is lost.

    The first Ctrl-C or SIGTERM stops it as it would stop a training, the second kills
    it.

    Args:
        train: function of (task_class, options) that can be pickled.
        task_class: its first argument.
        options: ``TrainingOptions``; ``restarts`` is the number of further processes.

    Returns:
        What ``train`` returns.

    Raises:
        LostWorkerError, LostServerError: if another worker, or a data server, is lost
            after the last restart.
        LostProcessError: if the process itself is.
        KeyboardInterrupt: if it was stopped before it could save anything.
        RuntimeError: if it ended by a fault of the program, which it has printed.
        Exception: what ``train`` raised.
    """
    supervisor = _Supervisor(train, task_class)
    with supervisor.listening():
        for restart in range(1, options.restarts + 1):
            try:
                return supervisor.run(options)
            except LOSSES as error:
                if supervisor.was_stopped:
                    raise
                cause = str(error).partition(";")[0]
            print(
                f"{cause}; going on from the last checkpoint (restart {restart} of "
                f"{options.restarts})",
                file=sys.stderr,
                flush=True,
            )
            options = dataclasses.replace(options, resume=True)
        return supervisor.run(options)


def process_to_signal() -> int:
    """Number of the process that takes signals for this one: its supervisor, if any."""
    if multiprocessing.current_process().name == _NAME:
        return multiprocessing.parent_process().pid
    return os.getpid()


class _Supervisor:
    """Starts processes that train, one after another, and passes signals on."""

    def __init__(self, train, task_class):
        self._context = multiprocessing.get_context("spawn")
        self._what = train, task_class
        self._process = self._pipe = None
        self._num_stops = 0

    @contextlib.contextmanager
    def listening(self):
        """Within the block, signals stop the training."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {kind: signal.signal(kind, self._stop) for kind in _SIGNALS}
        try:
            yield
        finally:
            for kind, handler in before.items():
                signal.signal(kind, handler)

    @property
    def was_stopped(self):
        """Whether a signal has asked to stop."""
        return self._num_stops > 0

    def _stop(self, *_):
        self._num_stops += 1
        if self._process is None:
            raise KeyboardInterrupt
        if self._num_stops > 1:
            self._process.kill()
            return
        with contextlib.suppress(OSError):  # it has just ended
            self._pipe.send("stop")

    def run(self, options):
        """What becomes of one process: its result, or its error is raised."""
        try:
            report = self._report(options)
            code = self._process.exitcode
        finally:
            self._process = None
        if report is not None:
            succeeded, result = report
            if succeeded:
                return result
            raise result
        if self.was_stopped:
            raise KeyboardInterrupt
        if code < 0:
            raise LostProcessError(
                f"the process that trained was ended by {signal.Signals(-code).name}; "
                "memory may have run out; start it again, with --resume"
            )
        raise RuntimeError(f"the process that trained failed with exit code {code}")

    def _report(self, options):
        """(whether it succeeded, result or error); None if it ended without any."""
        self._pipe, pipe = self._context.Pipe()
        levels = logging.get_verbosity(), tf.get_logger().level
        packed = pickle.dumps((_train_here, self._what, options, levels))
        process = self._context.Process(
            target=call_pickled, args=(packed, pipe), name=_NAME
        )
        with self._pipe:
            with _signals_blocked(), pipe:
                process.start()
                self._process = process
            try:
                return self._pipe.recv()
            except (EOFError, OSError):
                return None
            finally:
                process.join()  # while the pipe is open, or it would end itself


@contextlib.contextmanager
def _signals_blocked():
    """Within the block, signals wait; processes started in it never get them.

    Signals often go to a terminal's or a job's processes all together, but a training
    takes a second one for impatience.
    """
    resource_tracker.ensure_running()  # which would let them through
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _train_here(pipe, what, options, levels):
    """What the process does that trains."""
    # TensorFlow stops all threads while it waits for others, _obey's too.
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # where it was ignored
    signal.signal(signal.SIGUSR1, lambda *_: None)
    flags.FLAGS.mark_as_parsed()
    start_log(levels[0])
    tf.get_logger().setLevel(levels[1])
    sys.stdout.reconfigure(errors="backslashreplace")
    threading.Thread(target=_obey, args=(pipe,), daemon=True).start()
    train, task_class = what
    try:
        report = True, train(task_class, options)
    except _EXPECTED as error:
        logging.debug("where it happened", exc_info=True)
        report = False, error
        pickle.loads(pickle.dumps(report))  # else it is raised here, with its cause
    pipe.send(report)


def _obey(pipe):
    """Passes stop requests on; ends the process with its supervisor."""
    while True:
        try:
            pipe.recv()
        except (EOFError, OSError):
            os.kill(os.getpid(), signal.SIGKILL)
        _thread.interrupt_main()
        # Where it waits for something, it must wake up to notice.
        signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
