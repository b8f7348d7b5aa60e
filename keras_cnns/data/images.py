"""Image files: read as pixels, written without loss."""

import contextlib

import numpy as np
from PIL import Image, ImageOps

from keras_cnns import _files
from keras_cnns.data.preprocessing import VALUE_RANGES, check_value_range

# Target of each of Pillow's modes; others are not 8-bit, or not grey or RGB.
_CONVERTED = {"1": "L", "L": "L", "LA": "L", "P": "RGB", "RGB": "RGB", "RGBA": "RGB"}
_OPAQUE = 255


@contextlib.contextmanager
def opened(path: str, kind: str = "image"):
    """Opens an image file and applies its EXIF orientation.

    Args:
        path: file that Pillow reads, of one frame. Of cameras' multi-image files
            (MPO), whose further frames are previews or other views, the first is taken.
        kind: what to call it in errors.

    Yields:
        ``PIL.Image.Image``, of the file's own mode.

    Raises:
        ValueError: if the file is not an image, damaged, too large to be trusted, or
            has several frames; also for what Pillow raises within the block.
        FileNotFoundError: if there is no such file.
    """
    try:
        with Image.open(path) as image:
            num_frames = getattr(image, "n_frames", 1)
            if num_frames > 1 and image.format != "MPO":
                raise ValueError(f"{kind} {path} must have one frame, got {num_frames}")
            yield ImageOps.exif_transpose(image)
    except FileNotFoundError:
        raise
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{kind} {path} cannot be read: {error}") from error


def read_image(path: str) -> np.ndarray:
    """The pixels of an image file, with its EXIF orientation applied.

    Args:
        path: PNG, JPEG, BMP, GIF or another format of Pillow, 8 bits per channel, grey
            or colour, of one frame, without transparency.

    Returns:
        uint8 ``(height, width, 1)`` of grey images, else ``(height, width, 3)``.

    Raises:
        ValueError: if the file is another kind of image, damaged, or too large to be
            trusted.
        FileNotFoundError: if there is no such file.
    """
    with opened(path) as image:
        _check_kind(image, path)
        pixels = np.array(image.convert(_CONVERTED[image.mode]))
    return pixels.reshape(*pixels.shape[:2], -1)


def _check_kind(image, path):
    """Refuses images that 8-bit grey or RGB pixels cannot represent."""
    if image.mode not in _CONVERTED:
        raise ValueError(
            f"image {path} must be grey or RGB of 8 bits per channel, got Pillow's "
            f"mode {image.mode}"
        )
    has_alpha = image.mode in ("LA", "RGBA") or "transparency" in image.info
    if has_alpha and np.array(image.convert("RGBA"))[..., 3].min() < _OPAQUE:
        raise ValueError(
            f"image {path} is transparent in places; put it on a background first"
        )


def write_image(path: str, pixels) -> None:
    """Writes pixels as a PNG file, without loss.

    Args:
        path: file that ends in ``.png``.
        pixels: uint8 ``(height, width, 1)`` or ``(height, width, 3)``.

    Raises:
        ValueError: if the extension or the pixels are bad.
        OSError: if the file cannot be written; no partial file is left.
    """
    if not path.lower().endswith(".png"):
        raise ValueError(f"an image is written as a .png file, got {path!r}")
    pixels = np.asarray(pixels)
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] not in (1, 3):
        raise ValueError(
            "pixels must be uint8 (height, width, channels) with 1 or 3 channels, got "
            f"{pixels.dtype} of shape {pixels.shape}"
        )
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    with _files.atomic_file(path) as partial:
        image.save(partial, format="PNG")


def to_bytes(images, value_range="signed") -> np.ndarray:
    """Converts images to bytes.

    Args:
        images: ``(count, height, width, channels)``, 1 or 3 channels.
        value_range: ``"signed"`` for [-1, 1], ``"unit"`` for [0, 1]; values
            outside are clipped.

    Returns:
        The same shape, uint8.

    Raises:
        ValueError: if the shape is wrong, there are no images, or values are NaN.
    """
    check_value_range(value_range)
    images = np.asarray(images, np.float32)
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or not images.size:
        raise ValueError(
            "images must be (count, height, width, channels) with 1 or 3 channels, "
            f"got {images.shape}"
        )
    if np.isnan(images).any():
        raise ValueError(f"images hold {int(np.isnan(images).sum())} values NaN")
    low, high = VALUE_RANGES[value_range]
    return np.rint((np.clip(images, low, high) - low) / (high - low) * 255).astype(
        np.uint8
    )
