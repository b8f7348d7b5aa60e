"""The studies on networks that are known by construction."""

import dataclasses

import numpy as np
import pytest
from PIL import Image
from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns.inspection import dcgan_studies


def _generator():
    """Latents are the pixels of an 8x8 image, in [-1, 1]."""
    latents = keras.Input((64,))
    x = layers.Reshape((8, 8, 1))(latents)
    x = layers.Conv2DTranspose(2, 1, use_bias=False, name="deconv1")(x)
    x = layers.ReLU(name="deconv1_relu")(x)
    x = layers.Conv2DTranspose(1, 1, use_bias=False, name="deconv2")(x)
    model = keras.Model(latents, layers.Activation("tanh", name="images")(x))
    # Map 0 is what is above 0, map 1 what is below; the image is their difference.
    model.get_layer("deconv1").set_weights([np.array([1, -1]).reshape(1, 1, 2, 1)])
    model.get_layer("deconv2").set_weights([np.array([1, -1]).reshape(1, 1, 1, 2)])
    return model


def _discriminator():
    images = keras.Input((8, 8, 1))
    x = layers.Conv2D(4, 3, strides=2, padding="same", name="conv1")(images)
    x = layers.LeakyReLU(0.2, name="conv1_lrelu")(x)
    x = layers.Conv2D(3, 3, strides=2, padding="same", name="conv2")(x)
    x = layers.BatchNormalization()(x)
    x = layers.LeakyReLU(0.2, name="conv2_lrelu")(x)
    return keras.Model(images, layers.Dense(1)(layers.Flatten()(x)))


def _images(count=60):
    """A bright left half, or a bright right one, with noise; and which it is."""
    generator = np.random.default_rng(0)
    images = generator.normal(-0.5, 0.1, (count, 8, 8, 1)).astype(np.float32)
    labels = np.arange(count) % 2
    images[labels == 0, :, :4] += 1
    images[labels == 1, :, 4:] += 1
    return np.clip(images, -1, 1), labels


@pytest.fixture
def study(tmp_path):
    latents = np.random.default_rng(1).uniform(-1, 1, (25, 64)).astype(np.float32)
    return dcgan_studies.StudiedNetworks(
        generator=_generator(),
        discriminator=_discriminator(),
        untrained=_discriminator(),
        images=_images()[0],
        value_range="signed",
        latents=latents,
        output_dir=str(tmp_path),
    )


def _grey(path):
    return np.asarray(Image.open(path).convert("L"))


def test_samples_are_numbered(study, tmp_path):
    dcgan_studies.show_samples(study)
    image = _grey(tmp_path / "samples.png")
    # Three rows of ten at six times the size, and margins for the numbers.
    assert image.shape[0] > 3 * 48 and image.shape[1] > 10 * 48


def test_features_tell_halves_apart(study):
    images, labels = _images()
    found = dcgan_studies.study_features(study, labels, images[:20], labels[:20])
    assert found["num_train"] == 60 and found["num_test"] == 20
    assert found["pixels"]["dimension"] == 64
    assert found["trained"]["dimension"] == found["untrained"]["dimension"] == 7 * 16
    assert found["pixels"]["accuracy"] == 1
    chosen = dcgan_studies.study_features(
        study, labels, images[:20], labels[:20], penalties=(0.5,)
    )
    assert chosen["trained"]["penalty"] == chosen["pixels"]["penalty"] == 0.5


def test_walks_of_a_linear_generator_are_nearly_even(study, tmp_path):
    """tanh is nearly linear for small latents."""
    points = 0.1 * study.latents[:3]
    found = dcgan_studies.study_walks(study, points)
    assert found["even_step"] == 1 / 16
    np.testing.assert_allclose(found["jumps"], [1 / 16] * 2, rtol=0.02)
    assert _grey(tmp_path / "walks.png").shape == (2 * 48 + 2, 17 * 48 + 16 * 2)


def test_filters_show_the_strongest_images(study, tmp_path):
    found = dcgan_studies.study_filters(study)
    assert found["layer"] == "conv2_lrelu"
    for name in ("trained", "untrained"):
        responses = np.array(found[name]["responses"])
        assert responses.shape == (3, 4)
        assert (np.diff(responses, axis=1) <= 0).all()
        Image.open(tmp_path / f"filters_{name}.png").verify()


def test_duplicates_are_found_and_shown(study, tmp_path):
    images = np.concatenate([study.images[:30], study.images[:5]])
    study = dataclasses.replace(study, images=images)
    found = dcgan_studies.study_duplicates(study, epochs=2)
    assert found["num_images"] == 35
    assert set(range(30, 35)) <= set(found["removed"])
    Image.open(tmp_path / "duplicates.png").verify()


def test_arithmetic_adds_latents_and_refuses_strange_numbers(study, tmp_path):
    found = dcgan_studies.study_arithmetic(study, [[0, 1, 2], [3, 4]], [[5, 6, 7]])
    latents = study.latents
    expected = latents[:3].mean(0) + latents[3:5].mean(0) - latents[5:8].mean(0)
    np.testing.assert_allclose(found["latent"], expected, rtol=1e-4, atol=1e-6)
    Image.open(tmp_path / "arithmetic.png").verify()
    with pytest.raises(ValueError, match="sample 25 .* 0 to 24"):
        dcgan_studies.study_arithmetic(study, [[25]])


def test_windows_drop_the_map_that_draws_them(study, tmp_path):
    """Objects are bright squares, which map 0 draws."""
    latents = np.full((25, 8, 8), -0.5, np.float32)
    latents[:, 2:5, 3:6] = 0.8
    study = dataclasses.replace(study, latents=latents.reshape(25, 64))
    boxes = [(sample, 2, 3, 5, 6) for sample in range(25)]
    found = dcgan_studies.study_windows(study, boxes)
    assert found["layer"] == "deconv1_relu"
    assert found["filters"] == (0,) and found["num_filters"] == 2
    assert found["accuracy"] == 1 and found["num_positives"] == 25 * 9
    image = _grey(tmp_path / "windows.png")
    left = image.shape[1] - (10 * 48 + 9 * 2)  # margin of the row labels
    # Pixel (3, 4) of the first sample, with the map and without: tanh 0.8, and 0.
    rows = image[3 * 6 + 3, left + 4 * 6 + 3], image[50 + 3 * 6 + 3, left + 27]
    assert rows == (round((1 + np.tanh(0.8)) / 2 * 255), 128)
