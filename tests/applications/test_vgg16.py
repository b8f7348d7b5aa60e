"""VGG16's stages from files in PyTorch's layout, which are written without PyTorch."""

import sys

import numpy as np
import pytest
import safetensors.numpy

from keras_cnns import applications

# torchvision's number in ``features``, our layer, channels in and out
CONVOLUTIONS = [
    (0, "block1_conv1", 3, 64),
    (2, "block1_conv2", 64, 64),
    (5, "block2_conv1", 64, 128),
    (7, "block2_conv2", 128, 128),
    (10, "block3_conv1", 128, 256),
    (12, "block3_conv2", 256, 256),
    (14, "block3_conv3", 256, 256),
]


def _tensors():
    """Kernels (out, in, height, width), of which no two values are alike in place."""
    random = np.random.default_rng(0)
    tensors = {"classifier.0.weight": np.zeros((2, 2), np.float32)}
    tensors["features.17.bias"] = np.zeros(512, np.float32)  # of the fourth stage
    for number, _, before, after in CONVOLUTIONS:
        kernel = random.normal(size=(after, before, 3, 3), scale=0.05)
        tensors[f"features.{number}.weight"] = kernel.astype(np.float32)
        bias = random.normal(size=after)
        tensors[f"features.{number}.bias"] = bias.astype(np.float32)
    return tensors


def _written(tensors, folder):
    path = str(folder / "vgg16.safetensors")
    safetensors.numpy.save_file(tensors, path)
    return path


@pytest.mark.parametrize("prefix", ["", "module."])
def test_values_land_in_the_kernels(prefix, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    tensors = _tensors()
    stored = {f"{prefix}{key}": value for key, value in tensors.items()}
    network, convention = applications.vgg16_stages(_written(stored, tmp_path))
    assert convention == "torch"
    layers = [layer.name for layer in network.layers if layer.weights]
    assert layers == [name for _, name, _, _ in CONVOLUTIONS]
    for number, name, _, _ in CONVOLUTIONS:
        kernel, bias = network.get_layer(name).get_weights()
        expected = np.einsum("oihw->hwio", tensors[f"features.{number}.weight"])
        np.testing.assert_array_equal(kernel, expected)
        np.testing.assert_array_equal(bias, tensors[f"features.{number}.bias"])


def test_first_maps_are_correlations_with_the_files_kernels(tmp_path):
    """Cross-correlation with zeros around, then ReLU, in plain NumPy."""
    tensors = _tensors()
    network, _ = applications.vgg16_stages(_written(tensors, tmp_path))
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


def test_files_of_other_networks_are_refused(tmp_path):
    tensors = _tensors()
    kernel = tensors.pop("features.12.weight")
    with pytest.raises(ValueError, match="no weight file of VGG16.*block3_conv2"):
        applications.vgg16_stages(_written(tensors, tmp_path))
    tensors["features.12.weight"] = kernel.transpose(2, 3, 1, 0).copy()  # Keras' order
    with pytest.raises(ValueError, match="no weight file of VGG16.*block3_conv2"):
        applications.vgg16_stages(_written(tensors, tmp_path))
    tensors["layer1.0.conv1.weight"] = kernel
    with pytest.raises(ValueError, match="another architecture.*layer1.0.conv1"):
        applications.vgg16_stages(_written(tensors, tmp_path))
