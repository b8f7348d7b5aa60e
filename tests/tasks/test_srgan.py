"""SRGAN trained as a task: its phases, their rates, what is kept, what is refused."""

import csv
import pathlib

import numpy as np
import pytest

import keras_cnns
from keras_cnns import trainers
from keras_cnns.tasks import train_task
from keras_cnns.tasks.super_resolution import SuperResolutionOptions

PLACES = {"dataset": "photographs", "run_dir": "nowhere"}
SMALL = {
    "model": "srgan",
    "builder_args": '{"network": {"blocks": 1, "filters": 4}, '
    '"discriminator": {"filters": [4, 8], "units": 8}}',
    "image_size": 32,
    "patches_per_picture": 2,
    "channels": 1,
    "feature_layers": "conv1_relu,conv2_block1_out",
    "feature_scale": 1.0,
    "epochs": 4,
    "pixel_fraction": 0.5,
    "pixel_learning_rate": 1e-3,
    "discriminator_learning_rate": 3e-4,
    "passes_per_epoch": 1,
    "deterministic": True,
    "seed": 3,
}


def _rows(run_dir):
    with open(run_dir / "metrics.csv") as file:
        return [{**row, "seconds": "0"} for row in csv.DictReader(file)]


@pytest.mark.slow
def test_two_phases_straight_and_resumed(
    tmp_path, monkeypatch, small_options, runs_by_task
):
    """Two epochs on pixels, two against the discriminator; equal when interrupted."""
    changes = {**SMALL, "feature_run": runs_by_task["classification"]}

    def train(name, **more):
        run_dir = str(tmp_path / name)
        options = small_options("super_resolution", run_dir=run_dir, **changes, **more)
        train_task("super_resolution", **options)

    train("straight")
    next_step = trainers.SRGANTrainer.next_step

    def fail(trainer):
        if trainer.steps_done == 7:
            raise RuntimeError("power is out")
        return next_step(trainer)

    monkeypatch.setattr(trainers.SRGANTrainer, "next_step", fail)
    with pytest.raises(RuntimeError, match="power is out"):
        train("parts")
    monkeypatch.undo()
    train("parts", resume=True)
    rows = _rows(tmp_path / "straight")
    assert rows == _rows(tmp_path / "parts") and len(rows) == 4
    # The rate of pixels is constant; the other one falls after half of its steps.
    rates = [float(row["learning_rate"]) for row in rows]
    np.testing.assert_allclose(rates, [1e-3, 1e-3, 1e-4, 1e-5], rtol=1e-6)
    pixels, perceptual = rows[0], rows[-1]
    assert pixels["pixel_loss"] and not pixels["content_loss"]
    assert perceptual["content_loss"] and perceptual["discriminator_loss"]
    assert all(float(row["val_content_loss"]) > 0 for row in rows)
    run = keras_cnns.open_run(tmp_path / "straight")
    files = {path.name for path in pathlib.Path(run.folder).glob("*.h5")}
    assert files == {"last.h5", "best.h5", "discriminator.h5"}
    layers = run.config.facts["feature network"]["layers"]
    assert layers == ["conv1_relu", "conv2_block1_out"]
    picture = np.zeros((9, 7, 3), np.uint8)
    assert run.inferencer()(picture).shape == (36, 28, 3)


@pytest.mark.parametrize(
    ("given", "quoted"),
    [
        ({"model": "srgan"}, "srgan compares the features.*feature_run"),
        (
            {"model": "srgan", "feature_run": "x", "feature_weights": "y"},
            "'y' or feature_run='x', not both",
        ),
        ({"model": "srresnet_x4", "feature_run": "x"}, "--feature_run=x.*srgan"),
        (
            {"model": "srgan", "feature_run": "x", "gradient_clip_value": 0.1},
            "--gradient_clip_value=0.1.*another than srgan",
        ),
        (
            {
                "model": "srgan",
                "feature_run": "x",
                "pixel_fraction": 0.0,
                "pixel_learning_rate": 1e-3,
            },
            "--pixel_learning_rate=0.001.*pixel_fraction",
        ),
    ],
)
def test_what_is_refused(given, quoted):
    with pytest.raises(ValueError, match=quoted):
        SuperResolutionOptions.resolve(**PLACES, **given)


def test_single_layers_have_rates_of_their_own():
    """As published: a tenth for SRCNN's last layer and FSRCNN's deconvolution."""
    for model, factors in (
        ("srcnn955", "conv3/*:0.1"),
        ("fsrcnn_x2", "upsample1_conv/*:0.1"),
    ):
        options = SuperResolutionOptions.resolve(model=model, **PLACES)
        assert options.rate_factors == factors
        given = {"model": model, "recipe": "quick", **PLACES}
        assert SuperResolutionOptions.resolve(**given).rate_factors == ""
