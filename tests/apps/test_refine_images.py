"""The app that trains a refiner: what it leaves, resuming, and what it refuses."""

import csv
import inspect
import json

import numpy as np
import pytest
import refine_images
import tensorflow as tf
from PIL import Image

from keras_cnns import data, export
from keras_cnns.tasks.refinement import models

APP = "apps/refine_images.py"
NETS = {
    "refiner": {"filters": 8, "blocks": 1},
    "discriminator": {"filters": [8, 8, 8, 8]},
}
# 400 simulated images: 12 steps an epoch
SMALL = {
    "model": "simgan_eye",
    "builder_args": json.dumps(NETS),
    "dataset": "rendered_digits",
    "train_split": "train[:8%]",
    "real_dataset": "digits",
    "batch_size": 16,
    "refiner_steps": 1,
    "refiner_pretraining": 14,
    "discriminator_pretraining": 5,
    "buffer_size": 64,
    "instance_noise": 0.1,
    "instance_noise_epochs": 2.0,
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "epochs": 3,
    "grid_columns": 3,
}


def _refine(run_dir, data_dir, **flags):
    places = {"output_dir": str(run_dir), "data_dir": data_dir}
    return refine_images.run(**{**SMALL, **places, **flags})


@pytest.fixture(scope="module")
def refined(data_dir, tmp_path_factory):
    """A small run with its exported refiner."""
    folder = tmp_path_factory.mktemp("refined")
    progress = _refine(
        folder / "run", data_dir, ema_decay=0.5, export_dir=str(folder / "saved")
    )
    return folder / "run", folder / "saved", progress


def _all_images(source, description):
    examples = source.examples.map(
        lambda content, label: (description.preprocessing(source.read(content)), label)
    )
    images, labels = zip(*examples.as_numpy_iterator())
    return np.stack(images), np.array(labels)


