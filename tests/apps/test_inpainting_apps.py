"""Training of inpainting networks: what it leaves, and what it refuses."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from run_states import state_of

import keras_cnns
from keras_cnns import data, export, inference, runs
from keras_cnns.commands import run_command
from keras_cnns.tasks.inpainting import InpaintingOptions

APP = "apps/train_inpainter.py"
slow = pytest.mark.slow
# Two levels and few filters, for digits of 16x16
SMALL = {
    "reconstruction": {
        "model": "pconv_unet",
        "builder_args": '{"network": {"filters": [4, 6]}}',
        "style_weight": 1.0,
        "second_stage_fraction": 1 / 6,  # the last of six steps
    },
    "lbam": {
        "model": "lbam",
        "builder_args": '{"network": {"filters": [4, 6]}, '
        '"discriminator": {"filters": [4, 6]}}',
        "augmentation": "flip",
        "discriminator_beta_1": 0.0,
        "discriminator_learning_rate": 1e-5,
        "discriminator_steps": 2,
        "batch_size": 4,
        "perceptual_weight": 0.0,
        "style_weight": 0.0,
    },
    "global_local": {
        "model": "global_local",
        "builder_args": '{"network": {"filters": [4, 6], "dilation_rates": [2]}, '
        '"discriminator": {"global_filters": [4, 6], "local_filters": [4], '
        '"units": 5}}',
        "mask_kinds": "rectangle",
        "optimizer": "adadelta",
        "completion_fraction": 1 / 3,
        "discriminator_alone_fraction": 1 / 3,
        "patch_size": 6,
    },
    "contextual_attention": {
        "model": "contextual_attention",
        "builder_args": '{"network": {"filters": [4, 6, 8], "dilation_rates": [2], '
        '"attention_rate": 1}, "global_critic": {"filters": [4]}, '
        '"local_critic": {"filters": [4]}}',
        "mask_kinds": "rectangle",
        "rectangle_sides": "0.2,0.3",
        "discriminator_steps": 1,
    },
}
LAYERS = "conv1_relu,conv2_block1_1_relu, conv2_block1_out"
COMMON = {
    "dataset": "digits",
    "train_split": "train[:24]",
    "validation_split": "test[:20]",
    "validation_images": 7,
    "image_size": 16,
    "batch_size": 8,
}


# The run of a classifier with random weights, in whose features losses compare.
CLASSIFIER = {
    "builder_args": '{"units": [1], "block": "basic", "filters": 4, "stem": "small"}'
}


def _options(kind, run_dir, data_dir, **changes):
    places = {"run_dir": str(run_dir), "data_dir": data_dir}
    return {**COMMON, **places, **SMALL[kind], **changes}


def _train(kind, run_dir, data_dir, **changes):
    return run_command(
        "train-inpainter", **_options(kind, run_dir, data_dir, **changes)
    )


TWICE = """
import json, os, shutil, sys
from keras_cnns.commands import run_command
options = json.loads(sys.argv[1])
run_command("train-inpainter", **options)
copy = options["run_dir"] + "_resumed"
shutil.copytree(options["run_dir"], copy)
steps = sorted(os.listdir(os.path.join(copy, "checkpoints")))
assert steps == ["step_00000004", "step_00000006"], steps
shutil.rmtree(os.path.join(copy, "checkpoints", steps[-1]))
os.remove(os.path.join(copy, "last.h5"))
run_command("train-inpainter", **{**options, "run_dir": copy, "resume": True})
"""


def _train_twice(kind, folder, data_dir, **changes):
    """Two epochs of three steps; then again, from a copy at step 4, on to the end.

    In a process of its own, which is deterministic.
    """
    options = _options(
        kind,
        folder / "run",
        data_dir,
        epochs=2,
        ema_decay=0.5,
        deterministic=True,
        checkpoint_interval=2,
        **changes,
    )
    code = [sys.executable, "-c", TWICE, json.dumps(options)]
    done = subprocess.run(code, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return options


@pytest.fixture(scope="module")
def trained(data_dir, write_run, tmp_path_factory):
    """Partial convolution in its two stages, with features: its folder and options."""
    folder = tmp_path_factory.mktemp("inpainter")
    options = _train_twice(
        "reconstruction",
        folder,
        data_dir,
        feature_run=write_run(folder / "classifier", "classification", **CLASSIFIER),
        feature_layers=LAYERS,
    )
    return folder / "run", options


def _rows(run_dir):
    with open(run_dir / "metrics.csv") as file:
        return [{**row, "seconds": "0"} for row in csv.DictReader(file)]


def _last_row(run_dir):
    return {name: float(value) for name, value in _rows(run_dir)[-1].items()}


def test_it_leaves_everything_it_promises(trained):
    run_dir, _ = trained
    rows = _rows(run_dir)
    assert [row["step"] for row in rows] == ["3", "6"]
    rates = [float(row["learning_rate"]) for row in rows]
    np.testing.assert_allclose(rates, [2e-4, 5e-5], rtol=1e-6)
    last = _last_row(run_dir)
    weights = {"valid": 1, "hole": 6, "perceptual": 0.05, "style": 1.0}
    weights["total_variation"] = 0.1
    total = sum(weight * last[name] for name, weight in weights.items())
    assert last["loss"] == pytest.approx(total, rel=1e-5)
    for epoch in (1, 2):
        with Image.open(run_dir / "samples" / f"epoch_{epoch:04d}.png") as grid:
            assert grid.width == 3 * 128 + 2 * 2 and grid.height > 6 * 128
    Image.open(run_dir / "training_curves.png").verify()
    features = runs.read_run(str(run_dir)).config.facts["feature network"]
    assert features["name"] == "resnet, best epoch on digits train"
    assert len(features["layers"]) == 3 and features["checksum"].startswith("sha256:")
    assert (run_dir / "best.h5").exists() and (run_dir / "last.h5").exists()


def test_validation_measures_composites_of_the_kept_weights(trained, data_dir):
    """Its numbers once more, by NumPy, from the weights of the last epoch."""
    run = keras_cnns.open_run(str(trained[0]))
    network = run.load("network", "last")
    source = data.open_source("digits", "test[:20]", data_dir)
    feed = run.config.preprocessing
    # Seven of twenty, at even distances
    images = data.read_images(source, feed)[0][[2, 5, 8, 11, 14, 17, 19]]
    batches = data.load_inpainting_evaluation(source, 7, preprocessing=feed)
    masks = next(iter(batches))[1].numpy()
    output = np.clip(network([images, masks]).numpy(), 0, 1)
    error = (1 - masks) * (output - images)
    ratios = -10 * np.log10((error**2).mean((1, 2, 3)))
    last = _last_row(trained[0])
    assert last["val_psnr"] == pytest.approx(ratios.mean(), rel=1e-5)
    assert last["val_mean_absolute_error"] == pytest.approx(
        np.abs(error).mean(), rel=1e-5
    )


def test_the_export_fills_what_the_run_fills(trained, tmp_path, verify_here):
    run = keras_cnns.open_run(str(trained[0]))
    network = run.load("network", "last")
    saved_model, difference = run.export(str(tmp_path))
    assert saved_model == str(tmp_path / "pconv_unet" / "1") and difference < 1e-5
    images = np.random.default_rng(0).uniform(size=(2, 16, 16, 1)).astype(np.float32)
    masks = np.ones_like(images)
    masks[:, 3:9, 4:11] = 0
    export.check_graph(saved_model)  # else no server loads it
    served = tf.saved_model.load(saved_model).signatures["serving_default"]
    answer = served(images=tf.constant(images), masks=tf.constant(masks))["images"]
    hole = masks == 0
    expected = np.clip(network([images, masks]).numpy(), 0, 1)
    np.testing.assert_allclose(answer.numpy()[hole], expected[hole], atol=1e-5)
    np.testing.assert_array_equal(answer.numpy()[~hole], images[~hole])


@pytest.mark.parametrize(
    ("kind", "files", "reported"),
    [
        ("lbam", {"discriminator"}, "wasserstein_estimate"),
        pytest.param(
            "global_local", {"discriminator"}, "discriminator_loss", marks=slow
        ),
        pytest.param(
            "contextual_attention",
            {"global_critic", "local_critic"},
            "wasserstein_estimate",
            marks=slow,
        ),
    ],
)
def test_every_kind_of_trainer_trains(data_dir, tmp_path, kind, files, reported):
    """Three steps; of Global&Local one in each phase."""
    options = _options(kind, tmp_path, data_dir, epochs=1, validation_split="")
    del options["validation_images"]
    progress = run_command("train-inpainter", **options)
    (row,) = progress["history"]
    assert row["step"] == 3 and np.isfinite(list(row.values())).all()
    assert reported in row and "generator_loss" in row
    names = {path.stem for path in tmp_path.glob("*.h5")}
    assert names == {"last", *files}  # nothing tells a best epoch
    (grid,) = (tmp_path / "samples").iterdir()
    Image.open(grid).verify()
    run = runs.read_run(str(tmp_path), "inpainting")
    with pytest.raises(ValueError, match="no best.h5: .* or none was validated"):
        inference.load_inpainting_network(run, "best")
    network = inference.load_inpainting_network(run)
    assert len(network.outputs) == 1 + (kind == "contextual_attention")


def _assert_same_run(first, second):
    expected, actual = state_of(first), state_of(second)
    assert set(expected) == set(actual)
    kinds = " ".join(expected)
    for kind in ("optimizer", "average", "step", "metrics"):
        assert kind in kinds
    for name, value in expected.items():
        np.testing.assert_array_equal(value, actual[name], err_msg=name)
    assert _rows(first) == _rows(second)
    for path in (first / "samples").iterdir():
        assert path.read_bytes() == (second / "samples" / path.name).read_bytes()


def test_a_run_goes_on_within_an_epoch_as_if_never_stopped(trained):
    """The second stage begins after the break."""
    run_dir, _ = trained
    _assert_same_run(run_dir, run_dir.parent / "run_resumed")


@slow  # half a minute each
@pytest.mark.parametrize("kind", [kind for kind in SMALL if kind != "reconstruction"])
def test_the_other_kinds_go_on_as_if_never_stopped(data_dir, tmp_path, kind):
    _train_twice(kind, tmp_path, data_dir)
    _assert_same_run(tmp_path / "run", tmp_path / "run_resumed")


def _command(options):
    """The command line of options but for the run's folder."""
    return [APP, *(f"--{k}={v}" for k, v in options.items() if k != "run_dir")]


