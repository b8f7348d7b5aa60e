"""Boxes: what they are everywhere in this package, and their arithmetic.

A box is ``(y1, x1, y2, x2)`` in pixels, its first corner at the upper left. It is
continuous: its height is ``y2 - y1``, and the pixel of row r and column c covers
``[r, r + 1) x [c, c + 1)``. Inclusive boxes, whose second corner is the last pixel
inside, are those of Pascal VOC's files and metric and of the networks' first releases;
they come in and go out by ``inclusive_to_continuous`` and ``continuous_to_inclusive``.

Lists of boxes that differ in length are padded with rows of zeros.

The functions take tensors and arrays and return tensors of float32. None of them makes
NaN of such rows, in values or gradients.
"""

import math

import tensorflow as tf

# Larger growth of a side than from 16 to 1000 pixels is cut.
LARGEST_LOG_SCALE = math.log(1000 / 16)
_LEAST_SIDE = 1e-3  # in pixels, of what is divided by or in a logarithm
_LARGEST = 2.0**20  # of a coordinate that an integer is made of


def box_areas(boxes):
    """Areas ``(...)`` of boxes ``(..., 4)``; 0 where a corner is on the wrong side."""
    height, width = _sides(boxes)
    return tf.nn.relu(height) * tf.nn.relu(width)


def pairwise_iou(first, second):
    """Intersection over union of every box of one list with every one of another.

    Args:
        first: ``(..., N, 4)``.
        second: ``(..., M, 4)``; leading axes are broadcast.

    Returns:
        ``(..., N, M)`` in [0, 1]; 0 where a box has no area or is not finite.
    """
    first, second = _float32(first), _float32(second)
    one, other = first[..., :, None, :], second[..., None, :, :]
    low = tf.maximum(one[..., :2], other[..., :2])
    high = tf.minimum(one[..., 2:], other[..., 2:])
    common = box_areas(tf.concat([low, high], -1))
    union = box_areas(one) + box_areas(other) - common
    overlap = tf.math.divide_no_nan(common, union)
    return tf.where(overlap > 0, overlap, 0.0)


def clip_boxes(boxes, sizes):
    """The part of boxes inside their images.

    Args:
        boxes: ``(..., 4)``.
        sizes: ``(..., 2)``, height and width of the images in pixels; its axes but the
            last are the first ones of ``boxes``: ``(batch, 2)`` for ``(batch, N, 4)``.

    Returns:
        ``(..., 4)``; a box outside of its image has no area.
    """
    boxes, sizes = _float32(boxes), _float32(sizes)
    limits = tf.concat([sizes, sizes], -1)
    for _ in range(boxes.shape.rank - limits.shape.rank):
        limits = limits[..., None, :]
    return tf.minimum(tf.maximum(boxes, 0.0), limits)


def encode_boxes(boxes, references, stddevs=(1.0, 1.0, 1.0, 1.0)):
    """Shifts and scalings that make boxes of their references.

    Args:
        boxes, references: ``(..., 4)``, broadcast.
        stddevs: what each of the four values is divided by, ``(4,)`` or broadcast.

    Returns:
        ``(..., 4)``: shifts of the centre over the reference's height and width,
        logarithms of the ratios of heights and of widths. Sides below 1e-3 pixels
        count as that.

    Source: Girshick et al., arXiv 1311.2524, appendix C.
    """
    (height, width), (y, x) = _sides(boxes), _centres(boxes)
    (from_height, from_width), (from_y, from_x) = (
        _sides(references),
        _centres(references),
    )
    height, width, from_height, from_width = (
        tf.maximum(side, _LEAST_SIDE)
        for side in (height, width, from_height, from_width)
    )
    shifts = (y - from_y) / from_height, (x - from_x) / from_width
    scalings = tf.math.log(height / from_height), tf.math.log(width / from_width)
    return tf.stack([*shifts, *scalings], -1) / _float32(stddevs)


def decode_boxes(deltas, references, stddevs=(1.0, 1.0, 1.0, 1.0)):
    """The boxes that shifts and scalings make of references; undoes ``encode_boxes``.

    Args:
        deltas: ``(..., 4)``, as ``encode_boxes`` returns them.
        references: ``(..., 4)``, broadcast.
        stddevs: what each of the four values is multiplied by.

    Returns:
        ``(..., 4)``, not clipped to an image. Sides grow 62.5 times at most
        (``LARGEST_LOG_SCALE``); a reference of zeros stays one.
    """
    deltas = _float32(deltas) * _float32(stddevs)
    (height, width), (y, x) = _sides(references), _centres(references)
    y, x = y + deltas[..., 0] * height, x + deltas[..., 1] * width
    growth = tf.exp(tf.minimum(deltas[..., 2:], LARGEST_LOG_SCALE))
    height, width = height * growth[..., 0], width * growth[..., 1]
    corners = [y - height / 2, x - width / 2, y + height / 2, x + width / 2]
    return tf.stack(corners, -1)


