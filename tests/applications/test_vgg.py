"""VGG against ``keras.applications``, and files in PyTorch's layout without PyTorch."""

import sys

import numpy as np
import pytest
import safetensors.numpy
import tensorflow as tf
from tensorflow import keras

from keras_cnns import applications

# torchvision's numbers in ``features`` and ``classifier``, and our layers.
CONVOLUTIONS = {
    "VGG16": {
        0: "block1_conv1",
        2: "block1_conv2",
        5: "block2_conv1",
        7: "block2_conv2",
        10: "block3_conv1",
        12: "block3_conv2",
        14: "block3_conv3",
        17: "block4_conv1",
        19: "block4_conv2",
        21: "block4_conv3",
        24: "block5_conv1",
        26: "block5_conv2",
        28: "block5_conv3",
    },
    "VGG19": {
        0: "block1_conv1",
        2: "block1_conv2",
        5: "block2_conv1",
        7: "block2_conv2",
        10: "block3_conv1",
        12: "block3_conv2",
        14: "block3_conv3",
        16: "block3_conv4",
        19: "block4_conv1",
        21: "block4_conv2",
        23: "block4_conv3",
        25: "block4_conv4",
        28: "block5_conv1",
        30: "block5_conv2",
        32: "block5_conv3",
        34: "block5_conv4",
    },
}
DENSE = {0: "fc1", 3: "fc2", 6: "predictions"}
SMALL = {
    "input_shape": (64, 96, 3),
    "classes": 5,
}  # maps of 2x3 before the dense layers


def _keras(name="VGG16", **kwargs):
    """Keras' network with random weights and biases."""
    network = getattr(keras.applications, name)(weights=None, **kwargs)
    random = np.random.default_rng(0)
    for layer in network.layers:
        if layer.weights:
            kernel, bias = layer.get_weights()
            layer.set_weights([kernel, random.normal(0, 0.1, bias.shape)])
    return network


@pytest.fixture(
    scope="module", params=["VGG16", pytest.param("VGG19", marks=pytest.mark.slow)]
)
def whole(request, tmp_path_factory):
    """A small network of Keras with its top, and its file."""
    network = _keras(request.param, **SMALL)
    path = str(tmp_path_factory.mktemp("weights") / "whole.h5")
    network.save_weights(path)
    return network, path


def _tensors(network, name="VGG16"):
    """The network's state dict as torchvision would write it."""
    tensors = {}
    for number, layer in CONVOLUTIONS[name].items():
        kernel, bias = network.get_layer(layer).get_weights()
        tensors[f"features.{number}.weight"] = np.einsum("hwio->oihw", kernel)
        tensors[f"features.{number}.bias"] = bias
    for number, layer in DENSE.items():
        kernel, bias = network.get_layer(layer).get_weights()
        if layer == "fc1":  # of maps flattened channel by channel
            _, height, width, channels = network.get_layer("flatten").input_shape
            kernel = kernel.reshape(height, width, channels, -1)
            kernel = np.einsum("hwco->chwo", kernel).reshape(height * width * 512, -1)
        tensors[f"classifier.{number}.weight"] = kernel.T
        tensors[f"classifier.{number}.bias"] = bias
    return {key: np.ascontiguousarray(value) for key, value in tensors.items()}


def _written(tensors, folder):
    path = str(folder / "vgg.safetensors")
    safetensors.numpy.save_file(tensors, path)
    return path


def _assert_same(network, other, size):
    images = tf.random.stateless_normal([2, *size, 3], seed=[3, 4])
    expected, found = network(images).numpy(), other(images).numpy()
    assert np.abs(expected - found).max() <= 1e-5 * np.abs(expected).max()


def test_keras_files_give_keras_outputs(whole):
    network, path = whole
    same = applications.create_model(network.name, weights=path, **SMALL)
    _assert_same(network, same, SMALL["input_shape"][:2])


def test_state_dicts_give_the_outputs_of_what_they_were_made_from(
    whole, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "torch", None)
    network, _ = whole
    tensors = _tensors(network, network.name.upper())
    tensors = {f"module.{key}": value for key, value in tensors.items()}
    path = _written(tensors, tmp_path)
    same = applications.create_model(network.name, weights=path, **SMALL)
    _assert_same(network, same, SMALL["input_shape"][:2])


def test_without_top_any_size_and_either_file(whole, tmp_path):
    network, path = whole
    name = network.name.upper()
    theirs = _keras(name, include_top=False)
    for layer in theirs.layers:
        layer.set_weights(network.get_layer(layer.name).get_weights())
    state_dict = _written(_tensors(network, name), tmp_path)
    for file in (path, state_dict):
        ours = applications.create_model(network.name, include_top=False, weights=file)
        for size in ((32, 32), (70, 40)):
            _assert_same(theirs, ours, size)


