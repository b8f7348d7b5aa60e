"""What every classifier of the registry promises.

What the shared builder frame does is checked on two cheap families, what each family
has to do itself on its smallest model, of which every input size has one;
``test_variants.py`` has what every single model is checked for.
"""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from keras_cnns import applications
from keras_cnns.export import trust


def _smallest_of_each(key):
    smallest = {}
    for name in applications.list_models("classification"):
        info = applications.model_info(name)
        family = key(info)
        if family not in smallest or info.params < smallest[family].params:
            smallest[family] = info
    return sorted(info.name for info in smallest.values())


SMALLEST = _smallest_of_each(lambda i: (i.constructor.__module__, i.input_shape))
SMALLEST_OF_FAMILY = _smallest_of_each(lambda i: i.constructor.__module__)
# Stand for all where the frame alone is at work.
FRAME = ["cifar_resnet20", "network_in_network"]


def _with(trait, names):
    """Those of the models that make an exception from the promise."""
    return [n for n in names if trait in applications.model_info(n).traits]


def _without(trait, names):
    """Those of the models that make none."""
    return [n for n in names if trait not in applications.model_info(n).traits]


def _slow_if(is_slow, names):
    """The names, with those marked that are left to the long run."""
    return [pytest.param(n, marks=pytest.mark.slow) if is_slow(n) else n for n in names]


def _is_large(name):
    """Whether building or compiling it once more is left to the long run."""
    return applications.model_info(name).params > 10_000_000


def _is_further(name):
    """Whether it is a family's second network, for another input size."""
    return name not in SMALLEST_OF_FAMILY


def _build(name, **kwargs):
    size = 2 * applications.model_info(name).min_size
    kwargs.setdefault("input_shape", (size, size, 3))
    kwargs.setdefault("classes", 7)
    return applications.create_model(name, **kwargs)


@pytest.fixture(scope="module")
def network(request, building_by_shapes):
    """A network that no test changes; one at a time is kept."""
    keras.utils.set_random_seed(0)
    with building_by_shapes():
        return _build(request.param)


def on_network(names):
    return pytest.mark.parametrize("network", names, indirect=True)


def _images(model, batch=2, seed=0):
    shape = [batch, *model.input_shape[1:]]
    return tf.random.stateless_normal(shape, seed=[seed, 1])