@slow  # a minute each
@pytest.mark.parametrize("kind", SMALL)
def test_a_killed_run_resumes_to_the_bit(
    start, finish, wait_for_step, write_run, data_dir, tmp_path, kind
):
    """By the command line, from wherever it was."""
    options = _options(kind, "", data_dir, epochs=8, ema_decay=0.9)
    options |= {"train_split": "train[:128]", "checkpoint_interval": 2}
    options |= {"deterministic": True}
    if kind == "reconstruction":
        folder = tmp_path / "classifier"
        options["feature_run"] = write_run(folder, "classification", **CLASSIFIER)
        options["feature_layers"] = LAYERS
    command = _command(options)
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    process = start(*command, f"--run_dir={killed}")
    wait_for_step(process, killed, 20)
    process.kill()
    process.wait()
    reached = max(runs.list_steps(str(killed / "checkpoints")))
    places = [f"--run_dir={killed}", f"--data_dir={data_dir}"]
    code, _, errors = finish(APP, "--resume", *places)
    assert code == 0 and "resumed from" in errors, errors[-2000:]
    assert reached < max(runs.list_steps(str(killed / "checkpoints")))
    code, _, errors = finish(*command, f"--run_dir={straight}")
    assert code == 0, errors[-2000:]
    _assert_same_run(straight, killed)