@pytest.mark.slow
def test_whole_at_its_own_size(tmp_path):
    network = _keras()
    path = str(tmp_path / "whole.h5")
    network.save_weights(path)
    _assert_same(network, applications.VGG16(weights=path), (224, 224))
    state_dict = _written(_tensors(network), tmp_path)
    _assert_same(network, applications.VGG16(weights=state_dict), (224, 224))


@pytest.mark.slow
@pytest.mark.parametrize("written_by", ["Keras", "torchvision"])
def test_detectors_see_what_the_classifier_of_the_file_sees(written_by, tmp_path):
    """Maps of the last convolution, and dense layers on the whole image."""
    network = _keras()
    if written_by == "Keras":
        path = str(tmp_path / "whole.h5")
        network.save_weights(path)
    else:
        path = _written(_tensors(network), tmp_path)
    detector = applications.create_model("fast_rcnn_vgg16")
    applications.load_backbone(detector, path, "vgg16")
    backbone, regions = (detector.get_layer(name) for name in ("backbone", "regions"))
    outputs = [network.get_layer(x).output for x in ("block5_conv3", "fc2")]
    images = tf.random.stateless_normal([1, 224, 224, 3], seed=[3, 4])
    maps, codes = keras.Model(network.input, outputs)(images)
    np.testing.assert_allclose(backbone(images), maps, atol=1e-5 * np.max(maps))
    pooled = keras.layers.MaxPooling2D(2)(maps)
    for name in ("flatten", "fc1", "fc2"):
        pooled = regions.get_layer(name)(pooled)
    np.testing.assert_allclose(pooled, codes, atol=1e-5 * np.max(codes))


def test_dropout_follows_both_dense_layers_in_training(only_shapes):
    network = applications.VGG16(**SMALL)
    drops = [x for x in network.layers if isinstance(x, keras.layers.Dropout)]
    assert [(x.name, x.rate) for x in drops] == [
        ("fc1_dropout", 0.5),
        ("fc2_dropout", 0.5),
    ]
    for layer in drops:
        assert layer.input is network.get_layer(layer.name[:3]).output
    without = applications.VGG16(dropout_rate=0.0, **SMALL)
    assert not [x for x in without.layers if isinstance(x, keras.layers.Dropout)]


def test_first_maps_are_correlations_with_the_files_kernels(whole, tmp_path):
    """Cross-correlation with zeros around, then ReLU, in plain NumPy."""
    name = whole[0].name
    tensors = _tensors(whole[0], name.upper())
    path = _written(tensors, tmp_path)
    network = applications.create_model(name, include_top=False, weights=path)
    image = np.random.default_rng(1).normal(size=(8, 8, 3)).astype(np.float32)
    padded = np.pad(image, ((1, 1), (1, 1), (0, 0)))
    kernel, bias = tensors["features.0.weight"], tensors["features.0.bias"]
    expected = np.zeros((8, 8, 64)) + bias
    for row in range(3):
        for column in range(3):
            part = padded[row : row + 8, column : column + 8]
            expected += part @ kernel[:, :, row, column].T
    found = network.get_layer("block1_conv1")(image[np.newaxis])[0]
    np.testing.assert_allclose(found, np.maximum(expected, 0), atol=1e-5)


def test_files_of_other_networks_are_refused(whole, tmp_path):
    name = whole[0].name
    tensors = _tensors(whole[0], name.upper())

    def assert_refused(message, **arguments):
        path = _written(tensors, tmp_path)
        with pytest.raises(ValueError, match=message):
            applications.create_model(name, weights=path, **arguments)

    kernel = tensors.pop("features.12.weight")
    assert_refused("block3_conv2", include_top=False)
    tensors["features.12.weight"] = kernel.transpose(2, 3, 1, 0).copy()  # Keras' order
    assert_refused("shapes differ.*block3_conv2", include_top=False)
    tensors["features.12.weight"] = kernel
    assert_refused("shapes differ.*fc1", input_shape=(32, 32, 3), classes=5)
    tensors["layer1.0.conv1.weight"] = kernel
    assert_refused("another architecture.*layer1.0.conv1", include_top=False)


@pytest.mark.parametrize(
    ("weights", "convention"),
    [
        ("imagenet", "caffe"),
        ("torchvision", "torch"),
        ("folder/anything.h5", "caffe"),
        ("folder/anything.pth", "torch"),
        ("folder/anything.safetensors", "torch"),
    ],
)
def test_files_say_how_they_want_to_be_fed(weights, convention):
    info = applications.model_info("vgg16")
    assert info.preprocessing_of(weights) == convention
