"""Fixtures of the tests of networks."""

import json
import pathlib

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from keras_cnns import applications
from keras_cnns.applications.frame import catalogue

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"
RANDOM_INITIALIZERS = (
    "Orthogonal",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "VarianceScaling",
)


@pytest.fixture
def zero_weights(monkeypatch):
    """Networks start from zeros, which is cheaper where only shapes are looked at."""

    def zeros(self, shape, dtype=None, **kwargs):
        return tf.zeros(shape, dtype or tf.float32)

    for name in RANDOM_INITIALIZERS:
        monkeypatch.setattr(getattr(keras.initializers, name), "__call__", zeros)


@pytest.fixture(scope="session")
def model_table():
    """The text of docs/models.md."""
    return (DOCS / "models.md").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def check_row(model_table):
    """Checks a network, built by default, against its row and its line of the table."""
    measured = json.loads((DOCS / "fashion_mnist.json").read_text(encoding="utf-8"))

    def check(model, relative_macs=0.0):
        info = applications.model_info(model.name)
        trainable = sum(int(np.prod(w.shape)) for w in model.trainable_weights)
        assert trainable == info.params
        macs = applications.count_macs(model)
        assert macs == pytest.approx(info.macs or macs, rel=relative_macs)
        row = catalogue.markdown_row(info, macs, measured)
        assert row in model_table, "docs/models.md is stale; see apps/list_models.py"

    return check
