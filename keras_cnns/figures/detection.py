"""Boxes on images, with names and scores."""

from __future__ import annotations

import os
from collections.abc import Sequence

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from keras_cnns import _files
from keras_cnns._checks import check_count, check_within

# Colours of classes, told apart by hue and by brightness; they repeat.
_COLOURS = (
    (230, 60, 50), (60, 120, 216), (30, 160, 70), (245, 190, 30), (150, 70, 180),
    (0, 175, 190), (240, 130, 30), (225, 90, 170), (140, 95, 50), (130, 190, 40),
    (90, 90, 110), (110, 200, 255),
)  # fmt: skip
_BLACK, _WHITE = (0, 0, 0), (255, 255, 255)
_GAP = 4
# Images are shown at least at about this height, in pixels.
_SHOWN_HEIGHT = 256
_SMALLEST_TEXT, _TEXT_PART, _LINE_PART = 11, 1 / 40, 1 / 250


def draw_boxes(
    image: np.ndarray,
    boxes: np.ndarray,
    labels: Sequence[int] | np.ndarray | None = None,
    scores: Sequence[float] | np.ndarray | None = None,
    class_names: Sequence[str] = (),
    *,
    truth: np.ndarray | None = None,
    min_score: float = 0.0,
    scale: int = 1,
) -> np.ndarray:
    """An image with boxes on it, coloured by class, the best on top.

    Args:
        image: uint8 ``(height, width)``, ``(height, width, 1)`` or
            ``(height, width, 3)``.
        boxes: ``(n, 4)``, continuous (y1, x1, y2, x2) in pixels of the image; what lies
            outside of it is not seen.
        labels: classes ``(n,)``, -1 for padding; None: no names, one colour.
        scores: ``(n,)``, or None.
        class_names: names by label; a class beyond them is shown as its number.
        truth: true boxes ``(m, 4)``, drawn in white below the others, or None.
        min_score: boxes of a lower score are left out.
        scale: whole number of pixels that each side of an image's pixel gets.

    Returns:
        uint8 ``(scale * height, scale * width, 3)``.

    Raises:
        ValueError: if the image or boxes cannot be drawn, or numbers differ.
    """
    check_count("scale", scale)
    picture = _scaled(_check_image(image), scale)
    boxes = _check_boxes("boxes", boxes)
    labels = _check_list("labels", labels, len(boxes))
    scores = _check_list("scores", scores, len(boxes))
    draw = ImageDraw.Draw(picture)
    line = max(1, round(min(picture.size) * _LINE_PART))
    for box in _check_boxes("truth", () if truth is None else truth):
        _outline(draw, _corners(box * scale, picture.size), _BLACK, line + 2)
        inner = (box * scale) + (1, 1, -1, -1)
        _outline(draw, _corners(inner, picture.size), _WHITE, line)
    font = _font(picture.size)
    for index in _shown(len(boxes), labels, scores, min_score):
        label = 0 if labels is None else int(labels[index])
        colour = _COLOURS[label % len(_COLOURS)]
        corners = _corners(boxes[index] * scale, picture.size)
        _outline(draw, corners, colour, line + 1)
        text = [] if labels is None else [_name(class_names, label)]
        text += [] if scores is None else [f"{scores[index]:.2f}"]
        if text and corners:
            _write(draw, " ".join(text), corners, colour, font, picture.size)
    return np.asarray(picture)


def _shown(count, labels, scores, min_score):
    """Which boxes to draw, the best last."""
    shown = np.ones(count, bool)
    order = np.arange(count)
    if labels is not None:
        shown &= labels >= 0
    if scores is not None:
        shown &= scores >= min_score
        order = np.argsort(scores, kind="stable")
    return order[shown[order]]


