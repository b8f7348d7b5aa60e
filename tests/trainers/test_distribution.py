"""Strategies that there are not, and what the others need."""

import json
import socket
import types

import pytest
import tensorflow as tf

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


def test_workers_that_have_ended_are_named(monkeypatch):
    with socket.socket() as here, socket.socket() as ended:
        here.bind(("127.0.0.1", 0))
        here.listen()
        ended.bind(("127.0.0.1", 0))  # and does not listen
        alive, lost = (f"127.0.0.1:{s.getsockname()[1]}" for s in (here, ended))
        cluster = tf.train.ClusterSpec({"chief": [alive], "worker": [alive, lost]})
        resolver = types.SimpleNamespace(cluster_spec=lambda: cluster)
        strategy = types.SimpleNamespace(cluster_resolver=resolver)
        error = tf.errors.UnavailableError(
            None,
            None,
            "{{function_node x}} Collective ops is aborted by: reset by peer",
        )
        naming = distribution.naming_lost_workers
        refused = pytest.raises(tf.errors.UnavailableError)
        with refused, naming(strategy):  # that is one process
            raise error
        monkeypatch.setattr(distribution, "has_workers", lambda _: True)
        refused = pytest.raises(ConnectionError, match=rf"^worker 1 \({lost}\) of")
        with refused, naming(strategy):
            raise error
