"""Every app, called as its command line calls it, and from a shell."""

import csv
import inspect
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import types

import evaluate_classifier
import export_model
import list_models
import numpy as np
import predict
import pytest
import save_images
import tensorflow as tf
import train_classifier
from PIL import Image

from keras_cnns import applications, data, inference, trainers
from keras_cnns.runs import record
from keras_cnns.tasks import classification
from keras_cnns.trainers import optimizers

ROOT = pathlib.Path(__file__).resolve().parents[2]
NET = {"units": [1, 1], "block": "basic", "filters": 8, "stem": "small"}


def _train(run_dir, data_dir, **flags):
    defaults = {
        "model": "resnet",
        "builder_args": json.dumps(NET),
        "dataset": "digits",
        "batch_size": 32,
        "epochs": 3,
        "learning_rate": 0.1,
        "augmentation": "pad_crop:1",
        "data_dir": data_dir,
        "output_dir": str(run_dir),
    }
    return train_classifier.run(**{**defaults, **flags})


@pytest.fixture(scope="module")
def trained(data_dir, tmp_path_factory):
    """A run on the digits with its exported model."""
    folder = tmp_path_factory.mktemp("trained")
    progress = _train(folder / "run", data_dir, export_dir=str(folder / "saved"))
    return folder / "run", folder / "saved" / "resnet", progress


