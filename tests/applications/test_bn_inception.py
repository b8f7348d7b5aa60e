"""BN-Inception: against the public PyTorch copy, and batch normalisation itself."""

import importlib

import numpy as np
import pytest
import tensorflow as tf

from keras_cnns import applications, data
from keras_cnns.applications.frame import state_dicts


def _public_copy():
    """The PyTorch copy of the Caffe model, with random weights and statistics."""
    torch = pytest.importorskip("torch")
    pytest.importorskip(
        "pretrainedmodels", reason="pip install pretrainedmodels for this comparison"
    )
    module = importlib.import_module("pretrainedmodels.models.bninception")
    torch.manual_seed(0)
    model = module.bninception(pretrained=None)
    for part in model.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(part.weight, 0.5, 1.5)
            torch.nn.init.uniform_(part.running_var, 0.5, 1.5)
            torch.nn.init.normal_(part.bias, 0, 0.1)
            torch.nn.init.normal_(part.running_mean, 0, 0.1)
    return model.eval()


def _assert_equal_outputs(theirs, ours, size):
    import torch

    images = tf.random.stateless_normal([1, size, size, 3], seed=[3, size]).numpy()
    with torch.no_grad():
        expected = theirs(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()))
    actual = ours(images).numpy()
    assert np.abs(expected.numpy() - actual).max() <= 1e-4 * np.abs(actual).max()


def test_against_the_public_copy(tmp_path):
    theirs = _public_copy()
    import torch

    path = str(tmp_path / "bn_inception.pth")
    torch.save(theirs.state_dict(), path)
    ours = applications.BNInception(weights=path, classifier_activation=None)
    _assert_equal_outputs(theirs, ours, 224)


def test_old_files_hold_normalisation_as_rows(tmp_path):
    """PyTorch before 0.2 wrote it as (1, channels)."""
    safetensors = pytest.importorskip("safetensors.numpy")
    random = np.random.default_rng(0)
    names = ("weight", "bias", "running_mean", "running_var")
    rows = {
        f"conv1_7x7_s2_bn.{name}": random.normal(size=(1, 64)).astype(np.float32)
        for name in names
    }
    path = str(tmp_path / "model.safetensors")
    safetensors.save_file(rows, path)
    layers, _ = state_dicts.read(path, ((r"(\w+)", r"\1"),))
    for name, array in zip(names, layers["conv1_7x7_s2_bn"]):
        np.testing.assert_array_equal(array, rows[f"conv1_7x7_s2_bn.{name}"][0])


def test_without_batch_norm_only_its_two_weights_per_channel_are_gone():
    model = applications.BNInception(batch_norm=False)
    assert model.count_params() == 11_295_240 - 2 * 10_016
    assert not [x for x in model.layers if x.name.endswith("_bn")]


def test_odd_maps_and_sizes():
    model = applications.BNInception(
        include_top=False, depth_multiplier=0.1, input_shape=(None, None, 1)
    )
    for size in (32, 61, 75):
        assert model(tf.ones([1, size, size, 1])).shape[-1] > 0


def test_widths_with_a_depth_multiplier(only_shapes):
    model = applications.BNInception(
        stem="small", stem_strides=2, depth_multiplier=0.25, input_shape=(28, 28, 1)
    )
    widths = [
        model.get_layer(f"inception_{name}").output_shape[1:] for name in ("3a", "3c")
    ]
    # 3a: 16 + 16 + 24 + 16; 3c: 40 + 24 and the 16 + 24 + 24 + 16 of 3b
    assert widths == [(14, 14, 72), (7, 7, 144)]


@pytest.mark.parametrize("training", [True, False])
def test_batch_normalisation_can_be_the_identity(training, only_shapes):
    """With gamma = sqrt(variance + epsilon) and beta = mean, as the paper says."""
    model = applications.BNInception(
        stem="small", depth_multiplier=0.25, input_shape=(8, 8, 3), classes=2
    )
    layer = model.get_layer("conv1_3x3_bn")
    x = np.random.default_rng(0).normal(3.0, 2.0, (16, 5, 5, 48)).astype(np.float32)
    mean, variance = x.mean(axis=(0, 1, 2)), x.var(axis=(0, 1, 2))
    gamma = np.sqrt(variance + layer.epsilon)
    # In training the moving statistics must not matter: they are wrong there.
    wrong = 7.0 if training else 1.0
    layer.set_weights([gamma, mean, wrong * mean, wrong * variance])
    np.testing.assert_allclose(layer(x, training=training), x, rtol=1e-4, atol=1e-4)


def test_input_convention_is_blue_green_red_less_a_mean():
    convention = data.CONVENTIONS[applications.model_info("bn_inception").preprocessing]
    preprocessing = data.Preprocessing(224, 224, 3, **convention)
    pixel = tf.constant([[[10, 20, 30]]], tf.uint8)
    np.testing.assert_array_equal(
        preprocessing.standardize(pixel), [[[30 - 104, 20 - 117, 10 - 128]]]
    )


@pytest.mark.parametrize(
    ("arguments", "quoted"),
    [
        ({"batch_norm": "no"}, "no"),
        ({"stem": "large"}, "large"),
        ({"stem": "small", "stem_strides": 3}, "3"),
        ({"stem_strides": 2}, "stem_strides=2"),
        ({"depth_multiplier": -1}, "-1"),
        ({"dropout_rate": 1.0}, "1.0"),
        ({"input_shape": (31, 31, 3)}, "31"),
        ({"stem": "small", "stem_strides": 2, "input_shape": (7, 7, 3)}, "8"),
    ],
)
def test_bad_arguments(arguments, quoted):
    with pytest.raises(ValueError, match=quoted):
        applications.BNInception(**arguments)
