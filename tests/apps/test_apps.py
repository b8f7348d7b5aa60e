"""The commands of classifiers: what they leave, and what they refuse."""

import csv
import dataclasses
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import types

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_cnns import data, inference
from keras_cnns.commands import evaluate_classifier, run_command
from keras_cnns.data import sources

ROOT = pathlib.Path(__file__).resolve().parents[2]
NET = '{"units": [1, 1], "block": "basic", "filters": 8, "stem": "small"}'


@pytest.fixture
def train(small_options, tmp_path):
    """Trains a small network on the digits, in ``tmp_path / "run"``."""

    def run(**changes):
        options = {"run_dir": str(tmp_path / "run"), **changes}
        return run_command(
            "train-classifier", **small_options("classification", **options)
        )

    return run


def test_train_leaves_everything_it_promises(classifier_run):
    run_dir, saved_model, progress = classifier_run
    assert progress["report"].top_1 > 0.8
    assert progress["history"][-1]["val_accuracy"] == pytest.approx(
        progress["report"].top_1, abs=1e-6
    )
    with open(run_dir / "metrics.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    record = json.loads((run_dir / "run.json").read_text())
    assert record["options"]["batch_size"] == 32
    assert record["versions"]["tensorflow"] == tf.__version__
    if (ROOT / ".git").exists():
        assert re.match(r"[0-9a-f]{40}", record["git_revision"])
    for name in ("learning_curves.png", "confusion_matrix.png"):
        Image.open(run_dir / name).verify()
    assert any(
        "events" in f for _, _, files in os.walk(run_dir / "logs") for f in files
    )
    assert (saved_model / "saved_model.pb").exists()


def test_evaluate_gives_the_same_from_run_and_export(
    classifier_run, data_dir, tmp_path, capsys
):
    run_dir, saved_model, progress = classifier_run
    common = {"dataset": "digits", "data_dir": data_dir}
    first = run_command("evaluate-classifier", run_dir=str(run_dir), **common)
    second = run_command(
        "evaluate-classifier",
        saved_model=str(saved_model),
        output_dir=str(tmp_path),
        **common,
    )
    np.testing.assert_array_equal(first.confusion, second.confusion)
    assert first.top_1 == progress["report"].top_1
    assert f"top-1 {first.top_1:.2%}" in capsys.readouterr().out
    assert json.loads((tmp_path / "report.json").read_text())["top_1"] == first.top_1


@pytest.mark.parametrize(
    ("protocol", "num_crops"),
    [
        ("1_crop", 1),
        ("10_crop", 10),
        # Their crops are tested in test_crops.py, their means in test_predictor.py.
        pytest.param("12_crop", 12, marks=pytest.mark.slow),
        pytest.param("144_crop", 144, marks=pytest.mark.slow),
        ("dense_multi_scale", 2),
    ],
)
def test_protocols_and_ensembles(
    classifier_run, data_dir, tmp_path, capsys, protocol, num_crops
):
    """Digits fill their images, so that crops of them are hard to read."""
    flags = {"dataset": "digits", "split": "test[:5%]", "data_dir": data_dir}
    flags |= {"protocol": protocol, "batch_size": 50}
    flags |= {"scales": ["8", "9"]} if protocol == "dense_multi_scale" else {}
    single = run_command(
        "evaluate-classifier", run_dir=str(classifier_run.run_dir), **flags
    )
    twice = run_command(
        "evaluate-classifier",
        run_dir=[str(classifier_run.run_dir)] * 2,
        output_dir=str(tmp_path),
        **flags,
    )
    assert single.num_examples == 18 and single.top_1 > 0.3
    lower, upper = single.top_1_interval
    assert lower < single.top_1 < upper or single.top_1 == upper == 1
    record = json.loads((tmp_path / "report.json").read_text())
    assert record["protocol"] == protocol and record["num_crops"] == num_crops
    # 8 pixels: 0.875 of 9; 256, 288, 320 and 352 of 224 in GoogLeNet's paper.
    ratio, scales = {
        "1_crop": (None, []),
        "10_crop": (0.875, [9]),
        "12_crop": (0.875, [9]),
        "144_crop": (None, [9, 10, 11, 13]),
        "dense_multi_scale": (None, [8, 9]),
    }[protocol]
    assert record["views"] == [{"crop_ratio": ratio, "scales": scales}] * 2
    assert (
        record["num_models"] == 2
        and record["models"] == [str(classifier_run.run_dir)] * 2
    )
    for field in ("top_1", "top_5", "cross_entropy", "precision", "recall"):
        assert getattr(twice, field) == getattr(single, field)
    assert record["top_1_interval"] == list(single.top_1_interval)
    output = capsys.readouterr().out
    assert f"{protocol}: {num_crops} view" in output and "1 model;" in output
    assert f"[{lower:.2%}, {upper:.2%}], error {1 - single.top_1:.2%}" in output


def test_crop_ratio_of_the_evaluation(classifier_run, data_dir):
    flags = {
        "run_dir": str(classifier_run.run_dir),
        "dataset": "digits",
        "data_dir": data_dir,
    }
    whole = run_command("evaluate-classifier", **flags)
    assert (
        run_command("evaluate-classifier", crop_ratio=1.0, **flags).top_1 == whole.top_1
    )
    assert (
        run_command("evaluate-classifier", crop_ratio=0.5, **flags).top_1 < whole.top_1
    )
    for bad, quoted in [
        ({"protocol": "5_crop"}, "'5_crop'"),
        ({"crop_ratio": 1.5}, "1.5"),
        ({"protocol": "12_crop", "crop_ratio": 1.0}, "coincide.*0.875"),
        ({"split": "test[:0%]"}, r"no examples in the split 'test\[:0%\]'"),
        ({"protocol": "144_crop", "crop_ratio": 0.9}, "no effect"),
        ({"scales": ["9"]}, "no effect"),
        ({"protocol": "dense_multi_scale", "scales": ["nine"]}, "'nine'"),
        ({"protocol": "dense_multi_scale", "scales": ["1"]}, "too small"),
        ({"saved_model": str(classifier_run.saved_model)}, "either"),
        ({"saved_model": "x", "run_dir": "", "protocol": "10_crop"}, "exported"),
    ]:
        with pytest.raises(ValueError, match=quoted):
            run_command("evaluate-classifier", **{**flags, **bad})


def test_ensembles_where_they_make_no_sense(classifier_run, tmp_path):
    folders = ",".join([str(classifier_run.run_dir)] * 2)
    with pytest.raises(ValueError, match=f"{folders} holds no run"):
        run_command("export-model", run_dir=folders, export_dir=str(tmp_path))


def test_predict_from_run_and_export(classifier_run, data_dir, tmp_path, capsys):
    run_dir, saved_model, _ = classifier_run
    folder = tmp_path / "images"
    paths = run_command(
        "save-images",
        dataset="digits",
        data_dir=data_dir,
        output_dir=str(folder),
        num_images=30,
    )
    assert len(paths) == 30
    images = [str(folder / "test" / d) for d in os.listdir(folder / "test")]
    json_file = str(tmp_path / "predictions.json")
    first = run_command(
        "predict", images=images, run_dir=str(run_dir), json_file=json_file
    )
    second = run_command("predict", images=images, saved_model=str(saved_model))
    assert run_command("predict", images=images, run_dir=[str(run_dir)] * 2) == first
    assert len(first) == 30
    right = 0
    for a, b in zip(first, second):
        assert a["image"] == b["image"]
        top = a["predictions"][0]
        assert top["label"] == b["predictions"][0]["label"]
        assert top["probability"] == pytest.approx(
            b["predictions"][0]["probability"], abs=1e-5
        )
        right += top["label"] == os.path.basename(os.path.dirname(a["image"]))
    assert right >= 24
    with open(json_file) as file:
        assert json.load(file) == first
    assert first[0]["image"] in capsys.readouterr().out


def test_images_without_labels_are_saved_without_class_folders(tmp_path):
    source, saved = tmp_path / "source" / "train", tmp_path / "saved"
    source.mkdir(parents=True)
    for value in (10, 200):
        pixels = np.full((8, 8, 3), value, np.uint8)
        data.write_image(str(source / f"{value}.png"), pixels)
    paths = run_command(
        "save-images", dataset=str(source.parent), split="train", output_dir=str(saved)
    )
    assert paths == [str(saved / "train" / f"00000{i}.png") for i in (0, 1)]
    for path, value in zip(paths, (10, 200)):
        content = (source / f"{value}.png").read_bytes()
        assert pathlib.Path(path).read_bytes() == content
    again = data.open_source(str(saved), "train", labelled=False)
    assert again.num_examples == 2


def test_image_folder_as_data_set_and_fine_tuning(
    train, classifier_run, data_dir, tmp_path, caplog
):
    """From ten grey classes to three in colour, the first stage frozen."""
    folder = tmp_path / "folder"
    for split in ("train[:20%]", "test[:30%]"):
        run_command(
            "save-images",
            dataset="digits",
            data_dir=data_dir,
            split=split,
            output_dir=str(folder),
        )
    for split in ("train", "test"):
        for digit in range(3, 10):
            for file in (folder / split / str(digit)).iterdir():
                file.unlink()
            (folder / split / str(digit)).rmdir()
    with caplog.at_level("INFO", logger="absl"):
        progress = train(
            data_dir=None,
            dataset=str(folder),
            batch_size=16,
            image_size=8,
            channels=3,
            init_weights=str(classifier_run.run_dir),
            freeze="conv1_relu",
            learning_rate=0.02,
        )
    assert "the file has 10 classes, the network 3" in caplog.text
    assert "from 1 to 3 input channels" in caplog.text
    assert "frozen up to conv1_relu" in caplog.text
    assert progress["report"].top_1 > 0.8
    before, _ = inference.load_classifier(str(classifier_run.run_dir), "best")
    after, _ = inference.load_classifier(str(tmp_path / "run"))
    old, new = (n.get_layer("conv1_conv").get_weights()[0] for n in (before, after))
    np.testing.assert_allclose(new, np.repeat(old / 3, 3, axis=2), rtol=1e-6)


def test_early_stopping_in_a_folder_that_a_mistake_left_free(train):
    with pytest.raises(ValueError, match="middle"):
        train(validation_split="middle")
    progress = train(
        train_split="train[:64]",
        validation_split="test[:64]",
        learning_rate=1e-9,
        early_stopping=2,
        epochs=9,
    )
    assert progress["stopped_early"]
    assert len(progress["history"]) == progress["best_epoch"] + 2


def test_a_resumed_run_is_refused_other_epochs(train, classifier_run):
    with pytest.raises(ValueError, match="epochs was 3, is 300"):
        train(run_dir=str(classifier_run.run_dir), resume=True, epochs=300)


BAD = [
    ({"model": "densnet121"}, "densnet121"),
    ({"dataset": "no_such_set"}, "no_such_set"),
    ({"augmentation": "twist"}, "twist"),
    ({"preprocessing": "resnet"}, "resnet"),
    ({"builder_args": "[1]"}, r"\[1\]"),
    ({"builder_args": '{"depth": 5}'}, "depth"),
    ({"batch_size": 5000}, "batch_size=5000.*1437"),
    ({"boundaries": "a,b", "schedule": "step"}, "boundaries must be.*'a,b'"),
    ({"init_weights": "nowhere.h5"}, "nowhere.h5"),
    ({"freeze": "conv9"}, "conv9"),
]


@pytest.mark.parametrize(("flags", "quoted"), BAD, ids=[next(iter(f)) for f, _ in BAD])
def test_what_does_not_suit_data_or_network_is_quoted(train, flags, quoted):
    with pytest.raises(ValueError, match=quoted):
        train(**flags)


def test_evaluate_and_predict_refuse_what_does_not_fit(
    classifier_run, tmp_path, data_dir
):
    run_dir, saved_model, _ = classifier_run
    common = {"run_dir": str(run_dir)}
    with pytest.raises(ValueError, match="either"):
        run_command("evaluate-classifier", dataset="digits", data_dir=data_dir)
    for split in ("train", "test"):
        (tmp_path / split / "cat").mkdir(parents=True)
        Image.new("L", (8, 8)).save(tmp_path / split / "cat" / "1.png")
    with pytest.raises(ValueError, match="does not tell apart: cat"):
        run_command("evaluate-classifier", dataset=str(tmp_path), **common)
    with pytest.raises(ValueError, match="holds no run"):
        inference.load_classifier(str(tmp_path))
    with pytest.raises(ValueError, match="'first'"):
        run_command("predict", images=["x"], which="first", **common)
    with pytest.raises(ValueError, match="no effect with --saved_model"):
        run_command("predict", images=["x"], which="best", saved_model=str(saved_model))
    with pytest.raises(ValueError, match="nothing.png"):
        run_command("predict", images=["nothing.png"], **common)
    bad = tmp_path / "test" / "cat" / "2.png"
    bad.write_bytes((tmp_path / "test" / "cat" / "1.png").read_bytes()[:50])
    with pytest.raises(ValueError, match="2.png"):
        run_command("predict", images=[str(tmp_path / "test" / "cat")], **common)
    with pytest.raises(ValueError, match="either"):
        run_command("predict", images=["x"], saved_model=str(saved_model), **common)


def test_weights_of_another_class_count_are_refused(classifier_run, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(classifier_run.run_dir, copy)
    record = json.loads((copy / "run.json").read_text())
    record["config"]["networks"]["network"]["args"]["classes"] = 3
    (copy / "run.json").write_text(json.dumps(record))
    with pytest.raises(ValueError, match=r"predictions: file .*10.* network .*3"):
        run_command("export-model", run_dir=str(copy), export_dir=str(tmp_path / "out"))


def test_a_run_is_not_resumed_on_other_data(train, classifier_run, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(classifier_run.run_dir, copy)
    record = json.loads((copy / "run.json").read_text())
    record["config"]["facts"]["number of examples"] = 1000
    (copy / "run.json").write_text(json.dumps(record))
    with pytest.raises(ValueError, match="examples was 1000, is 1437"):
        train(resume=True)


def test_a_saved_folder_is_the_data_set_it_came_from(
    classifier_run, data_dir, tmp_path
):
    run_command(
        "save-images", dataset="digits", data_dir=data_dir, output_dir=str(tmp_path)
    )
    report = run_command(
        "evaluate-classifier",
        run_dir=str(classifier_run.run_dir),
        dataset=str(tmp_path),
        output_dir="",
    )
    assert report.top_1 == classifier_run.progress["report"].top_1


def test_files_of_any_class_stay_in_their_folder(data_dir, tmp_path, monkeypatch):
    names = ("..", "../../a", "a/b", "a_b", ".", "", "/tmp", *"789")
    digits = data.open_source("digits", "test", data_dir)
    source = dataclasses.replace(digits, class_names=names)
    monkeypatch.setattr(data, "open_source", lambda *a, **k: source)
    given = {"dataset": "digits", "split": "test", "num_images": 60}
    paths = run_command("save-images", output_dir=str(tmp_path / "files"), **given)
    assert os.listdir(tmp_path) == ["files"]
    folders = os.listdir(tmp_path / "files" / "test")
    assert sorted(folders) == sorted(map(sources.folder_name, names))
    assert len(paths) == 60 and all(map(os.path.isfile, paths))


@pytest.mark.parametrize(
    ("known", "given"), [(("a/b", "c"), ("c", "a%2Fb")), (("a%2Fb", "c"), ("c", "a/b"))]
)
def test_classes_are_those_of_their_folders(known, given):
    source = types.SimpleNamespace(name="data", class_names=given)
    outputs = evaluate_classifier._outputs_of(source, known)
    assert outputs.tolist() == [1, 0]


def test_truncated_weights_of_a_run_are_named(classifier_run, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(classifier_run.run_dir, copy)
    (copy / "last.h5").write_bytes((copy / "last.h5").read_bytes()[:3000])
    with pytest.raises(ValueError, match="last.h5 cannot be read"):
        run_command("export-model", run_dir=str(copy), export_dir=str(tmp_path / "out"))


@pytest.mark.slow  # test_resume.py looks at a resumed run's in the short run
def test_from_a_shell_without_noise(finish, data_dir, tmp_path):
    """Nothing of TensorFlow, addons or the export reaches the terminal."""
    code, output, errors = finish(
        "apps/train_classifier.py", "--model=resnet",
        f"--builder_args={NET}", "--dataset=digits",
        "--train_split=train[:20%]", f"--data_dir={data_dir}",
        "--epochs=1", f"--run_dir={tmp_path / 'run'}",
        f"--export_dir={tmp_path / 'out'}",
    )  # fmt: skip
    assert code == 0, errors
    assert len(output.splitlines()) == 4, output  # epoch, last epoch, folder, export
    unknown = [
        line
        for line in errors.splitlines()
        if not re.match(r"I\d{4} .*(training|task|saved_model)\.py:\d+\] ", line)
    ]
    assert unknown == []


@pytest.mark.slow  # test_distribution.py has both together in every run
def test_xla_and_mixed_precision_from_a_shell(
    start, finish, wait_for_step, data_dir, tmp_path
):
    """Killed and resumed, so that the loss scale takes part."""
    flags = [
        "apps/train_classifier.py", "--model=resnet",
        f"--builder_args={NET}", "--dataset=digits",
        f"--data_dir={data_dir}", "--epochs=2", "--enable_xla",
        "--mixed_precision=float16", "--deterministic", "--checkpoint_interval=5",
    ]  # fmt: skip
    code, _, errors = finish(*flags, f"--run_dir={tmp_path / 'one'}")
    assert code == 0, errors
    process = start(*flags, f"--run_dir={tmp_path / 'two'}")
    wait_for_step(process, tmp_path / "two", 5)
    process.kill()
    process.wait()
    code, _, errors = finish(*flags, "--resume", f"--run_dir={tmp_path / 'two'}")
    assert code == 0, errors
    assert _curve(tmp_path / "one") == _curve(tmp_path / "two")
    assert _curve(tmp_path / "one")[-1][1] > 0.5


@pytest.mark.slow  # tests/applications has layers, tests/trainers has trainings
def test_memory_efficient_densenet_from_a_shell(
    start, finish, wait_for_step, data_dir, tmp_path
):
    """Killed and resumed it ends as undisturbed, and is exported as the plain one."""
    net = {"blocks": [2], "growth_rate": 4, "initial_filters": 8, "stem": "small"}

    def flags(name, **changes):
        return [
            "apps/train_classifier.py", "--model=densenet", "--dataset=digits",
            f"--builder_args={json.dumps({**net, **changes})}", "--deterministic",
            "--batch_size=32", "--train_split=train[:30%]", f"--data_dir={data_dir}",
            "--epochs=2", "--checkpoint_interval=3", f"--run_dir={tmp_path / name}",
            f"--export_dir={tmp_path / name / 'export'}",
        ]  # fmt: skip

    efficient = {"memory_efficient": True}
    for command in (flags("plain"), flags("one", **efficient)):
        code, _, errors = finish(*command)
        assert code == 0, errors
    process = start(*flags("two", **efficient))
    wait_for_step(process, tmp_path / "two", 3)
    process.kill()
    process.wait()
    code, _, errors = finish(*flags("two", **efficient), "--resume")
    assert code == 0, errors
    assert _curve(tmp_path / "one") == _curve(tmp_path / "two")
    np.testing.assert_allclose(
        _curve(tmp_path / "one"), _curve(tmp_path / "plain"), rtol=1e-3, atol=1e-3
    )
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 1), np.uint8)
    encoded = [tf.io.encode_png(image).numpy() for image in images]
    versions = (next((tmp_path / x / "export").iterdir()) for x in ("plain", "two"))
    plain, served = (
        inference.load_predictor(saved_model=str(version))[0](encoded)
        for version in versions
    )
    np.testing.assert_allclose(served, plain, atol=1e-3)


DEVICES = """
import keras_cnns, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(cpu, two)
keras_cnns.commands.main("train-classifier")
"""


def _distributed_flags(data_dir, run_dir):
    return [
        "--model=resnet", f"--builder_args={NET}", "--dataset=digits",
        "--train_split=train[:40%]", f"--data_dir={data_dir}", "--epochs=2",
        "--batch_size=32", "--sync_batch_norm", "--ema_decay=0.9",
        f"--run_dir={run_dir}",
    ]  # fmt: skip


def _curve(run_dir):
    with open(run_dir / "metrics.csv") as file:
        return [
            (float(r["loss"]), float(r["val_accuracy"])) for r in csv.DictReader(file)
        ]


@pytest.mark.slow  # two minutes; tests/trainers has each of them quicker
def test_distribution_strategies_from_a_shell(
    start, finish, cluster, wait_for_step, data_dir, tmp_path
):
    """One device, two devices and two workers, stopped and resumed, learn the same."""
    one, mirrored, workers = (
        tmp_path / name for name in ("one", "mirrored", "workers")
    )
    app = "apps/train_classifier.py"
    code, _, errors = finish(app, *_distributed_flags(data_dir, one))
    assert code == 0, errors
    flags = [
        *_distributed_flags(data_dir, mirrored),
        "--distribution_strategy=mirrored",
    ]
    process = start("-c", DEVICES, *flags, "--checkpoint_interval=5")
    wait_for_step(process, mirrored, 5)
    process.kill()
    process.wait()
    code, _, errors = finish("-c", DEVICES, *flags, "--resume")
    assert code == 0, errors
    flags = [
        *_distributed_flags(data_dir, workers),
        "--distribution_strategy=multi_worker",
    ]
    flags += ["--checkpoint_interval=5", "--resume"]
    for expected in (130, 0):
        processes = [start(app, *flags, TF_CONFIG=config) for config in cluster()]
        if expected:  # one worker is asked to stop, both save and end
            wait_for_step(processes[0], workers, 5)
            processes[1].send_signal(signal.SIGTERM)
        for process in processes:
            _, errors = process.communicate(timeout=300)
            assert process.returncode == expected, errors[-3000:]
    assert len(os.listdir(workers / "checkpoints")) == 2
    for other in (mirrored, workers):
        np.testing.assert_allclose(_curve(one), _curve(other), rtol=0.02, atol=0.02)


@pytest.mark.slow
def test_demo_reaches_what_it_promises(tmp_path):
    """``make demo`` as it stands in the Makefile, with its output elsewhere."""
    done = subprocess.run(
        ["make", "demo", f"DEMO={tmp_path}/demo"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    report = json.loads((tmp_path / "demo" / "evaluation" / "report.json").read_text())
    assert report["top_1"] >= 0.98, done.stdout
    predictions = json.loads((tmp_path / "demo" / "predictions.json").read_text())
    assert len(predictions) >= 4
