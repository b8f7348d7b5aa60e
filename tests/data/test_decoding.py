"""Every kind of image file by every path: the same pixels, or a refusal."""

import io
import os
import pathlib
import re
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_cnns import data
from keras_cnns.data import decoding
from keras_cnns.data.decoding import decode_image

_RANDOM = np.random.default_rng(0)
_COLOUR = _RANDOM.integers(256, size=(6, 9, 3)).astype(np.uint8)
_GREY = _COLOUR[..., 0]
_ALPHA = _RANDOM.integers(256, size=(6, 9, 4)).astype(np.uint8)
_DEEP = _RANDOM.integers(65536, size=(6, 9)).astype(np.uint16)
_SMOOTH = np.asarray(Image.fromarray(_COLOUR).resize((48, 32), Image.BICUBIC))


def _file(pixels, kind, mode=None, **options):
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    file = io.BytesIO()
    (image.convert(mode) if mode else image).save(file, kind, **options)
    return file.getvalue()


def _with_orientation(number, kind="JPEG"):
    exif = Image.Exif()
    exif[0x0112] = number
    return _file(_SMOOTH, kind, exif=exif)


def _jpeg_pixels(content):
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def _png_of_sixteen_bits(pixels):
    """Pillow writes no colours of 16 bits."""

    def chunk(name, content):
        crc = zlib.crc32(name + content).to_bytes(4, "big")
        return len(content).to_bytes(4, "big") + name + content + crc

    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = (
        width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([16, 2, 0, 0, 0])
    )
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def _on_white(pixels):
    """By floats, rounded."""
    alpha = pixels[..., 3:] / 255
    return np.rint(pixels[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)


_PALETTE = Image.fromarray(_COLOUR).quantize(8)
_DEEP_COLOUR = np.stack([_DEEP, _DEEP[::-1], _DEEP[:, ::-1]], 2)
_CMYK = _file(_SMOOTH, "JPEG", "CMYK", quality=95)
_JPEG = _file(_SMOOTH, "JPEG", quality=95)

# Kind of file: (content, pixels it shows).
TAKEN = {
    "PNG": (_file(_COLOUR, "PNG"), _COLOUR),
    "PNG, grey": (_file(_GREY, "PNG"), _GREY[..., None]),
    "PNG, black and white": (
        _file(_GREY > 99, "PNG"),
        np.where(_GREY[..., None] > 99, 255, 0),
    ),
    "PNG, palette": (_file(_PALETTE, "PNG"), np.asarray(_PALETTE.convert("RGB"))),
    "PNG, alpha": (_file(_ALPHA, "PNG"), _on_white(_ALPHA)),
    "PNG, transparent palette colour": (
        _file(_PALETTE, "PNG", transparency=2),
        np.where(np.asarray(_PALETTE)[..., None] == 2, 255, _PALETTE.convert("RGB")),
    ),
    "PNG, grey of 16 bits": (
        _file(_DEEP, "PNG"),
        np.rint(_DEEP[..., None] / 257),
    ),
    "PNG, colours of 16 bits": (
        _png_of_sixteen_bits(_DEEP_COLOUR),
        np.rint(_DEEP_COLOUR / 257),
    ),
    "JPEG": (_JPEG, _jpeg_pixels(_JPEG)),
    "JPEG, grey": (
        _file(_SMOOTH[..., 0], "JPEG"),
        _jpeg_pixels(_file(_SMOOTH[..., 0], "JPEG"))[..., :1],
    ),
    "JPEG, CMYK": (_CMYK, _jpeg_pixels(_CMYK)),
    "JPEG, several views of a camera (MPO)": (
        _file(_SMOOTH, "MPO", save_all=True, append_images=[Image.new("RGB", (8, 8))]),
        _jpeg_pixels(_file(_SMOOTH, "JPEG")),
    ),
    "BMP": (_file(_COLOUR, "BMP"), _COLOUR),
    "BMP, palette": (_file(_PALETTE, "BMP"), np.asarray(_PALETTE.convert("RGB"))),
    "BMP, black and white": (
        _file(_GREY > 99, "BMP"),
        np.where(_GREY[..., None] > 99, 255, 0),
    ),
    "GIF, one frame": (_file(_PALETTE, "GIF"), np.asarray(_PALETTE.convert("RGB"))),
    "WebP": (_file(_COLOUR, "WEBP", lossless=True), _COLOUR),
    "WebP, alpha": (
        _file(_ALPHA, "WEBP", lossless=True, exact=True),
        _on_white(_ALPHA),
    ),
    "TIFF": (_file(_COLOUR, "TIFF"), _COLOUR),
    "TIFF, CMYK": (
        _file(_COLOUR, "TIFF", "CMYK"),
        np.asarray(Image.fromarray(_COLOUR).convert("CMYK").convert("RGB")),
    ),
    "TIFF, grey of 16 bits": (_file(_DEEP, "TIFF"), np.rint(_DEEP[..., None] / 257)),
    "1x1": (_file(_COLOUR[:1, :1], "PNG"), _COLOUR[:1, :1]),
    "20000x1": (
        _file(_COLOUR.reshape(1, -1, 3).repeat(400, 1)[:, :20000], "PNG"),
        _COLOUR.reshape(1, -1, 3).repeat(400, 1)[:, :20000],
    ),
}
_FRAMES = [Image.new("RGB", (5, 4), colour) for colour in ("red", "blue")]
# Kind of file: (content, what the error says).
REFUSED = {
    f"{kind}, animated": (
        _file(_FRAMES[0], kind, save_all=True, append_images=_FRAMES[1:]),
        "frame",
    )
    for kind in ("PNG", "GIF", "WEBP", "TIFF")
} | {
    "TIFF, numbers of 32 bits": (
        _file(_DEEP.astype(np.float32), "TIFF"),
        "8 or 16 bits",
    ),
    "JPEG, cut short": (_JPEG[: len(_JPEG) // 2], "cannot be read"),
    "PNG, cut short": (_file(_COLOUR, "PNG")[:-60], "cannot be read"),
    "no image": (b"no image at all", "cannot be read"),
    "empty": (b"", "cannot be read"),
}


@pytest.mark.parametrize("kind", TAKEN)
def test_pixels_are_those_that_a_viewer_shows(kind, tmp_path):
    """And grey is the luma that Pillow makes of the colours."""
    content, shown = TAKEN[kind]
    path = tmp_path / "image.png"  # the content decides, not the name
    path.write_bytes(content)
    pixels = data.read_image(str(path))
    assert pixels.shape == shown.shape
    limit = 1 if "CMYK" in kind else 0
    assert np.abs(pixels.astype(int) - shown).max() <= limit
    colour = data.read_image(str(path), channels=3)
    expected = np.asarray(Image.fromarray(colour).convert("L"))[..., None]
    np.testing.assert_array_equal(data.read_image(str(path), channels=1), expected)


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_read_is_named(kind, tmp_path):
    content, reason = REFUSED[kind]
    path = tmp_path / "image.png"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"image.png .*{reason}"):
        data.read_image(str(path))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_images_are_upright(kind, tmp_path):
    """The eight orientations by their definition: where row 0 and column 0 are seen."""
    for orientation in range(1, 9):
        content = _with_orientation(orientation, kind)
        stored = _SMOOTH
        if kind in ("JPEG", "WEBP"):  # with losses
            stored = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
        turned = {
            1: stored, 2: stored[:, ::-1], 3: stored[::-1, ::-1], 4: stored[::-1],
            5: stored.swapaxes(0, 1), 6: np.rot90(stored, -1),
            7: stored[::-1, ::-1].swapaxes(0, 1), 8: np.rot90(stored),
        }[orientation]  # fmt: skip
        path = tmp_path / "image"
        path.write_bytes(content)
        found = data.read_image(str(path))
        np.testing.assert_array_equal(found, turned, f"orientation {orientation}")


def test_orientation_of_both_byte_orders_and_damaged_blocks():
    content = _with_orientation(6)
    start = content.index(b"Exif\0\0") + 6
    upright = decode_image(content, 3).shape
    big = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    little = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    for block in (big, little):
        exif = b"Exif\0\0" + block
        segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
        assert decode_image(_JPEG[:2] + segment + _JPEG[2:], 3).shape == (48, 32, 3)
    assert upright == (48, 32, 3)
    length = 26  # of a directory with one entry
    for damaged in (
        b"\0" * length,
        b"\xff" * length,
        b"II*\0" + b"\xff" * (length - 4),
        b"MM\0*" + b"\x7f" * (length - 4),
        b"II*\0\x08\0\0\0\xff\xff" + b"\0" * (length - 10),
    ):
        whole = content[:start] + damaged + content[start + length :]
        assert decode_image(whole, 3).shape == (32, 48, 3)


def test_graphs_decode_as_files_are_read():
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def decode(contents):
        spec = tf.RaggedTensorSpec([None, None, 3], tf.uint8, 2)
        return tf.map_fn(
            lambda content: tf.RaggedTensor.from_tensor(
                decode_image(content, 3), ragged_rank=2
            ),
            contents,
            fn_output_signature=spec,
        )

    native = [k for k in TAKEN if k.startswith(("PNG", "JPEG"))]
    for kind, pixels in zip(native, decode([TAKEN[kind][0] for kind in native])):
        expected = decode_image(TAKEN[kind][0], 3).numpy()
        np.testing.assert_array_equal(pixels.to_tensor(), expected)
    with pytest.raises(tf.errors.InvalidArgumentError, match="must be JPEG or PNG"):
        decode([TAKEN["WebP"][0]])
    with pytest.raises(tf.errors.InvalidArgumentError, match="must have one frame"):
        decode([REFUSED["PNG, animated"][0]])


def test_things_that_are_no_files(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "link.png").symlink_to("nowhere.png")
    for name, error in (
        ("pipe", "not a regular file"),
        ("folder", "not a regular file"),
        ("link", "No such file"),
    ):
        with pytest.raises((ValueError, OSError), match=f"({error}.*)?{name}.png"):
            data.read_image(str(tmp_path / f"{name}.png"))


def test_the_table_in_the_docs_is_this_one():
    root = pathlib.Path(__file__).resolve().parents[2]
    text = (root / "docs" / "images.md").read_text()
    rows = re.findall(r"^\| ([^|]+?) \| (converted|as it is|refused)", text, re.M)
    documented = dict(rows)
    assert set(documented) == {*TAKEN, *REFUSED}
    assert {k for k, v in documented.items() if v == "refused"} == set(REFUSED)


def test_decoding_is_traced_once_whatever_the_content():
    """Not for each image, which takes longer than to decode it."""
    decode_image(_file(_COLOUR, "PNG"), 3)
    before = decoding._decode.experimental_get_tracing_count()
    for i in (1, 2):
        decode_image(_file(_COLOUR + i, "PNG"), 3)
    assert decoding._decode.experimental_get_tracing_count() == before
