"""Stochastic depth: survival rates, gates open and shut, inference, randomness."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from keras_cnns import applications
from keras_cnns.applications.classification import _residual
from keras_cnns.runs import checkpoints

SMALL = {"units": (2, 2), "block": "basic", "filters": 4, "stem": "small"}


def _net(final_survival_rate, drop_path="batch", **kwargs):
    """A small net of maps, its normalisation far from the identity."""
    arguments = {**SMALL, "shortcut": "average_pool", **kwargs}
    model = applications.ResNet(
        **arguments,
        include_top=False,
        input_shape=(8, 8, 3),
        final_survival_rate=final_survival_rate,
        drop_path=drop_path,
    )
    random = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            size = layer.gamma.shape
            low = [random.uniform(0.5, 1.5, size) for _ in range(2)]
            shift = [random.normal(0, 0.3, size) for _ in range(2)]
            layer.set_weights([low[0], shift[0], shift[1], low[1]])
    return model


def _taps(model, block):
    """The block's branch, shortcut and output as functions of the images."""
    joined = model.get_layer(f"{block}_add")
    shortcut, gated = joined.input
    branch = model.get_layer(f"{block}_2_bn").output
    output = model.get_layer(f"{block}_out").output
    return keras.Model(model.input, [branch, shortcut, gated, output])


def _images(batch, seed=0):
    return tf.random.stateless_normal([batch, 8, 8, 3], seed=[seed, 1])


def test_survival_rates_fall_linearly():
    rates = _residual.survival_rates(54, 0.5)
    assert len(rates) == 54
    assert rates[0] == pytest.approx(0.9907, abs=5e-5) and rates[-1] == 0.5
    np.testing.assert_allclose(np.diff(rates), rates[1] - rates[0])
    # The paper's expected depth: (3L - 1) / 4 blocks, 40 of 54.
    assert sum(rates) == pytest.approx((3 * 54 - 1) / 4)


def test_the_nets_gates_have_these_rates(only_shapes):
    model = applications.StochasticDepthResNet(20)
    gates = [x for x in model.layers if x.name.endswith("_gate")]
    survival = [x for x in model.layers if x.name.endswith("_survival")]
    expected = [1 - block / 9 * 0.5 for block in range(1, 10)]
    np.testing.assert_allclose([1 - gate.rate for gate in gates], expected)
    np.testing.assert_allclose([x.scale for x in survival], expected)


@pytest.mark.parametrize("block", ["conv2_block1", "conv3_block1", "conv3_block2"])
def test_inference_scales_the_branch_by_its_rate(block):
    model = _net(0.4)
    rate = {"conv2_block1": 0.85, "conv3_block1": 0.55, "conv3_block2": 0.4}[block]
    branch, shortcut, _, output = _taps(model, block)(_images(3))
    expected = np.maximum(np.float32(rate) * branch.numpy() + shortcut.numpy(), 0)
    np.testing.assert_array_equal(output, expected)


def test_per_sample_inference_is_that_of_the_plain_net():
    plain, dropped = _net(1.0), _net(0.4, "sample")
    dropped.set_weights(plain.get_weights())
    np.testing.assert_array_equal(dropped(_images(3)), plain(_images(3)))


@pytest.mark.parametrize("block", ["conv2_block2", "conv3_block1"])
@pytest.mark.parametrize("drop_path", ["batch", "sample"])
def test_open_is_the_plain_block_and_shut_the_shortcut(drop_path, block):
    """In training, as the outputs show; every draw is one or the other."""
    rate = {"conv2_block2": 0.75, "conv3_block1": 0.625}[block]
    taps = _taps(_net(0.5, drop_path), block)
    kinds = set()
    for _ in range(30):
        outputs = taps(_images(4), training=True)
        branch, shortcut, _, output = (x.numpy() for x in outputs)
        scale = 1 if drop_path == "batch" else 1 / rate
        opened = np.maximum(scale * branch + shortcut, 0)
        shut = np.maximum(shortcut, 0)
        is_open = [np.allclose(o, e, atol=1e-5) for o, e in zip(output, opened)]
        is_shut = [np.allclose(o, e, atol=1e-5) for o, e in zip(output, shut)]
        assert all(a != b for a, b in zip(is_open, is_shut))
        kinds.add(tuple(is_open))
    if drop_path == "batch":  # one gate for all images
        assert kinds == {(True,) * 4, (False,) * 4}
    else:
        assert len(kinds) > 2


