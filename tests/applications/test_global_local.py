"""Global&Local against its published tables, with Torch's layers as the reference."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from keras_cnns import applications

# Kind, input and output channels, kernel size, stride, dilation of each layer.
COMPLETION = [
    ("conv", 4, 64, 5, 1, 1),
    ("conv", 64, 128, 3, 2, 1),
    ("conv", 128, 128, 3, 1, 1),
    ("conv", 128, 256, 3, 2, 1),
    ("conv", 256, 256, 3, 1, 1),
    ("conv", 256, 256, 3, 1, 1),
    ("conv", 256, 256, 3, 1, 2),
    ("conv", 256, 256, 3, 1, 4),
    ("conv", 256, 256, 3, 1, 8),
    ("conv", 256, 256, 3, 1, 16),
    ("conv", 256, 256, 3, 1, 1),
    ("conv", 256, 256, 3, 1, 1),
    ("deconv", 256, 128, 4, 2, 1),
    ("conv", 128, 128, 3, 1, 1),
    ("deconv", 128, 64, 4, 2, 1),
    ("conv", 64, 32, 3, 1, 1),
    ("conv", 32, 3, 3, 1, 1),
]
LOCAL = (3, 64, 128, 256, 512, 512)
GLOBAL = (*LOCAL, 512)


def _reference_layers(torch, rows):
    """Modules without weights, to count parameters."""
    modules = []
    for kind, inputs, outputs, size, stride, dilation in rows:
        options = {"stride": stride, "dilation": dilation, "device": "meta"}
        module = torch.nn.Conv2d if kind == "conv" else torch.nn.ConvTranspose2d
        modules.append(module(inputs, outputs, size, **options))
        modules.append(torch.nn.BatchNorm2d(outputs, device="meta"))
    return modules


def _parameters(modules):
    return sum(p.numel() for module in modules for p in module.parameters())


def test_parameters_of_the_published_tables():
    torch = pytest.importorskip("torch")
    completion = _reference_layers(torch, COMPLETION)[:-1]  # the last has no norm
    assert sum(_parameters([x]) for x in completion[::2]) == 6_066_179  # "6.07 M"
    assert _parameters(completion) == applications.model_info("global_local").params
    modules = [torch.nn.Linear(2048, 1, device="meta")]
    for widths in (GLOBAL, LOCAL):
        rows = [("conv", i, o, 5, 2, 1) for i, o in zip(widths, widths[1:])]
        modules += _reference_layers(torch, rows)
        modules.append(torch.nn.Linear(512 * 4 * 4, 1024, device="meta"))
    info = applications.model_info("global_local_discriminator")
    assert _parameters(modules) == info.params


def _mirrored(torch, layer, x, stride, dilation=1):
    """Torch's layer on a mirrored map: it has the odd row of padding at the start."""
    kernel = torch.from_numpy(layer.kernel.numpy()[::-1, ::-1].copy())
    bias = torch.from_numpy(layer.bias.numpy())
    kernel = kernel.permute(3, 2, 0, 1)
    if isinstance(layer, keras.layers.Conv2DTranspose):
        return torch.nn.functional.conv_transpose2d(x, kernel, bias, stride, 1)
    padding = dilation * (kernel.shape[-1] // 2)
    return torch.nn.functional.conv2d(x, kernel, bias, stride, padding, dilation)


def _flipped(torch, x):
    """To Torch's order of axes or from it, mirrored."""
    if isinstance(x, np.ndarray):
        return torch.from_numpy(x[:, ::-1, ::-1].transpose(0, 3, 1, 2).copy())
    return x.numpy().transpose(0, 2, 3, 1)[:, ::-1, ::-1]


def _example(shape, seed=0):
    """Images in [0, 1] and masks with a hole in each."""
    images = np.random.default_rng(seed).random(shape).astype(np.float32)
    masks = np.ones((*shape[:3], 1), np.float32)
    masks[:, 3:9, 4:10] = 0
    masks[0, -2:] = 0
    return images, masks


def _normalised_relu(torch, x):
    return torch.relu(x / np.sqrt(1 + 1e-5))  # fresh statistics: mean 0, variance 1


def _spread(model):
    """Larger kernels and some biases, so that outputs are far apart."""
    generator = np.random.default_rng(1)
    for layer in model.layers:
        if hasattr(layer, "kernel"):
            kernel, bias = layer.get_weights()
            biases = generator.normal(0, 0.2, bias.shape)
            layer.set_weights([1.5 * kernel, biases])


def test_completion_against_torch():
    torch = pytest.importorskip("torch")
    filters, rates = (8, 10, 12), (2, 4, 8, 16)
    model = applications.CompletionNetwork((None, None, 3), filters, rates, (0.2, 0, 1))
    _spread(model)
    images, masks = _example((2, 16, 20, 3))
    colour = np.array([0.2, 0, 1], np.float32)
    filled = np.concatenate([np.where(masks == 1, images, colour), 1 - masks], -1)
    x = _flipped(torch, filled)
    for i, (_, _, _, _, stride, dilation) in enumerate(COMPLETION, start=1):
        x = _mirrored(torch, model.get_layer(f"conv{i}"), x, stride, dilation)
        x = _normalised_relu(torch, x) if i < len(COMPLETION) else torch.sigmoid(x)
    assert x.std() > 0.05
    np.testing.assert_allclose(model([images, masks]), _flipped(torch, x), atol=1e-5)


def test_discriminator_against_torch():
    torch = pytest.importorskip("torch")
    model = applications.ContextDiscriminator(
        (32, 32, 3),
        (16, 16, 3),
        global_filters=(4, 6, 8),
        local_filters=(4, 6),
        units=7,
    )
    _spread(model)
    images, patches = (_example((2, size, size, 3))[0] for size in (32, 16))
    columns = []
    for name, x, layers in (("global", images, 3), ("local", patches, 2)):
        x = _flipped(torch, x)
        for i in range(1, layers + 1):
            x = _mirrored(torch, model.get_layer(f"{name}_conv{i}"), x, 2)
            x = _normalised_relu(torch, x)
        kernel, bias = model.get_layer(f"{name}_dense").get_weights()
        vectors = _flipped(torch, x).reshape(2, -1) @ kernel + bias
        columns.append(np.maximum(vectors, 0))
    kernel, bias = model.get_layer("logits").get_weights()
    expected = np.concatenate(columns, -1) @ kernel + bias
    np.testing.assert_allclose(model([images, patches]), expected, atol=1e-5)


def test_sizes_of_maps():
    """256 pixels go down to 64 and up again."""
    model = applications.GlobalLocal()
    sizes = [model.get_layer(f"conv{i}").output_shape[1] for i in range(1, 18)]
    assert sizes == [256, 128, 128, *[64] * 9, 128, 128, 256, 256, 256]
    discriminator = applications.GlobalLocalDiscriminator()
    assert [tuple(x.shape) for x in discriminator.inputs] == [
        (None, 256, 256, 3),
        (None, 128, 128, 3),
    ]
    for name in ("global_conv6", "local_conv5"):
        assert discriminator.get_layer(name).output_shape == (None, 4, 4, 512)


def test_what_is_under_the_hole_has_no_effect():
    model = applications.CompletionNetwork((16, 16, 1), (4, 6), (2,))
    images, masks = _example((2, 16, 16, 1))
    other = np.where(masks == 1, images, np.float32(np.nan))
    np.testing.assert_array_equal(model([images, masks]), model([other, masks]))
    prefilled = keras.Model(model.inputs, model.get_layer("prefilled").output)
    expected = np.where(masks == 1, images, 0.5)
    np.testing.assert_array_equal(prefilled([other, masks]), expected)


def test_small_images():
    create = applications.create_model
    images, masks = _example((2, 64, 64, 3))
    model = create("global_local", image_shape=(64, 64, 3), filters=(4, 8, 12))
    assert model([images, masks]).shape == (2, 64, 64, 3)
    discriminator = create(
        "global_local_discriminator",
        image_shape=(64, 64, 3),
        local_shape=None,
        global_filters=(4, 8),
        local_filters=(4,),
        units=5,
    )
    first, other = (
        discriminator([images, images[:, i : i + 32, :32]]) for i in (0, 32)
    )
    assert first.shape == (2, 1) and (first != other).numpy().all()
    digits, masks = _example((1, 28, 28, 1))
    model = create("global_local", image_shape=(28, 28, 1), filters=(4, 8, 12))
    assert model([digits, masks]).shape == (1, 28, 28, 1)


def test_mixed_precision_xla_and_config():
    keras.mixed_precision.set_global_policy("mixed_float16")
    build = applications.CompletionNetwork
    model = build((16, 16, 3), (4, 6), (2,), [0.4, 0.5, 0.6])
    images, masks = _example((2, 16, 16, 3))
    outputs = model([images, masks], training=True)
    assert outputs.dtype == tf.float32 and np.isfinite(outputs).all()
    copy = keras.Model.from_config(model.get_config())
    copy.set_weights(model.get_weights())
    np.testing.assert_array_equal(copy([images, masks]), model([images, masks]))
    compiled = tf.function(model, jit_compile=True)([images, masks])
    np.testing.assert_allclose(compiled, model([images, masks]), atol=5e-3)
