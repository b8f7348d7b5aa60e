"""Strategies that there are not, and what the others need."""

import json

import pytest

from keras_cnns.trainers import distribution


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
