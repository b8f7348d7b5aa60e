"""Enlarging of any picture: tiles without seams, colour, scores."""

import pathlib
import shutil
import subprocess

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from skimage.data import chelsea
from tensorflow import keras

from keras_cnns import applications, data, inference, metrics
from keras_cnns._graph import receptive_radius
from keras_cnns._luma import luma

SMALL = {"blocks": 1, "filters": 4}


def picture(height=23, width=17, channels=3):
    random = np.random.default_rng(height)
    return random.integers(0, 256, (height, width, channels), np.uint8)


@pytest.fixture(scope="module")
def networks():
    """One of each kind: luma and colour, enlarging and of enlarged pictures.

    Their kernels have unit gain, so that each pixel in reach shows.
    """
    keras.utils.set_random_seed(0)
    found = {
        "edsr": applications.EDSR(3, **SMALL),
        "fsrcnn": applications.FSRCNN(2, filters=6, shrunk_filters=4, mapping_layers=1),
        "msrresnet": applications.MSRResNet(4, **SMALL),
        "vdsr": applications.VeryDeepSuperResolution(filters=4, depth=3),
        "drcn": applications.DeeplyRecursiveNetwork(filters=4, recursions=3),
    }
    random = np.random.default_rng(0)
    for network in found.values():
        for weight in network.trainable_weights:
            if len(weight.shape) == 4:
                gain = np.prod(weight.shape[:3]) ** -0.5
                weight.assign(random.normal(0, gain, weight.shape))
    return found


SCALES = {"edsr": 3, "fsrcnn": 2, "msrresnet": 4, "vdsr": 3, "drcn": 2}


@pytest.mark.parametrize("name", SCALES)
def test_tiles_give_what_the_whole_picture_gives(name, networks):
    network, scale = networks[name], SCALES[name]
    given = scale if name in ("vdsr", "drcn") else None
    whole = inference.NetworkUpscaler(network, given, tile_size=64)
    tiled = inference.NetworkUpscaler(network, given, tile_size=5)
    fractions = []
    small = picture()
    expected = whole(small)
    assert expected.shape == (23 * scale, 17 * scale, 3)
    assert expected.dtype == np.uint8
    actual = tiled(small, progress=fractions.append).astype(int)
    assert np.abs(actual - expected).max() <= 1
    assert fractions == sorted(fractions) and fractions[-1] == 1
    assert len(fractions) == 5 * 4


def test_bicubic_is_imresize_in_tiles():
    small = picture()
    expected = np.rint(data.resize_bicubic(small, 3).numpy().clip(0, 255))
    actual = inference.BicubicUpscaler(3, tile_size=4)(small)
    assert np.abs(actual - expected).max() <= 1
    assert (actual == expected).mean() > 0.999


@pytest.mark.parametrize(
    ("build", "radius"),
    [
        (lambda: applications.SRCNN(kernel_sizes=(9, 1, 5)), 6),
        (lambda: applications.SRCNN(kernel_sizes=(9, 5, 5)), 8),
        (lambda: applications.VeryDeepSuperResolution(filters=2), 20),
        (lambda: applications.DeeplyRecursiveNetwork(filters=2), 20),
    ],
)
def test_receptive_fields_are_the_published_ones(build, radius):
    """13 and 17 pixels of the SRCNNs, 41 of VDSR and of DRCN."""
    assert receptive_radius(build()) == radius