@slow  # three processes each
@pytest.mark.parametrize("kind", SMALL)
def test_two_workers_train_as_one(start, finish, cluster, data_dir, tmp_path, kind):
    """By the command line, with the same global batches and common statistics.

    One step of the discriminator each: of several, workers part the batch otherwise.
    """
    options = _options(kind, "", data_dir, epochs=2)
    if kind not in ("lbam", "contextual_attention"):  # these have no normalisation
        options["sync_batch_norm"] = True
    if kind == "reconstruction":
        # Gradients of biases in front of a normalisation are rounding, which Adam would
        # make whole steps of.
        options |= {**NO_FEATURES, "optimizer": "sgd", "learning_rate": 0.01}
    if kind in ("lbam", "contextual_attention"):
        options["discriminator_steps"] = 1
    command = _command(options)
    one, two = tmp_path / "one", tmp_path / "two"
    spread = [*command, f"--run_dir={two}", "--distribution_strategy=multi_worker"]
    workers = [start(*spread, TF_CONFIG=config) for config in cluster()]
    for worker in workers:
        _, errors = worker.communicate(timeout=300)
        assert worker.returncode == 0, errors[-2000:]
    code, _, errors = finish(*command, f"--run_dir={one}")
    assert code == 0, errors[-2000:]
    tables = []
    for folder in (one, two):
        # A phase that has not come yet leaves its columns empty.
        tables.append([[float(x or 0) for x in row.values()] for row in _rows(folder)])
    np.testing.assert_allclose(tables[1], tables[0], rtol=1e-4, atol=1e-4)
    networks = [
        keras_cnns.open_run(str(folder)).load("network", "last")
        for folder in (one, two)
    ]
    for first, second in zip(*(network.get_weights() for network in networks)):
        np.testing.assert_allclose(second, first, atol=1e-4)


