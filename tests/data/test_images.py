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


def test_modes(tmp_path):
    """Palettes become colours, black and white grey, opaque alpha goes."""
    path = str(tmp_path / "image.png")
    pixels = _pixels(4, 6, 3)
    image = Image.fromarray(pixels)
    image.putalpha(255)
    image.save(path)
    np.testing.assert_array_equal(data.read_image(path), pixels)
    Image.fromarray(pixels[..., 0] > 99).save(path)
    expected = np.where(pixels[..., :1] > 99, 255, 0)
    np.testing.assert_array_equal(data.read_image(path), expected)
    few = pixels // 128 * 255
    Image.fromarray(few).quantize(8).save(path)
    np.testing.assert_array_equal(data.read_image(path), few)


def test_images_are_upright(tmp_path):
    """Orientation 6: the top of the scene is at the right of the file's pixels."""
    path = str(tmp_path / "image.png")
    pixels = _pixels(4, 6, 3)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(path, exif=exif)
    np.testing.assert_array_equal(data.read_image(path), np.rot90(pixels, -1))


def test_what_cannot_be_kept_is_refused(tmp_path):
    path = str(tmp_path / "image.png")
    image = Image.fromarray(_pixels(4, 6, 3))
    half = image.copy()
    half.putalpha(128)
    deep = Image.fromarray(_pixels(4, 6).astype(np.uint16))
    for bad, quoted in ((half, "transparent"), (deep, "8 bits .* mode I"),
                        (image.convert("CMYK"), "mode CMYK")):  # fmt: skip
        bad.save(path, format="TIFF" if bad.mode == "CMYK" else "PNG")
        with pytest.raises(ValueError, match=f"image.png .*{quoted}"):
            data.read_image(path)
    image.save(path, format="GIF", save_all=True, append_images=[half.convert("L")])
    with pytest.raises(ValueError, match="one frame, got 2"):
        data.read_image(path)
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n and nothing else")
    with pytest.raises(ValueError, match="image.png cannot be read"):
        data.read_image(path)
    with pytest.raises(FileNotFoundError):
        data.read_image(path + ".png")


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "PNG", "WEBP"])
def test_animations_are_refused(tmp_path, kind):
    path = str(tmp_path / "image")
    frames = [Image.new("RGB", (5, 4), colour) for colour in ("red", "blue", "lime")]
    frames[0].save(path, kind, save_all=True, append_images=frames[1:])
    with pytest.raises(ValueError, match="image .* must have one frame, got 3"):
        data.read_image(path)


def test_of_a_cameras_several_images_the_first_is_read(tmp_path):
    path = str(tmp_path / "image.jpg")
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    frames[0].save(path, "MPO", save_all=True, append_images=frames[1:])
    with Image.open(path) as image:
        assert image.format == "MPO" and image.n_frames == 2
    pixels = data.read_image(path).astype(int)
    assert pixels.shape == (16, 16, 3)
    assert np.abs(pixels - (255, 0, 0)).max() <= 3  # JPEG loses a little


def test_giant_images_are_refused(tmp_path, monkeypatch):
    path = str(tmp_path / "image.png")
    Image.new("L", (30, 10)).save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # twice that is refused
    with pytest.raises(ValueError, match=r"image.png cannot be read: .*300 pixels"):
        data.read_image(path)


def test_a_part_of_a_file_is_refused(tmp_path):
    path = tmp_path / "image.png"
    Image.fromarray(_pixels(40, 60, 3)).save(path)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(ValueError, match="image.png cannot be read"):
        data.read_image(str(path))


def test_bad_pixels(tmp_path):
    path = str(tmp_path / "image.png")
    for bad in (_pixels(4, 6), _pixels(4, 6, 2), _pixels(4, 6, 3).astype(float)):
        with pytest.raises(ValueError, match="must be uint8 .*got"):
            data.write_image(path, bad)
    with pytest.raises(ValueError, match="a .png file, got .*image.jpg"):
        data.write_image(str(tmp_path / "image.jpg"), _pixels(4, 6, 3))
    assert not list(tmp_path.iterdir())
