"""What every network of the registry promises that is no classifier, whatever its task.

Networks of a new task are checked without a line here. What they are for is read off
the registry: a critic (or discriminator) gives logits, a maker (generator, refiner)
images in its range, a filler images from images with holes.
"""

import inspect
import re

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from keras_cnns import applications, data
from keras_cnns.losses.inpainting import composite

NAMES = [
    name
    for name in applications.list_models()
    if applications.model_info(name).task != "classification"
]
RANGES = {"signed": (-1, 1), "unit": (0, 1), "unbounded": (-np.inf, np.inf)}
# Of detectors it is the input convention of their backbone.
CONVENTIONS = {*data.CONVENTIONS, "dataset"}
KINDS = {
    "generator": "maker",
    "refiner": "maker",
    "discriminator": "critic",
    "critic": "critic",
}
PLAYERS = {"generation", "refinement"}  # tasks of which each family has both


def _family(name):
    return applications.model_info(name).constructor.__module__


def _kind(name):
    """What the network is for; a filler is told by the masks beside its images."""
    info = applications.model_info(name)
    has_masks = info.condition_shape == (*info.input_shape[:2], 1)
    return KINDS.get(info.role) or ("filler" if has_masks else "other")


def _smallest(key, names=NAMES):
    """The smallest network of each kind of what the key tells apart."""
    found = {}
    for name in sorted(names, key=lambda n: -applications.model_info(n).params):
        found[key(name), _kind(name)] = name
    return sorted(found.values())


def _slow(is_slow, names):
    """The names, with those marked that are left to the long run."""
    return [pytest.param(n, marks=pytest.mark.slow) if is_slow(n) else n for n in names]


def _is_deep(name):
    return "slow_build" in applications.model_info(name).traits


def _is_dear(name):
    return (applications.model_info(name).macs or 0) > 1e10


SMALLEST = _smallest(_family)


def _task(name):
    return applications.model_info(name).task


SMALLEST_OF_TASK = _smallest(_task)
QUICK_BY_XLA = _smallest(
    _task,
    [name for name in NAMES if "slow_xla" not in applications.model_info(name).traits],
)
FILLERS = [name for name in NAMES if _kind(name) == "filler"]


