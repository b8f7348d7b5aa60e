"""A run that is killed or stopped and resumed ends as one that was left alone.

Runs are real processes with dropout, mixup, weight average and a schedule, so that
everything random and everything stateful takes part. Equality is of every bit.
"""

import csv
import json
import math
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import types

import h5py
import numpy as np
import pytest
import tensorflow as tf

from keras_cnns import _files, commands, runs
from keras_cnns.runs import checkpoints, process, training
from keras_cnns.runs.folder import claimed_folder
from keras_cnns.runs.progress import read_progress

APP = "apps/train_classifier.py"
NET = (
    '{"blocks": [1], "growth_rate": 4, "initial_filters": 8, "stem": "small", '
    '"dropout_rate": 0.1}'
)
# 13 steps an epoch
OPTIONS = {
    "model": "densenet", "builder_args": NET, "dataset": "digits",
    "train_split": "train[:30%]", "validation_split": "test[:20%]", "batch_size": 32,
    "epochs": 4, "augmentation": "pad_crop:1", "mixup_alpha": 0.2, "ema_decay": 0.95,
    "optimizer": "adamw", "learning_rate": 0.01, "warmup_epochs": 0.5,
    "checkpoint_interval": 3, "deterministic": True,
}  # fmt: skip
STEPS = 52
DIFFICULT = "a [b]*? 'c' é"  # name of a folder, with a pattern that it does not match


def _flags(data_dir, run_dir, **changes):
    options = {**OPTIONS, "data_dir": data_dir, "run_dir": run_dir, **changes}
    return [f"--{name}={value}" for name, value in options.items()]


@pytest.fixture
def train(data_dir, monkeypatch):
    """Trains in this process, which does not become deterministic for that."""
    monkeypatch.setattr(process, "make_deterministic", lambda: None)

    def run(run_dir, **changes):
        places = {"run_dir": str(run_dir), "data_dir": data_dir}
        return commands.run_command(
            "train-classifier", **{**OPTIONS, **places, **changes}
        )

    return run


# Trains to the end without a stop, then again. Kills its own process when the state of
# the second run is written and not yet under its final name.
BOTH = """
import json, os, signal, sys
from keras_cnns import _files, commands
options, straight, killed = json.loads(sys.argv[1]), *sys.argv[2:]
commands.run_command("train-classifier", run_dir=straight, **options)
write, calls = _files.write_json, []
def kill_at_eleventh(path, value, **options):
    if path.endswith("progress.json"):
        calls.append(path)
        if len(calls) == 11:
            os.kill(os.getpid(), signal.SIGKILL)
    write(path, value, **options)
_files.write_json = kill_at_eleventh
commands.run_command("train-classifier", run_dir=killed, **options)
"""


@pytest.fixture(scope="module")
def both(data_dir, tmp_path_factory):
    """The run that is left alone, and one that was killed within a checkpoint."""
    folder = tmp_path_factory.mktemp("both")
    places = folder / "straight", folder / DIFFICULT
    options = json.dumps({**OPTIONS, "data_dir": data_dir})
    done = subprocess.run(
        [sys.executable, "-c", BOTH, options, *places], capture_output=True, text=True
    )
    assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]
    return places


@pytest.fixture(scope="module")
def straight(both):
    """The run that is left alone."""
    return both[0]


@pytest.fixture
def copy(straight, tmp_path):
    """A copy of that run."""
    return pathlib.Path(shutil.copytree(straight, tmp_path / DIFFICULT))


def _state(run_dir):
    path = run_dir / "checkpoints" / f"step_{STEPS:08d}" / "state"
    with _files.plain_path(path.parent) as folder:
        reader = tf.train.load_checkpoint(os.path.join(folder, path.name))
        names = set(reader.get_variable_to_shape_map())
        names.remove("_CHECKPOINTABLE_OBJECT_GRAPH")
        return {name: reader.get_tensor(name) for name in names}


