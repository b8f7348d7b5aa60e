"""Forms made from options, and the trainings that they start."""

import json
import os
import re
import shutil
import signal
import time

import pytest

from keras_cnns.runs import list_steps
from keras_cnns.runs.folder import claimed_folder
from keras_cnns.studio.shelf import Shelf
from keras_cnns.studio.trainings import Trainings
from keras_cnns.tasks import TASKS

VERBS = {"classification": "train-classifier"}


def _trainings(folder):
    return Trainings(Shelf(str(folder)), VERBS)


def _wait(look, seconds=240, between=0.5):
    end = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < end
        time.sleep(between)


@pytest.mark.parametrize(
    "name", ["", None, ".", "..", "../else", "/else", "a/../../else", ".hidden", "a/.b"]
)
def test_runs_are_made_below_the_folder_only(tmp_path, name):
    with pytest.raises(ValueError, match="the run needs a name"):
        _trainings(tmp_path).folder_of(name)
    assert _trainings("runs").folder_of("new/digits") == os.path.join(
        "runs", "new", "digits"
    )


def test_what_was_not_started_is_not_there(tmp_path):
    trainings = _trainings(tmp_path)
    with pytest.raises(ValueError, match="no training of the name 'a'"):
        trainings.stop("a")
    for use in (trainings.look, trainings.resume):
        with pytest.raises(ValueError, match="has no run 'a'"):
            use("a")


@pytest.fixture
def stopped_run(runs_by_task, tmp_path):
    """A function that writes a run with a checkpoint; returns its folder."""

    def write(name, epochs, stopped_early=False, facts=(), task="classification"):
        folder = tmp_path / name
        shutil.copytree(runs_by_task[task], folder)
        record = json.loads((folder / "run.json").read_text())
        record["options"]["epochs"] = 3
        record["config"]["facts"].update(facts)
        (folder / "run.json").write_text(json.dumps(record))
        history = [{"epoch": epoch + 1, "loss": 1.0} for epoch in range(epochs)]
        progress = {"history": history, "stopped_early": stopped_early}
        checkpoint = folder / "checkpoints" / "step_00000001"
        checkpoint.mkdir(parents=True)
        (checkpoint / "progress.json").write_text(json.dumps(progress))
        return folder

    return write


def test_runs_that_can_go_on_are_offered_and_others_refused(stopped_run, tmp_path):
    stopped_run("begun", 0)
    stopped_run("deep/er", 2)
    stopped_run("done", 3)
    stopped_run("early", 2, stopped_early=True)
    stopped_run("pruned", 1, facts={"kind of training": "pruning"})
    stopped_run("other", 1, task="detection")
    broken = stopped_run("broken", 1)
    (broken / "checkpoints" / "step_00000001" / "progress.json").write_text("[")
    odd = stopped_run("odd", 1) / "run.json"
    odd.write_text(odd.read_text().replace('"epochs": 3', '"epochs": "all"'))
    new = stopped_run("new", 1)
    (new / "checkpoints" / "step_00000001").rename(new / "checkpoints" / "partial")
    trainings = _trainings(tmp_path)
    assert sorted(trainings.names()) == ["begun", "deep/er"]
    for name, reason in (
        ("done", "done is finished: it has 3 of 3 epochs"),
        ("early", "early is finished: it has 2 of 3 epochs, and was stopped early"),
        ("pruned", "pruned is of pruning, which this page does not train"),
        ("other", "other is of detection, which this page does not train"),
        ("broken", "is not the progress of a run"),
        ("odd", "epochs of .*odd must be a whole number, got 'all'"),
        ("new", "new has no checkpoint to resume from"),
        ("", "choose a run"),
        (None, "choose a run"),
        ("../" + tmp_path.name + "/begun", "has no run"),
    ):
        with pytest.raises(ValueError, match=reason):
            trainings.resume(name)


def test_a_run_that_another_process_trains_is_not_resumed(stopped_run, tmp_path):
    claimed = claimed_folder(str(stopped_run("begun", 1)), resume=True)
    refused = pytest.raises(ValueError, match=f"process {os.getpid()} .* trains in")
    with claimed, refused:
        _trainings(tmp_path).resume("begun")


