"""What regions are compared by in selective search: colour, texture, size and shape.

Pixels get the numbers of their bins once for an image; histograms of regions are counts
of these.
"""

import dataclasses

import numpy as np
from scipy import ndimage
from skimage import color

_COLOUR_BINS, _TEXTURE_BINS, _ORIENTATIONS = 25, 10, 8
_TEXTURE_SIGMA = 1.0


def _hsv(image):
    return color.rgb2hsv(image)


def _hue(image):
    return color.rgb2hsv(image)[..., :1]


def _lab(image):
    """Lightness from 0 to 100; both colours within -128 and 127."""
    return (color.rgb2lab(image) + (0, 128, 128)) / (100, 255, 255)


def _intensity(image):
    return color.rgb2gray(image)[..., np.newaxis]


def _chromaticity(image):
    """Red and green as parts of their sum with blue, and the intensity."""
    values = image.astype(np.float64)
    total = values.sum(axis=2, keepdims=True)
    parts = np.divide(values, total, out=np.full(values.shape, 1 / 3), where=total > 0)
    return np.concatenate([parts[..., :2], _intensity(image)], axis=2)


# From uint8 RGB (height, width, 3) to float64 (height, width, channels) in [0, 1].
COLOUR_SPACES = {
    "hsv": _hsv,
    "lab": _lab,
    "rgi": _chromaticity,
    "hue": _hue,
    "intensity": _intensity,
}


def colour_bins(channels: np.ndarray) -> np.ndarray:
    """Bin of every value, int ``(height, width, channels)``: 25 for a channel.

    Args:
        channels: ``(height, width, channels)`` in [0, 1].
    """
    bins = np.clip(channels * _COLOUR_BINS, 0, _COLOUR_BINS - 1).astype(np.intp)
    return bins + _COLOUR_BINS * np.arange(channels.shape[2])


def texture_bins(channels: np.ndarray) -> np.ndarray:
    """Bins of derivatives, int ``(height, width, channels * 8)``.

    A channel has ten for each of eight directions: how much it rises there, after a
    Gaussian of sigma 1, as part of its steepest rise in the image.

    Args:
        channels: ``(height, width, channels)``.
    """
    down, across = (
        ndimage.gaussian_filter(channels, (_TEXTURE_SIGMA, _TEXTURE_SIGMA, 0), order)
        for order in ((1, 0, 0), (0, 1, 0))
    )
    angles = 2 * np.pi * np.arange(_ORIENTATIONS) / _ORIENTATIONS
    rises = down[..., np.newaxis] * np.sin(angles)
    rises += across[..., np.newaxis] * np.cos(angles)
    steepest = rises.max(axis=(0, 1, 3), keepdims=True)
    # Differences of rounding are no texture.
    scale = np.divide(
        _TEXTURE_BINS, steepest, out=np.zeros_like(steepest), where=steepest > 1e-9
    )
    bins = np.clip(rises * scale, 0, _TEXTURE_BINS - 1).astype(np.intp)
    bins = bins.reshape(*channels.shape[:2], -1)
    return bins + _TEXTURE_BINS * np.arange(bins.shape[2])


@dataclasses.dataclass(frozen=True)
class Segments:
    """Segments of an image, which are merged to regions.

    Attributes:
        sizes: ``(segments,)``, in pixels.
        boxes: int ``(segments, 4)``: (y1, x1, y2, x2), ends excluded.
        colours: histograms ``(segments, 25 * channels)``, each of sum 1.
        textures: ``(segments, 80 * channels)``, each of sum 1.
        pairs: int ``(pairs, 2)``: segments that share an edge of pixels, the lower
            number first.
        num_pixels: of the image.
    """

    sizes: np.ndarray
    boxes: np.ndarray
    colours: np.ndarray
    textures: np.ndarray
    pairs: np.ndarray
    num_pixels: int


def describe_segments(
    labels: np.ndarray, colours: np.ndarray, textures: np.ndarray
) -> Segments:
    """Describes the segments of an image.

    Args:
        labels: int ``(height, width)``, all numbers from 0 to the highest occur.
        colours, textures: what ``colour_bins`` and ``texture_bins`` returned.
    """
    sizes = np.bincount(labels.ravel())
    slices = ndimage.find_objects(labels + 1)
    boxes = [(y.start, x.start, y.stop, x.stop) for y, x in slices]
    return Segments(
        sizes=sizes.astype(np.float64),
        boxes=np.array(boxes),
        colours=_histograms(labels, sizes, colours, _COLOUR_BINS),
        textures=_histograms(labels, sizes, textures, _TEXTURE_BINS),
        pairs=_neighbours(labels),
        num_pixels=labels.size,
    )


def _histograms(labels, sizes, bins, bins_of_each):
    """Histograms of the segments' bins, ``(segments, bins)``."""
    width = bins.shape[2] * bins_of_each
    places = labels[..., np.newaxis] * width + bins
    counts = np.bincount(places.ravel(), minlength=len(sizes) * width)
    return counts.reshape(len(sizes), width) / (sizes * bins.shape[2])[:, np.newaxis]


def _neighbours(labels):
    """Pairs of labels that lie beside or below each other."""
    first = np.concatenate([labels[:, :-1].ravel(), labels[:-1].ravel()])
    second = np.concatenate([labels[:, 1:].ravel(), labels[1:].ravel()])
    differ = first != second
    first, second = first[differ], second[differ]
    low, high = np.minimum(first, second), np.maximum(first, second)
    count = int(labels.max()) + 1
    keys = np.unique(low * count + high)
    return np.stack([keys // count, keys % count], axis=1)