def _start_anew(trained, folder, facts, **changes):
    """A record with other facts, as a run that was started so; its options resumed."""
    # Not in this process: it would stay deterministic
    options = {**trained[1], "deterministic": False, **changes}
    record = json.loads((trained[0] / "run.json").read_text())
    record["options"].update(options)
    record["config"]["facts"].update(facts)
    (folder / "run.json").write_text(json.dumps(record))
    return {**options, "run_dir": str(folder), "resume": True}


def test_a_run_is_not_resumed_as_another(trained, tmp_path):
    other = {"feature network": {"name": "other", "checksum": "sha256:0"}}
    options = _start_anew(trained, tmp_path, other)
    with pytest.raises(ValueError, match="feature network was .*sha256:0.*, is "):
        run_command("train-inpainter", **options)
    with pytest.raises(ValueError, match="hole_weight was 6.0, is 7.0"):
        run_command("train-inpainter", **{**options, "hole_weight": 7.0})
    with pytest.raises(ValueError, match="already holds a run; give --resume"):
        run_command("train-inpainter", **{**options, "resume": False})


def test_masks_must_not_become_more_or_less(trained, tmp_path):
    data.write_mask(str(tmp_path / "masks" / "0.png"), np.eye(8))
    kinds = f"files:{tmp_path / 'masks'}"
    facts = {"number of mask files": 2}
    options = _start_anew(trained, tmp_path, facts, mask_kinds=kinds)
    with pytest.raises(ValueError, match="number of mask files was 2, is 1"):
        run_command("train-inpainter", **options)


def _resolve(**given):
    return InpaintingOptions.resolve(dataset="digits", run_dir="nowhere", **given)


def test_the_source_fills_in_what_is_left_open():
    found = _resolve(model="lbam", batch_size=8, feature_weights="imagenet")
    assert found.batch_size == 8 and found.epochs == 500
    assert found.discriminator_beta_1 == 0 and found.augmentation == "flip"
    found = _resolve(model="global_local")
    assert found.mask_kinds == "rectangle"
    assert found.rectangle_sides == "0.375,0.5" and found.rho == 0.95
    found = _resolve(model="global_local", mask_kinds="irregular")
    assert found.rectangle_sides == ""


NO_FEATURES = {"perceptual_weight": 0.0, "style_weight": 0.0}
IDLE = [
    (
        {"model": "global_local", "hole_weight": 2.0},
        "--hole_weight=2.0 has no effect with --model=global_local.*pconv_unet,",
    ),
    ({"model": "pconv_unet", "penalty_weight": 1.0}, "--penalty_weight.*lbam"),
    ({"model": "lbam", "patch_size": 8}, "--patch_size=8.*global_local"),
    ({"model": "global_local", "feature_run": "x"}, "--feature_run=x.*lbam"),
    ({"model": "global_local", "beta_1": 0.5}, "--beta_1.*adadelta"),
    (
        {"model": "lbam", "optimizer": "sgd", "discriminator_beta_1": 0.5},
        "--discriminator_beta_1=0.5.*sgd",
    ),
    (
        {
            "model": "pconv_unet",
            "second_stage_fraction": 0.0,
            "second_stage_learning_rate": 1e-5,
        },
        "--second_stage_learning_rate=1e-05 .* --second_stage_fraction=0.0;",
    ),
    (
        {"model": "pconv_unet", **NO_FEATURES, "compare_composite": False},
        "--compare_composite=False .*perceptual_weight=0.0 and --style_weight=0.0",
    ),
    (
        {"model": "lbam", "validation_split": "", "validation_images": 9},
        "--validation_images=9 .* --validation_split=;",
    ),
    (
        {"model": "pconv_unet", **NO_FEATURES, "feature_run": "x"},
        "--feature_run=x has no effect with --perceptual_weight=0.0",
    ),
    (
        {"model": "pconv_unet", "feature_weights": "x", "feature_layers": "y"},
        "--feature_layers=y has no effect with --feature_run=;",
    ),
]


@pytest.mark.parametrize(("given", "quoted"), IDLE)
def test_options_without_effect_are_refused(given, quoted):
    features = {}
    if given["model"] in ("lbam", "pconv_unet") and "style_weight" not in given:
        features = {"feature_weights": "imagenet"}
    with pytest.raises(ValueError, match=quoted):
        _resolve(**{**features, **given})


