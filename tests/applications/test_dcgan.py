"""DCGAN against the authors' code: initial weights, places of the layers, padding."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from keras_cnns import applications


def _kernels(model):
    return [w for w in model.trainable_weights if w.name.endswith("kernel:0")]


def _normalised(model):
    """Names of the layers that batch normalisation follows."""
    return {
        layer.name.removesuffix("_bn")
        for layer in model.layers
        if isinstance(layer, keras.layers.BatchNormalization)
    }


@pytest.mark.parametrize("player", ["generator", "discriminator"])
def test_initial_weights(player):
    model = applications.create_model(f"dcgan64_{player}")
    for kernel in _kernels(model):
        assert 0.0195 <= np.std(kernel) <= 0.0205, kernel.name
        assert abs(np.mean(kernel)) < 0.001, kernel.name
    gains = [w for w in model.trainable_weights if "gamma" in w.name]
    gains = np.concatenate([gain.numpy() for gain in gains])
    assert abs(gains.mean() - 1) < 0.002 and 0.019 < gains.std() < 0.021
    assert not any("bias" in w.name for w in model.weights)
    draws = [kernel.numpy().ravel()[:3] for kernel in _kernels(model)]
    assert len({tuple(draw) for draw in draws}) == len(draws)


def test_what_is_normalised():
    generator = applications.DCGAN64Generator()
    assert _normalised(generator) == {"maps", "deconv1", "deconv2", "deconv3"}
    discriminator = applications.DCGAN64Discriminator()
    assert _normalised(discriminator) == {"conv2", "conv3", "conv4"}
    momenta = {x.momentum for x in generator.layers if hasattr(x, "momentum")}
    assert momenta == {0.9}
    leaks = {float(x.alpha) for x in discriminator.layers if hasattr(x, "alpha")}
    assert leaks == {np.float32(0.2)}
    bare = applications.DCGANGenerator(filters=(8, 4), batch_norm=False)
    assert _normalised(bare) == set()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("dcgan32_imagenet_discriminator", 28_672),
        ("dcgan32_discriminator", 7_168),
        ("dcgan64_discriminator", 30_720),
    ],
)
def test_features_pooled_to_4x4(name, expected):
    """The paper's protocol: all activations, max-pooled to 4x4 and flattened."""
    model = applications.create_model(name)
    ends = applications.model_info(name).stage_ends
    features = applications.extract_features(model, levels=range(len(ends)))
    maps = features(tf.ones([1, *model.input_shape[1:]]))
    pooled = [
        tf.nn.max_pool2d(x, x.shape[1] // 4, x.shape[1] // 4, "VALID") for x in maps
    ]
    assert sum(x.shape[1:].num_elements() for x in pooled) == expected
    convolutions = [x for x in model.layers if isinstance(x, keras.layers.Conv2D)]
    assert len(convolutions) == len(ends)


def test_sizes_of_maps():
    generator = applications.DCGAN64Generator()
    sizes = [generator.get_layer(f"deconv{i}").output_shape for i in (1, 2, 3, 4)]
    expected = [(None, 8, 8, 512), (None, 16, 16, 256), (None, 32, 32, 128)]
    assert sizes == [*expected, (None, 64, 64, 3)]
    six = applications.DCGAN32ImageNetDiscriminator()
    sizes = [six.get_layer(f"conv{i}").output_shape[1] for i in range(1, 7)]
    assert sizes == [32, 16, 16, 8, 8, 4]


def test_labels_join_the_input_of_every_layer():
    generator = applications.DCGAN28Generator()
    discriminator = applications.DCGAN28Discriminator()
    widths = {
        x.name: int(np.prod(x.kernel.shape[:-1]))
        for model in (generator, discriminator)
        for x in model.layers
        if isinstance(x, keras.layers.Dense)
    }
    assert widths == {
        "dense": 6282,  # the discriminator's, built last
        "maps": 1034,
        "logits": 1034,
    }
    assert generator.get_layer("dense").kernel.shape == (110, 1024)
    assert generator.get_layer("deconv1").kernel.shape == (5, 5, 64, 138)
    assert generator.get_layer("deconv2").kernel.shape == (5, 5, 1, 74)
    assert discriminator.get_layer("conv1").kernel.shape == (5, 5, 11, 64)
    assert discriminator.get_layer("conv2").kernel.shape == (5, 5, 74, 128)
    assert not any("gamma" in w.name or "beta" in w.name for w in generator.weights)


def test_labels_change_the_image_and_the_logits():
    labels = tf.one_hot([1, 7], 3 + 7)
    latents = tf.repeat(tf.random.stateless_normal([1, 100], [1, 2]), 2, axis=0)
    images = applications.DCGAN28Generator()([latents, labels]).numpy()
    assert np.abs(images[0] - images[1]).max() > 1e-5
    discriminator = applications.DCGAN28Discriminator()
    logits = discriminator([tf.ones([2, 28, 28, 1]), labels]).numpy()
    assert logits[0] != logits[1]


@pytest.mark.parametrize("shape", [(16, 16, 1), (28, 28, 1), (30, 21, 3), (5, 8, 2)])
def test_any_size(shape):
    generator = applications.DCGANGenerator((8, 4), shape, latent_size=7)
    discriminator = applications.DCGANDiscriminator((4, 8), shape)
    images = generator(tf.random.stateless_normal([3, 7], [1, 2]))
    assert images.shape == (3, *shape) and discriminator(images).shape == (3, 1)


def test_training_mode_and_inference_agree_after_some_batches():
    """Statistics of momentum 0.9 have forgotten their start after 120 batches."""
    generator = applications.DCGANGenerator((8, 4), (16, 16, 1))
    latents = tf.random.stateless_normal([64, 100], [1, 2])
    step = tf.function(lambda: generator(latents, training=True))
    for _ in range(120):
        trained = step()
    np.testing.assert_allclose(generator(latents), trained, atol=0.01)


def test_padding_is_the_mirror_of_the_authors():
    """They pad 2 on each side of a 5x5 kernel with stride 2; so does torch."""
    torch = pytest.importorskip("torch")
    discriminator = applications.DCGANDiscriminator((4,), (12, 12, 3))
    images = np.random.default_rng(0).normal(size=(2, 12, 12, 3)).astype(np.float32)
    kernel = discriminator.get_layer("conv1").kernel.numpy()
    maps = torch.nn.functional.conv2d(
        torch.from_numpy(images[:, ::-1, ::-1].transpose(0, 3, 1, 2).copy()),
        torch.from_numpy(kernel[::-1, ::-1].transpose(3, 2, 0, 1).copy()),
        stride=2,
        padding=2,
    )
    expected = maps.numpy().transpose(0, 2, 3, 1)[:, ::-1, ::-1]
    ours = discriminator.get_layer("conv1")(images)
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-5)
