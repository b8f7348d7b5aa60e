"""Images scaled by exactly one factor, and canvases."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_cnns import data


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [
        (375, 500, 1.6),  # 600 / 375
        (300, 1000, 1.0),  # 1000 / 1000, not 2
        (500, 375, 1.6),
        (1200, 1200, 0.5),
        (1, 1, 600.0),
        (20_000, 1, 0.05),
    ],
)
def test_scales_by_hand(height, width, expected):
    np.testing.assert_allclose(data.image_scale(height, width, 600, 1000), expected)


@pytest.mark.parametrize(
    ("shape", "sides", "expected"),
    [
        ((128, 128, 3), (128, 128), (128, 128)),
        ((375, 500, 3), (600, 1000), (600, 800)),
        ((338, 500, 3), (600, 1000), (600, 888)),  # 887.57
        ((None, None, 3), (600, 1000), (1000, 1000)),
        ((100, 1, 3), (60, 100), (100, 1)),
    ],
)
def test_canvases_by_hand(shape, sides, expected):
    assert data.canvas_size(shape, *sides) == expected


def test_sides_are_checked():
    with pytest.raises(ValueError, match="short_side must be .* got 0"):
        data.canvas_size((8, 8, 3), 0, 10)
    with pytest.raises(ValueError, match="long_side=5 must be at least short_side=10"):
        data.canvas_size((8, 8, 3), 10, 5)


def test_the_same_size_changes_nothing():
    image = np.random.default_rng(0).integers(256, size=(9, 7, 3)).astype(np.uint8)
    np.testing.assert_array_equal(data.scaled_image(image, tf.constant(1.0)), image)


def test_whole_sides_are_scaled_as_tensorflow_does():
    image = np.random.default_rng(0).integers(256, size=(10, 20, 3)).astype(np.uint8)
    for factor, size in ((2.0, (20, 40)), (0.5, (5, 10)), (1.5, (15, 30))):
        expected = tf.image.resize(image, size, antialias=True)
        found = data.scaled_image(image, tf.constant(factor))
        np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize("scale", [0.84, 1.37, 3.21])
def test_pixels_lie_where_boxes_do(scale):
    """A plane stays one: the value at the scaled centre is that of the original."""
    rows, columns = np.mgrid[0:40, 0:50] + 0.5
    plane = (2 * rows + 3 * columns)[..., np.newaxis].astype(np.float32)
    found = data.scaled_image(plane, tf.constant(scale, tf.float32)).numpy()[..., 0]
    height, width = found.shape
    assert height == round(40 * scale) and width == round(50 * scale)
    rows, columns = (np.mgrid[0:height, 0:width] + 0.5) / np.float32(scale)
    inside = (slice(4, -4), slice(4, -4))  # where no border is near
    difference = (found - (2 * rows + 3 * columns))[inside]
    # Filters against aliasing weigh whole pixels, more or less evenly around a centre.
    assert np.abs(difference).max() < (2e-3 if scale > 1 else 0.5)
    assert abs(difference.mean()) < 0.02
    assert found.min() > 0  # nothing beyond the image came in


@pytest.mark.parametrize("shape", [(1, 1), (400, 1), (1, 400), (3, 2)])
def test_tiny_images_stay_pictures(shape):
    scale = data.image_scale(*shape, 60, 100)
    found = data.scaled_image(np.full((*shape, 3), 200, np.uint8), scale).numpy()
    np.testing.assert_allclose(found, 200, atol=1e-3)
    on_canvas = data.on_canvas(tf.constant(found), (100, 100)).numpy()
    assert on_canvas.shape == (100, 100, 3)
    np.testing.assert_allclose(on_canvas.sum(), found.sum(), rtol=1e-5)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("orientation", [None, 1, 3, 6, 8, 99])
def test_sizes_of_files_are_those_of_their_pixels(kind, orientation, tmp_path):
    exif = Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    file = io.BytesIO()
    Image.new("RGB", (300, 17)).save(file, kind, exif=exif)
    content = file.getvalue()
    pixels = data.Preprocessing.plain(1, 1, 3).decode(tf.constant(content))
    assert tuple(data.encoded_size(content)) == pixels.shape[:2]
    (tmp_path / "x").write_bytes(content)
    assert data.decoding.read_size(tmp_path / "x") == pixels.shape[:2]
