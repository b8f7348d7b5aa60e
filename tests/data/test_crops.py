"""The papers' windows, counted by hand, and their contents against NumPy and PIL."""

import collections

import numpy as np
import pytest
from PIL import Image
from tensorflow import keras

from keras_cnns import data
from keras_cnns.data import crops

# Of an image of 300x400 (or 400x300): shorter side, and where the central and the last
# square start along the longer side: 256 -> 341, 288 -> 384, 320 -> 427, 352 -> 469.
SQUARES = {256: (42, 85), 288: (48, 96), 320: (53, 107), 352: (58, 117)}
# Where the central and the last crop of 224 start within a square, in both directions.
CROPS = {256: (16, 32), 288: (32, 64), 320: (48, 96), 352: (64, 128)}
PLAIN = data.Preprocessing(224, 224, 3, (0.0,) * 3, (1.0,) * 3)


def _preprocessing(size, **fields):
    return data.Preprocessing(size, size, 3, (0.0,) * 3, (1.0,) * 3, **fields)


def _coordinates(height, width):
    """An image whose pixels are all different: they say where they are."""
    y, x = np.mgrid[:height, :width]
    return np.stack([y % 256, x % 256, y // 256 * 16 + x // 256], -1).astype(np.uint8)


def _windows(name, height, width, preprocessing=PLAIN, **fields):
    image = np.zeros((height, width, 3), np.uint8)
    return crops.windows_of(image, preprocessing, crops.Protocol(name, **fields))


def _expected_144(shape):
    """(scale, square, window, mirrored) by hand for a shape of image."""
    expected = []
    for scale, (middle, last) in SQUARES.items():
        centre, corner = CROPS[scale]
        for square, start in enumerate([0, middle, last]):
            top, left = {
                "landscape": (0, start),
                "portrait": (start, 0),
                "square": (0, 0),
            }[shape]
            cuts = [(top, left, scale, scale), (top + centre, left + centre, 224, 224)]
            for y in (0, corner):
                cuts += [(top + y, left + x, 224, 224) for x in (0, corner)]
            for cut in cuts:
                expected += [(scale, square, cut, m) for m in (False, True)]
    return expected


@pytest.mark.parametrize(
    ("shape", "height", "width"),
    [("landscape", 300, 400), ("portrait", 400, 300), ("square", 300, 300)],
)
def test_144_windows_are_those_of_the_paper(shape, height, width):
    expected = _expected_144(shape)
    assert len(set(expected)) == 144
    windows = _windows("144_crop", height, width)
    assert len(windows) == 144
    # Each square's twelve windows stand together, and the squares in order.
    found = [
        (w.scale, number // 12 % 3, tuple(w[1:5]), w.mirrored)
        for number, w in enumerate(windows)
    ]
    assert collections.Counter(found) == collections.Counter(expected)
    assert len(set(windows)) == (48 if shape == "square" else 144)


def test_10_windows_are_corners_and_centre():
    # 300x400 at 256: 256x341; the crops reach every corner of the whole image.
    expected = [(0, 0), (0, 117), (32, 0), (32, 117), (16, 58)]
    windows = _windows("10_crop", 300, 400)
    assert [w[:3] for w in windows[::2]] == [(256, *start) for start in expected]
    assert all(w[3:5] == (224, 224) for w in windows)
    assert [w.mirrored for w in windows] == [False, True] * 5
    assert [w[:5] for w in windows[::2]] == [w[:5] for w in windows[1::2]]


def test_12_windows_are_the_central_squares_of_the_144():
    twelve = _windows("12_crop", 400, 300)
    assert twelve == _windows("144_crop", 400, 300)[12:24]
    assert {tuple(w[1:5]) for w in twelve} == {
        (42, 0, 224, 224), (42, 32, 224, 224), (74, 0, 224, 224), (74, 32, 224, 224),
        (58, 16, 224, 224), (42, 0, 256, 256),
    }  # fmt: skip


@pytest.mark.parametrize("scale", [256, 288, 320, 352])
def test_contents_are_numpy_slices_where_nothing_is_resized(scale):
    image = _coordinates(scale, scale + 90)
    windows = [w for w in _windows("144_crop", *image.shape[:2]) if w.scale == scale]
    windows = [w for w in windows if w.height == 224]
    assert len(windows) == 30
    found = np.stack(list(crops.iterate_crops(image, PLAIN, windows)))
    for window, crop in zip(windows, found):
        rows = slice(window.top, window.top + 224)
        expected = image[rows, window.left : window.left + 224]
        if window.mirrored:
            expected = expected[:, ::-1]
        np.testing.assert_array_equal(crop, expected)


def test_ten_classic_crops_of_a_image_that_fits():
    image = _coordinates(40, 32)
    found = crops.make_crops(image, _preprocessing(28), crops.Protocol("10_crop"))
    assert found.dtype == np.float32 and found.shape == (10, 28, 28, 3)
    expected = [
        image[:28, :28], image[:28, -28:], image[-28:, :28],
        image[-28:, -28:], image[6:34, 2:30],
    ]  # fmt: skip
    np.testing.assert_array_equal(found[::2], expected)
    np.testing.assert_array_equal(found[1::2], found[::2, :, ::-1])


@pytest.mark.parametrize("name", ["10_crop", "12_crop", "144_crop"])
@pytest.mark.parametrize("shape", [(28, 28), (8, 30), (61, 47)])
def test_small_images_and_mirror_pairs(name, shape):
    image = _coordinates(*shape)
    protocol = crops.Protocol(name)
    found = crops.make_crops(image, _preprocessing(28), protocol)
    assert found.shape == (protocol.num_crops, 28, 28, 3)
    np.testing.assert_array_equal(found[1::2], found[::2, :, ::-1])
    assert found.min() >= 0 and found.max() <= 255


def _pil(channel, height, width):
    image = Image.fromarray(channel.astype(np.float32))
    return np.asarray(image.resize((width, height), Image.BILINEAR))


@pytest.mark.parametrize("shape", [(120, 90), (20, 31)])  # smaller and larger
def test_resizing_against_pil(shape):
    """The image to 32x..., and its central square to 28x28, are PIL's."""
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    found = crops.make_crops(image, _preprocessing(28), crops.Protocol("12_crop"))
    height, width = {(120, 90): (43, 32), (20, 31): (32, 50)}[shape]
    for channel in range(3):
        resized = _pil(image[..., channel], height, width)
        top, left = (height - 32) // 2, (width - 32) // 2
        square = resized[top : top + 32, left : left + 32]
        np.testing.assert_allclose(
            found[8, ..., channel], square[2:30, 2:30], atol=0.01
        )
        np.testing.assert_allclose(
            found[10, ..., channel], _pil(square, 28, 28), atol=0.01
        )


def test_crops_are_standardised_as_the_network_wants_it():
    feed = data.Preprocessing(28, 28, 3, **data.CONVENTIONS["caffe"])
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    found = crops.make_crops(image, feed, crops.Protocol("10_crop"))
    pixels = image[:28, :28].astype(np.float32)
    expected = keras.applications.resnet.preprocess_input(pixels)
    np.testing.assert_allclose(found[0], expected, atol=1e-4)


def test_scales_follow_the_size_of_the_input():
    def scales(name, size, *arguments, **fields):
        protocol = crops.Protocol(name, *arguments)
        return protocol.list_scales(_preprocessing(size, **fields))

    assert scales("1_crop", 224) == ()
    assert scales("10_crop", 224) == (256,) and scales("10_crop", 28) == (32,)
    assert scales("12_crop", 299) == (342,)
    assert scales("10_crop", 224, 0.7) == (320,)
    assert scales("10_crop", 224, None, crop_ratio=0.8) == (280,)
    assert scales("10_crop", 224, 0.7, crop_ratio=0.8) == (320,)
    assert scales("144_crop", 224) == (256, 288, 320, 352)
    assert scales("144_crop", 28) == (32, 36, 40, 44)
    assert scales("144_crop", 299) == (342, 384, 427, 470)
    assert scales("dense_multi_scale", 224) == (224, 256, 384, 480, 640)
    assert scales("dense_multi_scale", 28) == (28, 32, 48, 60, 80)
    assert scales("dense_multi_scale", 28, None, (30, 31)) == (30, 31)


def test_numbers_of_crops():
    numbers = [crops.Protocol(name).num_crops for name in crops.PROTOCOLS]
    assert numbers == [1, 10, 12, 144, 5]
    assert crops.Protocol("dense_multi_scale", scales=(8, 9)).num_crops == 2


def test_one_crop_is_the_preprocessing_of_training():
    feed = _preprocessing(28, crop_ratio=0.5)
    assert crops.Protocol().adapt(feed) == feed
    assert crops.Protocol(crop_ratio=0.875).adapt(feed).crop_ratio == 0.875


def test_resizing_keeps_the_aspect():
    assert crops.resized_shape(375, 500, 256) == (256, 341)
    assert crops.resized_shape(500, 375, 256) == (341, 256)
    assert crops.resize_to_scale(_coordinates(50, 100), 20).shape == (20, 40, 3)


@pytest.mark.parametrize(
    ("arguments", "quoted"),
    [
        ({"name": "11_crop"}, "'11_crop'"),
        ({"name": "144_crop", "crop_ratio": 0.5}, "crop_ratio=0.5 has no effect"),
        ({"name": "dense_multi_scale", "crop_ratio": 0.5}, "0.5 has no effect"),
        ({"name": "10_crop", "crop_ratio": 1.5}, "1.5"),
        ({"name": "10_crop", "scales": (256,)}, r"\(256,\) have no effect"),
        ({"name": "dense_multi_scale", "scales": (0,)}, r"\(0,\)"),
        ({"name": "dense_multi_scale", "scales": (9, 9)}, r"\(9, 9\)"),
    ],
)
def test_bad_protocols_are_quoted(arguments, quoted):
    with pytest.raises(ValueError, match=quoted):
        crops.Protocol(**arguments)


def test_what_has_no_such_crops_is_refused():
    oblong = data.Preprocessing(28, 32, 3, (0.0,) * 3, (1.0,) * 3)
    for name in crops.PROTOCOLS[1:]:
        with pytest.raises(ValueError, match="square input, the network's is 28x32"):
            crops.Protocol(name).list_scales(oblong)
    assert crops.Protocol().list_scales(oblong) == ()
    same = "crop_ratio={} and an input of 28x28 .*'10_crop' coincide.* 0.875"
    with pytest.raises(ValueError, match=same.format("0.99")):
        crops.Protocol("10_crop", 0.99).list_scales(_preprocessing(28))
    with pytest.raises(ValueError, match=same.format("1.0")):
        crops.Protocol("10_crop").list_scales(_preprocessing(28, crop_ratio=1.0))
    with pytest.raises(ValueError, match="'1_crop' has no crops"):
        crops.list_windows("1_crop", 30, 30, 28, (32,))
    with pytest.raises(ValueError, match="at least the input's 28"):
        crops.list_windows("10_crop", 30, 30, 28, (27,))