def _assert_same_run(first, second):
    expected, actual = _state(first), _state(second)
    assert set(expected) == set(actual)
    kinds = " ".join(expected)
    for kind in ("network", "optimizer", "average", "step", "metrics", "generators"):
        assert kind in kinds
    for name, value in expected.items():
        np.testing.assert_array_equal(value, actual[name], err_msg=name)
    for name in ("best.h5", "last.h5"):
        with h5py.File(first / name) as a, h5py.File(second / name) as b:
            a.visititems(
                lambda key, item, b=b: (
                    np.testing.assert_array_equal(item, b[key])
                    if isinstance(item, h5py.Dataset)
                    else None
                )
            )
    rows = []
    for folder in (first, second):
        with open(folder / "metrics.csv") as file:
            rows.append([{**row, "seconds": ""} for row in csv.DictReader(file)])
    assert rows[0] == rows[1] and len(rows[0]) == 4


# Half a minute each. The short run has the hardest moment, within a checkpoint.
@pytest.mark.slow
@pytest.mark.parametrize("step", [3, 27])
def test_killed_within_an_epoch(
    straight, start, finish, wait_for_step, data_dir, tmp_path, step
):
    flags = _flags(data_dir, tmp_path)
    process = start(APP, *flags)
    wait_for_step(process, tmp_path, step)
    process.kill()
    process.wait()
    code, _, errors = finish(
        APP, "--resume", f"--run_dir={tmp_path}", f"--data_dir={data_dir}"
    )
    assert code == 0, errors
    assert "resumed from" in errors
    _assert_same_run(straight, tmp_path)


# Trains in a process of its own in which something is changed before.
SCRIPT = """
import os, resource, signal, sys
import tensorflow as tf
from keras_cnns import _files, commands, runs, trainers
sys.argv = ["train_classifier.py", *sys.argv[1:]]
{}
commands.main("train-classifier")
"""


def test_killed_within_a_checkpoint(both, finish, data_dir, tmp_path):
    """At the first checkpoint of the third epoch; from a shell, which it tells little.

    The folder has a difficult name. Nothing of TensorFlow, addons or the export reaches
    the terminal.
    """
    straight, killed = both
    folder = killed / "checkpoints"
    assert len(list(folder.glob(".*.partial/new/state.index"))) == 1
    assert checkpoints.list_steps(str(folder)) == [24, 26]
    flags = _flags(data_dir, killed, export_dir=tmp_path / "out")
    code, output, errors = finish(APP, "--resume", *flags)
    assert code == 0, errors
    assert sorted(os.listdir(folder)) == ["step_00000051", "step_00000052"]
    _assert_same_run(straight, killed)
    # two epochs, last epoch, folder, export
    assert len(output.splitlines()) == 5, output
    logged = r"I\d{4} .*(task|training|checkpoints|saved_model|_files)\.py:\d+\] "
    # Progress, where either takes more than ten seconds.
    logged += r"|training: \d+ of \d+, |verification: \d+ of \d+ stages done, "
    noise = [line for line in errors.splitlines() if not re.match(logged, line)]
    assert noise == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_stopped_by_a_signal(
    straight, start, finish, wait_for_step, data_dir, tmp_path, kind
):
    flags = _flags(data_dir, tmp_path)
    process = start(APP, *flags)
    wait_for_step(process, tmp_path, 15)
    process.send_signal(kind)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert "state saved" in errors and "Traceback" not in errors
    code, _, errors = finish(APP, "--resume", *flags)
    assert code == 0, errors
    _assert_same_run(straight, tmp_path)


def test_resuming_a_finished_run_changes_nothing(straight, copy, train):
    progress = train(copy, resume=True)
    assert len(progress["history"]) == 4
    _assert_same_run(straight, copy)


@pytest.mark.slow  # resuming bit-exactly wants the same
def test_deterministic_reruns_are_equal(straight, finish, data_dir, tmp_path):
    code, _, errors = finish(APP, *_flags(data_dir, tmp_path))
    assert code == 0, errors
    _assert_same_run(straight, tmp_path)


def test_damaged_checkpoint_is_named(copy, train):
    newest = copy / "checkpoints" / f"step_{STEPS:08d}"
    data_file = next(newest.glob("state.data*"))
    data_file.write_bytes(data_file.read_bytes()[:2000])
    with pytest.raises(ValueError, match="^checkpoint") as refused:
        train(copy, resume=True)
    assert str(newest) in str(refused.value) and "step_00000051" in str(refused.value)
    assert "\n" not in str(refused.value)
    shutil.rmtree(copy / "checkpoints" / "step_00000051")
    with pytest.raises(ValueError, match="^checkpoint .*Restore it from a copy$"):
        train(copy, resume=True)


