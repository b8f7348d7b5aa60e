"""Runs of classifiers with spatial transformers draw them, after the export."""

import pytest
from PIL import Image

from keras_cnns import commands, figures
from keras_cnns.tasks import ClassificationTask

OPTIONS = {
    "model": "stn",
    "builder_args": '{"transforms": ["affine", "thin_plate_spline"]}',
    "dataset": "digits",
    "train_split": "train[:64]",
    "validation_split": "test[:32]",
    "batch_size": 32,
    "epochs": 1,
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "weight_decay": 0.0,
}


def test_a_run_shows_its_transformers(tmp_path, data_dir):
    commands.run_command(
        "train-classifier", **OPTIONS, data_dir=data_dir, run_dir=str(tmp_path / "run")
    )
    with Image.open(tmp_path / "run" / "spatial_transformers.png") as image:
        # eight images of 8x8, shown at 14 times the size, by two transformers
        assert image.height == 8 * 150 + 7 * 4
        assert image.width == 2 * (150 + 4 + 112) + 16


def test_a_figure_that_fails_does_not_cost_the_export(tmp_path, data_dir, monkeypatch):
    exported = []

    def export(run, export_dir, **options):
        exported.append(export_dir)
        return str(tmp_path), 0.0

    def fail(*args):
        raise OSError("disk full")

    monkeypatch.setattr(ClassificationTask, "export", staticmethod(export))
    monkeypatch.setattr(figures, "transformer_grid", fail)
    run_dir = tmp_path / "run"
    with pytest.raises(OSError, match="disk full"):
        commands.run_command(
            "train-classifier",
            **OPTIONS,
            data_dir=data_dir,
            run_dir=str(run_dir),
            export_dir=str(tmp_path / "exports"),
            warmup_requests=0,
        )
    assert exported == [str(tmp_path / "exports")]
    assert (run_dir / "confusion_matrix.png").exists()
