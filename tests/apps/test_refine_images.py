"""Training of refiners: what it leaves, resuming, and what is refused."""

import csv
import json

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from run_states import check_equal_states

import keras_cnns
from keras_cnns import data, export, inference, runs
from keras_cnns.commands import run_command
from keras_cnns.tasks.refinement import MODELS, RefinementOptions

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


def _refine(run_dir, data_dir, **options):
    places = {"run_dir": str(run_dir), "data_dir": data_dir}
    return run_command("refine-images", **{**SMALL, **places, **options})


@pytest.fixture(scope="module")
def refined(data_dir, tmp_path_factory):
    """A small run, and its progress."""
    folder = tmp_path_factory.mktemp("refined")
    return folder, _refine(folder, data_dir, ema_decay=0.5)


def _all_images(source, preprocessing):
    examples = source.examples.map(
        lambda content, label: (preprocessing(source.read(content)), label)
    )
    images, labels = zip(*examples.as_numpy_iterator())
    return np.stack(images), np.array(labels)


def test_it_leaves_everything_it_promises(refined):
    run_dir, progress = refined
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
    run = runs.read_run(str(run_dir), "refinement")
    assert run.options["real_dataset"] == "digits"
    assert run.config.facts["number of examples"] == [400, 1437]
    for role, changes in NETS.items():
        args = {"image_shape": (8, 8, 1), **changes}
        model = f"simgan_eye_{role}"
        assert run.config.networks[role] == {"model": model, "args": args}


def test_the_refined_images_are_a_data_set(refined, data_dir, tmp_path, verify_here):
    """Each is the refiner's answer to the image that the same class had."""
    run_dir, _ = refined
    refiner = inference.Refiner(str(run_dir))
    simulated = data.open_source("rendered_digits", "train[:8%]", data_dir)
    before, labels = _all_images(simulated, refiner.preprocessing)
    source = data.open_source(str(run_dir / "refined"), "train")
    assert source.class_names == simulated.class_names
    after, after_labels = _all_images(source, refiner.preprocessing)
    np.testing.assert_array_equal(np.bincount(after_labels), np.bincount(labels))
    expected = refiner.network(before).numpy()
    order = np.argsort(labels, kind="stable")  # of files: by class, then by number
    np.testing.assert_allclose(after, expected[order], atol=1 / 127.5)
    assert np.abs(after - before[order]).max() > 0.1
    version, _ = keras_cnns.open_run(str(run_dir)).export(str(tmp_path))
    assert version == str(tmp_path / "simgan_eye_refiner" / "1")
    export.check_graph(version)  # else no server loads it
    served = tf.saved_model.load(version).signatures["serving_default"]
    answer = served(images=tf.constant(before[:5]))["images"]
    np.testing.assert_allclose(answer, expected[:5], atol=1e-5)


def test_a_finished_run_refines_other_images(refined, data_dir, capsys):
    run_dir, _ = refined
    options = {"resume": True, "ema_decay": 0.5}
    weights = (run_dir / "refiner.h5").read_bytes()
    _refine(
        run_dir, data_dir, refined_dataset="digits", refined_split="test", **options
    )
    _refine(run_dir, data_dir, **options)
    assert (run_dir / "refiner.h5").read_bytes() == weights
    output = capsys.readouterr().out
    assert "360 refined images" in output and "train is there already" in output
    assert data.open_source(str(run_dir / "refined"), "test").num_examples == 360
    with pytest.raises(ValueError, match="test holds images already; move it away"):
        _refine(run_dir, data_dir, refined_split="test[:3%]", **options)


@pytest.mark.slow  # a minute; test_simgan.py restores the history quicker
def test_killed_and_resumed_it_ends_as_one_left_alone(killed_and_resumed, data_dir):
    """Within an adversarial epoch, when the history is full and changes."""
    options = {
        **SMALL,
        "data_dir": data_dir,
        "checkpoint_interval": 1,
        "deterministic": True,
        "ema_decay": 0.9,
        "augmentation": "pad_crop:1",
    }
    straight, broken = killed_and_resumed(APP, options, 27)
    kinds = " ".join(check_equal_states(straight, broken, 36))
    for kind in ("buffer/", "buffer_count/", "generator_optimizer", "average"):
        assert kind in kinds
    files = sorted(p.relative_to(straight) for p in straight.glob("refined/*/*/*"))
    assert len(files) == 400
    for file in files:
        assert (straight / file).read_bytes() == (broken / file).read_bytes()


def _resolve(**given):
    places = {"dataset": "rendered_digits", "real_dataset": "digits"}
    return RefinementOptions.resolve(**{**places, "run_dir": "nowhere", **given})


def test_the_paper_fills_in_what_is_left_open():
    found = _resolve(model="simgan_hand", batch_size=8)
    assert found.batch_size == 8 and found.learning_rate == 0.001
    assert found.refiner_pretraining == 500 and found.refiner_steps == 2
    assert set(MODELS) == {"simgan_eye", "simgan_hand"}
    with pytest.raises(ValueError, match="--beta_1.*sgd"):
        _resolve(model="simgan_hand", beta_1=0.5)


@pytest.mark.parametrize(
    ("given", "quoted"),
    [
        ({"model": "simgan_nose"}, "'simgan_nose'.*simgan_eye, simgan_hand"),
        ({"features": "edges"}, "edges"),
        ({"refiner_steps": 0}, "refiner_steps .* 0"),
        ({"regularization_weight": -1.0}, "regularization_weight .* -1"),
        ({"optimizer": "sdg"}, "sdg"),
        (
            {"instance_noise": 0.0},
            "both be positive or both be 0, got 0.0 and 2.0",
        ),
    ],
)
def test_bad_options_are_refused_at_once(given, quoted):
    with pytest.raises(ValueError, match=quoted):
        _resolve(**{**SMALL, **given})


@pytest.mark.parametrize(
    ("changes", "quoted"),
    [
        (
            {"builder_args": '{"generator": {}}'},
            "builder_args must .*refiner.*got .*generator",
        ),
        ({"builder_args": '{"refiner": {"name": "x"}}'}, "refiner cannot set name"),
        ({"real_dataset": "no_such_set"}, "no_such_set"),
        ({"real_split": "middle"}, "middle"),
        ({"refined_split": "middle"}, "middle"),
        ({"buffer_size": 60}, "buffer_size=60.*multiple of 8"),
        ({"batch_size": 400, "buffer_size": 0}, "2 times batch_size=400.*has 400"),
        ({"real_split": "train[:10]"}, "batch_size=16.*digits.*has 10"),
        ({"epochs": 1}, "epochs=1 of 12 steps end within the pretraining of 19"),
        ({"augmentation": "twist"}, "twist"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_what_does_not_suit_the_data_is_refused_before_training(
    data_dir, tmp_path, changes, quoted
):
    with pytest.raises(ValueError, match=quoted):
        _refine(tmp_path / "run", data_dir, **changes)
    assert not (tmp_path / "run" / "run.json").exists()
