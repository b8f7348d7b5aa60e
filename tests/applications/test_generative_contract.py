"""What every generator, discriminator, critic and refiner of the registry promises."""

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

ROOT = pathlib.Path(__file__).resolve().parents[2]
CATALOGUE = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
MEASURED = json.loads((ROOT / "docs" / "fashion_mnist.json").read_text("utf-8"))
NAMES = applications.list_models("generative")
RANGES = {"signed": (-1, 1), "unit": (0, 1), "unbounded": (-np.inf, np.inf)}
MAKERS = ("generator", "refiner")
JUDGES = ("discriminator", "critic")


def _family(name):
    return applications.model_info(name).constructor.__module__


def _role(name):
    return "maker" if name.endswith(MAKERS) else "judge"


def _smallest():
    """Of each family the smallest maker and the smallest judge."""
    found = {}
    for name in sorted(NAMES, key=lambda n: -applications.model_info(n).params):
        found[_family(name), _role(name)] = name
    return sorted(found.values())


SMALLEST = _smallest()


def _slow_if_dear(name):
    """A network that takes many multiply-adds is run in the long tests only."""
    is_dear = (applications.model_info(name).macs or 0) > 1e10
    return pytest.param(name, marks=pytest.mark.slow) if is_dear else name


def _inputs(model, batch=2):
    """Normal numbers in, of conditions too."""
    drawn = [
        tf.random.stateless_normal([batch, *tensor.shape[1:]], seed=[i, 1])
        for i, tensor in enumerate(model.inputs)
    ]
    return drawn if len(drawn) > 1 else drawn[0]


def test_every_family_has_both_players():
    for family in {_family(name) for name in NAMES}:
        roles = {_role(name) for name in NAMES if _family(name) == family}
        assert roles == {"maker", "judge"}, family
    assert all(name.endswith(MAKERS + JUDGES) for name in NAMES)


def test_every_file_of_the_folder_is_in_the_registry():
    families = {_family(name) for name in applications.list_models()}
    for path in (ROOT / "keras_cnns/applications/generative").glob("*.py"):
        module = f"keras_cnns.applications.generative.{path.stem}"
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
    row = catalogue.markdown_row(info, macs, MEASURED)
    assert row in CATALOGUE, "docs/models.md is stale; see apps/list_models.py"
    assert model.name == name
    shapes = [shape for shape in (info.input_shape, info.condition_shape) if shape]
    assert [tuple(x.shape[1:]) for x in model.inputs] == shapes
    assert model.output_shape == (None, *info.output_shape)
    assert info.preprocessing in RANGES
    # The built network computes in 16 bits and gives 32.
    assert model.outputs[0].dtype == tf.float32
    assert "float16" in {layer.compute_dtype for layer in model.layers}
    if _role(name) == "judge":  # logits: nothing bounds what the last layer gives
        assert model.layers[-1].activation is keras.activations.linear
    for end in info.stage_ends:
        assert len(model.get_layer(end).output_shape) == 4


@pytest.mark.parametrize("name", map(_slow_if_dear, NAMES))
def test_output_and_gradients(name):
    info = applications.model_info(name)
    model = applications.create_model(name)
    inputs = _inputs(model)
    outputs = model(inputs).numpy()
    assert outputs.shape == (2, *info.output_shape) and outputs.dtype == np.float32
    assert np.isfinite(outputs).all()
    if _role(name) == "maker":
        low, high = RANGES[info.preprocessing]
        assert low <= outputs.min() and outputs.max() <= high
        assert (outputs[0] != outputs[1]).any()
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(inputs, training=True) ** 2)
    gradients = tape.gradient(loss, model.trainable_weights)
    for weight, gradient in zip(model.trainable_weights, gradients):
        assert gradient is not None, weight.name
        assert tf.reduce_all(tf.math.is_finite(gradient)), weight.name


@pytest.mark.parametrize("name", SMALLEST)
def test_mixed_float16_runs(name):
    keras.mixed_precision.set_global_policy("mixed_float16")
    model = applications.create_model(name)
    outputs = model(_inputs(model), training=True)
    assert outputs.dtype == tf.float32 and np.isfinite(outputs).all()


@pytest.mark.parametrize("name", SMALLEST)
def test_rebuilds_from_its_config_and_reads_its_weights(name, tmp_path):
    model = applications.create_model(name)
    path = str(tmp_path / "weights.h5")
    model.save_weights(path)
    inputs = _inputs(model)
    copies = [keras.Model.from_config(model.get_config())]
    copies.append(applications.create_model(name))
    for copy in copies:  # names do not depend on what was built before
        assert [x.name for x in copy.layers] == [x.name for x in model.layers]
        copy.load_weights(path)
        np.testing.assert_array_equal(copy(inputs), model(inputs))