GOOD_ROW = {"epoch": 1, "loss": 0.5, "val_loss": None}


@pytest.mark.parametrize(
    "content",
    [
        "", "[]", "null", "3", '"history"', "{", "[" * 100_000,
        {"history": None}, {"history": {}}, {"history": [3]}, {"history": [{}]},
        {"history": [GOOD_ROW, GOOD_ROW]}, {"history": [{**GOOD_ROW, "epoch": "1"}]},
        {"history": [{**GOOD_ROW, "loss": "low"}]}, {"best_epoch": float("nan")},
        {"history": [GOOD_ROW], "best_epoch": 2}, {"best_epoch": -1},
        {"best_epoch": None}, {"best_epoch": True}, {"stopped_early": 1},
        {"stopped_early": "x" * 5000},
    ],
)  # fmt: skip
def test_progress_of_another_shape_is_named(tmp_path, content):
    path = tmp_path / "progress.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(ValueError, match="is not the progress of a run") as refused:
        read_progress(str(path))
    message = str(refused.value)
    assert message.startswith(str(path)) and "\n" not in message and len(message) < 400


def test_what_is_no_number_in_progress_stays_so(tmp_path):
    path = str(tmp_path / "progress.json")
    row = {**GOOD_ROW, "val_loss": float("inf")}
    _files.write_json(path, {"history": [row], "best_epoch": 1})
    progress = read_progress(path)
    assert math.isnan(progress["history"][0].pop("val_loss"))
    row.pop("val_loss")
    assert progress == {"history": [row], "best_epoch": 1, "stopped_early": False}


def test_progress_of_another_step_is_refused(copy, train):
    newest = copy / "checkpoints" / f"step_{STEPS:08d}"
    row = {"epoch": 1, "loss": 1.0}
    (newest / "progress.json").write_text(json.dumps({"history": [row]}))
    with pytest.raises(ValueError, match="step 52 tells of 1 epochs, but 4 have"):
        train(copy, resume=True)
    (newest / "progress.json").write_text("[]")
    with pytest.raises(ValueError, match="progress.json is not the progress") as error:
        train(copy, resume=True)
    assert str(newest) in str(error.value) and "\n" not in str(error.value)


def test_options_must_not_change(copy, train):
    with pytest.raises(ValueError, match="learning_rate was 0.01, is 0.5"):
        train(copy, resume=True, learning_rate=0.5)


def test_a_run_is_not_overwritten(straight, train):
    with pytest.raises(ValueError, match="already holds a run"):
        train(straight)


def test_a_run_has_one_training_at_a_time(copy, train):
    """The second one changes nothing, whatever it is asked for."""

    def content():
        return {path: path.stat().st_mtime_ns for path in copy.rglob("*")}

    with claimed_folder(str(copy), resume=True):
        before = content()
        for options in ({"resume": True}, {}):
            with pytest.raises(ValueError, match="^process [0-9]+ on") as error:
                train(copy, **options)
            assert f"trains in {copy};" in str(error.value)
        with claimed_folder(str(copy), resume=True, is_chief=False):
            pass  # another worker of the same training
        assert content() == before
    assert not (copy / ".lock").exists()


def test_a_killed_training_leaves_no_half_written_files(copy):
    for name in ("", "checkpoints", "samples"):
        half = copy / name / ".0123456789abcdef.partial" / "new"
        half.mkdir(parents=True)
    (copy / ".lock").write_text("process 1 on a machine that is gone")
    with claimed_folder(str(copy), resume=True):
        assert not list(copy.rglob(".*.partial"))
        assert len(checkpoints.list_steps(str(copy / "checkpoints"))) == 2


@pytest.mark.parametrize("failing", ["export", "report"])
def test_of_export_and_report_one_does_not_cost_the_other(failing, tmp_path):
    made = []

    def make(what):
        made.append(what)
        if what == failing:
            raise ValueError(f"no {what}")
        return "path", 0.0

    task = _task_at_its_end(lambda *_, **__: make("export"), lambda *_: make("report"))
    with pytest.raises(ValueError, match=f"no {failing}"):
        training._finish(task, types.SimpleNamespace(folder=str(tmp_path)), {})
    assert made == ["export", "report"]


