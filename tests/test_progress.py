"""Progress: nothing unless asked for, a bar on a terminal, lines elsewhere."""

import contextlib
import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading

import pytest
from absl import logging

import keras_cnns
from keras_cnns import _progress


class _Clock:
    """A time that goes on as told."""

    def __init__(self):
        self.now = 1000.0

    def time(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    """The time that tqdm reads."""
    clock = _Clock()
    monkeypatch.setattr("tqdm.std.time", clock.time)
    return clock


def _work(clock, num_steps, seconds):
    for _ in _progress.track(range(num_steps), "counting"):
        clock.now += seconds


def test_code_is_silent_unless_it_asks(clock, capfd):
    _work(clock, 5, 60)
    with _progress.fractions("parts") as show:
        show(0.5)
    with _progress.stages("one", "two") as begin_next:
        begin_next()
        begin_next()
    _progress.note("an epoch")
    assert capfd.readouterr() == ("", "")
    with keras_cnns.show_progress():
        _work(clock, 5, 60)
        _progress.note("an epoch")
    output, errors = capfd.readouterr()
    assert output == "an epoch\n" and errors.startswith("counting: 1 of 5, 01:00 gone")
    _work(clock, 5, 60)
    assert capfd.readouterr() == ("", "")


def test_quiet_keeps_warnings_only(clock, capfd, caplog):
    before = logging.get_verbosity()
    with _progress.shown(quiet=True):
        _work(clock, 5, 60)
        _progress.note("an epoch")
        _progress.announce("preparing")
        with _progress.bar(desc="download", total=3, always=True) as bar:
            bar.update(3)
        assert logging.get_verbosity() <= logging.WARNING
        logging.warning("something is wrong")
    assert capfd.readouterr()[0] == "" and "something is wrong" in caplog.text
    assert logging.get_verbosity() == before


def test_hidden_workers_still_log():
    with _progress.shown():
        before = logging.get_verbosity()
        with _progress.hidden():
            assert logging.get_verbosity() == before
            assert _progress.bar(desc="x", total=1).disable


def test_time_left_is_by_the_mean_speed(clock, capfd):
    """Nine steps of a second and one of 91: after 100 s half is done."""
    with _progress.shown(), _progress.bar(desc="training", total=20) as bar:
        for seconds in [1] * 9 + [91]:
            clock.now += seconds
            bar.update()
    assert "training: 10 of 20, 01:40 gone, 01:40 left" in capfd.readouterr().err


def test_lines_are_ten_seconds_apart_and_rarer_in_long_work(clock, capfd):
    with _progress.shown():
        _work(clock, 9, 1)
        assert capfd.readouterr().err == ""  # short work says nothing
        _work(clock, 600, 1)
        lines = capfd.readouterr().err.splitlines()
    gone = [re.fullmatch(r"counting: (\d+) of 600, .*", line)[1] for line in lines]
    gone = list(map(int, gone))
    assert gone[:3] == [10, 20, 30] and gone[-1] == 600
    steps = [after - before for before, after in zip(gone[:-1], gone[1:])]
    assert min(steps[:-1]) >= 10 and 40 <= max(steps[:-1]) <= 61
    with _progress.shown():
        _work(clock, 3 * 24 * 360, 10)  # three days
    assert len(capfd.readouterr().err.splitlines()) < 500


def test_a_line_tells_how_long_it_takes(clock, capfd):
    with _progress.shown():
        _work(clock, 4, 30)
    assert capfd.readouterr().err.splitlines() == [
        "counting: 1 of 4, 00:30 gone, 01:30 left",
        "counting: 2 of 4, 01:00 gone, 01:00 left",
        "counting: 3 of 4, 01:30 gone, 00:30 left",
        "counting: 4 of 4, 02:00 gone, 00:00 left",
    ]


def test_lines_of_parts_of_stages_and_without_an_end(clock, capfd):
    with _progress.shown():
        with _progress.fractions("filling", 2) as show:
            clock.now += 20
            show(0.5)
        with _progress.stages("writing", "verification") as begin_next:
            begin_next()
            clock.now += 20
            begin_next()
            clock.now += 20
        with _progress.bar(desc="reading") as bar:
            clock.now += 20
            bar.update(7)
    assert capfd.readouterr().err.splitlines() == [
        "filling: 25 %, 00:20 gone, 01:00 left",
        "writing: 1 of 2 stages done, 00:20 gone",
        "verification: 2 of 2 stages done, 00:40 gone",
        "reading: 7, 00:20 gone",
    ]


def test_work_within_work_is_told_to_a_function(clock):
    told = []
    with _progress.told_to(lambda part, what: told.append((part, what))):
        for _ in _progress.track(range(2), "outer"):
            _work(clock, 2, 1)
        _progress.note("not told")
    assert told == [
        *((0.5, "counting"), (1.0, "counting"), (0.5, "outer")),
        *((0.5, "counting"), (1.0, "counting"), (1.0, "outer")),
    ]


def test_threads_have_their_own():
    seen = []
    with _progress.shown():
        thread = threading.Thread(
            target=lambda: seen.append(_progress.bar(desc="x", total=1).disable)
        )
        thread.start()
        thread.join()
    assert seen == [True]


def _open_terminal():
    """(what reads, what writes) of a terminal of 80 columns."""
    reader, writer = pty.openpty()
    fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    return reader, writer


def test_on_a_terminal_a_bar_with_the_time_left_which_goes(monkeypatch, clock):
    reader, writer = _open_terminal()
    with os.fdopen(writer, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        with _progress.shown():
            _work(clock, 4, 30)
        terminal.flush()
        text = os.read(reader, 1 << 12).decode()
    os.close(reader)
    parts = [part.strip() for part in text.split("\r")]
    assert any(
        re.match(r"counting:  25%\|█+\S* +\| 1/4 \[00:30<01:30", p) for p in parts
    )
    assert text.count("\n") == 0 and not parts[-2]  # no line is left


@contextlib.contextmanager
def _read_meanwhile(reader):
    """A list that gets what arrives, as a terminal takes it."""
    parts = []

    def read():
        with contextlib.suppress(OSError):  # nobody writes any more
            while part := os.read(reader, 1 << 12):
                parts.append(part)

    thread = threading.Thread(target=read)
    thread.start()
    yield parts
    thread.join(60)


@pytest.mark.parametrize("name", ["terminal", "pipe", "quiet"])
def test_a_process_on_a_terminal_in_a_pipe_and_quiet(name, data_dir, tmp_path):
    """What goes to its standard error, and to its standard output."""
    options = ["--dataset=digits", f"--data_dir={data_dir}", f"--output_dir={tmp_path}"]
    command = [sys.executable, "-m", "keras_cnns", "save-images", *options]
    command += ["--quiet"] if name == "quiet" else []
    reader, writer = os.pipe() if name == "pipe" else _open_terminal()
    with _read_meanwhile(reader) as parts:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=writer)
        os.close(writer)
        output, _ = process.communicate(timeout=200)
    os.close(reader)
    assert (process.returncode, output.decode()) == (0, f"360 images in {tmp_path}\n")
    text = b"".join(parts).decode()
    if name == "terminal":
        assert re.search(r"images: .*\| +\d+/360 \[", text)
    else:
        assert text == ""  # it takes less than 10 s


def test_an_error_of_a_listener_ends_its_work_alone(clock):
    """Work of another thread goes on."""

    def refuse(*_):
        raise ZeroDivisionError("cancelled")

    with pytest.raises(ZeroDivisionError), _progress.told_to(refuse):
        _work(clock, 3, 60)
    told = []

    def work():
        with _progress.told_to(lambda *what: told.append(what)):
            _work(clock, 3, 60)

    other = threading.Thread(target=work, daemon=True)
    other.start()
    other.join(20)
    assert told[-1] == (1.0, "counting")