def detection_grid(
    images: Sequence[np.ndarray],
    detections: Sequence[dict],
    path: str,
    class_names: Sequence[str] = (),
    *,
    truths: Sequence[np.ndarray] | None = None,
    min_score: float = 0.5,
    columns: int | None = None,
) -> None:
    """Writes images with their detections side by side; sizes may differ.

    Args:
        images: list of uint8 images as of ``draw_boxes``; small ones are enlarged to
            about 256 pixels.
        detections: a dict for each image: ``boxes``, ``scores`` and ``classes``, as of
            ``metrics.mean_average_precision``.
        path: PNG file to write.
        class_names: names by class.
        truths: true boxes ``(m, 4)`` for each image, drawn in white, or None.
        min_score: detections of a lower score are left out, in [0, 1].
        columns: images in a row; None gives the squarest grid.

    Raises:
        ValueError: if numbers of images differ or are 0, or something cannot be drawn.
        OSError: naming ``path``, if writing fails.
    """
    truths = [()] * len(images) if truths is None else truths
    if not len(images) == len(detections) == len(truths) or not len(images):
        raise ValueError(
            "images, detections and truths must be equally many and some, got "
            f"{len(images)}, {len(detections)} and {len(truths)}"
        )
    check_within("min_score", min_score, "[0, 1]")
    if columns is None:
        columns = int(np.ceil(np.sqrt(len(images))))
    check_count("columns", columns)
    drawn = [
        draw_boxes(
            image,
            found["boxes"],
            found["classes"],
            found["scores"],
            class_names,
            truth=truth,
            min_score=min_score,
            scale=max(1, _SHOWN_HEIGHT // max(1, np.shape(image)[0])),
        )
        for image, found, truth in zip(images, detections, truths)
    ]
    with _files.atomic_file(path) as file:
        Image.fromarray(_tile(drawn, min(columns, len(drawn)))).save(file, format="PNG")


def _tile(images, columns):
    """One white array with images of different sizes in equal cells."""
    height, width = (max(i.shape[side] for i in images) + _GAP for side in (0, 1))
    rows = -(-len(images) // columns)
    shape = (rows * height - _GAP, columns * width - _GAP, 3)
    canvas = np.full(shape, 255, np.uint8)
    for index, image in enumerate(images):
        top, left = index // columns * height, index % columns * width
        canvas[top : top + image.shape[0], left : left + image.shape[1]] = image
    return canvas


def _check_image(image):
    image = np.asarray(image)
    has_shape = image.ndim == 2 or (image.ndim == 3 and image.shape[2] in (1, 3))
    if image.dtype != np.uint8 or not has_shape or not image.size:
        raise ValueError(
            "image must be uint8 of shape (height, width), (height, width, 1) or "
            f"(height, width, 3), got {image.dtype} of shape {image.shape}"
        )
    return np.broadcast_to(np.atleast_3d(image), (*image.shape[:2], 3))


def _check_boxes(name, boxes):
    boxes = np.asarray(boxes, np.float64)
    if not boxes.size:
        return np.zeros((0, 4))
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"{name} must have the shape (n, 4), got {boxes.shape}")
    if not np.isfinite(boxes).all():
        bad = boxes[~np.isfinite(boxes).all(axis=1)][0].tolist()
        raise ValueError(f"{name} must be finite, got {bad}")
    return boxes


def _check_list(name, values, count):
    if values is None:
        return None
    values = np.asarray(values)
    if values.size != count or values.ndim > 1:
        raise ValueError(
            f"{name} must be {count}, one for each box, got shape {values.shape}"
        )
    return values


def _scaled(image, scale):
    enlarged = image.repeat(scale, axis=0).repeat(scale, axis=1)
    return Image.fromarray(np.ascontiguousarray(enlarged))


def _corners(box, size):
    """First and last pixel of a box: (left, top, right, bottom); None outside."""
    limits = np.array([size[1], size[0]]) - 1
    first = np.floor(box[:2])
    last = np.maximum(np.ceil(box[2:]) - 1, first)
    if (last < 0).any() or (first > limits).any():
        return None
    top, left, bottom, right = np.clip([first, last], 0, limits).astype(int).ravel()
    return int(left), int(top), int(right), int(bottom)


def _outline(draw, corners, colour, width):
    """A rectangle whose line is within; Pillow's own leaves thin boxes."""
    if corners:
        left, top, right, bottom = corners
        down, across = (
            min(width, bottom - top + 1) - 1,
            min(width, right - left + 1) - 1,
        )
        for side in (
            (left, top, right, top + down),
            (left, bottom - down, right, bottom),
            (left, top, left + across, bottom),
            (right - across, top, right, bottom),
        ):
            draw.rectangle(side, fill=colour)


def _font(size):
    """Matplotlib's own font, which has more letters than Pillow's."""
    path = os.path.join(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
    return ImageFont.truetype(path, max(_SMALLEST_TEXT, round(min(size) * _TEXT_PART)))


def _name(class_names, label):
    return str(class_names[label]) if label < len(class_names) else str(label)


def _write(draw, text, corners, colour, font, size):
    """Text on a patch of the box's colour: above it, or within where no room is."""
    left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
    width, height = right - left + 4, bottom - top + 4
    x = max(0, min(corners[0], size[0] - width))
    y = corners[1] - height if corners[1] >= height else corners[1]
    draw.rectangle((x, y, x + width - 1, y + height - 1), fill=colour)
    brightness = np.dot(colour, (0.299, 0.587, 0.114))
    ink = _BLACK if brightness > 150 else _WHITE
    draw.text((x + 2 - left, y + 2 - top), text, fill=ink, font=font)
