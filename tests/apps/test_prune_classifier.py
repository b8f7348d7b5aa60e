"""Pruning a classifier's run: what it leaves, what takes it, what is refused."""

import csv
import json
import shutil

import h5py
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import keras_cnns
from keras_cnns import _files
from keras_cnns.commands import find_command, run_command
from keras_cnns.inference.classifiers import describe_classifier
from keras_cnns.runs import TrainingInterrupted, callbacks, read_run


@pytest.fixture
def prune(classifier_run, tmp_path):
    """Prunes the network of the digits, in ``tmp_path / "pruned"``."""

    def run(**changes):
        given = {
            "run_dir": str(classifier_run.run_dir),
            "output_dir": str(tmp_path / "pruned"),
            "epochs": 2,
            **changes,
        }
        return run_command("prune-classifier", **given)

    return run


def _stored(folder, name="last"):
    """Weights of a file by ``<layer>/<weight>``."""
    found = {}

    def note(path, item):
        if isinstance(item, h5py.Dataset):
            found[path.split("/", 1)[1].partition(":")[0]] = item[()]

    with h5py.File(folder / f"{name}.h5") as file:
        file.visititems(note)
    return found


def _drawn(folder):
    """Colours of ``kernels.png``: before and after, kernels, their rows and columns."""
    with Image.open(folder / "kernels.png") as image:
        pixels = np.asarray(image.convert("RGB"))
    step, count = 3 * 12 + 2, 20  # twelve pixels a weight, a line beside each kernel
    middles = np.add.outer(np.arange(count) * step, np.arange(3) * 12 + 6)
    lefts = middles + pixels.shape[1] - (count * step - 2)  # beside the labels
    return pixels[middles[:2, None, :, None], lefts[None, :, None, :]]


def _digit(data_dir):
    """A digit, encoded."""
    source = keras_cnns.data.open_source("digits", "test", data_dir)
    return source.read(next(iter(source.examples))[0]).numpy()


def test_a_pruned_run_is_a_run(
    prune, classifier_run, data_dir, tmp_path, verify_here, capsys
):
    """Zeros in all that is written and exported, and a report that counts them."""
    progress = prune(export_dir=str(tmp_path / "saved"), warmup_requests=0)
    folder, shown = tmp_path / "pruned", capsys.readouterr().out
    rows = progress["pruning"]["layers"]
    by_name = {row["weight"]: row for row in rows}
    with np.load(folder / "masks.npz") as masks:
        assert set(masks) == set(by_name) - {"all"}
        for which in ("best", "last"):
            weights = _stored(folder, which)
            for name, mask in masks.items():
                assert mask.dtype == bool and not weights[name][~mask].any()
                left = np.count_nonzero(weights[name])
                assert left == by_name[name]["kept_entries"] == mask.sum()
    # By hand: ceil(12 * 12 / 3.6) kernels of four weights; the first keeps all kernels.
    first, second, *_, total = rows
    assert (first["kept_kernels"], first["kept_entries"]) == (12, 48)
    assert (second["kept_kernels"], second["kept_entries"]) == (40, 160)
    assert second["compression"] == pytest.approx(8.1)
    assert total["kept_entries"] == sum(row["kept_entries"] for row in rows[:-1])
    with open(folder / "pruning.csv") as file:
        assert [row["weight"] for row in csv.DictReader(file)] == list(by_name)
    record = json.loads((folder / "pruning.json").read_text())
    assert record["layers"] == rows and len(record["patterns"]) == 8
    assert all(f"{row['compression']:.2f}" in shown for row in rows)
    accuracy = record["accuracy"]
    assert f"dense {accuracy['dense']:.2%}  projected {accuracy['projected']:.2%}" in (
        shown
    )
    assert accuracy["dense"] == classifier_run.progress["report"].top_1
    assert accuracy["projected"] < accuracy["retrained"]

    flags = {"dataset": "digits", "data_dir": data_dir}
    report = run_command("evaluate-classifier", run_dir=str(folder), **flags)
    assert report.top_1 == accuracy["retrained"] == progress["report"].top_1
    version = tmp_path / "saved" / "resnet" / "1"
    exported = run_command("evaluate-classifier", saved_model=str(version), **flags)
    assert exported.top_1 == report.top_1
    stored = tf.train.load_checkpoint(str(version / "variables" / "variables"))
    kernels = [n for n, s in stored.get_variable_to_shape_map().items() if len(s) == 4]
    zeros = sum(int(np.sum(stored.get_tensor(name) == 0)) for name in kernels)
    assert zeros == total["entries"] - total["kept_entries"]

    run = keras_cnns.open_run(str(folder))
    dense = read_run(str(classifier_run.run_dir))
    assert run.task == "classification" and run.config.networks == dense.config.networks
    assert describe_classifier(run, "best") == ("resnet, best epoch on digits train")
    assert len(run.inferencer()([_digit(data_dir)])[0]) == 10


def test_the_figure_shows_what_is_left_of_kernels(prune, classifier_run, tmp_path):
    """White where a weight is 0, red above, blue below; the first of the last layer."""
    prune()
    drawn = _drawn(tmp_path / "pruned")
    with np.load(tmp_path / "pruned" / "masks.npz") as masks:
        name = [one for one, mask in masks.items() if mask.shape[:2] == (3, 3)][-1]
    for colours, folder in zip(drawn, (classifier_run.run_dir, tmp_path / "pruned")):
        kernels = _stored(folder)[name].reshape(3, 3, -1)[..., :20].transpose(2, 0, 1)
        largest = np.abs(kernels).max(axis=(1, 2), keepdims=True)
        parts = np.divide(
            kernels, largest, where=largest > 0, out=np.zeros_like(kernels)
        )
        red, green, blue = np.moveaxis(colours / 255, -1, 0)
        np.testing.assert_allclose(red - blue, parts, atol=1 / 255)
        np.testing.assert_allclose(green, 1 - np.abs(parts), atol=1 / 255)
    assert (drawn[1] == 255).all((-1, -2, -3)).any()


