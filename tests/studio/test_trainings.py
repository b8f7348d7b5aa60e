"""Forms made from options, and the trainings that they start."""

import json
import os
import time

import pytest

from keras_cnns.studio.trainings import Trainings
from keras_cnns.tasks import TASKS

VERBS = {"classification": "train-classifier"}


def _wait(look, seconds=240):
    end = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < end
        time.sleep(0.5)


@pytest.mark.parametrize(
    "name", ["", None, ".", "..", "../else", "/else", "a/../../else", ".hidden", "a/.b"]
)
def test_runs_are_made_below_the_folder_only(tmp_path, name):
    with pytest.raises(ValueError, match="the run needs a name"):
        Trainings(str(tmp_path), VERBS).folder_of(name)
    assert Trainings("runs", VERBS).folder_of("new/digits") == os.path.join(
        "runs", "new", "digits"
    )


def test_what_was_not_started_is_not_there(tmp_path):
    trainings = Trainings(str(tmp_path), VERBS)
    for use in (trainings.look, trainings.stop):
        with pytest.raises(ValueError, match="no training of the name 'a'"):
            use("a")


@pytest.mark.slow  # 45 s: two processes load TensorFlow
def test_a_training_runs_alone_and_is_stopped_with_its_state_saved(
    tmp_path, small_options
):
    given = small_options("classification", epochs=500)
    with Trainings(str(tmp_path), VERBS) as trainings:
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
