"""The commands that study GANs."""

import json

import numpy as np
import pytest
from PIL import Image

from keras_cnns.commands import run_command

STUDIES = ("features", "walks", "filters", "duplicates", "arithmetic", "windows")


def test_study_dcgan_leaves_everything_it_promises(runs_by_task, tmp_path, capsys):
    boxes = tmp_path / "boxes.json"
    boxes.write_text(json.dumps([[sample, 2, 2, 6, 6] for sample in range(4)]))
    results = run_command(
        "study-dcgan",
        run_dir=runs_by_task["generation"],
        output_dir=str(tmp_path / "out"),
        studies=STUDIES,
        train_split="train[:128]",
        split="test[:64]",
        num_images=100,
        num_samples=12,
        positive_samples="0,1,2;3,4,5",
        negative_samples="6,7,8",
        boxes_file=str(boxes),
        svm_penalties=["0.01", "0.001"],
        deduplicator_epochs=1,
    )
    for name in (
        "samples",
        "walks",
        "filters_trained",
        "filters_untrained",
        "arithmetic",
        "windows",
    ):
        Image.open(tmp_path / "out" / f"{name}.png").verify()
    stored = json.loads((tmp_path / "out" / "study.json").read_text())
    assert set(stored) == set(results) == set(STUDIES)
    features = stored["features"]
    assert (features["num_train"], features["num_test"]) == (100, 64)
    assert features["trained"]["dimension"] == (8 + 16) * 16
    assert features["pixels"]["accuracy"] > 0.5
    assert len(stored["walks"]["jumps"]) == 8
    assert stored["duplicates"]["num_images"] == 100
    assert stored["windows"]["layer"] == "deconv1_relu"
    output = capsys.readouterr().out
    assert "untrained" in output and "largest step" in output


@pytest.mark.parametrize(
    ("flags", "quoted"),
    [
        ({"studies": ["walk"]}, "'walk'"),
        ({"studies": []}, "studies must be"),
        ({"studies": ["arithmetic"]}, "--positive_samples"),
        ({"studies": ["walks"], "boxes_file": "boxes.json"}, "boxes.json"),
        ({"studies": ["walks"], "layer": "deconv1"}, "--layer"),
        ({"studies": ["windows"], "boxes_file": "no.json"}, "no.json"),
        ({"studies": ["arithmetic"], "positive_samples": "1,b"}, "'1,b'"),
        ({"studies": ["arithmetic"], "positive_samples": "150"}, "sample 150"),
        ({"num_samples": 0}, "num_samples"),
    ],
)
def test_study_dcgan_refuses_what_does_not_fit(runs_by_task, tmp_path, flags, quoted):
    defaults = {
        "run_dir": runs_by_task["generation"],
        "output_dir": str(tmp_path),
        "train_split": "train[:64]",
    }
    with pytest.raises(ValueError, match=quoted):
        run_command("study-dcgan", **{**defaults, **flags})


def test_study_dcgan_wants_convolutions_without_labels(write_run, tmp_path):
    dense = '{"generator": {"units": [8, 8]}, "discriminator": {"units": [8, 8]}}'
    labelled = '{"generator": {"joint_units": 16}}'
    for model, builder_args, reason in (
        ("gan_mnist", dense, "no convolutions"),
        ("cgan_mnist", labelled, "conditional"),
    ):
        folder = tmp_path / model
        run_dir = write_run(
            folder, "generation", model=model, builder_args=builder_args
        )
        with pytest.raises(ValueError, match=reason):
            run_command("study-dcgan", run_dir=run_dir, output_dir=str(tmp_path))


@pytest.mark.slow
def test_study_gan_training_leaves_everything_it_promises(data_dir, tmp_path, capsys):
    results = run_command(
        "study-gan-training",
        output_dir=str(tmp_path),
        data_dir=data_dir,
        num_images=256,
        probe_epochs=["1", "2"],
        probe_steps=30,
        distances=["1"],
        line_steps=50,
    )
    for name in ("probes", "ratios", "lines", "samples_1", "samples_2"):
        Image.open(tmp_path / f"{name}.png").verify()
    assert (
        json.loads((tmp_path / "study.json").read_text())["lines"][0]["distance"] == 1
    )
    probes = results["probes"]
    assert {(p["epoch"], p["noise"]) for p in probes} == {
        (epoch, noise) for epoch in (1, 2) for noise in (0.0, 0.5)
    }
    assert [p["step"] for p in probes[:4]] == [1, 5, 25, 30]
    assert all(np.isfinite(p["original"]["norm"]) for p in probes)
    assert "distance" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "quoted"),
    [
        ({"probe_epochs": ["5", "2"]}, "'5', '2'"),
        ({"probe_epochs": ["two"]}, "'two'"),
        ({"distances": ["far"]}, "'far'"),
        ({"probe_steps": 0}, "probe_steps"),
        ({"instance_noise": -0.5}, "-0.5"),
    ],
)
def test_study_gan_training_refuses_bad_flags(tmp_path, flags, quoted):
    with pytest.raises(ValueError, match=quoted):
        run_command("study-gan-training", output_dir=str(tmp_path), **flags)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_gradients_vanish_without_noise_and_stay_with_it(data_dir, tmp_path):
    """The app's defaults; the bounds are those of a separate implementation's runs."""
    results = run_command(
        "study-gan-training", output_dir=str(tmp_path), data_dir=data_dir, distances=[]
    )
    probes = {(p["epoch"], p["noise"], p["step"]): p for p in results["probes"]}
    for epoch in (1, 10):
        probe = probes[epoch, 0.0, 400]
        assert probe["accuracy"] == 1 and probe["loss"] <= 1e-3
        assert probe["original"]["norm"] <= 5e-3
    probe = probes[10, 0.5, 400]
    assert probe["loss"] > 1e-2 and probe["original"]["norm"] > 0.1
    early, middle, late = (probes[25, 0.0, step] for step in (25, 100, 4000))
    assert late["loss"] < 5e-3
    assert late["original"]["norm"] <= middle["original"]["norm"] / 30
    assert late["alternative"]["norm"] >= 3 * early["alternative"]["norm"]
    assert late["alternative"]["variance"] >= 10 * early["alternative"]["variance"]
    early, late = (probes[25, 0.5, step] for step in (25, 4000))
    assert late["loss"] > 0.3
    assert 1 / 3 <= late["original"]["norm"] / early["original"]["norm"] <= 3
    assert late["alternative"]["variance"] < 3
