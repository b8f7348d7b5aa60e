"""ResNet in ResNet: streams, identity-augmented kernels, pytorchcv's network."""

import importlib.util

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from keras_cnns import applications, layers, trainers

SMALL = {"widths": (3, 5), "units": (2, 2), "input_shape": (8, 8, 3)}


def _random(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def _conv(x, kernel, strides=1):
    """Convolution with symmetric padding."""
    pad = kernel.shape[0] // 2
    x = tf.pad(x, [[0, 0], [pad, pad], [pad, pad], [0, 0]])
    return tf.nn.conv2d(x, kernel, strides, "VALID").numpy()


def _layer(channels, filters, strides, **kwargs):
    layer = layers.DualStreamConv2D(filters, strides=strides, **kwargs)
    layer.build((None, None, None, channels))
    layer.set_weights([_random(w.shape, i) for i, w in enumerate(layer.get_weights())])
    return layer


@pytest.mark.parametrize(
    ("channels", "filters", "strides"), [(4, 4, 1), (4, 6, 1), (4, 4, 2), (4, 6, 2)]
)
def test_one_kernel_equals_two_streams_and_a_shortcut(channels, filters, strides):
    """The paper's block: four convolutions and a shortcut; its identity kernel: one."""
    layer = _layer(channels, filters, strides)
    x = _random((2, 7, 8, channels), 9)
    kernel, *projection = layer.get_weights()
    c, f = channels // 2, filters // 2
    r, t = x[..., :c], x[..., c:]
    shortcut = _conv(r, projection[0], strides) if projection else r
    assert bool(projection) == ((channels, strides) != (filters, 1))
    expected_r = (
        _conv(r, kernel[:, :, :c, :f], strides)
        + _conv(t, kernel[:, :, c:, :f], strides)
        + shortcut
    )
    expected_t = _conv(r, kernel[:, :, :c, f:], strides) + _conv(
        t, kernel[:, :, c:, f:], strides
    )
    actual = layer(x).numpy()
    np.testing.assert_allclose(actual[..., :f], expected_r, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(actual[..., f:], expected_t, rtol=1e-4, atol=1e-4)
    augmented = layer.augmented_kernel().numpy()
    np.testing.assert_allclose(actual, _conv(x, augmented, strides), rtol=1e-6)
    difference = augmented - kernel
    assert not difference[:, :, c:].any() and not difference[..., f:].any()
    np.testing.assert_allclose(
        difference[1, 1, :c, :f],
        projection[0][0, 0] if projection else np.eye(c),
        atol=1e-6,
    )


def test_the_special_cases_are_a_plain_and_a_residual_layer():
    layer = _layer(4, 4, 1)
    kernel = layer.get_weights()[0]
    x = _random((1, 5, 5, 4))
    without_r = np.concatenate([np.zeros_like(x[..., :2]), x[..., 2:]], axis=-1)
    without_t = np.concatenate([x[..., :2], np.zeros_like(x[..., 2:])], axis=-1)
    np.testing.assert_allclose(
        layer(without_r)[..., 2:],
        _conv(x[..., 2:], kernel[:, :, 2:, 2:]),
        rtol=1e-4,
        atol=1e-5,
    )
    np.testing.assert_allclose(
        layer(without_t)[..., :2],
        _conv(x[..., :2], kernel[:, :, :2, :2]) + x[..., :2],
        rtol=1e-4,
        atol=1e-5,
    )


def test_l2_and_weight_decay_are_of_the_difference_from_the_identity():
    layer = _layer(4, 4, 1, kernel_regularizer=keras.regularizers.L2(0.5))
    kernel = layer.get_weights()[0]
    augmented = layer.augmented_kernel().numpy()
    identity = np.zeros_like(augmented)
    identity[1, 1, :2, :2] = np.eye(2)
    penalty = 0.5 * np.sum((augmented - identity) ** 2)
    assert float(layer.losses[0]) == pytest.approx(penalty, rel=1e-5)
    # A trainer's decay alone (no gradient: the input is zero) shrinks the difference.
    inputs = keras.Input((5, 5, 4))
    x = keras.layers.GlobalAveragePooling2D()(layers.DualStreamConv2D(4)(inputs))
    network = keras.Model(inputs, x)
    network.set_weights([kernel])
    trainer = trainers.ClassificationTrainer(network, weight_decay=0.1)
    trainer.compile(trainers.make_optimizer("sgd", 1.0, momentum=0.0, nesterov=False))
    labels = np.eye(4, dtype=np.float32)[[0]]
    trainer.train_on_batch(np.zeros((1, 5, 5, 4), np.float32), labels)
    layer = network.layers[1]
    np.testing.assert_allclose(layer.get_weights()[0], 0.9 * kernel, rtol=1e-5)
    np.testing.assert_allclose(
        layer.augmented_kernel() - identity, 0.9 * kernel, rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("filters", [0, 3, 2.0])
def test_bad_filters(filters):
    with pytest.raises(ValueError, match=f"got {filters}"):
        layers.DualStreamConv2D(filters)


def test_bad_kernels_and_channels():
    with pytest.raises(ValueError, match="odd, got 2"):
        layers.DualStreamConv2D(4, 2)
    with pytest.raises(ValueError, match="got 3"):
        layers.DualStreamConv2D(4)(tf.ones([1, 4, 4, 3]))


def test_outer_shortcut_leads_around_two_blocks():
    """At zero kernels a stage of the shape of its input shows both shortcuts."""
    model = applications.ResNetInResNet(
        (3,), (2,), outer_shortcut=True, include_top=False, input_shape=(8, 8, 3)
    )
    for name in ("conv2_block1_conv", "conv2_block2_conv"):
        layer = model.get_layer(name)
        layer.set_weights([np.zeros_like(w) for w in layer.get_weights()])
    start = model.get_layer("conv1_relu").output
    x, y = keras.Model(model.input, [start, model.output])(_random((2, 8, 8, 3)))
    unit = 1 / np.sqrt(1 + 1e-5)  # batch normalisation before any statistics
    np.testing.assert_allclose(
        y[..., :3], x[..., :3] * (1 + unit**2), rtol=1e-5, atol=1e-6
    )
    np.testing.assert_allclose(y[..., 3:], x[..., 3:], rtol=1e-5, atol=1e-6)


def test_outer_shortcut_projects_where_the_shape_changes():
    model = applications.ResNetInResNet(**SMALL, outer_shortcut=True, classes=7)
    projections = [x.name for x in model.layers if x.name.endswith("_0_conv")]
    assert projections == ["conv3_block1_0_conv"]
    plain = applications.ResNetInResNet(**SMALL, classes=7)
    more = model.count_params() - plain.count_params()
    assert more == 6 * 10 + 4 * 10
    assert model(_random((2, 8, 8, 3))).shape == (2, 7)


@pytest.mark.parametrize(
    ("arguments", "quoted"),
    [
        ({"widths": (3, 5, 7)}, r"\(3, 5, 7\)"),
        ({"units": (0, 2)}, r"\(0, 2\)"),
        ({"units": (3, 2), "outer_shortcut": True}, r"\(3, 2\)"),
    ],
)
def test_bad_arguments(arguments, quoted):
    with pytest.raises(ValueError, match=quoted):
        applications.ResNetInResNet(**{**SMALL, **arguments})


def test_a_hundred_classes():
    model = applications.ResNetInResNet18(classes=100)
    assert sum(int(tf.size(w)) for w in model.trainable_weights) == 9_527_720


def test_weights_load_with_other_classes_and_without_the_classifier(tmp_path):
    path = str(tmp_path / "weights.h5")
    model = applications.ResNetInResNet(**SMALL, classes=7)
    applications.save_weights(model, path)
    other = applications.ResNetInResNet(**SMALL, classes=4, weights=path)
    headless = applications.ResNetInResNet(**SMALL, include_top=False, weights=path)
    for copy in (other, headless):
        np.testing.assert_array_equal(
            copy.get_layer("conv3_block2_conv").kernel,
            model.get_layer("conv3_block2_conv").kernel,
        )


def test_probabilities_whatever_the_activation():
    logits = applications.ResNetInResNet(**SMALL, classes=7, classifier_activation=None)
    softmax = applications.ResNetInResNet(**SMALL, classes=7)
    softmax.set_weights(logits.get_weights())
    x = _random((2, 8, 8, 3))
    np.testing.assert_allclose(softmax(x), tf.nn.softmax(logits(x)), rtol=1e-5)


def _numpy(module, name):
    return getattr(module, name).detach().numpy()


def _kernel(module):
    return _numpy(module, "weight").transpose(2, 3, 1, 0)


def _norm(*modules):
    names = ("weight", "bias", "running_mean", "running_var")
    return [np.concatenate([_numpy(m, name) for m in modules]) for name in names]


def _from_pytorchcv(theirs, ours):
    """Four kernels of theirs become one of ours; two normalisations become one."""
    first = theirs.features.init_block
    streams = (first.res_conv, first.trans_conv)
    kernels = [_kernel(stream.conv) for stream in streams]
    ours.get_layer("conv1_conv").set_weights([np.concatenate(kernels, axis=-1)])
    ours.get_layer("conv1_bn").set_weights(_norm(*(s.bn for s in streams)))
    for stage, count in enumerate((4, 6, 6), start=1):
        for i in range(1, count + 1):
            unit = getattr(getattr(theirs.features, f"stage{stage}"), f"unit{i}")
            from_r = [_kernel(unit.res_pass_conv), _kernel(unit.res_cross_conv)]
            from_t = [_kernel(unit.trans_cross_conv), _kernel(unit.trans_pass_conv)]
            rows = [np.concatenate(row, axis=-1) for row in (from_r, from_t)]
            weights = [np.concatenate(rows, axis=-2)]
            if unit.resize_identity:
                weights.append(_kernel(unit.identity_conv))
            name = f"conv{stage + 1}_block{i}"
            ours.get_layer(f"{name}_conv").set_weights(weights)
            norms = (unit.res_postactiv.bn, unit.trans_postactiv.bn)
            ours.get_layer(f"{name}_bn").set_weights(_norm(*norms))
    final = theirs.output.final_conv
    ours.get_layer("predictions").set_weights([_kernel(final.conv)])
    ours.get_layer("bn_predictions").set_weights(_norm(final.bn))


@pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("torch", "pytorchcv"))),
    reason="pytorchcv is not installed: pip install --no-deps pytorchcv",
)
def test_logits_are_those_of_pytorchcv():
    import torch
    from pytorchcv.models.rir_cifar import rir_cifar10

    torch.manual_seed(0)
    theirs = rir_cifar10().eval()
    for module in theirs.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, 0, 0.1)
            torch.nn.init.normal_(module.running_mean, 0, 0.1)
    ours = applications.ResNetInResNet18(classifier_activation=None)
    _from_pytorchcv(theirs, ours)
    images = _random((2, 32, 32, 3), 5)
    with torch.no_grad():
        expected = theirs(torch.from_numpy(images.transpose(0, 3, 1, 2).copy())).numpy()
    actual = ours(images).numpy()
    assert np.abs(actual - expected).max() <= 1e-4 * np.abs(expected).max()
