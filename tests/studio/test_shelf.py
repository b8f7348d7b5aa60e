"""Finding runs, and keeping the networks of few."""

import os
import pathlib
import shutil
import threading

import pytest

from keras_cnns import tasks
from keras_cnns.studio.shelf import Export, Shelf


@pytest.fixture
def folder(runs_by_task, tmp_path):
    """Two runs, one of them deeper."""
    shutil.copytree(runs_by_task["classification"], tmp_path / "digits")
    shutil.copytree(runs_by_task["generation"], tmp_path / "gans" / "<b>old")
    return tmp_path


def test_runs_of_all_tasks_are_found(shelf):
    assert {run.task for run in shelf.find().runs.values()} == set(tasks.TASKS)
    assert shelf.choices("detection")[0] == ["detection"]


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


def test_exports_of_all_tasks_are_found(shelf, exports_by_task):
    exports = shelf.find().exports
    assert {one.task for one in exports.values()} == set(tasks.TASKS)
    assert shelf.choices("generation")[1] == ["export generation/1"]
    assert exports["export generation/1"].folder == exports_by_task["generation"]
    assert shelf.choices("refinement")[1] == []  # no tab uses it
    with pytest.raises(ValueError, match="generation/1 is of generation, not of detec"):
        shelf.item("export generation/1", "detection")


@pytest.fixture
def exported(runs_by_task, exports_by_task, tmp_path):
    """A folder of runs with an export below a run, and one of a folder of its own."""
    shutil.copytree(runs_by_task["classification"], tmp_path / "runs" / "digits")
    below = tmp_path / "runs" / "digits" / "exports" / "digits" / "3"
    shutil.copytree(exports_by_task["classification"], below)
    shutil.copytree(exports_by_task["generation"], tmp_path / "other" / "gan" / "1")
    return tmp_path


def test_exports_are_found_once_below_both_folders(exported):
    def find(runs, exports):
        return set(Shelf(str(exported / runs), exports=exports).find().exports)

    below = "export digits/exports/digits/3"
    assert find("runs", "") == find("runs", str(exported / "none")) == {below}
    assert find("runs", str(exported / "other")) == {below, "export gan/1"}
    assert find("runs", str(exported / "runs" / "digits")) == {below}
    same = exported / "other" / "digits" / "exports" / "digits" / "3"
    shutil.copytree(exported / "other" / "gan" / "1", same)
    other = {f"export {same}", "export gan/1"}  # its name is that of another one
    assert find("runs", str(exported / "other")) == {below, *other}


def test_damaged_exports_are_told_and_others_of_other_programs_listed(exported):
    other = exported / "other"
    for number, text in (("2", "{"), ("3", '{"task": 3}'), ("4", '{"measures": []}')):
        version = shutil.copytree(other / "gan" / "1", other / "gan" / number)
        (version / "assets.extra" / "model.json").write_text(text)
    foreign = shutil.copytree(other / "gan" / "1", other / "foreign" / "1")
    shutil.rmtree(foreign / "assets.extra")
    (other / "gan" / "1" / "saved_model.pb").write_bytes(b"rubbish")
    shelf = Shelf(str(exported / "runs"), exports=str(other))
    found = shelf.find()
    bad = {f"export gan/{number}" for number in "234"}
    assert set(found.unreadable) == bad
    assert all(f"gan/{name[-1]}" in found.unreadable[name] for name in bad)
    assert not any("\n" in message for message in found.unreadable.values())
    assert found.exports["export foreign/1"].card == {}
    assert shelf.choices("generation")[1] == ["export gan/1"]  # what is used is read
    with pytest.raises(ValueError, match="gan/1 cannot be loaded: .*damaged"):
        shelf.use("export gan/1", "generation", "sampler", None)
    for name in (*bad, "export foreign/1"):
        with pytest.raises(ValueError, match="gan/|is of no task, not of generation"):
            shelf.item(name, "generation")


def test_an_export_that_was_replaced_is_loaded_again(exported):
    shelf, name = Shelf(str(exported / "other")), "export gan/1"
    first = shelf.use(name, "generation", "sampler", None)
    assert shelf.use(name, "generation", "sampler", None) is first
    file = exported / "other" / "gan" / "1" / "saved_model.pb"
    os.utime(file, ns=(0, file.stat().st_mtime_ns + 1))
    assert shelf.use(name, "generation", "sampler", None) is not first


def test_exports_of_networks_that_are_given_proposals_cannot_be_used():
    signatures = {"serving_default": {}}
    given = Export("folder", {"task": "detection", "signatures": signatures})
    assert not given.is_usable
    card = {"task": "detection", "signatures": {**signatures, "serve_images": {}}}
    assert Export("folder", card).is_usable


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
