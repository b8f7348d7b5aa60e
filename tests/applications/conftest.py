"""Fixtures of the tests of networks.

TensorFlow is loaded by them alone: xdist's first process reads this file and runs no
test.
"""

import contextlib
import json
import pathlib

import numpy as np
import pytest

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"
RANDOM_INITIALIZERS = (
    "Orthogonal",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "VarianceScaling",
)


def _shape_by_rule(layer, inputs):
    """The shape that a layer says it gives, if it gives one and has a rule for it."""
    import tensorflow as tf
    from tensorflow import keras

    kind = type(layer)
    would_trace = kind.compute_output_shape is keras.layers.Layer.compute_output_shape
    # By a vector Rescaling makes several channels of one, and does not say so.
    if would_trace or kind is keras.layers.Rescaling:
        return None
    shape = layer.compute_output_shape(tf.nest.map_structure(lambda x: x.shape, inputs))
    if isinstance(shape, tf.TensorShape):
        return shape
    is_one = isinstance(shape, tuple) and not any(isinstance(n, tuple) for n in shape)
    return tf.TensorShape(shape) if is_one else None


@contextlib.contextmanager
def _built_by_shapes():
    """Networks are built by the rules of their layers for shapes, at half the cost.

    Else each layer's call is traced to find the shape. ``test_contract.py`` compares
    both ways.
    """
    import tensorflow as tf
    from tensorflow import keras

    trace, symbol = keras.layers.Layer._infer_output_signature, type(keras.Input(()))

    def infer(layer, inputs, args, kwargs, input_masks):
        if not args and not isinstance(layer, keras.Model):
            with tf.name_scope(layer.name):
                layer._maybe_build(inputs)
            shape = _shape_by_rule(layer, inputs)
            if shape is not None:
                return symbol(tf.TensorSpec(shape, layer.compute_dtype))
        return trace(layer, inputs, args, kwargs, input_masks)

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(keras.layers.Layer, "_infer_output_signature", infer)
        yield


@pytest.fixture(scope="session")
def building_by_shapes():
    """Context in which networks are built from what layers say of their shapes."""
    return _built_by_shapes


@pytest.fixture
def only_shapes(building_by_shapes, monkeypatch):
    """Networks start from zeros, too: cheaper where only shapes are looked at."""
    import tensorflow as tf
    from tensorflow import keras

    def zeros(self, shape, dtype=None, **kwargs):
        return tf.zeros(shape, dtype or tf.float32)

    for name in RANDOM_INITIALIZERS:
        monkeypatch.setattr(getattr(keras.initializers, name), "__call__", zeros)
    with building_by_shapes():
        yield


@pytest.fixture
def by_shapes(building_by_shapes):
    """The whole test builds its networks by shapes."""
    with building_by_shapes():
        yield


@pytest.fixture(scope="session")
def model_table():
    """The text of docs/models.md."""
    return (DOCS / "models.md").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def check_row(model_table):
    """Checks a network, built by default, against its row and its line of the table."""
    from keras_cnns import applications
    from keras_cnns.applications.frame import catalogue

    measured = json.loads((DOCS / "fashion_mnist.json").read_text(encoding="utf-8"))

    def check(model, relative_macs=0.0):
        info = applications.model_info(model.name)
        trainable = sum(int(np.prod(w.shape)) for w in model.trainable_weights)
        assert trainable == info.params
        if info.macs:
            macs = applications.count_macs(model)
            assert macs == pytest.approx(info.macs, rel=relative_macs)
        row = catalogue.markdown_row(info, model, measured)
        assert row in model_table, "docs/models.md is stale; see apps/list_models.py"

    return check
