"""Image files to pixels and back."""

import numpy as np
import pytest
from PIL import Image

from keras_cnns import data


def _pixels(*shape):
    return np.random.default_rng(0).integers(256, size=shape).astype(np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_written_is_read_to_the_bit(tmp_path, channels):
    path = str(tmp_path / "new" / "image.png")
    pixels = _pixels(5, 7, channels)
    data.write_image(path, pixels)
    np.testing.assert_array_equal(data.read_image(path), pixels)
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["image.png"]


def test_giant_images_are_refused(tmp_path, monkeypatch):
    path = str(tmp_path / "image.png")
    Image.new("L", (30, 10)).save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # twice that is refused
    with pytest.raises(ValueError, match=r"image.png cannot be read: .*300 pixels"):
        data.read_image(path)


def test_bad_pixels(tmp_path):
    path = str(tmp_path / "image.png")
    for bad in (_pixels(4, 6), _pixels(4, 6, 2), _pixels(4, 6, 3).astype(float)):
        with pytest.raises(ValueError, match="must be uint8 .*got"):
            data.write_image(path, bad)
    with pytest.raises(ValueError, match="a .png file, got .*image.jpg"):
        data.write_image(str(tmp_path / "image.jpg"), _pixels(4, 6, 3))
    assert not list(tmp_path.iterdir())