@on_network(_slow_if(_is_further, SMALLEST))
def test_probabilities_are_finite_and_repeatable(network):
    images = _images(network)
    first, second = network(images).numpy(), network(images).numpy()
    assert first.shape == (2, 7) and first.dtype == np.float32
    np.testing.assert_allclose(first.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(first, second)


@on_network(_slow_if(_is_further, SMALLEST))
def test_every_trainable_weight_gets_a_finite_gradient(network):
    before = network.get_weights()
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(network(_images(network), training=True) ** 2)
    gradients = tape.gradient(loss, network.trainable_weights)
    network.set_weights(before)  # training moved the statistics
    for weight, gradient in zip(network.trainable_weights, gradients):
        assert gradient is not None, weight.name
        assert tf.reduce_all(tf.math.is_finite(gradient)), weight.name


@pytest.mark.parametrize(
    "name",
    _slow_if(
        lambda name: _is_further(name) or _is_large(name),
        _without("fixed_features", SMALLEST),
    ),
)
def test_without_top_takes_any_size_and_other_channels(name, only_shapes):
    info = applications.model_info(name)
    channels = 1 if info.input_shape[-1] == 3 else 3
    model = applications.create_model(
        name, include_top=False, input_shape=(None, None, channels)
    )
    least = info.min_size
    for height, width in [(least, least + 5), (least + 8, least + 1)]:
        maps = model(tf.ones([1, height, width, channels]))
        assert maps.shape.rank == 4 and min(maps.shape) > 0


@pytest.mark.parametrize("name", FRAME)
def test_input_shape_without_top(name):
    default = applications.create_model(name, include_top=False)
    assert default.input_shape == (None, None, None, 3)
    four = applications.create_model(name, include_top=False, input_shape=(32, 33, 4))
    assert four.input_shape == (None, 32, 33, 4)


@pytest.mark.parametrize("name", _with("fixed_size", SMALLEST))
def test_fixed_sizes_are_asked_for(name, only_shapes):
    info = applications.model_info(name)
    fixed_features = "fixed_features" in info.traits
    for include_top in (True, False)[: 1 + fixed_features]:
        with pytest.raises(ValueError, match="height and width must be known"):
            applications.create_model(
                name, include_top=include_top, input_shape=(None, None, 3)
            )
    headless = applications.create_model(name, include_top=False)
    shape = info.input_shape if fixed_features else (None, None, info.input_shape[2])
    assert headless.input_shape == (None, *shape)


@pytest.mark.parametrize("name", FRAME)
def test_pooling(name):
    maps = _build(name, include_top=False)
    images = _images(maps)
    expected = maps(images).numpy()
    for pooling, reduce in (("avg", np.mean), ("max", np.max)):
        pooled = _build(name, include_top=False, pooling=pooling)
        pooled.set_weights(maps.get_weights())
        np.testing.assert_allclose(
            pooled(images), reduce(expected, axis=(1, 2)), rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("name", FRAME)
def test_builds_on_a_tensor(name):
    size = applications.model_info(name).min_size
    start = keras.Input((size, size, 3))
    scaled = keras.layers.Rescaling(2.0)(start)
    model = applications.create_model(name, input_tensor=scaled, classes=3)
    assert model.input_shape == (None, size, size, 3)
    assert model(tf.ones([1, size, size, 3])).shape == (1, 3)


@on_network(FRAME)
def test_weights_argument(network, tmp_path):
    path = str(tmp_path / "weights.h5")
    network.save_weights(path)
    second = _build(network.name, weights=path)
    images = _images(network)
    np.testing.assert_array_equal(network(images), second(images))


@on_network(_slow_if(lambda name: _is_further(name) or _is_large(name), SMALLEST))
def test_rebuilds_from_its_config_and_reads_its_weights(network, tmp_path, by_shapes):
    path = str(tmp_path / "weights.h5")
    applications.save_weights(network, path)
    copy = keras.Model.from_config(network.get_config())
    applications.load_weights(copy, path, adapt=False)
    images = _images(network)
    np.testing.assert_array_equal(copy(images), network(images))


def _assert_runs_under(policy, name):
    keras.mixed_precision.set_global_policy(policy)
    model = _build(name)
    # In training mode: the statistics of an untrained network do not normalise.
    probabilities = model(_images(model), training=True)
    assert probabilities.dtype == tf.float32
    assert np.isfinite(probabilities).all()
    assert model.layers[3].compute_dtype == policy.split("_")[1]
    assert model.get_layer("predictions").compute_dtype == "float32"
    return model


@on_network(_slow_if(_is_large, SMALLEST_OF_FAMILY))
def test_mixed_float16(network):
    model = _assert_runs_under("mixed_float16", network.name)
    # built by tracing calls, of which layers say the shapes right
    shapes = [[layer.output_shape for layer in m.layers] for m in (model, network)]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("name", FRAME)
def test_mixed_bfloat16(name):
    _assert_runs_under("mixed_bfloat16", name)


@on_network(_slow_if(_is_large, SMALLEST_OF_FAMILY))
def test_graph_holds_trusted_operations(network):
    graph = tf.function(network).get_concrete_function(_images(network)).graph
    operations = graph.get_operations()
    assert {operation.type for operation in operations} <= trust.ALLOWED


# Our own layers are compiled in tests/layers/test_contract.py.
@on_network(_slow_if(lambda name: name not in FRAME, SMALLEST_OF_FAMILY))
def test_xla_gives_the_same(network):
    images = _images(network)
    compiled = tf.function(network, jit_compile=True)
    np.testing.assert_allclose(compiled(images), network(images), rtol=1e-3, atol=1e-5)


# Some ten seconds each; a DPN, of bundles of convolutions, takes over nine minutes.
@pytest.mark.slow
@on_network([n for n in SMALLEST_OF_FAMILY if not _is_large(n)])
def test_gradients_by_xla_are_the_same(network, assert_same_by_xla):
    assert_same_by_xla(network, _images(network), atol=1e-5)


@pytest.mark.parametrize("name", FRAME)
@pytest.mark.parametrize(
    ("arguments", "quoted"),
    [
        ({"input_shape": (2, 2, 3)}, r"\(2, 2, 3\)"),
        ({"input_shape": (2, 0, 3)}, r"\(2, 0, 3\)"),
        ({"input_shape": (32, 32)}, r"\(32, 32\)"),
        ({"input_shape": (32, 32, None)}, "None"),
        ({"classes": 0}, "0"),
        ({"classes": "ten"}, "ten"),
        ({"pooling": "mean", "include_top": False}, "mean"),
        ({"pooling": "avg"}, "avg"),
        ({"weights": "no_such_file.h5"}, "no_such_file.h5"),
        ({"growth": 3}, "growth"),
        ({"input_tensor": 5}, "5"),
    ],
)
def test_bad_arguments_are_quoted(name, arguments, quoted):
    with pytest.raises(ValueError, match=quoted):
        applications.create_model(name, **arguments)


@pytest.mark.parametrize("name", SMALLEST)
def test_too_small_inputs_are_refused(name):
    size = applications.model_info(name).min_size - 1
    if size:
        with pytest.raises(ValueError, match=rf"\({size}, {size}, 3\)"):
            applications.create_model(name, input_shape=(size, size, 3))
