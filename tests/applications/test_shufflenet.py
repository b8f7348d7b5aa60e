"""ShuffleNet v1: widths, the way of information between groups, pytorchcv's nets."""

import importlib.util

import numpy as np
import pytest
import safetensors.numpy
import tensorflow as tf
from tensorflow import keras

from keras_cnns import applications
from keras_cnns.applications.classification import _shufflenet_files


# Parameters and multiply-adds as counted on pytorchcv's nets.
@pytest.mark.parametrize(
    ("name", "multiplier", "params", "macs"),
    [
        ("shufflenet_g3", 0.75, 1_238_266, 79_740_144),
        ("shufflenet_g3", 0.5, 718_324, 37_589_856),
        ("shufflenet_g1", 0.25, 209_746, 11_003_184),
    ],
)
def test_width_multiplier(name, multiplier, params, macs, only_shapes):
    model = applications.create_model(name, width_multiplier=multiplier)
    trainable = sum(int(np.prod(w.shape)) for w in model.trainable_weights)
    assert trainable == params
    assert applications.count_macs(model) == macs


def test_shuffling_carries_every_group_to_every_other():
    """Figure 1 of the paper: after a unit an output sees the inputs of all groups."""
    model = applications.ShuffleNet(
        (2,), 64, 4, 8, "small", include_top=False, input_shape=(8, 8, 3)
    )
    norm = model.get_layer("stage2_unit2_1_bn")
    norm.beta.assign(10 + norm.beta)  # so that no ReLU is shut
    start = model.get_layer("stage2_unit1_out").output

    def groups_seen(end):
        """Input groups that the first output channel depends on."""
        part = keras.Model(start, model.get_layer(end).output)
        x = tf.random.stateless_uniform([4, *start.shape[1:]], seed=[1, 2])
        with tf.GradientTape() as tape:
            tape.watch(x)
            first = tf.reduce_sum(part(x)[..., 0])
        per_channel = np.abs(tape.gradient(first, x)).sum(axis=(0, 1, 2))
        return set(np.flatnonzero(per_channel) // (64 // 4))

    assert groups_seen("stage2_unit2_1_conv") == {0}
    assert groups_seen("stage2_unit2_3_conv") == {0, 1, 2, 3}


def test_a_strided_unit_appends_its_pooled_input():
    model = applications.ShuffleNet(
        (1,), 24, 3, 6, "small", include_top=False, input_shape=(7, 7, 3)
    )
    images = tf.random.stateless_normal([2, 7, 7, 3], seed=[1, 2])
    maps = [model.get_layer("conv1_relu").output, model.output]
    before, after = (m.numpy() for m in keras.Model(model.input, maps)(images))
    padded = np.pad(before, [(0, 0), (1, 1), (1, 1), (0, 0)])
    for i in range(4):
        for j in range(4):
            window = padded[:, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3]
            np.testing.assert_allclose(
                after[:, i, j, -6:], window.mean(axis=(1, 2)), atol=1e-5
            )


@pytest.mark.skipif(
    importlib.util.find_spec("torch") is None
    or importlib.util.find_spec("pytorchcv") is None,
    reason="pytorchcv is not installed: pip install torch pytorchcv",
)
@pytest.mark.parametrize(
    ("name", "theirs", "multiplier"),
    [
        ("shufflenet_g1", "g1_w1", 1.0),
        ("shufflenet_g2", "g2_w1", 1.0),
        ("shufflenet_g3", "g3_w1", 1.0),
        ("shufflenet_g4", "g4_w1", 1.0),
        ("shufflenet_g8", "g8_w1", 1.0),
        ("shufflenet_g3", "g3_wd2", 0.5),
    ],
)
def test_against_pytorchcv(name, theirs, multiplier, tmp_path):
    import torch
    from pytorchcv.models import shufflenet

    torch.manual_seed(0)
    reference = getattr(shufflenet, f"shufflenet_{theirs}")().eval()
    for module in reference.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, 0, 0.1)
            torch.nn.init.normal_(module.running_mean, 0, 0.1)
    path = str(tmp_path / "model.pth")
    torch.save(reference.state_dict(), path)
    ours = applications.create_model(
        name, weights=path, classifier_activation=None, width_multiplier=multiplier
    )
    images = np.random.default_rng(0).normal(size=(1, 224, 224, 3)).astype(np.float32)
    with torch.no_grad():
        expected = reference(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()))
    scale = np.abs(expected.numpy()).max()
    np.testing.assert_allclose(ours(images), expected, atol=1e-4 * scale)


