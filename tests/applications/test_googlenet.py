"""GoogLeNet: poolings that round up, auxiliary heads, both forms."""

import importlib.util

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from keras_cnns import applications

needs_torch = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("torch", "torchvision", "safetensors"))),
    reason="torchvision is not installed: pip install 'keras-cnns[reference]'",
)
SMALL = {"stem": "small", "depth_multiplier": 0.25, "classes": 10}


def _parameters(model):
    return sum(int(np.prod(w.shape)) for w in model.trainable_weights)


@pytest.mark.parametrize(
    ("name", "parameters"), [("googlenet", 13_378_280), ("googlenet_torch", 13_004_888)]
)
def test_parameters_with_auxiliary_heads(name, parameters, only_shapes):
    """As Caffe's layers and torchvision have them."""
    model = applications.create_model(name, aux_heads=True)
    assert _parameters(model) == parameters
    heads = ["predictions", "aux1_predictions", "aux2_predictions"]
    assert model.output_names == heads
    assert model.get_layer("aux1_pool").output_shape[1:] == (4, 4, 512)
    assert model.get_layer("aux2_pool").output_shape[1:] == (4, 4, 528)


def _torchvision_googlenet(tmp_path):
    """torchvision's network, random statistics too, and a file of its weights."""
    import safetensors.torch
    import torch
    import torchvision

    torch.manual_seed(0)
    theirs = torchvision.models.googlenet(
        weights=None, init_weights=False, transform_input=False
    ).eval()
    for module in theirs.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
            torch.nn.init.normal_(module.running_mean, 0, 0.1)
    path = str(tmp_path / "model.safetensors")
    safetensors.torch.save_file(theirs.state_dict(), path)
    return theirs, path


@needs_torch
def test_auxiliary_heads_against_torchvision(tmp_path, size=97):
    """Dense layers after flattening included; at 97x97 every pooling rounds up."""
    import torch

    theirs, path = _torchvision_googlenet(tmp_path)
    maps = {}
    theirs.inception4a.register_forward_hook(lambda *a: maps.update(aux1=a[-1]))
    theirs.inception4d.register_forward_hook(lambda *a: maps.update(aux2=a[-1]))
    ours = applications.GoogLeNetTorch(
        weights=path,
        input_shape=(None, None, 3),
        aux_heads=True,
        classifier_activation=None,
    )
    images = tf.random.stateless_normal([1, size, size, 3], seed=[3, size]).numpy()
    with torch.no_grad():
        main = theirs(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()))
        expected = [main, theirs.aux1(maps["aux1"]), theirs.aux2(maps["aux2"])]
    for their_logits, logits in zip(expected, ours(images)):
        difference = np.abs(their_logits.numpy() - logits).max()
        assert difference <= 1e-4 * np.abs(logits).max()


@needs_torch
def test_the_papers_form_refuses_torchvisions_files(tmp_path):
    _, path = _torchvision_googlenet(tmp_path)
    with pytest.raises(ValueError, match="GoogLeNetTorch"):
        applications.GoogLeNet(weights=path)