def _narrow(width):
    """A sixteenth of a width, of a list the first four; no layer stays none."""
    if isinstance(width, (tuple, list)):
        return tuple(map(_narrow, width[:4]))
    return width and max(4, width // 16)


def _small_network(name, channels=None):
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


def _small_detection(name, channels=None):
    """The network for three classes and 64x64 images; VGG16's dense layers narrower."""
    info = applications.model_info(name)
    changes = {"image_shape": (64, 64, channels or info.input_shape[2])}
    if "classes" in inspect.signature(info.constructor).parameters:
        changes["classes"] = 3
    if "units" in info.architecture:
        changes["units"] = _narrow(info.architecture["units"])
    if "proposals" in info.architecture:
        changes["proposals"] = {"pre_nms": (50, 50), "post_nms": (6, 6), "min_size": 1}
    return applications.create_model(name, **changes)


def _small_super_resolution(name, channels=None):
    """The network with few filters and blocks, for small pictures."""
    info = applications.model_info(name)
    changes = {
        option: _narrow(value)
        for option, value in info.architecture.items()
        if option.endswith(("filters", "units"))
    }
    for option in ("blocks", "convolutions", "depth", "recursions"):
        if option in info.architecture:
            changes[option] = 2
    size = (32, 32) if info.role else (8, 7)
    shape = (*size, channels or info.input_shape[2])
    return applications.create_model(name, image_shape=shape, **changes)


# Tasks whose networks are run smaller than they are: functions of the name and of the
# number of channels.
SMALLER = {
    "detection": _small_detection,
    "inpainting": _small_network,
    "sequence_classification": _small_network,
    "super_resolution": _small_super_resolution,
}
# Changes of networks of which two are too large for a process; test_row has the whole.
NARROWER = {"gan_cifar10_conv_generator": {"units": (80, 8000)}}


def _smaller(names):
    return [name for name in names if applications.model_info(name).task in SMALLER]


def _make(name, **changes):
    task = applications.model_info(name).task
    changes = {**NARROWER.get(name, {}), **changes}
    return SMALLER.get(task, applications.create_model)(name, **changes)


@pytest.fixture(scope="module")
def network(request, building_by_shapes):
    """A network whose trained weights no test changes; one at a time is kept."""
    keras.utils.set_random_seed(0)
    with building_by_shapes():
        return _make(request.param)


def on_network(names):
    return pytest.mark.parametrize("network", names, indirect=True)


def _inputs(model, batch=3):
    """Numbers in range; masks with random, with no and with only holes."""
    info = applications.model_info(model.name)
    low, high = RANGES.get(info.preprocessing, RANGES["unbounded"])
    drawn = []
    for i, tensor in enumerate(model.inputs):
        shape = [batch, *tensor.shape[1:]]
        if model.input_names[i] == "sizes":
            x = tf.constant([[64.0, 64.0], [60.0, 40.0], [64.0, 30.0]])
        elif model.input_names[i] == "rois":
            x = tf.constant([[[0, 0, 20, 30], [9.5, 30, 64, 64], [0, 0, 0, 0]]] * batch)
            x = tf.cast(x, tf.float32)
        elif model.input_names[i] == "masks":
            x = tf.cast(
                tf.random.stateless_uniform(shape, seed=[i, 1]) > 0.4, "float32"
            )
            x = tf.concat([x[:1], tf.ones_like(x[:1]), tf.zeros_like(x[2:])], axis=0)
        elif len(shape) == 4 and np.isfinite(low):
            x = tf.random.stateless_uniform(shape, seed=[i, 1], minval=low, maxval=high)
        else:
            x = tf.random.stateless_normal(shape, seed=[i, 1])
        drawn.append(x)
    return drawn if len(drawn) > 1 else drawn[0]


def test_every_family_of_players_has_both():
    for task in PLAYERS:
        names = applications.list_models(task)
        for family in {_family(name) for name in names}:
            kinds = {_kind(name) for name in names if _family(name) == family}
            assert kinds == {"maker", "critic"}, family


@pytest.mark.parametrize("name", _slow(_is_deep, NAMES))
def test_row(name, check_row, only_shapes):
    """Shapes, parameters, multiply-adds and the line of docs/models.md."""
    info = applications.model_info(name)
    keras.mixed_precision.set_global_policy("mixed_float16")
    model = applications.create_model(name)
    check_row(model)
    assert model.name == name
    shapes = [shape for shape in (info.input_shape, info.condition_shape) if shape]
    assert [tuple(x.shape[1:]) for x in model.inputs] == shapes
    assert model.outputs[0].shape == (None, *info.output_shape)
    known = CONVENTIONS if info.task == "detection" else RANGES
    assert info.preprocessing in known
    # The built network computes in 16 bits and gives 32.
    assert {x.dtype for x in model.outputs} == {tf.float32}
    assert "float16" in {layer.compute_dtype for layer in model.layers}
    if _kind(name) == "filler":
        assert model.input_names == ["images", "masks"]
        assert info.output_shape == info.input_shape
    if _kind(name) == "critic":
        last = [x.activation for x in model.layers if hasattr(x, "activation")][-1]
        assert last is keras.activations.linear
        # of refinement one for each patch and class, else one of the whole
        assert info.task == "refinement" or info.output_shape == (1,)
    for end in info.stage_ends:
        assert len(model.get_layer(end).output_shape) == 4


@on_network(_slow(lambda name: name not in SMALLEST or _is_dear(name), NAMES))
def test_output_and_gradients(network):
    """Finite; of makers in range, and of each input another."""
    inputs = _inputs(network)
    outputs = tf.nest.flatten(network(inputs))
    for output, symbol in zip(outputs, network.outputs):
        expected = tf.TensorShape([3, *symbol.shape[1:]])
        assert expected.is_compatible_with(output.shape) and output.dtype == tf.float32
        assert np.isfinite(output).all()
    if _kind(network.name) == "maker":
        low, high = RANGES[applications.model_info(network.name).preprocessing]
        (images,) = outputs
        assert low <= images.numpy().min() and images.numpy().max() <= high
        assert (images[0].numpy() != images[1].numpy()).any()
    if _kind(network.name) == "filler":
        assert all(output.shape == inputs[0].shape for output in outputs)
    before = network.non_trainable_weights and network.get_weights()
    with tf.GradientTape() as tape:
        outputs = tf.nest.flatten(network(inputs, training=True))
        loss = tf.add_n([tf.reduce_sum(output**2) for output in outputs])
    gradients = tape.gradient(loss, network.trainable_weights)
    if before:  # training moved the statistics
        network.set_weights(before)
    assert all(np.isfinite(output).all() for output in outputs)
    for weight, gradient in zip(network.trainable_weights, gradients):
        assert gradient is not None, weight.name
        assert tf.reduce_all(tf.math.is_finite(gradient)), weight.name


@on_network(SMALLEST)
def test_rebuilds_from_its_config_and_reads_its_weights(network, tmp_path, by_shapes):
    path = str(tmp_path / "weights.h5")
    network.save_weights(path)
    copy = keras.Model.from_config(network.get_config())
    copy.load_weights(path)
    inputs = _inputs(network)
    outputs = (tf.nest.flatten(model(inputs)) for model in (network, copy))
    for one, other in zip(*outputs):
        np.testing.assert_array_equal(one, other)


# In 16 bits test_row builds them all.
@on_network(_slow(lambda name: name not in SMALLEST_OF_TASK, SMALLEST))
def test_mixed_float16(network, tmp_path):
    """Runs, and reads the weights of the network in 32 bits."""
    path = str(tmp_path / "weights.h5")
    network.save_weights(path)
    keras.mixed_precision.set_global_policy("mixed_float16")
    model = _make(network.name)
    # names do not depend on what was built before, layers say their shapes right
    told = [[(x.name, x.output_shape) for x in m.layers] for m in (model, network)]
    assert told[0] == told[1]
    for output in tf.nest.flatten(model(_inputs(model), training=True)):
        assert output.dtype == tf.float32 and np.isfinite(output).all()
    model.load_weights(path)
    assert len(model.weights) == len(network.weights)
    for one, other in zip(network.weights, model.weights):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", _smaller(SMALLEST))
def test_one_channel(name, by_shapes):
    model = _make(name, channels=1)
    for output in tf.nest.flatten(model(_inputs(model), training=True)):
        assert np.isfinite(output).all()
        assert _kind(name) != "filler" or output.shape[-1] == 1


@on_network(_slow(lambda name: name not in QUICK_BY_XLA, SMALLEST))
def test_xla_gives_the_same(network, assert_same_by_xla):
    atol = 1e-4 if applications.model_info(network.name).task == "inpainting" else 1e-5
    assert_same_by_xla(network, _inputs(network), atol)


@on_network(FILLERS)
def test_holes_hide_what_is_under_them(network):
    """And composites keep the valid pixels bit-exactly."""
    images, masks = _inputs(network)
    noise = 1e3 * tf.random.stateless_normal(images.shape, seed=[5, 6])
    changed = tf.where(masks > 0, images, noise)
    first, second = (network([x, masks]) for x in (images, changed))
    for one, other in zip(tf.nest.flatten(first), tf.nest.flatten(second)):
        np.testing.assert_array_equal(one, other)
    filled = composite(tf.nest.flatten(first)[0], changed, masks).numpy()
    known = np.broadcast_to(masks > 0, filled.shape)
    np.testing.assert_array_equal(filled[known], images.numpy()[known])
    assert np.isfinite(filled).all() and np.abs(filled[~known]).max() < 100


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


def test_unknown_arguments_are_refused():
    with pytest.raises(ValueError, match="growth.*it takes"):
        applications.create_model("dcgan64_generator", growth=3)
