"""The coarse-to-fine network and its critics against the authors' layers."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from keras_cnns import applications
from keras_cnns.layers import ContextualAttention

# Kernel size, input and output channels of the authors' convolutions, in their order.
DECODER = [
    (3, 128, 128),
    (3, 128, 64),
    (3, 64, 64),
    (3, 64, 32),
    (3, 32, 16),
    (3, 16, 3),
]
COARSE = [
    (5, 5, 32),
    (3, 32, 64),
    (3, 64, 64),
    (3, 64, 128),
    *[(3, 128, 128)] * 7,
    *DECODER,
]
DILATED = [
    (5, 5, 32),
    (3, 32, 32),
    (3, 32, 64),
    (3, 64, 64),
    (3, 64, 128),
    *[(3, 128, 128)] * 5,
]
ATTENTIVE = [
    (5, 5, 32),
    (3, 32, 32),
    (3, 32, 64),
    (3, 64, 128),
    *[(3, 128, 128)] * 4,
]
MERGED = [(3, 256, 128), *DECODER]
GLOBAL = [(5, 3, 64), (5, 64, 128), (5, 128, 256), (5, 256, 256)]
LOCAL = [*GLOBAL[:3], (5, 256, 512)]


def _count(rows):
    return sum(
        size * size * inputs * outputs + outputs for size, inputs, outputs in rows
    )


def _convolutions(model):
    """The same of a network of ours, in the order of building."""
    kernels = [
        x.kernel.shape for x in model.layers if isinstance(x, keras.layers.Conv2D)
    ]
    return [(shape[0], *shape[2:]) for shape in kernels]


def test_convolutions_of_the_authors_code(only_shapes):
    model = applications.ContextualAttentionInpainter()
    rows = COARSE + DILATED + ATTENTIVE + MERGED
    assert sorted(_convolutions(model)) == sorted(rows)
    assert _count(rows) == applications.model_info("contextual_attention").params
    for column, table, dense in (
        ("global", GLOBAL, 16 * 16 * 256),
        ("local", LOCAL, 8 * 8 * 512),
    ):
        name = f"contextual_attention_{column}_discriminator"
        critic = applications.create_model(name)
        assert _convolutions(critic) == table
        assert _count(table) + dense + 1 == applications.model_info(name).params
        leaks = {float(x.alpha) for x in critic.layers if hasattr(x, "alpha")}
        assert leaks == {np.float32(0.2)}


def test_sizes_of_maps(only_shapes):
    """256 pixels go down to 64, are compared at 32, and go up again."""
    model = applications.ContextualAttentionInpainter()
    assert [tuple(x.shape[1:]) for x in model.outputs] == [(256, 256, 3)] * 2
    for name in ("coarse_dilated4", "refined_dilated4", "attentive_conv6", "attention"):
        assert model.get_layer(name).output_shape == (None, 64, 64, 128)
    (attention,) = (x for x in model.layers if isinstance(x, ContextualAttention))
    assert (attention.patch_size, attention.rate, attention.propagation_size) == (
        3,
        2,
        3,
    )
    assert (attention.softmax_factor, attention.masked_scores) == (10, "zero")
    rates = [x.dilation_rate[0] for x in model.layers if hasattr(x, "dilation_rate")]
    assert sorted(rate for rate in rates if rate > 1) == [2, 2, 4, 4, 8, 8, 16, 16]
    activations = [x.activation for x in model.layers if hasattr(x, "activation")]
    assert activations.count(keras.activations.elu) == 16 + 10 + 7 + 6
    assert activations.count(keras.activations.relu) == 1


def _example(size, channels=3, batch=2):
    """Images in [-1, 1] and masks with a hole in each."""
    generator = np.random.default_rng(0)
    images = generator.uniform(-1, 1, (batch, size, size, channels)).astype(np.float32)
    masks = np.ones((batch, size, size, 1), np.float32)
    masks[:, size // 4 : size // 2, size // 4 : size // 2] = 0
    masks[0, : size // 8] = 0
    return images, masks


def _small(size=32, channels=3, **options):
    arguments = {"filters": (4, 6, 8), "dilation_rates": (2, 4), **options}
    shape = (size, size, channels)
    return applications.CoarseToFineNetwork(image_shape=shape, **arguments)


def test_coarse_stage_against_torch():
    """On mirrored maps: Torch has the odd row of padding at the start."""
    torch = pytest.importorskip("torch")
    model = _small(dilation_rates=(2, 4, 8, 16))
    images, masks = _example(32)
    x = np.concatenate([images * masks, np.ones_like(masks), 1 - masks], -1)
    x = torch.from_numpy(x[:, ::-1, ::-1].transpose(0, 3, 1, 2).copy())
    names = [f"coarse_conv{i}" for i in range(1, 7)]
    names += [f"coarse_dilated{i}" for i in range(1, 5)]
    names += [f"coarse_decoder_conv{i}" for i in range(1, 8)]
    for i, name in enumerate(names, start=1):
        if i in (13, 15):
            x = torch.nn.functional.interpolate(x, scale_factor=2, mode="nearest")
        kernel, bias = model.get_layer(name).get_weights()
        kernel = torch.from_numpy(kernel[::-1, ::-1].transpose(3, 2, 0, 1).copy())
        dilation = 2 ** (i - 6) if 6 < i < 11 else 1
        padding = dilation * (kernel.shape[-1] // 2)
        stride = 2 if i in (2, 4) else 1
        bias = torch.from_numpy(bias)
        x = torch.nn.functional.conv2d(x, kernel, bias, stride, padding, dilation)
        x = torch.nn.functional.elu(x) if i < 17 else x.clamp(-1, 1)
    expected = x.numpy().transpose(0, 2, 3, 1)[:, ::-1, ::-1]
    _, coarse = model([images, masks])
    np.testing.assert_allclose(coarse, expected, atol=1e-5)
    pasted = keras.Model(model.inputs, model.get_layer("pasted").output)
    composite = np.where(masks == 1, images, expected)
    np.testing.assert_allclose(pasted([images, masks]), composite, atol=1e-5)


@pytest.fixture(scope="module")
def small():
    """A network that no test changes."""
    return _small()


def test_what_is_under_the_hole_has_no_effect(small):
    images, masks = _example(32)
    other = np.where(masks == 1, images, np.float32(np.nan))
    for one, changed in zip(small([images, masks]), small([other, masks])):
        np.testing.assert_array_equal(one, changed)
        assert np.isfinite(one).all()


def test_outputs_stay_in_range_and_every_weight_gets_a_gradient():
    model = _small()
    images, masks = _example(32)
    with tf.GradientTape() as tape:
        loss = sum(tf.reduce_sum(x**2) for x in model([images, masks]))
    gradients = tape.gradient(loss, model.trainable_weights)
    for weight, gradient in zip(model.trainable_weights, gradients):
        assert gradient is not None and np.isfinite(gradient).all(), weight.name
    for layer in ("coarse_decoder_conv7", "refined_decoder_conv7"):
        kernel, bias = model.get_layer(layer).get_weights()
        model.get_layer(layer).set_weights([100 * kernel, bias])
    for output in model([images, masks]):
        assert output.numpy().min() == -1 and output.numpy().max() == 1


@pytest.mark.parametrize(
    ("size", "channels", "options"),
    [
        (64, 3, {}),
        (28, 1, {"attention_rate": 1}),
        (16, 1, {"masked_scores": "excluded"}),
    ],
)
def test_small_images(size, channels, options):
    images, masks = _example(size, channels)
    model = _small(None, channels, mask_sampling="minimum", **options)
    for output in model([images, masks]):
        assert output.shape == images.shape and np.isfinite(output).all()
    shape = (size // 2, size // 2, channels)
    critic = applications.create_model(
        "contextual_attention_local_discriminator", image_shape=shape, filters=(4, 6)
    )
    assert critic(images[:, : size // 2, : size // 2]).shape == (2, 1)


@pytest.mark.parametrize("known", [0.0, 1.0])
def test_all_hole_and_no_hole(small, known):
    images, masks = _example(32)
    for output in small([images, np.full_like(masks, known)]):
        assert np.isfinite(output).all()


@pytest.mark.slow
def test_mixed_precision_xla_and_config():
    keras.mixed_precision.set_global_policy("mixed_float16")
    model = _small(16, dilation_rates=(2,))
    inputs = _example(16)
    outputs = model(inputs, training=True)
    copy = keras.Model.from_config(model.get_config())
    copy.set_weights(model.get_weights())
    compiled = tf.function(model, jit_compile=True)(inputs)
    for one, again, other in zip(outputs, copy(inputs), compiled):
        assert one.dtype == tf.float32 and np.isfinite(one).all()
        np.testing.assert_array_equal(again, one)
        np.testing.assert_allclose(other, one, atol=5e-3)