def test_the_fraction_of_open_gates_is_the_rate():
    """Within four deviations of the binomial distribution."""
    model = _net(0.5)
    gates = [x.output for x in model.layers if x.name.endswith("_gate")]
    step = tf.function(keras.Model(model.input, gates))
    images, draws = _images(2), 400
    opened = np.zeros(len(gates))
    for _ in range(draws):
        opened += [np.any(gate) for gate in step(images, training=True)]
    for count, rate in zip(opened, (0.875, 0.75, 0.625, 0.5)):
        assert abs(count / draws - rate) < 4 * np.sqrt(rate * (1 - rate) / draws)


def test_a_shut_block_passes_gradients_only_around():
    model = _net(0.5)
    taps = _taps(model, "conv3_block2")
    kernel = model.get_layer("conv3_block2_2_conv").kernel
    for _ in range(20):
        with tf.GradientTape() as tape:
            _, _, gated, output = taps(_images(2), training=True)
            loss = tf.reduce_sum(output**2)
        gradient = tape.gradient(loss, kernel)
        assert bool(tf.reduce_any(gradient != 0)) == bool(tf.reduce_any(gated != 0))


def test_average_pool_shortcut_against_numpy():
    model = _net(1.0)
    before = model.get_layer("conv2_block2_out").output
    after = model.get_layer("conv3_block1_0_pad").output
    x, y = (v.numpy() for v in keras.Model(model.input, [before, after])(_images(2)))
    means = x.reshape(2, 4, 2, 4, 2, 4).mean(axis=(2, 4))
    np.testing.assert_allclose(y[..., :4], means, rtol=1e-6)
    np.testing.assert_array_equal(y[..., 4:], 0)


def test_checkpoints_hold_every_gate():
    keras.backend.experimental.enable_tf_random_generator()
    model = _net(0.5)
    assert len(checkpoints._random_generators([model])) == 4


def test_is_an_option_of_every_resnet(only_shapes):
    model = applications.ResNet18(include_top=False, final_survival_rate=0.8)
    gates = [x for x in model.layers if x.name.endswith("_gate")]
    np.testing.assert_allclose([x.rate for x in gates], 0.2 * np.arange(1, 9) / 8)
    plain = applications.ResNet18(include_top=False)
    assert not [x for x in plain.layers if x.name.endswith("_gate")]
    assert model.count_params() == plain.count_params()


@pytest.mark.parametrize("drop_path", ["batch", "sample"])
def test_trains_compiled_by_xla(drop_path):
    model = _net(0.5, drop_path)
    step = tf.function(lambda x: model(x, training=True), jit_compile=True)
    outputs = {float(tf.reduce_sum(step(_images(4)))) for _ in range(12)}
    assert len(outputs) > 3


@pytest.mark.parametrize(
    ("arguments", "quoted"),
    [
        ({"final_survival_rate": 0.0}, "0.0"),
        ({"final_survival_rate": 1.5}, "1.5"),
        ({"final_survival_rate": 0.5, "drop_path": "layer"}, "layer"),
        ({"drop_path": "sample"}, "no effect"),
    ],
)
def test_bad_options(arguments, quoted):
    with pytest.raises(ValueError, match=quoted):
        applications.ResNet(**SMALL, **arguments)


@pytest.mark.parametrize("depth", [2, 21, 20.0, True])
def test_bad_depths(depth):
    with pytest.raises(ValueError, match=f"got {depth}"):
        applications.StochasticDepthResNet(depth)
