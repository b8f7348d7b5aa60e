"""Statistics over the seeds of a benchmark, by hand."""

import importlib.util
import pathlib

import pytest

_PATH = pathlib.Path(__file__).resolve().parent.parent / "benchmarks" / "_seeds.py"


@pytest.fixture(scope="module")
def seeds():
    spec = importlib.util.spec_from_file_location("_seeds", _PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_mean_and_sample_standard_deviation(seeds):
    """Of 0.7, 0.8 and 0.9: squared deviations of 0.02 over 2."""
    row = seeds.over_seeds("accuracy", [0.7, 0.9, 0.8])
    assert row["accuracy"] == pytest.approx(0.8)
    assert row["accuracy_std"] == pytest.approx(0.1)
    assert row["accuracy_by_seed"] == [0.7, 0.9, 0.8]
    assert seeds.shown(row, "accuracy") == "80.00% +- 10.00%"


def test_one_seed_has_no_deviation(seeds):
    row = seeds.over_seeds("loss", [0.25])
    assert row == {"loss": 0.25, "loss_std": None, "loss_by_seed": [0.25]}
    assert seeds.shown(row, "loss", ".3f") == "0.250"


def test_what_counts_is_the_last_epoch(seeds, tmp_path):
    (tmp_path / "metrics.csv").write_text("epoch,loss\n1,0.9\n2,0.4\n")
    assert seeds.last_epoch(tmp_path) == {"epoch": "2", "loss": "0.4"}