def test_it_leaves_everything_it_promises(refined):
    run_dir, saved, progress = refined
    with open(run_dir / "metrics.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["12", "24", "36"]
    assert rows[0]["discriminator_loss"] == ""  # the refiner trains alone
    assert all(float(value) >= 0 for value in rows[2].values())
    assert float(rows[0]["self_regularization"]) == pytest.approx(
        progress["history"][0]["self_regularization"]
    )
    for epoch in (1, 2, 3):
        with Image.open(run_dir / "samples" / f"epoch_{epoch:04d}.png") as grid:
            # 3 images, a gap, 3 images of 8 pixels fourfold; 8 rows; and labels
            assert grid.width > 7 * 32 and grid.height > 8 * 32
    Image.open(run_dir / "training_curves.png").verify()
    record = json.loads((run_dir / "run.json").read_text())
    assert record["flags"]["real_dataset"] == "digits"
    assert record["network"]["num_real_examples"] == 1437
    assert record["network"]["builder_args"] == NETS
    assert (saved / "simgan_eye_refiner" / "1" / "saved_model.pb").exists()


def test_the_refined_images_are_a_data_set(refined, data_dir):
    """Each is the refiner's answer to the image that the same class had."""
    run_dir, saved, _ = refined
    refiner, description = models.load_refiner(str(run_dir))
    simulated = data.open_source("rendered_digits", "train[:8%]", data_dir)
    before, labels = _all_images(simulated, description)
    source = data.open_source(str(run_dir / "refined"), "train")
    assert source.class_names == simulated.class_names
    after, after_labels = _all_images(source, description)
    np.testing.assert_array_equal(np.bincount(after_labels), np.bincount(labels))
    expected = np.asarray(refiner(before))
    order = np.argsort(labels, kind="stable")  # of files: by class, then by number
    np.testing.assert_allclose(after, expected[order], atol=1 / 127.5)
    assert np.abs(after - before[order]).max() > 0.1
    version = export.find_saved_model(str(saved / "simgan_eye_refiner"))
    served = tf.saved_model.load(version).signatures["serving_default"]
    answer = served(images=tf.constant(before[:5]))["images"]
    np.testing.assert_allclose(answer, expected[:5], atol=1e-5)


def test_a_finished_run_refines_other_images(refined, data_dir, capsys):
    run_dir, _, _ = refined
    flags = {"resume": True, "ema_decay": 0.5}
    weights = (run_dir / "refiner.h5").read_bytes()
    _refine(run_dir, data_dir, refined_dataset="digits", split="test", **flags)
    _refine(run_dir, data_dir, **flags)
    assert (run_dir / "refiner.h5").read_bytes() == weights
    output = capsys.readouterr().out
    assert "360 refined images" in output and "train is there already" in output
    assert data.open_source(str(run_dir / "refined"), "test").num_examples == 360
    with pytest.raises(ValueError, match="test holds images already; move it away"):
        _refine(run_dir, data_dir, split="test[:3%]", **flags)


def _state(run_dir, step):
    path = run_dir / "checkpoints" / f"step_{step:08d}" / "state"
    reader = tf.train.load_checkpoint(str(path))
    names = set(reader.get_variable_to_shape_map()) - {"_CHECKPOINTABLE_OBJECT_GRAPH"}
    return {name: reader.get_tensor(name) for name in names}


@pytest.mark.slow  # a minute; test_simgan.py restores the history quicker
def test_killed_and_resumed_it_ends_as_one_left_alone(
    start, finish, wait_for_step, data_dir, tmp_path
):
    """Within an adversarial epoch, when the history is full and changes."""
    flags = [f"--{key}={value}" for key, value in SMALL.items()]
    flags += [f"--data_dir={data_dir}", "--checkpoint_interval=1", "--deterministic"]
    flags += ["--ema_decay=0.9", "--augmentation=pad_crop:1"]
    straight, broken = tmp_path / "straight", tmp_path / "broken"
    code, _, errors = finish(APP, *flags, f"--output_dir={straight}")
    assert code == 0, errors
    process = start(APP, *flags, f"--output_dir={broken}")
    wait_for_step(process, broken, 27)
    process.kill()
    process.wait()
    assert not (broken / "refined").exists()
    code, _, errors = finish(
        APP, "--resume", f"--output_dir={broken}", f"--data_dir={data_dir}"
    )
    assert code == 0 and "resumed from" in errors, errors
    expected, actual = _state(straight, 36), _state(broken, 36)
    assert set(expected) == set(actual)
    kinds = " ".join(expected)
    for kind in ("buffer/", "buffer_count/", "generator_optimizer", "average"):
        assert kind in kinds
    for name, value in expected.items():
        np.testing.assert_array_equal(value, actual[name], err_msg=name)
    files = sorted(p.relative_to(straight) for p in straight.glob("refined/*/*/*"))
    assert len(files) == 400
    for file in files:
        assert (straight / file).read_bytes() == (broken / file).read_bytes()


def test_the_paper_fills_in_what_the_command_line_leaves_open():
    parameters = inspect.signature(refine_images.run).parameters
    defaults = {
        name: None if p.default is p.empty else p.default
        for name, p in parameters.items()
    }
    values = {**defaults, "model": "simgan_hand", "batch_size": 8}
    merged = refine_images._with_defaults(dict(values), {"model", "batch_size"})
    assert merged["batch_size"] == 8 and merged["learning_rate"] == 0.001
    assert merged["refiner_pretraining"] == 500 and merged["refiner_steps"] == 2
    for row in models.MODELS.values():
        assert set(row.flags) <= set(parameters)
    with pytest.raises(ValueError, match="--beta_1.*sgd"):
        refine_images._with_defaults(dict(values), {"model", "beta_1"})


@pytest.mark.parametrize(
    ("flags", "quoted"),
    [
        ({"model": "simgan_nose"}, "'simgan_nose'.*simgan_eye, simgan_hand"),
        (
            {"builder_args": '{"generator": {}}'},
            "builder_args must .*refiner.*got .*generator",
        ),
        ({"builder_args": '{"refiner": {"name": "x"}}'}, "refiner cannot set name"),
        ({"real_dataset": "no_such_set"}, "no_such_set"),
        ({"real_split": "middle"}, "middle"),
        ({"split": "middle"}, "middle"),
        ({"features": "edges"}, "edges"),
        ({"buffer_size": 60}, "buffer_size=60.*multiple of 8"),
        ({"batch_size": 400, "buffer_size": 0}, "2 times batch_size=400.*has 400"),
        ({"real_split": "train[:10]"}, "1 times batch_size=16.*has 10"),
        ({"epochs": 1}, "epochs=1 of 12 steps end within the pretraining of 19"),
        ({"refiner_steps": 0}, "refiner_steps .* 0"),
        ({"regularization_weight": -1.0}, "regularization_weight .* -1"),
        ({"optimizer": "sdg"}, "sdg"),
        ({"augmentation": "twist"}, "twist"),
        ({"instance_noise": 0.0}, "both be positive or both be 0, got 0.0 and 2.0"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_bad_flags_are_quoted(data_dir, tmp_path, flags, quoted):
    with pytest.raises(ValueError, match=quoted):
        _refine(tmp_path / "run", data_dir, **flags)
