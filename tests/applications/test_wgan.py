"""WGAN and WGAN-GP against the authors' code, where PyTorch is at hand with its layers.

The references are written from the layers' description with torch's functions.
"""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from keras_cnns import applications

CRITICS = [n for n in applications.list_models("generation") if "critic" in n]
PENALISED = [n for n in CRITICS if n.startswith("wgan_gp")]


def _randomised(model, scale=0.2):
    """The model with other weights, so that biases and gains count too."""
    draw = np.random.default_rng(0)
    weights = [scale * draw.normal(size=w.shape) for w in model.weights]
    weights = [
        np.abs(value) + 0.5 if "variance" in w.name else value
        for w, value in zip(model.weights, weights)
    ]
    model.set_weights(weights)
    return model


def _to_torch(x):
    torch = pytest.importorskip("torch")
    return torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2), np.float32))


def _kernel(layer):
    """Keras' (height, width, in, out) as torch's (out, in, height, width)."""
    torch = pytest.importorskip("torch")
    return torch.from_numpy(layer.kernel.numpy().transpose(3, 2, 0, 1).copy())


def _parameter(weight):
    torch = pytest.importorskip("torch")
    return torch.from_numpy(weight.numpy().copy())


def _normals(*shape):
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("name", PENALISED)
def test_no_batch_norm_in_penalised_critics(name):
    model = applications.create_model(name)
    for layer in model.layers:
        assert not isinstance(layer, keras.layers.BatchNormalization), layer.name


@pytest.mark.parametrize("name", ["wgan_gp_mnist_critic", "wgan_gp64_resnet_critic"])
def test_a_critic_scores_each_image_alone(name):
    """What the gradient penalty needs: no image changes another's value."""
    model = applications.create_model(name)
    images = tf.constant(_normals(2, *model.input_shape[1:]))
    both = model(images, training=True)
    alone = model(images[:1], training=True)
    np.testing.assert_allclose(both[:1], alone, rtol=1e-4, atol=1e-5)


def _small_critics():
    return {
        "plain": applications.WGANGPCritic((4, 6), (8, 8, 3)),
        "layer_norm": applications.WGANGPCritic((4, 6), (8, 8, 3), layer_norm=True),
        "resnet": applications.WGANGPResNetCritic((4, 6, 8), (16, 16, 3)),
        "pooled_resnet": applications.WGANGPPooledResNetCritic(6, (8, 8, 3)),
        "points": applications.WGANGPPointCritic((8, 8)),
    }


@pytest.mark.parametrize(
    "policy", ["mixed_float16", pytest.param("mixed_bfloat16", marks=pytest.mark.slow)]
)
def test_critics_run_in_16_bits(policy):
    exact = _small_critics()
    keras.mixed_precision.set_global_policy(policy)
    for kind, model in _small_critics().items():
        model.set_weights(exact[kind].get_weights())
        inputs = _normals(3, *model.input_shape[1:])
        assert model(inputs).dtype == tf.float32
        np.testing.assert_allclose(model(inputs), exact[kind](inputs), atol=0.05)


@pytest.mark.parametrize(
    "kind", ["plain", "layer_norm", "resnet", "pooled_resnet", "points"]
)
def test_gradient_penalty_reaches_the_weights(kind):
    model = _small_critics()[kind]
    inputs = tf.constant(_normals(2, *model.input_shape[1:]))
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            inner.watch(inputs)
            values = model(inputs)
        slopes = inner.gradient(values, inputs)
        norms = tf.sqrt(tf.reduce_sum(tf.reshape(slopes**2, [2, -1]), axis=1) + 1e-12)
        penalty = tf.reduce_mean((norms - 1) ** 2)
    kernels = [w for w in model.trainable_weights if "kernel" in w.name]
    for kernel, gradient in zip(kernels, outer.gradient(penalty, kernels)):
        assert gradient is not None and np.isfinite(gradient).all(), kernel.name
        assert np.abs(gradient).max() > 0, kernel.name


def test_the_paper_s_three_generators_against_one_critic():
    critic = applications.WGAN64Critic()
    for constructor in (
        applications.WGAN64Generator,
        applications.WGAN64ConstantGenerator,
        applications.WGAN64MLPGenerator,
    ):
        assert constructor().output_shape == critic.input_shape
    constant = applications.WGAN64ConstantGenerator()
    widths = {x.filters for x in constant.layers if hasattr(x, "filters")}
    assert widths == {64, 3}
    assert not any(
        isinstance(x, keras.layers.BatchNormalization) for x in constant.layers
    )


