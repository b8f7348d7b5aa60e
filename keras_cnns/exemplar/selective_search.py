"""Selective search: boxes that objects may fill, without learning.

An image is cut into small segments, and the most similar neighbours are merged until
one region is left; the boxes of all regions on the way are the proposals. This is done
in several colour spaces, with several similarities and sizes of segments.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image
from skimage.segmentation import felzenszwalb

from keras_cnns._checks import check_choice, check_count
from keras_cnns.exemplar._inputs import check_image
from keras_cnns.exemplar.region_features import (
    COLOUR_SPACES,
    colour_bins,
    describe_segments,
    texture_bins,
)
from keras_cnns.exemplar.region_merging import MEASURES, merge_segments

_SIGMA = 0.8
# Pictures that are higher than so many times their width are not resized to that width.
_LARGEST_RATIO = 4
# Colour spaces, sums of measures, and sizes of segments.
_MODES = {
    "fast": (("hsv", "lab"), (MEASURES, MEASURES[1:]), (50, 100)),
    "quality": (
        tuple(COLOUR_SPACES),
        (MEASURES, MEASURES[1:], ("fill",), ("size",)),
        (50, 100, 150, 300),
    ),
}
SELECTIVE_SEARCH_MODES = tuple(_MODES)


def selective_search(
    image: np.ndarray,
    mode: str = "fast",
    *,
    seed: int = 0,
    max_boxes: int | None = 2000,
    width: int | None = 500,
    min_side: int = 20,
    scales: Sequence[float] | None = None,
) -> np.ndarray:
    """Proposes boxes, those of large regions mostly first.

    Boxes come in the order of their region's place from the top of its hierarchy times
    a random number; of equal ones the first is kept.

    The published settings are for photographs: ``width``, ``min_side`` and ``scales``
    belong together. Small pictures are searched many times faster in their own size
    (``width=None``), with ``min_side`` at about half of the smallest object's, and with
    lower ``scales`` where objects are hardly larger than the segments. Most of the time
    is the segmentation's and grows with the pixels; quality mode takes about four times
    as long as fast mode.

    Args:
        image: uint8 ``(height, width)``, ``(height, width, 1)`` or
            ``(height, width, 3)``, RGB.
        mode: ``"fast"``: HSV and Lab, with colour, texture, size and fill and with the
            last three of them; ``"quality"``: also normalised red and green with
            intensity, hue, and intensity, and with fill and size alone.
        seed: of the random numbers.
        max_boxes: at most so many are returned; None: all.
        width: the image is resized to it, in pixels, with its shape kept; None: not. An
            image more than four times as high as wide is resized to four times of this
            height.
        min_side: boxes of a shorter side are left out, in pixels of the resized image.
        scales: a list of parameters k of the segmentation, which are also the least
            numbers of pixels of a segment; None: the mode's, 50 and 100 or 50, 100, 150
            and 300.

    Returns:
        float32 ``(boxes, 4)``: continuous (y1, x1, y2, x2) in pixels of the
        given image; none where the image is smaller than ``min_side``.

    Raises:
        ValueError: if the image or an argument is bad.

    Source: Uijlings, van de Sande, Gevers and Smeulders, "Selective search for object
    recognition", IJCV 2013; segments by Felzenszwalb and Huttenlocher, 2004, with sigma
    0.8. The bins of textures reach to the steepest rise in the image, and spaces of one
    colour channel are segmented by that one; the released code may differ in both.
    """
    check_choice("mode", mode, SELECTIVE_SEARCH_MODES)
    check_count("seed", seed, 0)
    check_count("min_side", min_side)
    for name, value in (("max_boxes", max_boxes), ("width", width)):
        if value is not None:
            check_count(name, value)
    image = check_image(image)
    original = image.shape[:2]
    spaces, similarities, own_scales = _MODES[mode]
    resized = _resize(image, width)
    hierarchies = _hierarchies(
        resized, spaces, similarities, _check_scales(scales, own_scales)
    )
    boxes = _ranked(hierarchies, np.random.default_rng(seed))
    sides = boxes[:, 2:] - boxes[:, :2]
    boxes = _first_of_equal(boxes[(sides >= min_side).all(axis=1)])[:max_boxes]
    factors = np.divide(original, resized.shape[:2])
    return (boxes * np.tile(factors, 2)).astype(np.float32)


def _check_scales(scales, default):
    if scales is None:
        return default
    if not isinstance(scales, (list, tuple)) or not scales:
        raise ValueError(
            f"scales must be positive whole numbers or None, got {scales!r}"
        )
    for scale in scales:
        check_count(f"each of scales={scales!r}", scale)
    return scales


def _resize(image, width):
    """RGB, of a width or four times that height."""
    image = np.broadcast_to(np.atleast_3d(image), (*image.shape[:2], 3))
    height, old_width = image.shape[:2]
    if width is None:
        return image
    factor = min(width / old_width, _LARGEST_RATIO * width / height)
    size = [max(1, round(factor * side)) for side in (old_width, height)]
    picture = Image.fromarray(np.ascontiguousarray(image))
    return np.asarray(picture.resize(size, Image.Resampling.BICUBIC))


def _hierarchies(image, spaces, similarities, scales):
    """Boxes of all regions of each hierarchy, the whole image last."""
    for space in spaces:
        channels = COLOUR_SPACES[space](image)
        colours, textures = colour_bins(channels), texture_bins(channels)
        for scale in scales:
            labels = felzenszwalb(channels, scale, _SIGMA, min_size=scale)
            segments = describe_segments(labels, colours, textures)
            for measures in similarities:
                yield merge_segments(segments, measures)[0]


def _ranked(hierarchies, random):
    """All boxes, by place from the top of their hierarchy times a random number."""
    boxes, ranks = [], []
    for found in hierarchies:
        boxes.append(found[::-1])
        ranks.append(np.arange(1, len(found) + 1) * random.random(len(found)))
    return np.concatenate(boxes)[np.argsort(np.concatenate(ranks), kind="stable")]


def _first_of_equal(boxes):
    """Each box once, where it comes first."""
    _, first = np.unique(boxes, axis=0, return_index=True)
    return boxes[np.sort(first)]
