"""Finding runs, and keeping the networks of few."""

import os
import pathlib
import shutil
import threading

import pytest

from keras_cnns import tasks
from keras_cnns.studio.shelf import Shelf


@pytest.fixture
def folder(runs_by_task, tmp_path):
    """Two runs, one of them deeper."""
    shutil.copytree(runs_by_task["classification"], tmp_path / "digits")
    shutil.copytree(runs_by_task["generation"], tmp_path / "gans" / "<b>old")
    return tmp_path


def test_runs_of_all_tasks_are_found(shelf):
    assert {run.task for run in shelf.find().runs.values()} == set(tasks.TASKS)
    assert shelf.names("detection") == ["detection"]


def test_what_is_no_run_is_left_out_or_told(folder):
    (folder / "broken").mkdir()
    (folder / "broken" / "run.json").write_text("{")
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "run.json").write_text("{")
    os.symlink(folder / "digits", folder / "linked")
    (folder / "digits" / "inner").mkdir()
    shutil.copy(folder / "digits" / "run.json", folder / "digits" / "inner")
    found = Shelf(str(folder)).find()
    assert set(found.runs) == {"digits", "gans/<b>old"}
    assert set(found.unreadable) == {"broken"}
    assert "broken" in found.unreadable["broken"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("nothing", "no run 'nothing'"),
        ("../digits", "no run"),
        ("", "choose a run"),
        (None, "choose a run"),
        ("gans/<b>old", "of generation; a run of classification is wanted"),
    ],
)
def test_names_that_are_no_runs_are_refused(folder, name, reason):
    with pytest.raises(ValueError, match=reason):
        Shelf(str(folder)).run(name, "classification")


def test_few_networks_are_kept_and_the_oldest_goes(folder):
    shelf, made = Shelf(str(folder), max_networks=2), []

    def load(use):
        run = shelf.run("digits")
        return shelf.load(run, use, lambda _: made.append(use) or object())

    first = load("a")
    assert load("b") is not first
    assert load("a") is first
    load("c")  # b goes
    assert load("a") is first
    load("b")
    assert made == ["a", "b", "c", "b"]
    assert len(shelf) == 2


def test_a_run_that_was_trained_on_is_loaded_again(folder):
    shelf = Shelf(str(folder))
    run = shelf.run("digits")
    first = shelf.load(run, "use", lambda _: object())
    weights = pathlib.Path(run.folder, "last.h5")
    os.utime(weights, ns=(0, weights.stat().st_mtime_ns + 1))
    assert shelf.load(run, "use", lambda _: object()) is not first


def test_a_network_is_loaded_once_for_all_who_wait(folder):
    shelf, made, got = Shelf(str(folder)), [], []
    run, meeting = shelf.run("digits"), threading.Barrier(4)

    def load():
        meeting.wait()
        got.append(shelf.load(run, "use", lambda _: made.append(1) or object()))

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1 and len(set(map(id, got))) == 1
