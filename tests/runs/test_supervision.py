"""The process that waits for the one that trains: restarts, signals, errors."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest
import supervised

from keras_cnns.runs import supervision
from keras_cnns.trainers import LostWorkerError


def _notes(folder):
    """(task class, resume, process to signal, process) of each start."""
    log = pathlib.Path(folder) / "log"
    return (
        [line.split() for line in log.read_text().splitlines()] if log.exists() else []
    )


def test_lost_processes_and_workers_are_followed_by_others(tmp_path, capfd):
    """What else a process ends with is the result: a bad option is not tried again."""
    scenes = ("is_killed", "is_lost", "is_wrong")
    options = supervised.Scenes(str(tmp_path), scenes, restarts=5)
    with pytest.raises(ValueError, match="learning_rate must be positive"):
        supervision.train_supervised(supervised.train, "T", options)
    notes = _notes(tmp_path)
    here = str(os.getpid())
    assert [n[:3] for n in notes] == [["T", str(i > 0), here] for i in range(3)]
    assert len({n[3] for n in notes} | {here}) == 4
    assert capfd.readouterr().err.splitlines() == [
        "the process that trained was ended by SIGKILL; going on from the last "
        "checkpoint (restart 1 of 5)",
        "worker 1 (host:1) of this run has ended; going on from the last checkpoint "
        "(restart 2 of 5)",
    ]


def test_after_the_last_restart_the_loss_is_an_error(tmp_path):
    options = supervised.Scenes(str(tmp_path), ("is_lost",))
    with pytest.raises(LostWorkerError, match="start all again"):
        supervision.train_supervised(supervised.train, "T", options)
    assert len(_notes(tmp_path)) == 1


@pytest.fixture
def waiting(tmp_path):
    """A supervisor, leader of a group, and the number of its process, which waits."""
    process = subprocess.Popen(
        [sys.executable, supervised.__file__, tmp_path],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while not _notes(tmp_path):
        assert process.poll() is None
        time.sleep(0.05)
    time.sleep(0.2)  # until it sleeps
    yield process, int(_notes(tmp_path)[0][3])
    process.kill()
    process.wait()


def _has_ended(number):
    for _ in range(100):
        try:
            os.kill(number, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize(
    "kind", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGTERM]
)
def test_a_signal_to_the_whole_group_is_one_request_to_stop(waiting, kind):
    supervisor, number = waiting
    os.killpg(supervisor.pid, kind)
    output, _ = supervisor.communicate(timeout=60)
    assert output == "stopped at step 3, state saved\n"
    assert supervisor.returncode == 0 and _has_ended(number)


def test_the_process_ends_with_its_supervisor(waiting):
    supervisor, number = waiting
    supervisor.kill()
    assert _has_ended(number)
