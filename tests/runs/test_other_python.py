"""What one Python trains, another goes on with: weights, checkpoints and SavedModels.

    OTHER_PYTHON=other/bin/python python -m pytest tests/runs/test_other_python.py

where the other Python has the packages of its version; both use this checkout.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest

from keras_cnns import tasks
from keras_cnns.export import verification

ROOT = pathlib.Path(__file__).resolve().parents[2]
# What both do with a run: its weights, then its last epoch.
USE = """
import json, sys
import keras_cnns
import numpy as np

run_dir, found = sys.argv[1:]
run = keras_cnns.open_run(run_dir)
def weights(when):
    return {
        f"{when} {role} {i}": weight
        for role in run.config.networks
        for i, weight in enumerate(
            run.load(role, "last" if role == "network" else "").get_weights()
        )
    }

arrays = weights("given")
progress = keras_cnns.tasks.train_task(
    run.task, resume=True, run_dir=run_dir, data_dir=run.options["data_dir"]
)
losses = {
    name: [row[name] for row in progress["history"]]
    for name in progress["history"][0] if "loss" in name
}
np.savez(found, **arrays, **weights("trained"), **losses)
print(json.dumps(sys.version_info[:2]))
"""
OTHER_OPTIONS = {
    "classification": {
        "optimizer": "lamb", "learning_rate": 0.01, "weight_decay": 1e-3
    },
}  # fmt: skip


def _use(python, run_dir, found):
    done = subprocess.run(
        [python, "-c", USE, str(run_dir), str(found)],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), np.load(found)


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        "OTHER_PYTHON" not in os.environ, reason="OTHER_PYTHON names no interpreter"
    ),
]


@pytest.mark.parametrize("task", tasks.TASKS)
def test_another_python_goes_on(task, small_options, tmp_path):
    """Weights are the same numbers; after the last epoch, trained again, nearly so."""
    options = small_options(task, **OTHER_OPTIONS.get(task, {}))
    tasks.train_task(task, run_dir=str(tmp_path / "here"), **{**options, "epochs": 2})
    checkpoints = tmp_path / "here" / "checkpoints"
    *_, newest = sorted(checkpoints.iterdir())
    shutil.rmtree(newest)  # so that the second epoch is trained again
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    version, here = _use(sys.executable, tmp_path / "here", tmp_path / "here.npz")
    other, there = _use(
        os.environ["OTHER_PYTHON"], tmp_path / "there", tmp_path / "there.npz"
    )
    assert version != other
    assert set(here.files) == set(there.files)
    for name in here.files:
        trained = not name.startswith("given")
        np.testing.assert_allclose(
            there[name], here[name], rtol=1e-2 if trained else 0,
            atol=1e-2 if trained else 0, err_msg=name,
        )  # fmt: skip


@pytest.mark.parametrize("task", tasks.TASKS)
def test_another_python_serves_the_same(task, runs_by_task, tmp_path, monkeypatch):
    """Every signature, as exports are verified, but by the other Python's process."""
    run = tasks.open_run(runs_by_task[task])
    monkeypatch.setattr(verification, "_module_folders", lambda: [str(ROOT)])
    monkeypatch.setattr(sys, "executable", os.environ["OTHER_PYTHON"])
    run.export(str(tmp_path))
