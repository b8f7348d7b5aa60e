"""Inpainting trainers on two devices, by XLA and in 16 bits, against plain ones."""

import json
import subprocess
import sys

import inpainting_steps
import numpy as np
import pytest
from inpainting_steps import KINDS


def _train(*trainings):
    """All of them in one process: TensorFlow's start takes longer than each."""
    command = [sys.executable, inpainting_steps.__file__, json.dumps(trainings)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.strip().splitlines()[-1])


@pytest.fixture(scope="module")
def pairs():
    """By kind: on one device, and on two with XLA."""
    trainings = [{"kind": kind, "features": kind == "reconstruction"} for kind in KINDS]
    compiled = [{**options, "devices": 2, "xla": True} for options in trainings]
    results = _train(*trainings, *compiled)
    return dict(zip(KINDS, zip(results, results[len(KINDS) :])))


def _assert_same(first, second, tolerance):
    for name, weights in first["weights"].items():
        for a, b in zip(weights, second["weights"][name]):
            np.testing.assert_allclose(a, b, atol=tolerance)
    for a, b in zip(first["steps"], second["steps"]):
        for name, value in a.items():
            assert abs(value - b[name]) <= 10 * tolerance, name
    assert abs(first["quality"]["psnr"] - second["quality"]["psnr"]) <= 10 * tolerance


@pytest.mark.parametrize("kind", KINDS)
def test_two_devices_with_xla_train_as_one_without(pairs, kind):
    """The same global batches and noise: the same updates, within rounding."""
    one, two = pairs[kind]
    assert (one["replicas"], two["replicas"]) == (1, 2)
    _assert_same(one, two, 1e-5)


@pytest.mark.slow
def test_sixteen_bits_train_like_thirty_two():
    plain = [{"kind": kind} for kind in KINDS]
    half = {"policy": "mixed_float16", "devices": 2, "xla": True}
    results = _train(*plain, *({**options, **half} for options in plain))
    for one, two in zip(results, results[len(KINDS) :]):
        _assert_same(one, two, 5e-3)