def _task_at_its_end(export, report):
    return types.SimpleNamespace(
        options=types.SimpleNamespace(export_dir="exports"),
        complete=lambda run: None,
        export_options=lambda: {"warmup_requests": 1},
        export=export,
        report=report,
    )


def test_killed_after_its_export_it_does_not_export_again(tmp_path):
    """Unless the version is gone, or another one is asked for."""
    versions = []

    def export(run, folder, **options):
        versions.append(tmp_path / str(len(versions)))
        versions[-1].mkdir()
        return str(versions[-1]), 0.0

    task = _task_at_its_end(export, lambda *_: None)
    run = types.SimpleNamespace(folder=str(tmp_path))
    for _ in range(2):
        training._finish(task, run, {})
    assert len(versions) == 1
    versions[0].rmdir()
    training._finish(task, run, {})
    task.export_options = lambda: {"warmup_requests": 2}
    training._finish(task, run, {})
    assert len(versions) == 3
    (tmp_path / "export.json").write_text("[]")
    training._finish(task, run, {})
    assert len(versions) == 4


def test_a_checkpoint_that_a_kill_left_is_removed(copy, train):
    """Killed between writing the last one and removing the last but two."""
    folder = copy / "checkpoints"
    before = sorted(os.listdir(folder))
    shutil.copytree(folder / before[0], folder / "step_00000048")
    train(copy, resume=True)
    assert sorted(os.listdir(folder)) == before


FULL_DISK = """
first = runs.callbacks.StopOnNonFiniteLoss
look = first.on_train_batch_end
def look_and_fill_the_disk(self, batch, logs=None):
    look(self, batch, logs)
    if self.model.steps_done == STEP:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
first.on_train_batch_end = look_and_fill_the_disk
"""


@pytest.mark.parametrize(
    ("step", "named", "kept"),
    [
        (6, "checkpoint", ["step_00000003"]),
        (13, "last.h5", None),
    ],
)
@pytest.mark.slow
def test_no_room_for_a_file(straight, finish, data_dir, tmp_path, step, named, kept):
    """Files may not grow past 10 kB from a step on, as on a full disk."""
    flags = _flags(data_dir, tmp_path)
    script = SCRIPT.format(FULL_DISK.replace("STEP", str(step)))
    code, _, errors = finish("-c", script, *flags)
    assert code == 1, errors
    last = errors.strip().splitlines()[-1]
    assert last.startswith("error: could not write") and named in last
    kept = kept or ["step_00000009", "step_00000012"]
    assert sorted(os.listdir(tmp_path / "checkpoints")) == kept
    assert not [name for name in os.listdir(tmp_path) if "partial" in name]
    code, _, errors = finish(APP, "--resume", *flags)
    assert code == 0, errors
    _assert_same_run(straight, tmp_path)


def test_nan_ends_the_run(train, tmp_path):
    changes = {"optimizer": "sgd", "learning_rate": 1e30, "warmup_epochs": 0.0}
    message = "the loss became nan at step 2; there is no good checkpoint yet"
    with pytest.raises(runs.NonFiniteLossError, match=message):
        train(tmp_path, checkpoint_interval=1, **changes)
    assert os.listdir(tmp_path / "checkpoints") == []


NAN_FROM_STEP_9 = """
kind = trainers.StepwiseTrainer
change = kind._clip_and_decay
def poison(self, gradients, variables):
    factor = tf.where(self.step == 7, float("nan"), 1.0)
    return change(self, [gradient * factor for gradient in gradients], variables)
kind._clip_and_decay = poison
"""


@pytest.mark.slow  # near a minute
def test_a_poisoned_checkpoint_is_not_kept(straight, finish, data_dir, tmp_path):
    """The eighth update makes all weights NaN; the ninth loss shows it."""
    flags = _flags(data_dir, tmp_path, checkpoint_interval=1)
    code, _, errors = finish("-c", SCRIPT.format(NAN_FROM_STEP_9), *flags)
    assert code == 1 and "Traceback" not in errors, errors
    last = errors.strip().splitlines()[-1]
    assert "nan at step 9; the last good checkpoint, of step 7, is kept" in last
    code, _, errors = finish(APP, "--resume", *flags)
    assert code == 0, errors
    _assert_same_run(straight, tmp_path)