def test_the_dense_generator_ends_without_activation():
    model = applications.WGAN64MLPGenerator()
    dense = [x for x in model.layers if isinstance(x, keras.layers.Dense)]
    assert [x.units for x in dense] == [512, 512, 512, 12288]
    assert [x.activation.__name__ for x in dense] == ["relu"] * 3 + ["linear"]
    for layer in dense:
        limit = 1 / np.sqrt(layer.kernel.shape[0])
        for weight in layer.weights:  # PyTorch's default
            assert 0.9 * limit < np.abs(weight).max() <= limit * (1 + 1e-6)


def test_initial_weights_of_wgan_gp():
    """Standard deviations of the authors' formula, sqrt(4 / (fan-in + fan-out))."""
    critic = applications.WGANGPCIFAR10Critic()
    generator = applications.WGANGPCIFAR10Generator()
    expected = {
        ("conv2", critic): 4 / (25 * 128 + 25 * 256 / 4),
        ("conv3", critic): 4 / (25 * 256 + 25 * 512 / 4),
        ("logits", critic): 2 / (8192 + 1),
        ("maps", generator): 2 / (128 + 8192),
        ("deconv1", generator): 4 / (25 * 512 / 4 + 25 * 256),
    }
    for (name, model), variance in expected.items():
        kernel = model.get_layer(name).kernel
        assert np.std(kernel) == pytest.approx(np.sqrt(variance), rel=0.03), name
    small = applications.WGANGP64Critic().get_layer("conv3").kernel
    assert np.std(small) == pytest.approx(0.02, rel=0.02)
    assert np.abs(small).max() <= 0.02 * np.sqrt(3) + 1e-6


def test_units_of_the_first_map_are_normalised_alone():
    generator = applications.WGANGPCIFAR10Generator()
    assert generator.get_layer("maps_bn").gamma.shape == 4 * 4 * 512
    generator = applications.WGANGP64Generator()
    assert generator.get_layer("maps_bn").gamma.shape == 512


def test_mnist_s_generator_crops_8_to_7():
    generator = applications.WGANGPMNISTGenerator()
    shapes = [generator.get_layer(f"deconv{i}").output_shape[1] for i in (1, 2, 3)]
    assert shapes == [8, 14, 28]
    assert generator.get_layer("deconv1_crop").output_shape == (None, 7, 7, 128)


def test_convolutions_of_wgan_are_torch_s():
    """4x4 kernels with stride 2 and one row of padding on each side."""
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    critic = _randomised(applications.WGANCritic((5, 4), (16, 16, 3)))
    images = _normals(2, 16, 16, 3)
    x = functional.conv2d(
        _to_torch(images), _kernel(critic.get_layer("conv1")), stride=2, padding=1
    )
    x = functional.leaky_relu(x, 0.2)
    x = functional.conv2d(x, _kernel(critic.get_layer("conv2")), stride=2, padding=1)
    norm = critic.get_layer("conv2_bn")
    statistics = [_parameter(w) for w in (norm.moving_mean, norm.moving_variance)]
    gains = [_parameter(w) for w in (norm.gamma, norm.beta)]
    x = functional.leaky_relu(functional.batch_norm(x, *statistics, *gains), 0.2)
    # The last layer sees the whole map: a 4x4 convolution without padding.
    last = critic.get_layer("logits").kernel.numpy().reshape(4, 4, 4, 1)
    last = torch.from_numpy(last.transpose(3, 2, 0, 1).copy())
    expected = functional.conv2d(x, last).numpy().reshape(2, 1)
    np.testing.assert_allclose(critic(images), expected, rtol=1e-3, atol=1e-4)


def test_deconvolutions_of_wgan_are_torch_s():
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    generator = _randomised(
        applications.WGANGenerator((6, 5), (16, 16, 3), 7, batch_norm=False)
    )
    latents = _normals(2, 7)
    # The first layer makes a 4x4 map: a deconvolution of one pixel without padding.
    first = generator.get_layer("maps").kernel.numpy().reshape(7, 4, 4, 6)
    x = torch.from_numpy(latents[:, :, None, None])
    first = torch.from_numpy(first.transpose(0, 3, 1, 2).copy())
    x = functional.relu(functional.conv_transpose2d(x, first))
    for name, last in (("deconv1", False), ("deconv2", True)):
        kernel = _kernel(generator.get_layer(name))
        x = functional.conv_transpose2d(x, kernel, stride=2, padding=1)
        x = torch.tanh(x) if last else functional.relu(x)
    expected = x.numpy().transpose(0, 2, 3, 1)
    np.testing.assert_allclose(generator(latents), expected, rtol=1e-3, atol=1e-4)