class _Authors:
    """The authors' network with random weights: their modules, as TensorFlow's.

    ``tensors`` is its state dict; images are BGR.
    """

    def __init__(self, units, filters, groups, first, classes):
        self._units, self._groups = units, groups
        self._random, self.tensors = np.random.default_rng(0), {}
        self._add_convolution("first_conv.0", first, 3, 3)
        self._add_norm("first_conv.1", first)
        channels, number = first, 0
        for stage, length in enumerate(units):
            out = filters * 2**stage
            for unit in range(length):
                name, middle = f"features.{number}.branch_main_", out // 4
                grouped = channels // (1 if number == 0 else groups)
                last = out if unit else out - channels
                self._add_convolution(f"{name}1.0", middle, grouped, 1)
                self._add_norm(f"{name}1.1", middle)
                self._add_convolution(f"{name}1.3", middle, 1, 3)
                self._add_norm(f"{name}1.4", middle)
                self._add_convolution(f"{name}2.0", last, middle // groups, 1)
                self._add_norm(f"{name}2.1", last)
                channels, number = out, number + 1
        self.tensors["classifier.0.weight"] = self._normal(classes, channels)

    def _normal(self, *shape):
        return self._random.normal(size=shape).astype(np.float32)

    def _add_convolution(self, name, filters, inputs, size):
        self.tensors[f"{name}.weight"] = self._normal(filters, inputs, size, size)

    def _add_norm(self, name, channels):
        for part in ("weight", "running_var"):
            values = self._random.uniform(0.5, 1.5, channels).astype(np.float32)
            self.tensors[f"{name}.{part}"] = values
        for part in ("bias", "running_mean"):
            self.tensors[f"{name}.{part}"] = self._normal(channels)

    def _convolve(self, x, name, groups, strides=1):
        kernel = tf.transpose(self.tensors[f"{name}.weight"], [2, 3, 1, 0])
        around = kernel.shape[0] // 2
        x = tf.pad(x, [(0, 0), (around, around), (around, around), (0, 0)])
        parts = zip(tf.split(x, groups, -1), tf.split(kernel, groups, -1))
        found = [tf.nn.conv2d(given, part, strides, "VALID") for given, part in parts]
        return tf.concat(found, -1)

    def _norm(self, x, name):
        names = ("running_mean", "running_var", "bias", "weight")
        values = [self.tensors[f"{name}.{part}"] for part in names]
        return tf.nn.batch_normalization(x, *values, 1e-5)

    def _unit(self, x, name, groups, strides):
        old, middle = x, len(self.tensors[f"{name}1.1.weight"])
        x = tf.nn.relu(
            self._norm(self._convolve(x, f"{name}1.0", groups), f"{name}1.1")
        )
        x = self._norm(self._convolve(x, f"{name}1.3", middle, strides), f"{name}1.4")
        split = [*x.shape[:3], middle // self._groups, self._groups]
        x = tf.reshape(tf.transpose(tf.reshape(x, split), [0, 1, 2, 4, 3]), x.shape)
        x = self._norm(self._convolve(x, f"{name}2.0", self._groups), f"{name}2.1")
        if strides == 1:
            return tf.nn.relu(x + old)
        old = tf.pad(old, [(0, 0), (1, 1), (1, 1), (0, 0)])
        return tf.concat([tf.nn.avg_pool2d(old, 3, 2, "VALID"), tf.nn.relu(x)], -1)

    def __call__(self, images):
        x = self._convolve(images, "first_conv.0", 1, 2)
        x = tf.nn.relu(self._norm(x, "first_conv.1"))
        x = tf.nn.max_pool2d(tf.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)]), 3, 2, "VALID")
        number = 0
        for length in self._units:
            for unit in range(length):
                groups = self._groups if number else 1
                name = f"features.{number}.branch_main_"
                x = self._unit(x, name, groups, 1 if unit else 2)
                number += 1
        weights = self.tensors["classifier.0.weight"]
        return tf.reduce_mean(x, (1, 2)) @ weights.T


# Of 3 groups with 30 and 60, and of 2 with 12 and 24 channels between convolutions.
@pytest.mark.parametrize(("groups", "filters"), [(3, 120), (2, 48)])
def test_files_of_the_authors_are_read(groups, filters, tmp_path):
    """Their network, of BGR images, gives what ours gives of RGB ones."""
    theirs = _Authors((2, 3), filters, groups, 12, 5)
    path = str(tmp_path / "model.safetensors")
    safetensors.numpy.save_file(theirs.tensors, path)
    ours = applications.ShuffleNet(
        (2, 3), filters, groups, 12, weights=path, input_shape=(32, 32, 3), classes=5,
        classifier_activation=None,
    )  # fmt: skip
    images = np.random.default_rng(1).normal(size=(2, 32, 32, 3)).astype(np.float32)
    expected = theirs(images[..., ::-1]).numpy()
    scale = np.abs(expected).max()
    np.testing.assert_allclose(ours(images), expected, atol=1e-5 * scale)


@pytest.mark.parametrize(
    ("groups", "filters"), [(3, 120), (3, 240), (3, 360), (3, 480), (8, 768)]
)
def test_channels_can_be_reordered_at_widths_of_the_authors(groups, filters):
    """Within the groups of the first convolution, at all stages."""
    for stage in range(3):
        channels = filters * 2**stage // 4
        order = _shufflenet_files._channel_order(channels, groups)
        assert sorted(order) == list(range(channels))
        size = channels // groups
        assert list(order // size) == [i // size for i in range(channels)]


def test_widths_whose_channels_cannot_be_reordered_are_refused():
    with pytest.raises(ValueError, match="no order of 96 channels .* 8 groups"):
        _shufflenet_files._channel_order(96, 8)


@pytest.mark.parametrize(
    ("arguments", "quoted"),
    [
        ({"units": (0,)}, r"units.*\(0,\)"),
        ({"groups": 0}, "groups.*0"),
        ({"filters": 50}, "filters=50.*groups=3"),
        ({"initial_filters": 23}, "initial_filters=23.*groups=3"),
        ({"width_multiplier": 0}, "width_multiplier.*0"),
        ({"width_multiplier": 0.01}, "width_multiplier=0.01"),
        ({"stem": "none"}, "stem.*none"),
    ],
)
def test_bad_arguments_are_quoted(arguments, quoted):
    with pytest.raises(ValueError, match=quoted):
        applications.ShuffleNet(**arguments)


def test_widths_that_do_not_fill_the_groups_are_refused():
    with pytest.raises(ValueError, match="width_multiplier=0.5.*groups=8"):
        applications.ShuffleNetG8(width_multiplier=0.5)
