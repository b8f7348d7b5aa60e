"""Images into inputs, against NumPy, Keras and PIL."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from keras_cnns import data


def _image(height=40, width=60, channels=3):
    random = np.random.default_rng(0)
    return random.integers(0, 256, (height, width, channels), np.uint8)


@pytest.mark.parametrize("mode", ["torch", "caffe", "tf"])
def test_conventions_are_those_of_keras_applications(mode):
    pixels = _image(32, 32).astype(np.float32)
    preprocess = data.Preprocessing(32, 32, 3, **data.CONVENTIONS[mode])
    expected = {
        "torch": keras.applications.densenet.preprocess_input,
        "caffe": keras.applications.resnet.preprocess_input,
        "tf": keras.applications.inception_v3.preprocess_input,
    }[mode](pixels.copy())
    np.testing.assert_allclose(preprocess.standardize(pixels), expected, atol=1e-4)


def test_native_size_is_left_alone():
    preprocess = data.Preprocessing(40, 60, 3, (0.0,) * 3, (1.0,) * 3)
    encoded = tf.io.encode_png(_image())
    np.testing.assert_array_equal(preprocess(encoded), _image().astype(np.float32))


def test_central_crop_then_resize():
    preprocess = data.Preprocessing(20, 20, 3, (0.0,) * 3, (1.0,) * 3, crop_ratio=0.5)
    resized = preprocess.resize(_image()).numpy()
    np.testing.assert_array_equal(resized, _image()[10:30, 20:40].astype(np.float32))


def test_grey_and_colour_files_serve_either_kind_of_network():
    grey = tf.io.encode_png(_image(channels=1))
    colour = tf.io.encode_jpeg(_image())
    for channels in (1, 3):
        preprocess = data.Preprocessing(
            16, 16, channels, (0.0,) * channels, (1.0,) * channels
        )
        for encoded in (grey, colour):
            assert preprocess(encoded).shape == (16, 16, channels)


def test_statistics_against_numpy(data_dir):
    source = data.open_source("digits", "train", data_dir)
    measured = data.measure_statistics(source, 8, 8, 1)
    plain = data.Preprocessing(8, 8, 1, (0.0,), (1.0,))
    inputs = source.examples.map(lambda content, _: plain(source.read(content)))
    pixels = np.stack(list(inputs.as_numpy_iterator())).astype(np.float64)
    np.testing.assert_allclose(measured.mean[0], pixels.mean(), rtol=1e-6)
    np.testing.assert_allclose(measured.std[0], pixels.std(), rtol=1e-6)


@pytest.mark.parametrize(("value_range", "low"), [("unit", 0), ("signed", -1)])
def test_ranges_hold_all_grey_levels(value_range, low):
    feed = data.Preprocessing.for_range(4, 5, 3, value_range)
    assert (feed.height, feed.width, feed.channels) == (4, 5, 3)
    levels = np.array([[0, 0, 0], [255, 255, 255]], np.uint8)
    np.testing.assert_array_equal(feed.standardize(levels), [[low] * 3, [1] * 3])
    assert data.VALUE_RANGES[value_range] == (low, 1)
    with pytest.raises(ValueError, match="one of unit, signed, got 'byte'"):
        data.Preprocessing.for_range(4, 5, 3, "byte")


def test_survives_json():
    preprocess = data.Preprocessing(9, 8, 3, **data.CONVENTIONS["caffe"])
    stored = json.loads(json.dumps(dataclasses.asdict(preprocess)))
    assert data.Preprocessing.from_json(stored) == preprocess


@pytest.mark.parametrize(
    "fields",
    [
        {"channels": 2, "mean": (0.0, 0.0), "std": (1.0, 1.0)},
        {"mean": (0.0, 0.0)},
        {"std": (0.0,)},
        {"std": (float("nan"),)},
        {"std": (float("inf"),)},
        {"mean": (float("nan"),)},
        {"crop_ratio": 1.5},
    ],
)
def test_bad_fields_are_refused(fields):
    good = {"height": 8, "width": 8, "channels": 1, "mean": (0.0,), "std": (1.0,)}
    with pytest.raises(ValueError, match="must"):
        data.Preprocessing(**{**good, **fields})
