"""ShuffleNet v1: widths, the way of information between groups, pytorchcv's nets."""

import importlib.util

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from keras_cnns import applications


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
