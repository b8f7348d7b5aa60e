"""State dicts made by hand: what is read, and what is refused in which words."""

import sys

import numpy as np
import pytest
import safetensors.numpy
import tensorflow as tf

from keras_cnns import applications
from keras_cnns.applications.frame import state_dicts

SMALL = {
    "units": (1, 1),
    "block": "basic",
    "filters": 4,
    "input_shape": (32, 32, 3),
    "classes": 5,
}
# PyTorch's names of the network's layers.
NAMES = {
    "conv1_conv": "conv1",
    "conv1_bn": "bn1",
    "conv2_block1_1_conv": "layer1.0.conv1",
    "conv2_block1_1_bn": "layer1.0.bn1",
    "conv2_block1_2_conv": "layer1.0.conv2",
    "conv2_block1_2_bn": "layer1.0.bn2",
    "conv3_block1_0_conv": "layer2.0.downsample.0",
    "conv3_block1_0_bn": "layer2.0.downsample.1",
    "conv3_block1_1_conv": "layer2.0.conv1",
    "conv3_block1_1_bn": "layer2.0.bn1",
    "conv3_block1_2_conv": "layer2.0.conv2",
    "conv3_block1_2_bn": "layer2.0.bn2",
    "predictions": "fc",
}


def _network(**kwargs):
    return applications.ResNet(**SMALL, **kwargs)


def _state_dict(network):
    """The network's weights as PyTorch would hold them."""
    tensors = {}
    for layer in network.layers:
        values = [np.asarray(value) for value in layer.get_weights()]
        if not values:
            continue
        if values[0].ndim == 4:
            values[0] = values[0].transpose(3, 2, 0, 1)
        elif values[0].ndim == 2:
            values[0] = values[0].T
        parts = ("weight", "bias", "running_mean", "running_var")
        for part, value in zip(parts, values):
            tensors[f"{NAMES[layer.name]}.{part}"] = np.ascontiguousarray(value)
    return tensors


def _written(tensors, folder):
    path = str(folder / "model.safetensors")
    safetensors.numpy.save_file(tensors, path)
    return path


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_reads_without_pytorch(prefix, dtype, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    source = _network()
    tensors = {f"{prefix}{k}": v.astype(dtype) for k, v in _state_dict(source).items()}
    tensors[f"{prefix}bn1.num_batches_tracked"] = np.array(7)
    network = _network(weights=_written(tensors, tmp_path))
    images = tf.random.stateless_normal([2, 32, 32, 3], seed=[1, 2])
    tolerance = 1e-6 if dtype == np.float32 else 1e-2
    np.testing.assert_allclose(network(images), source(images), rtol=tolerance)


def test_other_files_are_no_state_dicts(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    path = tmp_path / "model.pth"
    path.write_bytes(b"anything")
    with pytest.raises(ValueError, match=r"model.pth .*PyTorch did not write it"):
        _network(weights=path)


def _message(tensors, folder):
    with pytest.raises(ValueError) as caught:
        _network(weights=_written(tensors, folder))
    return str(caught.value)


def test_missing_extra_and_other_shapes_are_named(tmp_path):
    good = _state_dict(_network())
    kernel = good.pop("layer1.0.conv1.weight")
    assert "conv2_block1_1_conv" in _message(good, tmp_path)
    assert "layer1.0.conv9" in _message(
        {**good, "layer1.0.conv9.weight": kernel}, tmp_path
    )
    message = _message(
        {**good, "layer1.0.conv1.weight": kernel[:, :, :1, :1].copy()}, tmp_path
    )
    assert "conv2_block1_1_conv (the file's layer1.0.conv1): file [(1, 1" in message
    assert "layer1.0.conv1.scale" in _message(
        {**good, "layer1.0.conv1.scale": kernel}, tmp_path
    )
    swapped = {**good, "layer1.0.conv2.weight": kernel}
    swapped["layer2.0.conv1.weight"] = swapped.pop("layer1.0.conv2.weight")
    assert "conv2_block1_1_conv" in _message(swapped, tmp_path)


def test_bfloat16_becomes_float32(tmp_path):
    header = b'{"conv1.weight":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}'
    path = tmp_path / "model.safetensors"
    values = np.array([1.5, -2.0], np.float32).view(np.uint16)[1::2].tobytes()
    path.write_bytes(len(header).to_bytes(8, "little") + header + values)
    layers, origins = state_dicts.read(str(path), ((r"conv1", "conv"),))
    assert origins == {"conv": "conv1"}
    (array,) = layers["conv"]
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, [1.5, -2.0])


def test_networks_of_another_form_say_what_to_use(tmp_path, only_shapes):
    path = _written(_state_dict(_network()), tmp_path)
    with pytest.raises(ValueError, match="ResNet50V1_5"):
        applications.ResNet50(weights=path)
    with pytest.raises(ValueError, match="reads no PyTorch files"):
        applications.CifarResNet20(weights=path)
    with pytest.raises(ValueError, match=r"create_model\(name, weights=.*model"):
        applications.load_weights(_network(), path)
