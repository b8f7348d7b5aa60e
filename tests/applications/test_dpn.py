"""Dual path networks: the paper's equations, and the options of the builder."""

import importlib.util

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from keras_cnns import applications, data

SMALL = {
    "units": (2, 2),
    "increments": (3, 2),
    "filters": 8,
    "groups": 4,
    "width": 6,
    "initial_filters": 5,
    "stem": "small",
    "include_top": False,
    "input_shape": (8, 8, 3),
}


def _randomized(model, seed=0):
    """Random normalisation, so that nothing cancels by chance."""
    generator = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            gamma, beta, mean, variance = (w.shape for w in layer.get_weights())
            layer.set_weights(
                [
                    generator.uniform(0.5, 1.5, gamma),
                    generator.normal(0, 0.5, beta),
                    generator.normal(0, 0.5, mean),
                    generator.uniform(0.5, 1.5, variance),
                ]
            )
    return model


def _outputs(model, names, size=8):
    """One random image and the outputs of layers for it."""
    images = tf.random.stateless_normal([2, size, size, 3], seed=[5, 6])
    maps = [model.get_layer(name).output for name in names]
    return dict(zip(names, keras.Model(model.input, maps)(images)))


def _norm_relu(x, layer, part=slice(None)):
    """Normalisation of some channels and ReLU, by the formula."""
    gamma, beta, mean, variance = (w[part] for w in layer.get_weights())
    scale = gamma / np.sqrt(variance + layer.epsilon)
    return tf.nn.relu((x - mean) * scale + beta)


def _conv(x, kernel):
    return tf.nn.conv2d(x, kernel, 1, "SAME")


def _assert_close(actual, expected):
    scale = np.abs(expected).max()
    np.testing.assert_allclose(actual, expected, atol=1e-5 * scale)


# Section 3.1 of the paper, equation 1: h^k = g^k[sum over t < k of f_t^k(h^t)]. In a
# dense block with bottlenecks, f_t^k is normalisation, ReLU and the rows of the 1x1
# kernel that belong to the channels of h^t; g^k is normalisation, ReLU and 3x3.
STEPS = 4


def _dense_block():
    model = applications.DenseNet(
        (STEPS,), 4, 6, stem="small", include_top=False, input_shape=(8, 8, 3)
    )
    return _randomized(model)


def _channels(t):
    """Where h^t stands in the concatenation of all states."""
    return slice(0, 6) if t == 0 else slice(6 + 4 * (t - 1), 6 + 4 * t)


def _states(model):
    """h^0, ..., h^k and the sums that g^k works on, from the network's own layers."""
    blocks = [f"conv2_block{k}" for k in range(1, STEPS + 1)]
    names = [
        "conv1/conv",
        *(f"{b}_2_conv" for b in blocks),
        *(f"{b}_1_conv" for b in blocks),
    ]
    maps = list(_outputs(model, names).values())
    return maps[: STEPS + 1], maps[STEPS + 1 :]


def _f(model, k, t, state):
    part = _channels(t)
    x = _norm_relu(state, model.get_layer(f"conv2_block{k}_0_bn"), part)
    return _conv(x, model.get_layer(f"conv2_block{k}_1_conv").kernel[:, :, part])


def _g(model, k, x):
    x = _norm_relu(x, model.get_layer(f"conv2_block{k}_1_bn"))
    return _conv(x, model.get_layer(f"conv2_block{k}_2_conv").kernel)


def test_a_dense_block_is_a_higher_order_recurrence_without_sharing():
    model = _dense_block()
    states, _ = _states(model)
    own = states[:1]
    for k in range(1, STEPS + 1):
        own.append(_g(model, k, sum(_f(model, k, t, own[t]) for t in range(k))))
        _assert_close(own[k], states[k])


def test_with_shared_extraction_the_dense_block_is_a_residual_network():
    """f_t^k = f_t for all k: the sum grows by one residual per step (equation 3)."""
    model = _dense_block()
    last_bn = model.get_layer(f"conv2_block{STEPS}_0_bn").get_weights()
    last_kernel = model.get_layer(f"conv2_block{STEPS}_1_conv").kernel.numpy()
    for k in range(1, STEPS):
        norm = model.get_layer(f"conv2_block{k}_0_bn")
        seen = norm.weights[0].shape[0]
        norm.set_weights([w[:seen] for w in last_bn])
        model.get_layer(f"conv2_block{k}_1_conv").set_weights(
            [last_kernel[:, :, :seen]]
        )
    states, sums = _states(model)
    residual = _f(model, STEPS, 0, states[0])
    for k in range(1, STEPS + 1):
        _assert_close(residual, sums[k - 1])
        # A bottleneck of a pre-activation ResNet: 3x3 and 1x1 of the sum, added to it.
        if k < STEPS:
            residual += _f(model, STEPS, k, _g(model, k, residual))