@pytest.fixture
def stopped(prune, monkeypatch):
    """Prunes as ``prune`` does, and stops after the first epoch."""
    save = callbacks.StateSaver.on_epoch_end

    def stop(saver, epoch, logs=None):
        save(saver, epoch, logs)
        if epoch == 0:
            raise TrainingInterrupted("stopped")

    def run(**given):
        with monkeypatch.context() as patch:
            patch.setattr(callbacks.StateSaver, "on_epoch_end", stop)
            with pytest.raises(TrainingInterrupted):
                prune(**given)

    return run


@pytest.mark.slow
def test_a_pruned_run_is_resumed_as_it_was_started(prune, stopped, tmp_path):
    """Stopped after the first epoch of ADMM; by nothing but its folder."""
    given = {"epochs": 3, "admm_rounds": 2, "train_split": "train[:25%]"}
    straight = prune(output_dir=str(tmp_path / "straight"), **given)
    stopped(**given)
    folder = tmp_path / "pruned"
    assert not (folder / "masks.npz").exists()
    with pytest.raises(ValueError, match="kind of training was 'pruning', is None"):
        run_command(
            "train-classifier", resume=True, run_dir=str(folder), model="resnet"
        )
    resumed = run_command("prune-classifier", resume=True, output_dir=str(folder))
    assert resumed["pruning"] == straight["pruning"]
    for name, value in _stored(tmp_path / "straight").items():
        np.testing.assert_array_equal(value, _stored(folder)[name], err_msg=name)
    history = resumed["history"]
    assert ["residual" in row for row in history] == [True, True, False]
    assert resumed["pruning"]["accuracy"]["projected"] == history[1]["val_accuracy"]


@pytest.mark.slow
def test_it_goes_on_without_the_run_that_was_pruned(stopped, classifier_run, tmp_path):
    gone, folder = str(tmp_path / "dense"), str(tmp_path / "pruned")
    shutil.copytree(classifier_run.run_dir, gone)
    stopped(run_dir=gone, train_split="train[:25%]")
    shutil.rmtree(gone)
    resumed = run_command("prune-classifier", resume=True, output_dir=folder)
    assert resumed["pruning"]["accuracy"] == {"retrained": resumed["report"].top_1}


def test_a_classifier_is_not_resumed_as_a_pruning(prune, classifier_run):
    with pytest.raises(ValueError, match="kind of training was None, is 'pruning'"):
        prune(resume=True, output_dir=str(classifier_run.run_dir))


def test_options_are_the_runs_unless_given(classifier_run):
    """With another optimizer, rates of the run's mean nothing."""
    options = find_command("prune-classifier")[1]
    places = {"run_dir": str(classifier_run.run_dir), "output_dir": "nowhere"}
    found = options.resolve(**places)
    assert (found.dataset, found.augmentation) == ("digits", "pad_crop:1")
    assert (found.batch_size, found.epochs) == (32, 10)
    assert (found.optimizer, found.learning_rate) == ("sgd", 0.1)
    assert (found.weight_decay, found.nesterov) == (1e-4, True)
    found = options.resolve(**places, optimizer="adam", batch_size=16)
    assert (found.optimizer, found.learning_rate) == ("adam", 1e-3)
    assert (found.weight_decay, found.batch_size) == (0.0, 16)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"run_dir": "nowhere"}, "nowhere holds no run"),
        ({"admm_rounds": 2}, "admm_rounds=2 of round_epochs=1 leave none of epochs=2"),
        ({"round_epochs": 2}, "round_epochs=2 has no effect with --admm_rounds=0"),
        (
            {"patterns": "fixed", "num_patterns": 6},
            "num_patterns=6 has no effect with --patterns=fixed",
        ),
        ({"connectivity": 0.5}, "connectivity must be .*got 0.5"),
        ({"keep_dense": "conv9"}, "keep_dense must name convolutions .*got 'conv9'"),
        (
            {"patterns": "none", "connectivity": 1, "other_connectivity": 1},
            "nothing of resnet would be pruned",
        ),
        ({"which": "first"}, "which must be 'best' or 'last', got 'first'"),
    ],
)
def test_what_cannot_be_pruned_is_said(prune, given, message):
    with pytest.raises(ValueError, match=message):
        prune(**given)


def test_other_classes_and_other_tasks_are_refused(
    prune, classifier_run, runs_by_task, tmp_path
):
    record = json.loads((classifier_run.run_dir / "run.json").read_text())
    record["config"]["class_names"][0] = "nought"
    (tmp_path / "other").mkdir()
    _files.write_json(str(tmp_path / "other" / "run.json"), record)
    with pytest.raises(ValueError, match="digits has other classes than .*: 0, nought"):
        prune(run_dir=str(tmp_path / "other"), output_dir=str(tmp_path / "new"))
    with pytest.raises(ValueError, match="is a run of generation; a run of classifica"):
        prune(run_dir=runs_by_task["generation"])
    with pytest.raises(ValueError, match="already holds a run"):
        prune(output_dir=str(classifier_run.run_dir))