@pytest.mark.parametrize("name", SMALLEST)
def test_xla_gives_the_same(name, assert_same_by_xla):
    model = applications.create_model(name)
    assert_same_by_xla(model, _inputs(model), atol=1e-5)


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


@pytest.mark.parametrize(
    ("builder", "arguments", "quoted"),
    [
        ("GANGenerator", {"units": ()}, r"\(\)"),
        ("GANGenerator", {"activations": ("relu",)}, r"units=.*activations="),
        ("GANGenerator", {"activations": ("relu", "gelu")}, "gelu"),
        ("GANGenerator", {"image_shape": (28, 28)}, r"\(28, 28\)"),
        ("GANGenerator", {"output_activation": "relu"}, "'relu'"),
        ("GANGenerator", {"latent_size": 0}, "0"),
        ("GANGenerator", {"largest_norm": -1.0}, "-1.0"),
        ("GANGenerator", {"pixel_means": [0.5]}, r"\(1,\)"),
        ("GANDiscriminator", {"pieces": 2.5}, "2.5"),
        ("GANDiscriminator", {"dropout_rate": 1.0}, "1.0"),
        ("GANConvGenerator", {"units": (8, 10)}, r"\(8, 10\)"),
        ("GANConvDiscriminator", {"image_shape": (9, 32, 3)}, r"\(9, 32, 3\)"),
        ("CGANGenerator", {"classes": 0}, "classes.*0"),
        ("CGANDiscriminator", {"label_units": "ten"}, "label_units.*ten"),
        ("CGANWordGenerator", {"word_size": -3}, "word_size.*-3"),
        ("CGANWordDiscriminator", {"dropout_rate": "half"}, "half"),
        ("DCGANGenerator", {"filters": 64}, "64"),
        ("DCGANGenerator", {"strides": (2, 2)}, r"strides=\(2, 2\)"),
        ("DCGANGenerator", {"classes": True}, "True"),
        ("DCGANGenerator", {"image_shape": (None, 64, 3)}, "None"),
        ("DCGANGenerator", {"batch_norm": 0}, "0"),
        ("DCGANGenerator", {"batch_norm_momentum": 1.0}, "1.0"),
        (
            "DCGANDiscriminator",
            {"batch_norm": False, "batch_norm_affine": False},
            "batch_norm_affine=False has no effect",
        ),
        ("DCGANDiscriminator", {"kernel_size": (5, 5)}, r"\(5, 5\)"),
        ("WGANGenerator", {"filters": (64, 0)}, r"\(64, 0\)"),
        ("WGANCritic", {"image_shape": "64"}, "64"),
        ("WGANMLPGenerator", {"units": (512, None)}, "None"),
        ("WGANMLPCritic", {"image_shape": (64, 64, 0)}, r"\(64, 64, 0\)"),
        ("WGANGPGenerator", {"batch_norm": "layer"}, "'layer'"),
        ("WGANGPCritic", {"weight_stddev": 0}, "weight_stddev.*0"),
        ("WGANGPPointGenerator", {"point_size": 0}, "point_size.*0"),
        ("WGANGPResNetGenerator", {"image_shape": (60, 64, 3)}, r"\(60, 64, 3\).*16"),
        ("WGANGPPooledResNetCritic", {"filters": (128,)}, r"\(128,\)"),
        ("SimGANRefiner", {"blocks": 0}, "blocks.*0"),
        ("SimGANDiscriminator", {"strides": (2, 2)}, r"strides=\(2, 2\)"),
        ("DCGAN64Generator", {"batch_norm_momentum": -0.1}, "-0.1"),
    ],
)
def test_bad_arguments_are_quoted(builder, arguments, quoted):
    with pytest.raises(ValueError, match=quoted):
        getattr(applications, builder)(**arguments)


@pytest.mark.parametrize(
    ("builder", "arguments"),
    [
        ("GANGenerator", {"sigmoid_bias": -2.0}),
        ("DCGANGenerator", {"batch_norm": False, "batch_norm_momentum": 0.5}),
        ("WGANCritic", {"batch_norm": False, "batch_norm_momentum": 0.5}),
        ("WGANGPGenerator", {"batch_norm": None, "batch_norm_momentum": 0.5}),
    ],
)
def test_nothing_is_silently_ignored(builder, arguments):
    with pytest.raises(ValueError, match="has no effect"):
        getattr(applications, builder)(**arguments)


def test_unknown_arguments_are_refused():
    with pytest.raises(ValueError, match="growth.*it takes batch_norm_momentum, name"):
        applications.create_model("dcgan64_generator", growth=3)
