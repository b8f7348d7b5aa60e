"""The same training on one device, two devices, and two worker processes."""

import json
import pathlib

import numpy as np
import pytest

from keras_cnns.trainers import distribution

SCRIPT = pathlib.Path(__file__).with_name("steps.py")


def _read(process):
    output, errors = process.communicate(timeout=400)
    assert process.returncode == 0, errors[-3000:]
    return json.loads(output.strip().splitlines()[-1])


@pytest.fixture
def train(start, cluster, data_dir):
    def train_once(**arguments):
        text = json.dumps({"data_dir": data_dir, **arguments})
        if arguments.get("strategy") != "multi_worker":
            return _read(start(SCRIPT, text))
        processes = [start(SCRIPT, text, TF_CONFIG=config) for config in cluster()]
        results = [_read(process) for process in processes]
        assert results[0]["steps"] == results[1]["steps"]
        return results[0]

    return train_once


def _assert_same(first, second):
    """Equal in float64, in which rounding has no room to grow within 20 steps."""
    for name in ("loss", "accuracy"):
        curves = [[step[name] for step in r["steps"]] for r in (first, second)]
        assert len(curves[0]) == 20
        np.testing.assert_allclose(*curves, rtol=1e-6, err_msg=name)
        ends = [r["evaluation"][name] for r in (first, second)]
        np.testing.assert_allclose(*ends, rtol=1e-6)
    for name in ("weights", "averages"):
        np.testing.assert_allclose(first[name], second[name], rtol=1e-6)


# Two workers are left to the long run; test_adversarial.py has them in the short one.
@pytest.mark.parametrize(
    "strategy", ["mirrored", pytest.param("multi_worker", marks=pytest.mark.slow)]
)
def test_two_devices_and_two_workers_train_as_one(train, strategy):
    """Loss, accuracy (over all replicas), weights and averages, for 20 steps."""
    devices = 2 if strategy == "mirrored" else 1
    one = train(policy="float64")
    two = train(strategy=strategy, devices=devices, policy="float64")
    assert (one["replicas"], two["replicas"]) == (1, 2)
    assert one["steps"][-1]["loss"] < one["steps"][0]["loss"]
    _assert_same(one, two)


@pytest.mark.slow  # test_adversarial.py has XLA on two devices, too
def test_xla_trains_the_same_on_two_devices(train):
    plain = train(strategy="mirrored", devices=2, sync=False, policy="float64")
    compiled = train(
        strategy="mirrored", devices=2, sync=False, xla=True, policy="float64"
    )
    _assert_same(plain, compiled)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["mirrored", "multi_worker"])
def test_mixed_precision_and_xla_together(train, strategy):
    devices = 2 if strategy == "mirrored" else 1
    result = train(
        strategy=strategy, devices=devices, sync=False, xla=True, policy="mixed_float16"
    )
    losses = [step["loss"] for step in result["steps"]]
    assert result["replicas"] == 2
    assert np.isfinite(losses).all() and np.mean(losses[-5:]) < np.mean(losses[:5])


def test_unknown_strategy_and_missing_parts_are_named(monkeypatch):
    with pytest.raises(ValueError, match="'ring'.*mirrored"):
        distribution.make_strategy("ring")
    for text in (None, "{", '{"cluster": {}}'):
        if text is None:
            monkeypatch.delenv("TF_CONFIG", raising=False)
        else:
            monkeypatch.setenv("TF_CONFIG", text)
        with pytest.raises(ValueError, match="TF_CONFIG"):
            distribution.make_strategy("multi_worker")
    config = {"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 3}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))
    with pytest.raises(ValueError, match="worker 3 of 1"):
        distribution.make_strategy("multi_worker")


def test_without_tpu_the_strategy_says_so(monkeypatch):
    monkeypatch.setenv("TPU_NAME", "no_such_tpu")
    monkeypatch.setenv("GCE_METADATA_IP", "127.0.0.1:1")
    with pytest.raises(ValueError, match="no_such_tpu"):
        distribution.make_strategy("tpu")
