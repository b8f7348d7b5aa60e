"""What every network of the task "inpainting" promises."""

import functools
import inspect
import json
import pathlib
import re

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from keras_cnns import applications
from keras_cnns.applications.frame import catalogue
from keras_cnns.losses.inpainting import composite

ROOT = pathlib.Path(__file__).resolve().parents[2]
CATALOGUE = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
MEASURED = json.loads((ROOT / "docs" / "fashion_mnist.json").read_text("utf-8"))
NAMES = applications.list_models("inpainting")
RANGES = {"signed": (-1, 1), "unit": (0, 1)}
JUDGES = ("discriminator", "critic")


def _family(name):
    return applications.model_info(name).constructor.__module__


def _role(name):
    """A judge gives scores, a filler images, a labeller classes of pixels."""
    if name.endswith(JUDGES):
        return "judge"
    return "filler" if applications.model_info(name).condition_shape else "labeller"


def _smallest():
    """Of each family the smallest network of each role."""
    found = {}
    for name in sorted(NAMES, key=lambda n: -applications.model_info(n).params):
        found[_family(name), _role(name)] = name
    return sorted(found.values())


SMALLEST = _smallest()
FILLERS = [name for name in NAMES if _role(name) == "filler"]


def _narrow(width):
    """A sixteenth of a width, of a list the first four; no layer stays none."""
    if isinstance(width, (tuple, list)):
        return tuple(map(_narrow, width[:4]))
    return width and max(4, width // 16)


def _small(name, channels=None):
    """The network for small images, with few levels and filters."""
    info = applications.model_info(name)
    changes = {
        option: _narrow(value)
        for option, value in info.architecture.items()
        if option.endswith(("filters", "units"))
    }
    if "local_shape" in info.architecture:
        changes["local_shape"] = None  # of half the image
    size = info.min_size or 64
    if size % 16 == 0:  # else the sizes that a network takes go by another rule
        size = min(size, 64)
    shape = (size, size, channels or info.input_shape[2])
    return applications.create_model(name, image_shape=shape, **changes)


# Built once for all tests in float32; none of them changes its trained weights.
_shared = functools.lru_cache(maxsize=None)(_small)


def _inputs(model, name, batch=3):
    """Images in their range; masks with random, with no and with only holes."""
    low, high = RANGES[applications.model_info(name).preprocessing]
    drawn = []
    for i, tensor in enumerate(model.inputs):
        shape = [batch, *tensor.shape[1:]]
        x = tf.random.stateless_uniform(shape, seed=[i, 1])
        if model.input_names[i] == "masks":
            x = tf.cast(x > 0.4, tf.float32)
            x = tf.concat([x[:1], tf.ones_like(x[:1]), tf.zeros_like(x[2:])], axis=0)
        else:
            x = low + (high - low) * x
        drawn.append(x)
    return drawn if len(drawn) > 1 else drawn[0]


def test_every_file_of_the_folder_is_in_the_registry():
    families = {_family(name) for name in NAMES}
    for path in (ROOT / "keras_cnns/applications/inpainting").glob("*.py"):
        module = f"keras_cnns.applications.inpainting.{path.stem}"
        assert path.stem == "__init__" or module in families, path


@pytest.mark.parametrize("name", NAMES)
def test_row(name):
    """Shapes, parameters, multiply-adds and the line of docs/models.md."""
    info = applications.model_info(name)
    keras.mixed_precision.set_global_policy("mixed_float16")
    model = applications.create_model(name)
    trainable = sum(int(np.prod(w.shape)) for w in model.trainable_weights)
    assert trainable == info.params
    macs = applications.count_macs(model)
    assert macs == (info.macs or macs)
    assert model.name == name
    shapes = [shape for shape in (info.input_shape, info.condition_shape) if shape]
    assert [tuple(x.shape[1:]) for x in model.inputs] == shapes
    assert model.outputs[0].shape == (None, *info.output_shape)
    assert info.preprocessing in RANGES
    # The built network computes in 16 bits and gives 32.
    assert {x.dtype for x in model.outputs} == {tf.float32}
    assert "float16" in {layer.compute_dtype for layer in model.layers}
    if _role(name) == "filler":
        assert model.input_names == ["images", "masks"]
        assert info.output_shape == info.input_shape
    if _role(name) == "judge":
        assert info.output_shape == (1,)
    for end in info.stage_ends:
        assert len(model.get_layer(end).output_shape) == 4
    row = catalogue.markdown_row(info, macs, MEASURED)
    assert row in CATALOGUE, "docs/models.md is stale; see apps/list_models.py"


@pytest.mark.parametrize("name", NAMES)
def test_output_and_gradients(name):
    """Finite with random masks, with no hole and with nothing but a hole."""
    model = _shared(name)
    inputs = _inputs(model, name)
    with tf.GradientTape() as tape:
        outputs = model(inputs, training=True)
        parts = tf.nest.flatten(outputs)
        loss = tf.add_n([tf.reduce_sum(part**2) for part in parts])
    gradients = tape.gradient(loss, model.trainable_weights)
    for weight, gradient in zip(model.trainable_weights, gradients):
        assert gradient is not None, weight.name
        assert tf.reduce_all(tf.math.is_finite(gradient)), weight.name
    for part, symbol in zip(parts, model.outputs):
        assert part.shape == (3, *symbol.shape[1:]) and part.dtype == tf.float32
        assert np.isfinite(part.numpy()).all()
    if _role(name) == "filler":
        assert all(part.shape == inputs[0].shape for part in parts)


@pytest.mark.parametrize("name", SMALLEST)
def test_mixed_float16_and_one_channel(name):
    known_names = {layer.name for layer in _shared(name).layers}
    keras.mixed_precision.set_global_policy("mixed_float16")
    model = _small(name, channels=1)
    # names do not depend on what was built before
    assert {layer.name for layer in model.layers} <= known_names
    for part in tf.nest.flatten(model(_inputs(model, name), training=True)):
        assert part.dtype == tf.float32 and np.isfinite(part.numpy()).all()
        assert _role(name) != "filler" or part.shape[-1] == 1


@pytest.mark.parametrize("name", FILLERS)
def test_holes_hide_what_is_under_them(name):
    """And composites keep the valid pixels bit-exactly."""
    model = _shared(name)
    images, masks = _inputs(model, name)
    noise = 1e3 * tf.random.stateless_normal(images.shape, seed=[5, 6])
    changed = tf.where(masks > 0, images, noise)
    first, second = (model([x, masks]) for x in (images, changed))
    for one, other in zip(tf.nest.flatten(first), tf.nest.flatten(second)):
        np.testing.assert_array_equal(one, other)
    filled = composite(tf.nest.flatten(first)[0], changed, masks).numpy()
    known = np.broadcast_to(masks > 0, filled.shape)
    np.testing.assert_array_equal(filled[known], images.numpy()[known])
    assert np.isfinite(filled).all() and np.abs(filled[~known]).max() < 100


@pytest.mark.parametrize("name", SMALLEST)
def test_rebuilds_from_its_config_and_reads_its_weights(name, tmp_path):
    model = _shared(name)
    path = str(tmp_path / "weights.h5")
    model.save_weights(path)
    inputs = _inputs(model, name)
    copy = keras.Model.from_config(model.get_config())
    copy.load_weights(path)
    results = (tf.nest.flatten(network(inputs)) for network in (model, copy))
    for one, other in zip(*results):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", SMALLEST)
def test_xla_gives_the_same(name, assert_same_by_xla):
    model = _shared(name)
    assert_same_by_xla(model, _inputs(model, name), atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_constructor(name):
    constructor = applications.model_info(name).constructor
    parameters = inspect.signature(constructor).parameters
    assert getattr(applications, constructor.__name__) is constructor
    assert parameters["name"].default == name
    assert constructor.__doc__.startswith(f"Builds {constructor.__name__}: ")
    arguments = constructor.__doc__.partition("Args:\n")[2].partition("\nReturns:")[0]
    documented = re.findall(r"^    (\w+): ", arguments, re.MULTILINE)
    assert documented == list(parameters)