def _reference_without_normalisation(model, image):
    """The paper's net in NumPy and plain TensorFlow operations, from Caffe's rules."""

    def conv(x, name, strides=1):
        kernel, bias = model.get_layer(name).get_weights()
        margin = kernel.shape[0] // 2
        x = np.pad(x, [(0, 0), (margin, margin), (margin, margin), (0, 0)])
        return np.maximum(tf.nn.conv2d(x, kernel, strides, "VALID") + bias, 0)

    def pool(x, size, strides, margin=0):
        rows = -(-(x.shape[1] + 2 * margin - size) // strides) + 1
        x = np.pad(
            x,
            [(0, 0), (margin, size), (margin, size), (0, 0)],
            constant_values=-np.inf,
        )
        windows = [
            [
                x[:, i * strides :, j * strides :][:, :size, :size].max(axis=(1, 2))
                for j in range(rows)
            ]
            for i in range(rows)
        ]
        return np.stack([np.stack(row, axis=1) for row in windows], axis=1)

    def lrn(x):
        squares = np.pad(x**2, [(0, 0), (0, 0), (0, 0), (2, 2)])
        sums = sum(squares[..., i : i + x.shape[-1]] for i in range(5))
        return x / (1 + 1e-4 / 5 * sums) ** 0.75

    def module(x, name):
        name = f"inception_{name}"
        return np.concatenate(
            [
                conv(x, f"{name}_1x1"),
                conv(conv(x, f"{name}_3x3_reduce"), f"{name}_3x3"),
                conv(conv(x, f"{name}_5x5_reduce"), f"{name}_5x5"),
                conv(pool(x, 3, 1, margin=1), f"{name}_pool_proj"),
            ],
            axis=-1,
        )

    x = lrn(pool(conv(image, "conv1_7x7_s2", strides=2), 3, 2))
    x = lrn(conv(conv(x, "conv2_3x3_reduce"), "conv2_3x3"))
    x = pool(x, 3, 2)
    x = pool(module(module(x, "3a"), "3b"), 3, 2)
    for name in ("4a", "4b", "4c", "4d", "4e"):
        x = module(x, name)
    x = module(module(pool(x, 3, 2), "5a"), "5b")
    kernel, bias = model.get_layer("predictions").get_weights()
    return x.mean(axis=(1, 2)) @ kernel + bias


@pytest.mark.parametrize("size", [64, 85])
def test_the_papers_form_against_caffes_rules(size):
    model = applications.GoogLeNet(
        input_shape=(size, size, 3), classes=5, classifier_activation=None
    )
    # Large values, so that normalisation across channels shows.
    image = 60 * np.random.default_rng(0).normal(size=(1, size, size, 3))
    image = image.astype(np.float32)
    expected = _reference_without_normalisation(model, image)
    np.testing.assert_allclose(model(image), expected, rtol=1e-4, atol=1e-4)


def test_depth_multiplier_keeps_at_least_sixteen_filters():
    model = applications.GoogLeNet(**SMALL, input_shape=(28, 28, 1), stem_strides=2)
    widths = {
        name: model.get_layer(f"inception_{name}").output_shape[-1]
        for name in ("3a", "5b")
    }
    # 3a: 16 + 32 + 16 + 16, 5b: 96 + 96 + 32 + 32
    assert widths == {"3a": 80, "5b": 256}
    assert model.get_layer("conv1_3x3").filters == 48


def test_gradients_reach_every_weight_of_the_papers_form():
    model = applications.GoogLeNet(
        **SMALL,
        input_shape=(32, 32, 3),
        stem_strides=2,
        aux_heads=True,
        classifier_activation=None,
    )
    images = tf.random.stateless_normal([4, 32, 32, 3], seed=[0, 1])
    with tf.GradientTape() as tape:
        loss = sum(tf.reduce_sum(x**2) for x in model(images, training=True))
    gradients = tape.gradient(loss, model.trainable_weights)
    for weight, gradient in zip(model.trainable_weights, gradients):
        assert gradient is not None, weight.name
        assert np.isfinite(gradient).all(), weight.name


@pytest.mark.parametrize(
    "policy", ["float32", pytest.param("mixed_float16", marks=pytest.mark.slow)]
)
def test_the_papers_form_with_xla_and_in_16_bits(policy):
    keras.mixed_precision.set_global_policy(policy)
    model = applications.GoogLeNet(
        input_shape=(64, 64, 3), classes=7, depth_multiplier=0.25
    )
    images = tf.random.stateless_normal([2, 64, 64, 3], seed=[0, 1])
    compiled = tf.function(model, jit_compile=True)(images)
    assert compiled.dtype == tf.float32
    tolerance = 1e-5 if policy == "float32" else 0.02
    np.testing.assert_allclose(compiled, model(images), atol=tolerance)


def test_auxiliary_outputs_are_float32_in_16_bits():
    keras.mixed_precision.set_global_policy("mixed_float16")
    model = applications.GoogLeNet(**SMALL, input_shape=(20, 20, 1), aux_heads=True)
    assert [x.dtype for x in model(tf.ones([2, 20, 20, 1]))] == [tf.float32] * 3


def test_auxiliary_heads_want_a_known_size_that_is_large_enough(only_shapes):
    with pytest.raises(ValueError, match="height and width must be known"):
        applications.GoogLeNet(aux_heads=True, input_shape=(None, None, 3))
    with pytest.raises(ValueError, match=r"\(79, 96, 3\).*80"):
        applications.GoogLeNet(aux_heads=True, input_shape=(79, 96, 3))
    model = applications.GoogLeNet(aux_heads=True, input_shape=(80, 80, 3))
    assert model.get_layer("aux1_pool").output_shape[1:3] == (1, 1)


@pytest.mark.parametrize("name", ["googlenet", "googlenet_torch"])
@pytest.mark.parametrize(
    ("arguments", "quoted"),
    [
        ({"aux_heads": "yes"}, "yes"),
        ({"stem": "large"}, "large"),
        ({"stem": "small", "stem_strides": 3}, "3"),
        ({"stem_strides": 2}, "stem_strides=2"),
        ({"depth_multiplier": 0}, "depth_multiplier.*0"),
        ({"depth_multiplier": "half"}, "half"),
        ({"dropout_rate": 1.0}, "1.0"),
        ({"input_shape": (31, 31, 3)}, "31"),
    ],
)
def test_bad_arguments(name, arguments, quoted):
    with pytest.raises(ValueError, match=quoted):
        applications.create_model(name, **arguments)
