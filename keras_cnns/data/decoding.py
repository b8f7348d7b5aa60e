"""Encoded images to pixels by one rule: in training, inference and served graphs.

``decode_image`` takes JPEG and PNG, in any graph. ``read_encoded`` reads files: JPEG
and PNG as they are, whatever else Pillow reads as a PNG of the pixels that the rule
gives. ``docs/images.md`` has the table.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import stat
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import tensorflow as tf
from PIL import Image, ImageOps

from keras_cnns._errors import what_happened

if TYPE_CHECKING:
    from keras_cnns._types import Array

# fmt: off
IMAGE_EXTENSIONS = (
    ".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff",
)
# fmt: on
_JPEG, _PNG = b"\xff\xd8", b"\x89PNG"
_PNG_SIZE, _BIT_DEPTH, _COLOUR_TYPE = 16, 24, 25  # positions in a PNG file
_EXIF_BYTES = 65_536  # an EXIF block of JPEG is no longer
_ORIENTATION = 0x0112  # EXIF's tag
_SIXTEEN_BITS = ("I;16", "I;16B", "I;16L", "I;16N")
_GREY = ("1", "L", "LA", "La")
_COLOUR = ("P", "PA", "RGB", "RGBA", "RGBa", "CMYK", "YCbCr")


def decode_image(content: tf.Tensor, channels: int) -> tf.Tensor:
    """Encoded bytes to pixels.

    EXIF's orientation is applied, 16-bit levels are rounded to 8 bits, transparent
    pixels are put on white, and grey is ``(19595 R + 38470 G + 7471 B + 32768) >> 16``,
    the luma of ITU-R 601.

    Args:
        content: scalar string, a whole JPEG or PNG file.
        channels: 1 (grey) or 3.

    Returns:
        uint8 ``(height, width, channels)``.

    Raises:
        tf.errors.InvalidArgumentError: if it is of another format, damaged, or an
            animated PNG.
    """
    # Every content that is no tensor would be traced by itself.
    return _decode(tf.convert_to_tensor(content), channels)


@tf.function(autograph=False)  # traced once, not in every pipeline
def _decode(content, channels):
    is_jpeg = tf.strings.substr(content, 0, 2) == _JPEG
    is_png = tf.strings.substr(content, 0, 4) == _PNG
    content = _asserted(is_jpeg | is_png, "an image must be JPEG or PNG", content)
    image = tf.cond(
        is_jpeg,
        # As Pillow decodes it.
        lambda: tf.io.decode_jpeg(content, 3, dct_method="INTEGER_ACCURATE"),
        lambda: _decode_png(content),
    )
    image = _upright(image, _read_orientation(content, is_jpeg))
    if channels == 1:
        red, green, blue = tf.unstack(tf.cast(image, tf.int32), 3, axis=2)
        luma = (19595 * red + 38470 * green + 7471 * blue + 32768) // 65536
        image = tf.cast(luma, tf.uint8)[..., tf.newaxis]
    image.set_shape([None, None, channels])
    return image


def _asserted(condition, message, content):
    with tf.control_dependencies([tf.debugging.Assert(condition, [message])]):
        return tf.identity(content)


def _decode_png(content):
    """RGB pixels of a PNG file."""
    before_data = _parts(content, "IDAT")[0]
    is_still = tf.logical_not(_holds(before_data, "acTL"))
    content = _asserted(is_still, "an image must have one frame", content)
    kind = _byte(content, _COLOUR_TYPE)
    has_alpha = (kind == 4) | (kind == 6) | _holds(before_data, "tRNS")

    def decode(channels):
        def round_to_bytes():
            levels = tf.io.decode_png(content, channels, dtype=tf.uint16)
            return (tf.cast(levels, tf.int32) * 255 + 32767) // 65535

        def keep_bytes():
            return tf.cast(tf.io.decode_png(content, channels), tf.int32)

        return tf.cond(_byte(content, _BIT_DEPTH) == 16, round_to_bytes, keep_bytes)

    def put_on_white():
        pixels = decode(4)
        return on_white(pixels[..., :3], pixels[..., 3:])

    image = tf.cond(has_alpha, put_on_white, lambda: decode(3))
    return tf.cast(image, tf.uint8)


def on_white(colour: Array, alpha: Array) -> Array:
    """Colours over white, by alpha; int32 tensors or arrays of 0 to 255."""
    return (colour * alpha + 255 * (255 - alpha) + 127) // 255


def _byte(content, position):
    """One byte as int32; 0 beyond the end."""
    padded = content + b"\0" * (position + 1)
    byte = tf.io.decode_raw(tf.strings.substr(padded, position, 1), tf.uint8)
    return tf.cast(byte[0], tf.int32)


def _parts(content, text):
    """What stands before and behind the first place of a text."""
    split = tf.raw_ops.StringSplitV2(input=[content], sep=text, maxsplit=1)
    return split.values


def _holds(content, text):
    return tf.size(_parts(content, text)) > 1


@tf.function(input_signature=[tf.TensorSpec([], tf.string)], autograph=False)
def encoded_size(content: tf.Tensor) -> tf.Tensor:
    """Height and width that ``decode_image`` gives, without decoding the pixels.

    Args:
        content: scalar string, a whole JPEG or PNG file.

    Returns:
        int32 ``(2,)``.

    Raises:
        tf.errors.InvalidArgumentError: if it is of another format, or its header is
            damaged.
    """
    is_jpeg = tf.strings.substr(content, 0, 2) == _JPEG
    is_png = tf.strings.substr(content, 0, 4) == _PNG
    content = _asserted(is_jpeg | is_png, "an image must be JPEG or PNG", content)

    def size_of_png():
        places = range(_PNG_SIZE, _PNG_SIZE + 8)
        digits = tf.reshape(tf.stack([_byte(content, p) for p in places]), [2, 4])
        return tf.reverse(tf.reduce_sum(digits * 256 ** tf.range(3, -1, -1), 1), [0])

    size = tf.cond(
        is_jpeg, lambda: tf.image.extract_jpeg_shape(content)[:2], size_of_png
    )
    turned = _read_orientation(content, is_jpeg) > 4
    return tf.ensure_shape(tf.where(turned, tf.reverse(size, [0]), size), [2])


def _read_orientation(content, is_jpeg):
    """EXIF's orientation, 1 to 8; 1 where there is none."""
    # Image data cannot pass for it: the directory that follows is checked.
    parts = _parts(content, tf.where(is_jpeg, b"Exif\0\0", b"eXIf"))
    return tf.cond(
        tf.size(parts) > 1,
        lambda: _orientation_of(tf.strings.substr(parts[1], 0, _EXIF_BYTES)),
        lambda: 1,
    )