def _reference_block(torch, model, x, name, resample, has_norm, epsilon=1e-5):
    """A residual block by torch's functions; normalisation is per image."""
    functional = torch.nn.functional

    def convolve(x, layer, padding):
        layer = model.get_layer(layer)
        bias = None if layer.bias is None else _parameter(layer.bias)
        return functional.conv2d(x, _kernel(layer), bias, padding=padding)

    def normalise(x, layer):
        if not has_norm:
            return x
        layer = model.get_layer(layer)
        centred = x - x.mean((1, 2, 3), keepdim=True)
        x = centred / (centred.pow(2).mean((1, 2, 3), keepdim=True) + epsilon).sqrt()
        shape = (1, -1, 1, 1)
        return x * _parameter(layer.gamma).view(shape) + _parameter(layer.beta).view(
            shape
        )

    shortcut = x
    if resample == "down":
        # As the code has it: first the 1x1 convolution, then the mean.
        shortcut = functional.avg_pool2d(convolve(x, f"{name}_shortcut", 0), 2)
    x = functional.relu(normalise(x, f"{name}_1_ln"))
    x = convolve(x, f"{name}_1_conv", 1)
    x = functional.relu(normalise(x, f"{name}_2_ln"))
    x = convolve(x, f"{name}_2_conv", 1)
    if resample == "down":
        x = functional.avg_pool2d(x, 2)
    return shortcut + x


def test_residual_critic_for_64_is_the_code_s():
    torch = pytest.importorskip("torch")
    critic = _randomised(applications.WGANGPResNetCritic((4, 6, 8), (16, 16, 3)))
    images = _normals(2, 16, 16, 3)
    first = critic.get_layer("first_conv")
    x = torch.nn.functional.conv2d(
        _to_torch(images), _kernel(first), _parameter(first.bias), padding=1
    )
    for name in ("block1", "block2"):
        x = _reference_block(torch, critic, x, name, "down", has_norm=True)
    last = critic.get_layer("logits")
    flat = x.permute(0, 2, 3, 1).reshape(2, -1)
    expected = flat @ _parameter(last.kernel) + _parameter(last.bias)
    np.testing.assert_allclose(critic(images), expected, rtol=1e-3, atol=1e-3)


def test_residual_critic_for_cifar10_is_the_code_s():
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    critic = _randomised(applications.WGANGPPooledResNetCritic(6, (8, 8, 3)))
    images = _normals(2, 8, 8, 3)

    def convolve(x, layer, padding):
        layer = critic.get_layer(layer)
        return functional.conv2d(
            x, _kernel(layer), _parameter(layer.bias), padding=padding
        )

    x = _to_torch(images)
    shortcut = convolve(functional.avg_pool2d(x, 2), "block1_shortcut", 0)
    x = functional.relu(convolve(x, "block1_1_conv", 1))
    x = shortcut + functional.avg_pool2d(convolve(x, "block1_2_conv", 1), 2)
    x = _reference_block(torch, critic, x, "block2", "down", has_norm=False)
    x = _reference_block(torch, critic, x, "block3", None, has_norm=False)
    x = _reference_block(torch, critic, x, "block4", None, has_norm=False)
    means = functional.relu(x).mean((2, 3))
    last = critic.get_layer("logits")
    expected = means @ _parameter(last.kernel) + _parameter(last.bias)
    np.testing.assert_allclose(critic(images), expected, rtol=1e-3, atol=1e-3)


def test_residual_generator_is_the_code_s():
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    generator = _randomised(
        applications.WGANGPResNetGenerator((6, 5), (8, 8, 3), latent_size=7)
    )

    def convolve(x, layer, padding):
        layer = generator.get_layer(layer)
        bias = None if layer.bias is None else _parameter(layer.bias)
        return functional.conv2d(x, _kernel(layer), bias, padding=padding)

    def normalise(x, layer):
        layer = generator.get_layer(layer)
        weights = (layer.moving_mean, layer.moving_variance, layer.gamma, layer.beta)
        return functional.relu(
            functional.batch_norm(x, *map(_parameter, weights), eps=1e-5)
        )

    def double(x):
        return x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)

    latents = _normals(2, 7)
    first = generator.get_layer("maps")
    x = torch.from_numpy(latents) @ _parameter(first.kernel) + _parameter(first.bias)
    x = x.view(2, 4, 4, 6).permute(0, 3, 1, 2)
    shortcut = convolve(double(x), "block1_shortcut", 0)
    x = convolve(double(normalise(x, "block1_1_bn")), "block1_1_conv", 1)
    x = shortcut + convolve(normalise(x, "block1_2_bn"), "block1_2_conv", 1)
    x = torch.tanh(convolve(normalise(x, "last_bn"), "last_conv", 1))
    expected = x.numpy().transpose(0, 2, 3, 1)
    np.testing.assert_allclose(generator(latents), expected, rtol=1e-3, atol=1e-3)