def test_options_with_an_effect_are_not_refused():
    stages = {"second_stage_fraction": 0.5, "second_stage_learning_rate": 1e-5}
    features = {"perceptual_weight": 0.0, "compare_composite": False}
    features["feature_weights"] = "imagenet"
    found = _resolve(model="pconv_unet", validation_images=9, **stages, **features)
    assert found.style_weight == 120 and found.validation_split == "test"
    idle = {"second_stage_fraction": 0.0, "validation_split": ""}
    assert _resolve(model="pconv_unet", **NO_FEATURES, **idle).epochs == 10


def test_features_of_other_channels_are_refused_before_the_run_is_recorded(
    data_dir, write_run, tmp_path
):
    folder = write_run(tmp_path / "classifier", "classification", **CLASSIFIER)
    options = {"channels": 3, "feature_run": folder, "feature_layers": LAYERS}
    with pytest.raises(ValueError, match="takes images of 1 channels, got 3"):
        _train("reconstruction", tmp_path / "run", data_dir, **options)
    assert not (tmp_path / "run" / "run.json").exists()
    del options["feature_layers"]
    with pytest.raises(ValueError, match="resnet comes from a general builder"):
        _train("reconstruction", tmp_path / "run", data_dir, **options)


@pytest.mark.parametrize(
    ("given", "quoted"),
    [
        ({"model": "pconv"}, "'pconv'; there are pconv_unet"),
        (
            {"style_weight": 1.0},
            "perceptual_weight=0.05 and style_weight=1.0 need .*feature_run",
        ),
        (
            {"feature_run": "x", "feature_weights": "y"},
            "'y' or feature_run='x', not both",
        ),
        (
            {**NO_FEATURES, "validation_images": -1},
            "validation_images must be at least 0, got -1",
        ),
        ({**NO_FEATURES, "mask_kinds": "spots"}, "'spots'; there are irregular"),
        (
            {**NO_FEATURES, "hole_ratios": "0.2"},
            "hole_ratios must be 2 numbers, .* got '0.2'",
        ),
        ({**NO_FEATURES, "hole_ratios": "0.5,0.2"}, r"hole_ratios .* \(0.5, 0.2\)"),
        (
            {**NO_FEATURES, "rectangle_sides": "0.1,0.2"},
            "rectangle_sides.*is for rectangle masks",
        ),
        ({**NO_FEATURES, "optimizer": "sdg"}, "'sgd' or .*'sdg'"),
        ({**NO_FEATURES, "epochs": 0}, "epochs must be at least 1, got 0"),
    ],
)
def test_bad_options_are_refused_at_once(given, quoted):
    with pytest.raises(ValueError, match=quoted):
        _resolve(**{"model": "pconv_unet", **given})


@pytest.mark.parametrize(
    ("changes", "quoted"),
    [
        ({"dataset": "no_such_set"}, "no_such_set"),
        ({"validation_split": "middle"}, "middle"),
        ({"mask_kinds": "files:nowhere"}, "'nowhere' is no folder"),
        ({"image_size": 18}, "18.*multiples of 4"),
        ({"builder_args": '{"critic": {}}'}, 'builder_args .*"network"'),
        ({"batch_size": 25}, "batch_size=25 .*digits train.* has 24"),
        ({"hole_weight": -1.0}, "hole_weight must be at least 0, got -1.0"),
        ({"second_stage_fraction": 1.5}, "second_stage_fraction .* 1.5"),
        (
            {"schedule": "cosine"},
            "'cosine' .* cannot be combined with second_stage_fraction",
        ),
        ({"augmentation": "twist"}, "twist"),
        (
            {"feature_run": "nowhere", "style_weight": 1.0},
            "nowhere holds no run",
        ),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_what_does_not_suit_the_data_is_refused_before_training(
    data_dir, tmp_path, changes, quoted
):
    with pytest.raises(ValueError, match=quoted):
        _train(
            "reconstruction", tmp_path / "run", data_dir, **{**NO_FEATURES, **changes}
        )
    assert not (tmp_path / "run" / "run.json").exists()


@slow  # TensorFlow's start; the other refusals are quicker
def test_errors_from_a_shell_are_one_line(finish, data_dir, tmp_path):
    code, output, errors = finish(
        APP, "--model=pconv_unet256", "--dataset=digits", f"--data_dir={data_dir}",
        f"--run_dir={tmp_path}",
    )  # fmt: skip
    assert code == 1 and output == "" and len(errors.splitlines()) == 1
    assert "perceptual_weight=0.05 and style_weight=120.0 need the features" in errors