def _orientation_of(block):
    """The orientation in the first directory of a TIFF block; 1 if there is none."""
    values = tf.cast(tf.io.decode_raw(block + b"\0" * 16, tf.uint8), tf.int32)
    size = tf.size(values)
    is_little = tf.reduce_all(values[:4] == [*b"II*\0"])
    is_big = tf.reduce_all(values[:4] == [*b"MM\0*"])

    def number(positions, length):
        """Whole numbers of some bytes at positions; within the block."""
        places = positions[..., tf.newaxis] + tf.range(length)
        digits = tf.gather(values, tf.clip_by_value(places, 0, size - 1))
        digits = tf.where(is_big, digits, tf.reverse(digits, [-1]))
        return tf.reduce_sum(digits * 256 ** tf.range(length - 1, -1, -1), -1)

    start = number(tf.constant(4), 4)
    count = tf.minimum(number(start, 2), size // 12)
    entries = start + 2 + 12 * tf.range(count)
    is_it = (number(entries, 2) == _ORIENTATION) & (entries + 28 <= size)
    found = number(tf.boolean_mask(entries, is_it) + 8, 2)
    found = tf.concat([found, [1]], 0)[0]
    is_valid = (is_little | is_big) & (found >= 1) & (found <= 8)
    return tf.where(is_valid, found, 1)


def _upright(image, orientation):
    """Pixels turned from how they are stored to how they are seen."""

    def among(*orientations):
        return tf.reduce_any(orientation == orientations)

    def turn():
        turned = tf.cond(
            orientation > 4, lambda: tf.transpose(image, [1, 0, 2]), lambda: image
        )
        rows, columns = (
            tf.where(among(*flipped), -1, 1) for flipped in ((3, 4, 7, 8), (2, 3, 6, 7))
        )
        return turned[::rows, ::columns]

    return tf.cond(orientation > 1, turn, lambda: image)


def read_encoded(path: str, kind: str = "image") -> bytes:
    """A file as JPEG or PNG, for ``decode_image``.

    Args:
        path: of a file that Pillow reads, with one frame. Of cameras' multi-image files
            (MPO), whose further frames are previews or other views, the first counts.
        kind: what to call it in errors.

    Returns:
        The file's own bytes if it is JPEG or PNG, else a PNG file of its pixels.

    Raises:
        ValueError: if it is no image, damaged, too large to be trusted, of several
            frames, or of neither 8 nor 16 bits per channel; or if it is not a regular
            file.
        OSError: if there is no such file, or no permission to read it.
    """
    content, _ = _read(path, kind)
    return content


class Header(NamedTuple):
    """What an image file's header tells.

    Attributes:
        is_grey: whether the image has no colours.
        is_native: whether it is JPEG or PNG.
    """

    is_grey: bool
    is_native: bool


def read_header(path: str, kind: str = "image") -> Header:
    """An image file's ``Header``.

    Raises:
        ValueError, OSError: as ``read_encoded``, as far as a header tells.
    """
    with _opened(path, kind) as image:
        return _header_of(image)


def read_size(path: str, kind: str = "image") -> tuple:
    """(height, width) of an image file as it is seen, whose pixels are not read.

    Raises:
        ValueError, OSError: as ``read_encoded``, as far as a header tells.
    """
    with _opened(path, kind) as image:
        if image.format == "PNG":  # may have EXIF's block at its end
            with open(path, "rb") as file:
                return tuple(int(side) for side in encoded_size(file.read()))
        exif = image.getexif()
        if _header_of(image).is_native:  # notes of programs do not count
            exif = Image.Exif()
            with contextlib.suppress(Exception):  # a damaged block tells nothing
                exif.load(image.info.get("exif", b""))
        is_turned = exif.get(_ORIENTATION) in (5, 6, 7, 8)
        return image.size if is_turned else image.size[::-1]


def read_image(path: str, kind: str = "image", channels: int = 0) -> np.ndarray:
    """The pixels of an image file, by the rule of ``decode_image``.

    Args:
        path, kind: as ``read_encoded`` takes them.
        channels: 1 (grey) or 3; 0: as the file has.

    Returns:
        uint8 ``(height, width, channels)``.

    Raises:
        ValueError, OSError: as ``read_encoded``.
    """
    content, is_grey = _read(path, kind)
    channels = channels or (1 if is_grey else 3)
    try:
        return decode_image(content, channels).numpy()
    except tf.errors.OpError as error:
        raise ValueError(f"{kind} {path} cannot be read: {_reason(error)}") from error


def _reason(error):
    """What a decoding error says, without the names of graph nodes."""
    line = str(getattr(error, "message", error) or type(error).__name__)
    return re.sub(r"\{\{.*?\}\} ?|\[Op:.*", "", what_happened(line)).strip()


def _read(path, kind):
    """(JPEG or PNG bytes, whether the image is grey)."""
    with _opened(path, kind) as image:
        header = _header_of(image)
        if not header.is_native:
            return _as_png(image), header.is_grey
        with open(path, "rb") as file:
            return file.read(), header.is_grey


@contextlib.contextmanager
def _opened(path, kind):
    """The file as Pillow opens it; what Pillow raises on it is one line."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise ValueError(f"{kind} {path} is not a regular file")
    try:
        with Image.open(path) as image:
            frames = getattr(image, "n_frames", 1)
            if frames > 1 and image.format != "MPO":
                raise ValueError(f"it has {frames} frames, there must be one")
            yield image
    except (FileNotFoundError, PermissionError):
        raise
    # Pillow's decoders let all kinds of errors of damaged files through.
    except Exception as error:
        raise ValueError(f"{kind} {path} cannot be read: {_reason(error)}") from error


def _header_of(image):
    # "I": PNG files of 16 bits, as older releases of Pillow open them
    is_grey = image.mode in (*_GREY, *_SIXTEEN_BITS, "I")
    return Header(is_grey, image.format in ("JPEG", "MPO", "PNG"))


def _as_png(image):
    """A PNG file of an image's pixels, turned, opaque and of 8 bits per channel."""
    image = ImageOps.exif_transpose(image)
    if image.mode in _SIXTEEN_BITS:
        levels = np.asarray(image).astype(np.int32)
        image = Image.fromarray(((levels * 255 + 32767) // 65535).astype(np.uint8))
    elif image.mode not in _GREY + _COLOUR:
        raise ValueError(
            "it must have 8 or 16 bits per channel, grey or colour, got Pillow's mode "
            f"{image.mode}"
        )
    mode = "L" if image.mode in _GREY else "RGB"
    if image.has_transparency_data:
        pixels = np.asarray(image.convert("RGBA"), np.int32)
        pixels = on_white(pixels[..., :3], pixels[..., 3:]).astype(np.uint8)
        image = Image.fromarray(pixels)
    file = io.BytesIO()
    image.convert(mode).save(file, "PNG", compress_level=1)
    return file.getvalue()