@pytest.mark.parametrize("separate_outputs", [False, True])
def test_a_dual_path_block_is_a_residual_and_a_dense_block(separate_outputs):
    """Equations 5 to 8, computed path by path from the built block's weights."""
    model = _randomized(applications.DPN(**SMALL, separate_outputs=separate_outputs))
    x, actual = _outputs(model, ["conv2_block1_out", "conv2_block2_out"]).values()
    width = SMALL["width"]
    residual, dense = x[..., :width], x[..., width:]

    def layer(name):
        return model.get_layer(f"conv2_block2_{name}")

    # The 1x1 convolution of both paths is the sum of one of each (r = x + y).
    kernel = layer("1_conv").kernel
    h = sum(
        _conv(_norm_relu(path, layer("1_bn"), part), kernel[:, :, part])
        for path, part in ((residual, slice(width)), (dense, slice(width, None)))
    )
    h = _norm_relu(h, layer("2_bn"))
    grouped = layer("2_conv").kernel.numpy()
    h = tf.concat(
        [_conv(h[..., 2 * g : 2 * g + 2], grouped[..., 2 * g : 2 * g + 2])
         for g in range(4)],
        axis=-1,
    )  # fmt: skip
    h = _norm_relu(h, layer("3_bn"))
    if separate_outputs:
        to_residual = layer("3_residual_conv").kernel
        to_dense = layer("3_dense_conv").kernel
    else:
        kernel = layer("3_conv").kernel
        to_residual, to_dense = kernel[..., :width], kernel[..., width:]
    residual_block = residual + _conv(h, to_residual)
    dense_block = tf.concat([dense, _conv(h, to_dense)], axis=-1)
    _assert_close(actual, tf.concat([residual_block, dense_block], axis=-1))


def test_widths_of_the_stages():
    """Stage output = width + (units + 2) * increment; here 6 and 12 wide."""
    model = applications.DPN(**SMALL)
    assert model.get_layer("conv2_block2_out").output_shape[1:] == (8, 8, 6 + 4 * 3)
    assert model.output_shape[1:] == (4, 4, 12 + 4 * 2)


def test_mean_max_pooling_against_numpy():
    arguments = {**SMALL, "include_top": True, "classes": 5, "input_shape": (18, 18, 3)}
    plain = _randomized(applications.DPN(**arguments))
    model = applications.DPN(**arguments, mean_max_pooling=True)
    model.set_weights(plain.get_weights())
    images = tf.random.stateless_normal([2, 18, 18, 3], seed=[5, 6])
    maps = keras.Model(plain.input, plain.get_layer("relu").output)(images).numpy()
    kernel, bias = plain.get_layer("predictions").get_weights()
    logits = [
        maps[:, i : i + 7, j : j + 7].mean(axis=(1, 2)) @ kernel + bias
        for i in range(3)
        for j in range(3)
    ]
    score = (np.mean(logits, axis=0) + np.max(logits, axis=0)) / 2
    np.testing.assert_allclose(model(images), tf.nn.softmax(score), atol=1e-5)
    with pytest.raises(ValueError, match="at least 7x7, got 4x4"):
        applications.DPN(
            **{**arguments, "input_shape": (8, 8, 3)}, mean_max_pooling=True
        )


@pytest.mark.slow
@pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("torch", "timm", "safetensors"))),
    reason="timm is not installed: pip install 'keras-cnns[reference]'",
)
def test_mean_max_pooling_against_timm(tmp_path):
    import safetensors.torch
    import timm
    import torch
    from timm.layers import TestTimePoolHead

    torch.manual_seed(0)
    theirs = timm.create_model("dpn68").eval()
    path = str(tmp_path / "model.safetensors")
    safetensors.torch.save_file(theirs.state_dict(), path)
    theirs = TestTimePoolHead(theirs, original_pool=7)
    ours = applications.DPN68(
        weights=path,
        input_shape=(320, 320, 3),
        classifier_activation=None,
        mean_max_pooling=True,
    )
    images = np.random.default_rng(0).normal(size=(1, 320, 320, 3)).astype(np.float32)
    with torch.no_grad():
        expected = theirs(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()))
    _assert_close(ours(images), expected.numpy())


def test_inputs_are_standardized_as_the_authors_do():
    pixels = np.random.default_rng(0).uniform(0, 255, (4, 4, 3)).astype(np.float32)
    convention = data.CONVENTIONS[applications.model_info("dpn92").preprocessing]
    ours = data.Preprocessing(4, 4, 3, **convention).standardize(pixels)
    np.testing.assert_allclose(ours, (pixels - [124, 117, 104]) * 0.0167, atol=1e-5)


def test_public_weights_say_what_input_they_want():
    weights = applications.model_info("dpn68b").weights
    assert set(weights) == {"imagenet", "mx_in1k", "ra_in1k"}
    assert weights["ra_in1k"].preprocessing == "torch"
    assert weights["mx_in1k"].preprocessing == ""
    assert "dpn68b.mx_in1k" in weights["imagenet"].url


@pytest.mark.parametrize(
    ("arguments", "quoted"),
    [
        ({"units": ()}, r"units.*\(\)"),
        ({"increments": (3,)}, r"increments.*\(2\).*\(3,\)"),
        ({"filters": 0}, "filters.*0"),
        ({"groups": 3}, "groups=3.*filters=8"),
        ({"groups": 2.0}, "groups.*2.0"),
        ({"initial_size": 2}, "initial_size.*2"),
        ({"stem": "none"}, "stem.*none"),
    ],
)
def test_bad_arguments_are_quoted(arguments, quoted):
    with pytest.raises(ValueError, match=quoted):
        applications.DPN(**{**SMALL, **arguments})