def flip_boxes(boxes, width):
    """Boxes of images mirrored from left to right; rows of zeros stay.

    Args:
        boxes: ``(..., 4)``.
        width: of the images in pixels, broadcast against ``(...)``.
    """
    boxes, width = _float32(boxes), _float32(width)
    y1, x1, y2, x2 = tf.unstack(boxes, axis=-1)
    flipped = tf.stack([y1, width - x2, y2, width - x1], -1)
    is_padding = tf.reduce_all(boxes == 0, -1, keepdims=True)
    return tf.where(is_padding, boxes, flipped)


def inclusive_to_continuous(boxes, first_pixel=1):
    """Boxes ``(..., 4)`` whose corners are the first and the last pixel inside.

    Args:
        boxes: ``(y1, x1, y2, x2)``, inclusive.
        first_pixel: number of an image's first row and column: 1 in Pascal VOC's files,
            0 in Caffe's code.
    """
    return _float32(boxes) - ([first_pixel] * 2 + [first_pixel - 1] * 2)


def continuous_to_inclusive(boxes, first_pixel=1):
    """Undoes ``inclusive_to_continuous``, of the same arguments."""
    return _float32(boxes) + ([first_pixel] * 2 + [first_pixel - 1] * 2)


def finite_boxes(boxes):
    """Boxes ``(..., 4)`` that integers can be made of.

    A box with a coordinate that is not finite becomes zeros; the others are cut at
    2^20 pixels to either side.
    """
    boxes = _float32(boxes)
    is_finite = tf.reduce_all(tf.math.is_finite(boxes), -1, keepdims=True)
    return tf.where(is_finite, tf.clip_by_value(boxes, -_LARGEST, _LARGEST), 0.0)


def round_half_away(values):
    """Nearest whole numbers, halves away from zero as C's ``round``; float32."""
    values = _float32(values)
    return tf.sign(values) * tf.floor(tf.abs(values) + 0.5)


def suppress_overlapping(boxes, scores, max_boxes, iou_threshold, min_score=-math.inf):
    """Non-maximum suppression: the best boxes that do not overlap a better one.

    A box goes where its IoU with one that stays is *above* the threshold; equal to it
    is kept. XLA compiles it.

    Args:
        boxes: ``(batch, N, 4)``.
        scores: ``(batch, N)``; those that are not finite never win, nor do boxes that
            are not.
        max_boxes: how many are kept at most.
        iou_threshold: in [0, 1].
        min_score: scores must be above it.

    Returns:
        ``(places, is_found)``: int32 ``(batch, max_boxes)``, indices by falling score,
        0 where there are no more, and bool of the same shape.
    """
    boxes, scores = _float32(boxes), _float32(scores)
    lowest = tf.float32.min
    available = boxes.shape[1] or tf.shape(boxes)[1]
    limit = tf.minimum(max_boxes, available)  # more is what XLA does not take
    is_finite = tf.reduce_all(tf.math.is_finite(boxes), -1) & tf.math.is_finite(scores)
    scores = tf.where(is_finite, scores, lowest)
    boxes = tf.where(is_finite[..., None], boxes, 0.0)

    def suppress(given):
        kept = tf.raw_ops.NonMaxSuppressionV4(
            boxes=given[0],
            scores=given[1],
            max_output_size=limit,
            iou_threshold=iou_threshold,
            score_threshold=max(min_score, lowest),
            pad_to_max_output_size=True,
        )
        return tuple(kept)

    kinds = tf.TensorSpec([None], tf.int32), tf.TensorSpec([], tf.int32)
    places, counts = tf.map_fn(suppress, (boxes, scores), fn_output_signature=kinds)
    places = tf.pad(places, [[0, 0], [0, max_boxes - limit]])
    is_found = tf.range(max_boxes) < counts[:, None]
    return tf.where(is_found, places, 0), is_found


def _float32(values):
    return tf.cast(values, tf.float32)


def _sides(boxes):
    """Heights and widths, each ``(...)``."""
    boxes = _float32(boxes)
    return boxes[..., 2] - boxes[..., 0], boxes[..., 3] - boxes[..., 1]


def _centres(boxes):
    """Rows and columns of the centres, each ``(...)``."""
    boxes = _float32(boxes)
    return (boxes[..., 0] + boxes[..., 2]) / 2, (boxes[..., 1] + boxes[..., 3]) / 2
