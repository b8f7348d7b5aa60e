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

ROOT = pathlib.Path(__file__).resolve().parents[2]
# What both do with a run, its export and images: outputs, and the last epoch.
USE = """
import json, sys
import keras_cnns
import numpy as np
import tensorflow as tf

run_dir, saved, arrays, found = sys.argv[1:]
images = np.load(arrays)["images"]
run = keras_cnns.open_run(run_dir)
network = run.load("network", "last")
served = tf.saved_model.load(saved).signatures["serving_default"](tf.constant(images))
outputs = {"network": network(images, training=False), "served": [*served.values()][0]}
progress = keras_cnns.commands.run_command(
    "train-classifier", resume=True, run_dir=run_dir, data_dir=run.options["data_dir"]
)
np.savez(found, **outputs, **{
    f"weight {i}": w for i, w in enumerate(run.load("network", "last").get_weights())
}, losses=[row["loss"] for row in progress["history"]])
print(json.dumps(sys.version_info[:2]))
"""


def _use(python, *arguments):
    environment = {k: v for k, v in os.environ.items() if k != "TF_USE_LEGACY_KERAS"}
    done = subprocess.run(
        [python, "-c", USE, *map(str, arguments)],
        cwd=ROOT, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), np.load(arguments[-1])


@pytest.mark.slow
@pytest.mark.skipif(
    "OTHER_PYTHON" not in os.environ, reason="OTHER_PYTHON names no interpreter"
)
def test_another_python_goes_on(small_options, tmp_path):
    from keras_cnns import commands

    commands.run_command(
        "train-classifier",
        run_dir=str(tmp_path / "here"),
        export_dir=str(tmp_path / "saved"),
        **small_options("classification", epochs=2, optimizer="lamb",
                        learning_rate=0.01, weight_decay=1e-3),
    )  # fmt: skip
    checkpoints = tmp_path / "here" / "checkpoints"
    *_, newest = sorted(checkpoints.iterdir())
    shutil.rmtree(newest)  # so that the second epoch is trained again
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    images = np.random.default_rng(0).uniform(0, 255, (16, 8, 8, 1))
    np.savez(tmp_path / "images.npz", images=images.astype(np.float32))
    results = {}
    for place, python in (
        ("here", sys.executable),
        ("there", os.environ["OTHER_PYTHON"]),
    ):
        results[place] = _use(
            python, tmp_path / place, tmp_path / "saved" / "resnet" / "1",
            tmp_path / "images.npz", tmp_path / f"{place}.npz",
        )  # fmt: skip
    (version, here), (other, there) = results["here"], results["there"]
    assert version != other
    assert set(here.files) == set(there.files)
    for name in here.files:
        exact = name in ("network", "served")  # before anything was trained there
        np.testing.assert_allclose(
            there[name], here[name], rtol=1e-4 if exact else 1e-2,
            atol=1e-5 if exact else 1e-2, err_msg=name,
        )  # fmt: skip
    assert here["losses"][1] < here["losses"][0]
