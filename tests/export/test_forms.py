"""Frozen networks, and exports as SavedModels of constants, ONNX and TFLite files."""

import json
import os

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from keras_cnns import applications, data, export, inference
from keras_cnns.export import forms, frozen_network

FEED = data.Preprocessing(12, 10, 3, (120.0,) * 3, (60.0,) * 3)
NAMES = ("a", "b", "c")


def _randomized(network):
    """The network with statistics of normalisations that are not those of the start."""
    random = np.random.default_rng(0)
    for weight in network.weights:
        low = 0.5 if "gamma" in weight.name or "variance" in weight.name else -0.5
        weight.assign(random.uniform(low, low + 1, weight.shape))
    return network


def _assert_equal_outputs(frozen, network, images):
    expected = tf.nest.flatten(network(images, training=False))
    for found, wanted in zip(tf.nest.flatten(frozen(images)), expected):
        np.testing.assert_allclose(found, wanted, atol=1e-5 * np.abs(wanted).max())


LAYERS = {
    "plain": keras.layers.Conv2D(6, 3, use_bias=False),
    "with bias": keras.layers.Conv2D(6, 3, strides=2, padding="same"),
    "depthwise": keras.layers.DepthwiseConv2D(3, depth_multiplier=2),
    "separable": keras.layers.SeparableConv2D(6, 3),
    "transposed": keras.layers.Conv2DTranspose(6, 3, strides=2, use_bias=False),
}


@pytest.mark.parametrize("name", LAYERS)
def test_normalisation_becomes_kernel_and_bias(name):
    images = keras.Input((8, 7, 3))
    x = keras.layers.Dropout(0.5)(LAYERS[name](images))
    x = keras.layers.BatchNormalization(epsilon=1e-2)(x)
    network = _randomized(keras.Model(images, keras.layers.ReLU()(x)))
    frozen = export.FrozenNetwork(network)
    assert frozen.folded == 1
    pictures = np.random.default_rng(1).normal(size=(2, 8, 7, 3)).astype("f4")
    _assert_equal_outputs(frozen, network, pictures)


def test_a_convolution_with_another_use_stays():
    images = keras.Input((8, 7, 3))
    x = keras.layers.Conv2D(6, 3)(images)
    normalised = keras.layers.BatchNormalization()(x)
    network = _randomized(keras.Model(images, keras.layers.Add()([x, normalised])))
    frozen = export.FrozenNetwork(network)
    assert frozen.folded == 0
    _assert_equal_outputs(frozen, network, np.ones((1, 8, 7, 3), "f4"))


