"""Strategies that there are not, and what the others set up."""

import types

import pytest
import tensorflow as tf

from keras_cnns.trainers import distribution


def test_an_unknown_strategy_is_named():
    with pytest.raises(ValueError, match="'ring'.*mirrored"):
        distribution.make_strategy("ring")


def test_without_tpu_the_strategy_says_so(monkeypatch):
    monkeypatch.setenv("TPU_NAME", "no_such_tpu")
    monkeypatch.setenv("GCE_METADATA_IP", "127.0.0.1:1")
    with pytest.raises(ValueError, match="no_such_tpu"):
        distribution.make_strategy("tpu")


def test_memory_of_gpus_is_taken_as_it_is_needed(monkeypatch):
    gpus = [types.SimpleNamespace(name=f"GPU:{i}") for i in range(2)]
    grown = []

    def set_growth(gpu, enable):
        if gpu is gpus[1]:
            raise RuntimeError("it is in use")
        grown.append((gpu, enable))

    config = tf.config
    monkeypatch.setattr(config, "list_physical_devices", lambda kind: gpus)
    monkeypatch.setattr(config.experimental, "set_memory_growth", set_growth)
    distribution.grow_gpu_memory()
    assert grown == [(gpus[0], True)]


@pytest.mark.parametrize("name", ["one_device", "mirrored"])
def test_strategies_let_memory_grow(monkeypatch, name):
    calls = []
    monkeypatch.setattr(distribution, "grow_gpu_memory", lambda: calls.append(name))
    distribution.make_strategy(name)
    assert calls == [name]