def test_train_leaves_everything_it_promises(trained):
    run_dir, saved_model, progress = trained
    assert progress["report"].top_1 > 0.8
    assert progress["history"][-1]["val_accuracy"] == pytest.approx(
        progress["report"].top_1, abs=1e-6
    )
    with open(run_dir / "metrics.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    record = json.loads((run_dir / "run.json").read_text())
    assert record["flags"]["batch_size"] == 32
    assert record["versions"]["tensorflow"] == tf.__version__
    if (ROOT / ".git").exists():
        assert re.match(r"[0-9a-f]{40}", record["git_revision"])
    for name in ("learning_curves.png", "confusion_matrix.png"):
        Image.open(run_dir / name).verify()
    assert any(
        "events" in f for _, _, files in os.walk(run_dir / "logs") for f in files
    )
    assert (saved_model / "1" / "saved_model.pb").exists()


def test_evaluate_gives_the_same_from_run_and_export(
    trained, data_dir, tmp_path, capsys
):
    run_dir, saved_model, progress = trained
    common = {"dataset": "digits", "data_dir": data_dir}
    first = evaluate_classifier.run(checkpoint=str(run_dir), **common)
    second = evaluate_classifier.run(
        saved_model=str(saved_model), output_dir=str(tmp_path), **common
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
        ("12_crop", 12),
        ("144_crop", 144),
        ("dense_multi_scale", 2),
    ],
)
def test_protocols_and_ensembles(
    trained, data_dir, tmp_path, capsys, protocol, num_crops
):
    """Digits fill their images, so that crops of them are hard to read."""
    flags = {"dataset": "digits", "split": "test[:5%]", "data_dir": data_dir}
    flags |= {"protocol": protocol, "batch_size": 50}
    flags |= {"scales": ["8", "9"]} if protocol == "dense_multi_scale" else {}
    single = evaluate_classifier.run(checkpoint=str(trained[0]), **flags)
    twice = evaluate_classifier.run(
        checkpoint=[str(trained[0])] * 2, output_dir=str(tmp_path), **flags
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
    assert record["num_models"] == 2 and record["models"] == [str(trained[0])] * 2
    for field in ("top_1", "top_5", "cross_entropy", "precision", "recall"):
        assert getattr(twice, field) == getattr(single, field)
    assert record["top_1_interval"] == list(single.top_1_interval)
    output = capsys.readouterr().out
    assert f"{protocol}: {num_crops} view" in output and "1 model;" in output
    assert f"[{lower:.2%}, {upper:.2%}], error {1 - single.top_1:.2%}" in output


def test_crop_ratio_of_the_evaluation(trained, data_dir):
    flags = {"checkpoint": str(trained[0]), "dataset": "digits", "data_dir": data_dir}
    whole = evaluate_classifier.run(**flags)
    assert evaluate_classifier.run(crop_ratio=1.0, **flags).top_1 == whole.top_1
    assert evaluate_classifier.run(crop_ratio=0.5, **flags).top_1 < whole.top_1
    for bad, quoted in [
        ({"protocol": "5_crop"}, "'5_crop'"),
        ({"crop_ratio": 1.5}, "1.5"),
        ({"protocol": "12_crop", "crop_ratio": 1.0}, "coincide.*0.875"),
        ({"split": "test[:0%]"}, r"no examples in the split 'test\[:0%\]'"),
        ({"protocol": "144_crop", "crop_ratio": 0.9}, "no effect"),
        ({"scales": ["9"]}, "no effect"),
        ({"protocol": "dense_multi_scale", "scales": ["nine"]}, "'nine'"),
        ({"protocol": "dense_multi_scale", "scales": ["1"]}, "too small"),
        ({"saved_model": str(trained[1])}, "either"),
        ({"saved_model": "x", "checkpoint": "", "protocol": "10_crop"}, "exported"),
    ]:
        with pytest.raises(ValueError, match=quoted):
            evaluate_classifier.run(**{**flags, **bad})


def test_ensembles_where_they_make_no_sense(trained, tmp_path):
    folders = [str(trained[0]), str(trained[0])]
    with pytest.raises(ValueError, match="one run is exported at a time, got 2"):
        export_model.run(checkpoint=folders, export_dir=str(tmp_path))


def test_predict_from_run_and_export(trained, data_dir, tmp_path, capsys):
    run_dir, saved_model, _ = trained
    folder = tmp_path / "images"
    paths = save_images.run(
        dataset="digits", data_dir=data_dir, output_dir=str(folder), num_images=30
    )
    assert len(paths) == 30
    images = [str(folder / "test" / d) for d in os.listdir(folder / "test")]
    json_file = str(tmp_path / "predictions.json")
    first = predict.run(images=images, checkpoint=str(run_dir), json_file=json_file)
    second = predict.run(images=images, saved_model=str(saved_model))
    assert predict.run(images=images, checkpoint=[str(run_dir)] * 2) == first
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
    paths = save_images.run(
        dataset=str(source.parent), split="train", output_dir=str(saved)
    )
    assert paths == [str(saved / "train" / f"00000{i}.png") for i in (0, 1)]
    for path, value in zip(paths, (10, 200)):
        content = (source / f"{value}.png").read_bytes()
        assert pathlib.Path(path).read_bytes() == content
    again = data.open_source(str(saved), "train", labelled=False)
    assert again.num_examples == 2


def test_export_app(trained, tmp_path):
    path = export_model.run(
        checkpoint=str(trained[0]), export_dir=str(tmp_path), export_name="other"
    )
    assert path == str(tmp_path / "other" / "1")


def test_image_folder_as_data_set_and_fine_tuning(trained, data_dir, tmp_path, caplog):
    """From ten grey classes to three in colour, the first stage frozen."""
    folder = tmp_path / "folder"
    for split in ("train[:20%]", "test[:30%]"):
        save_images.run(
            dataset="digits", data_dir=data_dir, split=split, output_dir=str(folder)
        )
    for split in ("train", "test"):
        for digit in range(3, 10):
            for file in (folder / split / str(digit)).iterdir():
                file.unlink()
            (folder / split / str(digit)).rmdir()
    with caplog.at_level("INFO", logger="absl"):
        progress = _train(
            tmp_path / "run",
            None,
            dataset=str(folder),
            batch_size=16,
            image_size=8,
            channels=3,
            init_weights=str(trained[0]),
            freeze="conv1_relu",
            learning_rate=0.02,
        )
    assert "the file has 10 classes, the network 3" in caplog.text
    assert "from 1 to 3 input channels" in caplog.text
    assert "frozen up to conv1_relu" in caplog.text
    assert progress["report"].top_1 > 0.8
    before, _ = inference.load_classifier(str(trained[0]), "best")
    after, _ = inference.load_classifier(str(tmp_path / "run"))
    old, new = (n.get_layer("conv1_conv").get_weights()[0] for n in (before, after))
    np.testing.assert_allclose(new, np.repeat(old / 3, 3, axis=2), rtol=1e-6)


def test_early_stopping_and_best_epoch(data_dir, tmp_path):
    progress = _train(
        tmp_path, data_dir, learning_rate=1e-9, early_stopping=2, epochs=9
    )
    assert progress["stopped_early"]
    assert len(progress["history"]) == progress["best_epoch"] + 2


def test_recipe_fills_in_what_the_command_line_leaves_open():
    values = {"recipe": "densenet_cifar", "resume": False, "epochs": 5, "batch_size": 8,
              "output_dir": "x"}  # fmt: skip
    merged = train_classifier._with_recipe(dict(values), given={"epochs"})
    with pytest.raises(ValueError, match="secret"):
        train_classifier._with_recipe({**values, "recipe": "secret"}, given=set())
    assert merged["epochs"] == 5 and merged["batch_size"] == 64
    assert merged["boundaries"] == "0.5,0.75"


def test_a_recipe_of_a_resumed_run_is_compared_with_it(trained, data_dir):
    values = {"recipe": "", "resume": True, "output_dir": str(trained[0])}
    values |= {"optimizer": "sgd", "schedule": "cosine", "epochs": 9}
    assert train_classifier._with_recipe(dict(values), set())["epochs"] == 3
    values["recipe"] = "densenet_cifar"
    assert train_classifier._with_recipe(dict(values), set())["epochs"] == 300
    with pytest.raises(ValueError, match="epochs was 3, is 300"):
        _train(trained[0], data_dir, resume=True, epochs=300)


@pytest.mark.parametrize(
    ("given", "quoted"),
    [
        ({"optimizer": "adam", "momentum": 0.8}, "--momentum=0.8.*adam.*rmsprop"),
        ({"optimizer": "rmsprop", "nesterov": False}, "--nesterov=False.*rmsprop"),
        ({"epsilon": 1.0}, "--epsilon=1.0.*sgd.*lamb"),
        ({"boundaries": "0.5"}, "--boundaries=0.5.*cosine.*step"),
        ({"schedule": "constant", "decay_rate": 0.5}, "--decay_rate=0.5.*constant"),
        ({"schedule": "halving", "decay_epochs": 2.0}, "--decay_epochs.*halving"),
        ({"recipe": "nin_cifar", "epsilon": 1.0}, "--epsilon=1.0.*sgd"),
    ],
)
def test_flags_without_effect_are_refused_on_the_command_line(given, quoted):
    parameters = inspect.signature(train_classifier.run).parameters
    defaults = {key: p.default for key, p in parameters.items()}
    values = {**defaults, "output_dir": "x", "recipe": "", **given}
    with pytest.raises(ValueError, match=quoted):
        train_classifier._with_recipe(values, given=set(given))
    values = {**defaults, "output_dir": "x", "recipe": "", **given}
    train_classifier._with_recipe(values, given=set())  # they are but defaults


# Families whose papers or authors' code say Nesterov.
NESTEROV = ("densenet", "stochastic_depth", "highway")


def test_recipes_name_real_flags_and_are_accepted():
    parameters = inspect.signature(train_classifier.run).parameters
    for name, (model, values, source) in classification.RECIPES.items():
        assert set(values) <= set(parameters), name
        assert "arXiv" in source or source.startswith("as "), name
        flags = {key: p.default for key, p in parameters.items()}
        flags = types.SimpleNamespace(**{**flags, **values})
        data.Augmentation(flags.augmentation)
        arguments = record.parse_builder_args(flags.builder_args)
        constructor = applications.model_info(model).constructor
        assert set(arguments) <= set(inspect.signature(constructor).parameters)
        assert ("aux_heads" in arguments) == (flags.auxiliary_weight > 0), name
        boundaries = tuple(float(fraction) for fraction in flags.boundaries.split(","))
        rate = optimizers.make_schedule(
            flags.schedule,
            flags.learning_rate,
            1000,
            boundaries=boundaries,
            decay_rate=flags.decay_rate,
        )
        assert float(rate(0)) == pytest.approx(flags.learning_rate)
        if flags.schedule == "step":
            last = flags.learning_rate * flags.decay_rate ** len(boundaries)
            assert float(rate(999)) == pytest.approx(last)
        optimizer = trainers.make_optimizer(
            flags.optimizer,
            rate,
            momentum=flags.momentum,
            nesterov=flags.nesterov,
            epsilon=flags.epsilon,
        )
        if flags.optimizer == "sgd":
            assert optimizer.nesterov == name.startswith(NESTEROV), name
        if name == "inception_imagenet":  # arXiv 1512.00567, section 8
            assert optimizer.get_config()["epsilon"] == 1.0
            assert flags.ema_decay > 0 and flags.gradient_clip_norm == 2.0


def test_list_models(capsys):
    names = list_models.run(pattern="densenet*")
    assert set(names) == set(applications.list_models(pattern="densenet*"))
    output = capsys.readouterr().out
    assert "densenet121" in output and "7,978,856" in output
    assert list_models.run(recipes=True) == list(classification.RECIPES)
    assert "--learning_rate=0.1" in capsys.readouterr().out
    with pytest.raises(ValueError, match="models.md"):
        list_models.run(pattern="densenet*", markdown_file="models.md")


BAD = [
    ({"model": "densnet121"}, "densnet121"),
    ({"dataset": "no_such_set"}, "no_such_set"),
    ({"optimizer": "sdg"}, "sdg"),
    ({"schedule": "triangular"}, "triangular"),
    ({"augmentation": "twist"}, "twist"),
    ({"preprocessing": "resnet"}, "resnet"),
    ({"batch_size": 0}, "batch_size=0"),
    ({"epochs": 0}, "epochs"),
    ({"mixed_precision": "int8"}, "int8"),
    ({"builder_args": "[1]"}, r"\[1\]"),
    ({"builder_args": '{"depth": 5}'}, "depth"),
    ({"weight_decay": -1.0}, "-1.0"),
    ({"weight_decay_scope": "kernels", "optimizer": "adamw"}, "kernels"),
    ({"batch_size": 5000}, "5000"),
    ({"distribution_strategy": "ring"}, "ring"),
    ({"boundaries": "a,b"}, "a"),
    ({"init_weights": "nowhere.h5"}, "nowhere.h5"),
    ({"freeze": "conv9"}, "conv9"),
    ({"validation_split": "middle"}, "middle"),
]


@pytest.mark.parametrize(("flags", "quoted"), BAD, ids=[next(iter(f)) for f, _ in BAD])
def test_bad_flags_are_quoted(data_dir, tmp_path, flags, quoted):
    with pytest.raises(ValueError, match=quoted):
        _train(tmp_path / "run", data_dir, **flags)


def test_evaluate_and_predict_refuse_what_does_not_fit(trained, tmp_path, data_dir):
    run_dir, saved_model, _ = trained
    common = {"checkpoint": str(run_dir)}
    with pytest.raises(ValueError, match="either"):
        evaluate_classifier.run(dataset="digits", data_dir=data_dir)
    for split in ("train", "test"):
        (tmp_path / split / "cat").mkdir(parents=True)
        Image.new("L", (8, 8)).save(tmp_path / split / "cat" / "1.png")
    with pytest.raises(ValueError, match="does not tell apart: cat"):
        evaluate_classifier.run(dataset=str(tmp_path), **common)
    with pytest.raises(ValueError, match="holds no run"):
        inference.load_classifier(str(tmp_path))
    with pytest.raises(ValueError, match="'first'"):
        predict.run(images=["x"], which="first", **common)
    with pytest.raises(ValueError, match="no effect with --saved_model"):
        predict.run(images=["x"], which="best", saved_model=str(saved_model))
    with pytest.raises(ValueError, match="nothing.png"):
        predict.run(images=["nothing.png"], **common)
    bad = tmp_path / "test" / "cat" / "2.png"
    bad.write_bytes((tmp_path / "test" / "cat" / "1.png").read_bytes()[:50])
    with pytest.raises(ValueError, match="2.png"):
        predict.run(images=[str(tmp_path / "test" / "cat")], **common)
    with pytest.raises(ValueError, match="either"):
        predict.run(images=["x"], saved_model=str(saved_model), **common)


def test_weights_of_another_class_count_are_refused(trained, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(trained[0], copy)
    record = json.loads((copy / "run.json").read_text())
    record["network"]["class_names"] = ["a", "b", "c"]
    (copy / "run.json").write_text(json.dumps(record))
    with pytest.raises(ValueError, match=r"predictions: file .*10.* network .*3"):
        export_model.run(checkpoint=str(copy), export_dir=str(tmp_path / "out"))


def test_a_run_is_not_resumed_on_other_data(trained, data_dir, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(trained[0], copy)
    record = json.loads((copy / "run.json").read_text())
    record["network"]["num_examples"] = 1000
    (copy / "run.json").write_text(json.dumps(record))
    with pytest.raises(ValueError, match="examples was 1000, is 1437"):
        _train(copy, data_dir, resume=True)


def test_a_mistake_leaves_the_folder_free_for_the_next_try(data_dir, tmp_path):
    with pytest.raises(ValueError, match="middle"):
        _train(tmp_path, data_dir, validation_split="middle")
    _train(tmp_path, data_dir, epochs=1)


def test_a_saved_folder_is_the_data_set_it_came_from(trained, data_dir, tmp_path):
    save_images.run(dataset="digits", data_dir=data_dir, output_dir=str(tmp_path))
    report = evaluate_classifier.run(
        checkpoint=str(trained[0]), dataset=str(tmp_path), output_dir=""
    )
    assert report.top_1 == trained[2]["report"].top_1


def test_truncated_weights_of_a_run_are_named(trained, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(trained[0], copy)
    (copy / "last.h5").write_bytes((copy / "last.h5").read_bytes()[:3000])
    with pytest.raises(ValueError, match="last.h5 cannot be read"):
        export_model.run(checkpoint=str(copy), export_dir=str(tmp_path / "out"))


def test_from_a_shell_without_noise(finish, data_dir, tmp_path):
    """Nothing of TensorFlow, addons or the export reaches the terminal."""
    code, output, errors = finish(
        "apps/train_classifier.py", "--model=resnet",
        f"--builder_args={json.dumps(NET)}", "--dataset=digits",
        "--train_split=train[:20%]", f"--data_dir={data_dir}",
        "--epochs=1", f"--output_dir={tmp_path / 'run'}",
        f"--export_dir={tmp_path / 'out'}",
    )  # fmt: skip
    assert code == 0, errors
    assert len(output.splitlines()) == 3, output  # epoch, last epoch, export
    unknown = [
        line
        for line in errors.splitlines()
        if not re.match(r"I\d{4} .*(train_classifier|saved_model)\.py:\d+\] ", line)
    ]
    assert unknown == []


@pytest.mark.slow  # test_distribution.py has both together in every run
def test_xla_and_mixed_precision_from_a_shell(
    start, finish, wait_for_step, data_dir, tmp_path
):
    """Killed and resumed, so that the loss scale takes part."""
    flags = [
        "apps/train_classifier.py", "--model=resnet",
        f"--builder_args={json.dumps(NET)}", "--dataset=digits",
        f"--data_dir={data_dir}", "--epochs=2", "--enable_xla",
        "--mixed_precision=float16", "--deterministic", "--checkpoint_interval=5",
    ]  # fmt: skip
    code, _, errors = finish(*flags, f"--output_dir={tmp_path / 'one'}")
    assert code == 0, errors
    process = start(*flags, f"--output_dir={tmp_path / 'two'}")
    wait_for_step(process, tmp_path / "two", 5)
    process.kill()
    process.wait()
    code, _, errors = finish(*flags, "--resume", f"--output_dir={tmp_path / 'two'}")
    assert code == 0, errors
    assert _curve(tmp_path / "one") == _curve(tmp_path / "two")
    assert _curve(tmp_path / "one")[-1][1] > 0.5


def test_errors_from_a_shell_are_one_line(finish, data_dir, tmp_path):
    code, output, errors = finish(
        "apps/train_classifier.py", "--model=nothing", "--dataset=digits",
        f"--data_dir={data_dir}", f"--output_dir={tmp_path}",
    )  # fmt: skip
    assert code == 1 and output == ""
    assert len(errors.splitlines()) == 1 and errors.startswith("error: unknown model")
    code, _, errors = finish("apps/predict.py", "--images=x", "stray")
    assert code != 0 and "stray" in errors


DEVICES = """
import sys
sys.path.insert(0, "apps")
import keras_cnns, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(cpu, two)
import train_classifier
sys.argv = ["train_classifier.py", *sys.argv[1:]]
train_classifier.main()
"""


def _distributed_flags(data_dir, run_dir):
    return [
        "--model=resnet", f"--builder_args={json.dumps(NET)}", "--dataset=digits",
        "--train_split=train[:40%]", f"--data_dir={data_dir}", "--epochs=2",
        "--batch_size=32", "--sync_batch_norm", "--ema_decay=0.9",
        f"--output_dir={run_dir}",
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