@pytest.mark.parametrize(
    "name, folded, of",
    [("shufflenet_g3", 49, 49), ("cifar_densenet_bc40_k12", 18, 39)],
)
def test_normalisations_of_networks(name, folded, of):
    """A DenseNet's others are in front of their convolutions, behind concatenations."""
    size = (64, 64, 3) if name == "shufflenet_g3" else (32, 32, 3)
    network = _randomized(applications.create_model(name, input_shape=size))
    frozen = export.FrozenNetwork(network)
    norms = [
        layer
        for layer in network.layers
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    assert (frozen.folded, len(norms)) == (folded, of)
    images = np.random.default_rng(1).normal(size=(2, *size)).astype("f4")
    _assert_equal_outputs(frozen, network, images)


def test_normalisation_in_training_stays():
    graph = tf.Graph()
    with graph.as_default():
        x = tf.nn.conv2d(tf.zeros((1, 4, 4, 2)), tf.ones((1, 1, 2, 3)), 1, "SAME")
        tf.raw_ops.FusedBatchNormV3(
            x=x, scale=[1.0] * 3, offset=[0.0] * 3, mean=[], variance=[],
            is_training=True,
        )  # fmt: skip
    definition = graph.as_graph_def()
    assert frozen_network.fold_batch_norms(definition) == 0
    assert definition == graph.as_graph_def()


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    return _randomized(
        applications.ResNet(
            (1, 1), "basic", 4, stem="small", input_shape=(12, 10, 3), classes=3
        )
    )


def test_a_frozen_network_is_for_inference(network):
    frozen = export.FrozenNetwork(network)
    assert frozen.variables == () and frozen.output_shape == (None, 3)
    with pytest.raises(ValueError, match="cannot be trained"):
        frozen(np.zeros((1, 12, 10, 3), "f4"), training=True)


def _export(network, folder, form):
    path, difference = export.export_saved_model(
        network, str(folder), "tiny", preprocessing=FEED, class_names=NAMES,
        warmup_requests=0, form=form,
    )  # fmt: skip
    return path, difference


def _pngs(count):
    pixels = np.random.default_rng(2).integers(0, 256, (count, 15, 9, 3), np.uint8)
    return [tf.io.encode_png(image).numpy() for image in pixels]


FORMS = {
    "optimized": (export.Form(optimize=True), "tiny", {"saved_model.pb"}),
    "onnx": (export.Form("onnx"), "tiny_onnx", {"serving_default.onnx"}),
    "tflite": (export.Form("tflite"), "tiny_tflite", {"serving_default.tflite"}),
}


@pytest.mark.parametrize("name", FORMS)
def test_exports_answer_as_the_network_does(name, network, tmp_path):
    form, folder, files = FORMS[name]
    path, difference = _export(network, tmp_path, form)
    assert path == str(tmp_path / folder / "1") and difference <= 1e-4
    assert files <= set(os.listdir(path))
    if name != "optimized":
        card = json.loads((tmp_path / folder / "1" / "model.json").read_text())
        assert card["class_names"] == list(NAMES) and card["format"] == name
        assert card["signatures"]["serving_default"]["inputs"] == {
            "images": {"dtype": "float32", "shape": [None, 12, 10, 3]}
        }
    predictor = inference.load_predictor(saved_model=str(tmp_path / folder))
    assert predictor.class_names == NAMES
    for count in (1, 3):  # of any batch
        pngs = _pngs(count)
        expected = network(tf.stack([FEED(png) for png in pngs]))
        np.testing.assert_allclose(predictor(pngs), expected, atol=1e-5)


@pytest.mark.parametrize("name", ["onnx", "tflite"])
def test_eight_bits_are_smaller_and_near(name, tmp_path):
    keras.utils.set_random_seed(0)
    wide = _randomized(
        applications.ResNet(
            (1, 1), "basic", 48, stem="small", input_shape=(12, 10, 3), classes=3
        )
    )
    images = np.stack([FEED(tf.constant(png)) for png in _pngs(20)])
    floats, _ = _export(wide, tmp_path, export.Form(name))
    path, difference = _export(
        wide, tmp_path, export.Form(f"{name}_int8", calibration=images)
    )
    assert path == str(tmp_path / f"tiny_{name}_int8" / "1")
    assert 1e-4 < difference < 0.2
    file = f"serving_default.{name}"
    sizes = [os.path.getsize(os.path.join(folder, file)) for folder in (path, floats)]
    assert sizes[0] < sizes[1] / 2
    predict, _ = export.load_saved_model(path)
    assert np.all(np.isfinite(predict(_pngs(2))))


def test_input_and_output_of_one_name(tmp_path):
    """In an ONNX file all names differ."""
    generator = keras.Sequential([keras.Input((12, 10, 3)), keras.layers.Conv2D(3, 1)])
    path, _ = export.export_refiner(
        generator, str(tmp_path), "r", form=export.Form("onnx")
    )
    refine = forms.open_signatures(path)["serving_default"]
    images = np.ones((2, 12, 10, 3), "f4")
    expected = generator(images)
    np.testing.assert_allclose(refine(images=images)["images"], expected, atol=1e-6)


class _Odd(tf.Module):
    """What neither ONNX nor TensorFlow Lite has."""

    @tf.function(input_signature=[tf.TensorSpec([None, 3, 3], name="x")])
    def serving_default(self, x):
        return {"y": tf.linalg.svd(x, compute_uv=False)}


@pytest.mark.parametrize(
    "name, message",
    [("onnx", "ONNX cannot hold.*Svd"), ("tflite", "Lite cannot hold.*no tf.Svd")],
)
def test_what_a_format_cannot_hold_is_named(name, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        export.Form(name).write(_Odd(), str(tmp_path), ["serving_default"], {})


@pytest.mark.parametrize(
    "given, message",
    [
        ({"format": "caffe"}, "format must be 'saved_model' or"),
        ({"format": "onnx_int8"}, "needs images to calibrate by"),
        ({"calibration": np.zeros((1, 2, 2, 3))}, "takes no images"),
    ],
)
def test_bad_forms_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        export.Form(**given)


def test_a_damaged_card_is_named(network, tmp_path):
    path, _ = _export(network, tmp_path, export.Form("tflite"))
    for content in ("{", '{"preprocessing": {}}', "[1]"):
        with open(os.path.join(path, "model.json"), "w") as file:
            file.write(content)
        with pytest.raises(ValueError, match="not a classifier exported"):
            export.load_saved_model(path)