@pytest.mark.slow  # 45 s: two processes load TensorFlow
def test_a_training_runs_alone_and_is_stopped_with_its_state_saved(
    tmp_path, small_options
):
    given = small_options("classification", epochs=500)
    with _trainings(tmp_path) as trainings:
        trainings.start("bad", "classification", {"model": "resnet"})
        _wait(lambda: not trainings.look("bad").is_running)
        assert "error: --dataset is missing" in trainings.look("bad").printed
        trainings.start("new/run", "classification", given)
        with pytest.raises(ValueError, match="new/run is being trained"):
            trainings.start("other", "classification", given)
        assert trainings.names() == ["new/run", "bad"]
        folder = trainings.folder_of("new/run")
        _wait(lambda: os.path.exists(os.path.join(folder, "metrics.csv")))
    with open(os.path.join(folder, "run.json"), encoding="utf-8") as file:
        assert json.load(file)["options"]["epochs"] == 500
    assert os.listdir(os.path.join(folder, "checkpoints"))


@pytest.mark.slow  # a minute: two processes load TensorFlow
def test_a_killed_training_goes_on_in_a_studio_that_is_opened_later(
    tmp_path, small_options
):
    given = small_options("classification", epochs=12)
    checkpoints = tmp_path / "new" / "run" / "checkpoints"
    with _trainings(tmp_path) as trainings:
        trainings.start("new/run", "classification", given)
        _wait(lambda: list_steps(checkpoints), between=0.05)
        holder = (tmp_path / "new" / "run" / ".lock").read_text()
        os.kill(int(holder.split()[1]), signal.SIGKILL)
        _wait(lambda: not trainings.look("new/run").is_running)
    newest = sorted(checkpoints.glob("step_*"))[-1]
    done = len(json.loads((newest / "progress.json").read_text())["history"])
    assert 1 <= done < 12
    with _trainings(tmp_path) as trainings:
        assert trainings.names() == ["new/run"]
        assert trainings.look("new/run")[1:] == (False, "(not started on this page)")
        trainings.resume("new/run")
        with pytest.raises(ValueError, match="new/run is being trained"):
            trainings.resume("new/run")
        _wait(lambda: not trainings.look("new/run").is_running)
        printed = trainings.look("new/run").printed
        with pytest.raises(ValueError, match="finished: it has 12 of 12 epochs"):
            trainings.resume("new/run")
    epochs = [int(epoch) for epoch in re.findall(r"epoch (\d+)/12", printed)]
    assert epochs == list(range(done + 1, 13))
    assert "everything is in" in printed and printed.endswith("(ended)")
    assert _trainings(tmp_path).names() == []


@pytest.mark.parametrize("task", TASKS)
def test_a_form_has_all_options_but_those_that_write(gradio, task):
    from keras_cnns.studio.train_tab import form_fields

    options = TASKS[task].options_class
    names = [field.name for field in form_fields(options)]
    assert names[:2] == ["model", "dataset"]
    left_out = set(options.kinds()) - set(names)
    assert {"run_dir", "resume", "export_dir"} <= left_out
    for name in left_out - {"resume", "quiet"}:
        assert options.__dataclass_fields__[name].metadata["writes"]


def test_a_form_is_read_as_a_command_line_is(gradio):
    from keras_cnns.studio.train_tab import read_form

    options = TASKS["classification"].options_class
    texts = {
        "model": " resnet18 ",
        "epochs": "3",
        "learning_rate": "1e-3",
        "nesterov": "no",
        "enable_xla": "yes",
        "dataset": "",
        "seed": None,
    }
    assert read_form(options, texts) == {
        "model": "resnet18",
        "epochs": 3,
        "learning_rate": 1e-3,
        "nesterov": False,
        "enable_xla": True,
    }
    for name, text, wanted in (
        ("epochs", "1.5", "a whole number"),
        ("learning_rate", "much", "a number"),
    ):
        with pytest.raises(ValueError, match=f"{name} must be {wanted}, got '{text}'"):
            read_form(options, {name: text})
