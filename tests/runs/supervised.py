"""What a supervised process does in the tests, where it can import it."""

import dataclasses
import os
import pathlib
import signal
import sys
import time

from keras_cnns.runs import TrainingInterrupted, supervision
from keras_cnns.trainers import LostWorkerError

LOST = "worker 1 (host:1) of this run has ended; start all again"


@dataclasses.dataclass(frozen=True)
class Scenes:
    """What becomes of each process in turn, by name of a function below."""

    folder: str
    scenes: tuple
    restarts: int = 0
    resume: bool = False


def train(task_class, options):
    """Notes that it was started, and plays the next scene."""
    log = pathlib.Path(options.folder) / "log"
    with log.open("a") as file:
        number = supervision.process_to_signal()
        print(task_class, options.resume, number, os.getpid(), file=file)
    count = len(log.read_text().splitlines())
    return globals()[options.scenes[count - 1]]()


def is_lost():
    raise LostWorkerError(LOST)


def is_killed():
    os.kill(os.getpid(), signal.SIGKILL)


def is_wrong():
    raise ValueError("learning_rate must be positive, got -1")


def stops():
    """Takes a while to stop, in which a second request would be noticed."""
    try:
        time.sleep(300)
    except KeyboardInterrupt:
        try:
            time.sleep(1)
        except KeyboardInterrupt:
            return "stopped twice"
        raise TrainingInterrupted("stopped at step 3, state saved") from None


if __name__ == "__main__":
    try:
        print(supervision.train_supervised(train, "T", Scenes(sys.argv[1], ("stops",))))
    except TrainingInterrupted as stop:
        print(stop)