@pytest.mark.parametrize("name", SCALES)
def test_nothing_beyond_the_receptive_field_matters(name, networks):
    network = networks[name]
    radius = receptive_radius(network)
    side = 2 * radius + 7
    shape = (1, side, side, network.input_shape[-1])
    x = tf.constant(np.random.default_rng(0).uniform(size=shape), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = network(x)
        middle = y.shape[1] // 2
        pixel = tf.reduce_sum(y[0, middle, middle])
    found = np.abs(tape.gradient(pixel, x)[0]).max(-1)
    at = middle * side // y.shape[1]
    reach = np.abs(np.argwhere(found > 0) - at).max()
    assert radius - 2 <= reach <= radius  # rounded up, by a fine pixel more


def test_poolings_have_no_receptive_field_here():
    inputs = keras.Input((None, None, 1))
    network = keras.Model(inputs, keras.layers.AveragePooling2D()(inputs), name="small")
    with pytest.raises(ValueError, match="small has 'average_pooling2d.*Pooling2D"):
        receptive_radius(network)


def test_networks_that_change_nothing_give_the_bicubic_picture(networks):
    network = applications.VeryDeepSuperResolution(filters=2, depth=2)
    network.set_weights([np.zeros_like(w) for w in network.get_weights()])
    small = picture()
    bicubic = inference.BicubicUpscaler(2)(small).astype(int)
    for ensemble in (False, True):
        upscaler = inference.NetworkUpscaler(network, 2, ensemble=ensemble)
        assert np.abs(upscaler(small) - bicubic).max() <= 1
        assert upscaler.name.endswith("+") == ensemble


def test_grey_pictures(networks):
    grey = picture(channels=1)
    for name in ("edsr", "fsrcnn"):
        upscaler = inference.NetworkUpscaler(networks[name])
        made = upscaler(grey)
        assert made.shape == (23 * upscaler.scale, 17 * upscaler.scale, 1)
    in_colour = inference.NetworkUpscaler(networks["fsrcnn"])(grey.repeat(3, 2))
    expected = inference.NetworkUpscaler(networks["fsrcnn"])(grey).repeat(3, 2)
    assert np.abs(in_colour.astype(int) - expected).max() <= 1


def test_one_pixel(networks):
    for name in ("edsr", "fsrcnn"):
        upscaler = inference.NetworkUpscaler(networks[name])
        assert upscaler(picture(1, 1)).shape == (upscaler.scale, upscaler.scale, 3)
    np.testing.assert_array_equal(
        inference.BicubicUpscaler(2)(picture(1, 1)),
        picture(1, 1).repeat(2, 0).repeat(2, 1),
    )


def test_scores_of_a_split(tmp_path):
    """Bicubic by hand: luma of bytes, the border shaved, the mean of decibels."""
    folder = tmp_path / "test"
    folder.mkdir()
    yy, xx = np.mgrid[:43, :50]
    expected = []
    for i in range(2):
        wave = 127 + 90 * np.sin(xx / (3 + i)) * np.cos(yy / 4)
        truth = np.stack([wave, wave[::-1], 255 - wave], 2).astype(np.uint8)
        Image.fromarray(truth).save(folder / f"{i}.png")
        truth = truth[:42, :48]
        small = np.rint(data.resize_bicubic(truth, 1 / 3).numpy().clip(0, 255))
        large = np.rint(data.resize_bicubic(small, 3).numpy().clip(0, 255))
        error = luma(truth.astype(float)) - luma(large.astype(float))
        mean_square = (error[3:-3, 3:-3] ** 2).mean()
        expected.append(20 * np.log10(255) - 10 * np.log10(mean_square))
    source = data.open_source(str(tmp_path), "test", labelled=False)
    report = inference.evaluate_upscaler(inference.BicubicUpscaler(3), source)
    assert [p.psnr for p in report.pictures] == pytest.approx(expected, abs=0.01)
    assert report.method == "bicubic" and report.protocol.shave == 3
    by_rgb = inference.evaluate_upscaler(
        inference.BicubicUpscaler(3), source, channels="rgb", shave=9
    )
    assert (by_rgb.protocol.channels, by_rgb.protocol.shave) == ("rgb", 9)


@pytest.mark.slow
def test_public_weights_beat_bicubic(tmp_path):
    """The Keras port's RDN x2, which an npm package holds, on half a photograph."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed")
    command = [npm, "pack", "@upscalerjs/models@0.9.0"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"npm cannot get the package: {done.stderr[-200:]}")
    (archive,) = pathlib.Path(tmp_path).glob("*.tgz")
    shutil.unpack_archive(archive, tmp_path)
    (path,) = tmp_path.glob("package/models/idealo/*/*psnr-small.h5")
    network = applications.RDNC3D10X2(weights=str(path))
    truth = chelsea()[40:240, 100:320]
    small = data.small_picture(truth, 2).numpy().astype(np.uint8)
    protocol = metrics.UpscalingProtocol("half a photograph", 1, 2)
    scores = [
        metrics.score_upscaled("chelsea", truth, upscaler(small), protocol).psnr
        for upscaler in (
            inference.BicubicUpscaler(2),
            inference.NetworkUpscaler(network, tile_size=64),
        )
    ]
    assert scores[1] > scores[0] + 0.5, scores


def test_what_does_not_fit_is_refused(networks):
    with pytest.raises(ValueError, match="enlarges x3, got scale=2"):
        inference.NetworkUpscaler(networks["edsr"], 2)
    with pytest.raises(ValueError, match="enlarged before; give scale"):
        inference.NetworkUpscaler(networks["vdsr"])
    with pytest.raises(ValueError, match="scale.*got 1"):
        inference.BicubicUpscaler(1)
    with pytest.raises(ValueError, match="tile_size.*got 0"):
        inference.NetworkUpscaler(networks["edsr"], tile_size=0)
    two = applications.SRCNN(image_shape=(None, None, 2), filters=(2, 2))
    with pytest.raises(ValueError, match="1 or 3 channels"):
        inference.NetworkUpscaler(two, 2)
    upscaler = inference.BicubicUpscaler(2)
    for bad in (picture()[..., 0], picture().astype(float), picture(4, 4, 2), None):
        with pytest.raises(ValueError, match="must be uint8"):
            upscaler(bad)
    with pytest.raises(ValueError, match="no pixels"):
        upscaler(picture()[:0])
