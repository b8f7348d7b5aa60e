"""Objects and detections of images: checks, and overlaps of their boxes in NumPy."""

import numpy as np

from keras_cnns._checks import check_within


def check_ground_truth(ground_truth, num_classes=None) -> list:
    """Checks the objects of images and leaves padding out.

    Args:
        ground_truth: a dict for each image: ``boxes`` ``(n, 4)`` as (y1, x1, y2, x2),
            ``labels`` ``(n,)``, -1 for padding, and perhaps ``ignored`` and ``crowd``
            ``(n,)`` bool and ``areas`` ``(n,)``.
        num_classes: labels are below it, or None.

    Returns:
        List of dicts with all five of them: float64, int, bool and bool arrays;
        ``areas`` are those of the boxes unless given.

    Raises:
        ValueError: naming the image, if something is missing, of the wrong shape or not
            finite, or a box ends before it starts.
    """
    checked = []
    for index, image in enumerate(_dicts("ground_truth", ground_truth)):
        where = f"ground_truth[{index}]"
        boxes = _boxes(where, image)
        labels = _labels(where, image, "labels", len(boxes), num_classes)
        row = {
            "boxes": boxes,
            "labels": labels,
            "ignored": _flags(where, image, "ignored", len(boxes)),
            "crowd": _flags(where, image, "crowd", len(boxes)),
            "areas": _numbers(where, image, "areas", len(boxes))
            if "areas" in image
            else box_areas(boxes),
        }
        checked.append({name: values[labels >= 0] for name, values in row.items()})
    return checked


def check_detections(detections, num_images, num_classes=None) -> list:
    """Checks the detections of images and leaves padding out.

    Args:
        detections: a dict for each image: ``boxes`` ``(n, 4)`` as (y1, x1, y2, x2),
            ``scores`` ``(n,)``, ``classes`` ``(n,)``, -1 for padding.
        num_images: how many images there are.
        num_classes: classes are below it, or None.

    Returns:
        List of dicts with float64 and int arrays.

    Raises:
        ValueError: naming the image, if something is missing, of the wrong shape or not
            finite, or a box ends before it starts.
    """
    checked = []
    for index, image in enumerate(_dicts("detections", detections)):
        where = f"detections[{index}]"
        boxes = _boxes(where, image)
        classes = _labels(where, image, "classes", len(boxes), num_classes)
        scores = _numbers(where, image, "scores", len(boxes))
        row = {"boxes": boxes, "scores": scores, "classes": classes}
        checked.append({name: values[classes >= 0] for name, values in row.items()})
    if len(checked) != num_images:
        raise ValueError(
            f"detections of {len(checked)} images do not belong to the ground truth of "
            f"{num_images}"
        )
    return checked


def check_boxes(where, boxes) -> np.ndarray:
    """Checks boxes ``(n, 4)`` and returns them in float64.

    Raises:
        ValueError: if they have another shape, are not finite, or end before they
            start.
    """
    boxes = np.asarray(boxes)
    if boxes.size == 0:
        return np.zeros((0, 4))
    if boxes.ndim != 2 or boxes.shape[1] != 4 or boxes.dtype.kind not in "fiu":
        raise ValueError(
            f"{where} must hold boxes (n, 4), got {boxes.dtype} of shape {boxes.shape}"
        )
    boxes = boxes.astype(np.float64)
    bad = ~np.isfinite(boxes).all(axis=1) | (boxes[:, 2:] < boxes[:, :2]).any(axis=1)
    if bad.any():
        raise ValueError(
            f"{where} must hold finite boxes (y1, x1, y2, x2) with y1 <= y2 and x1 <= "
            f"x2, got {boxes[bad][0].tolist()}"
        )
    return boxes


def check_iou_threshold(value) -> float:
    """Refuses what is no IoU at which boxes match."""
    check_within("iou_threshold", value, "(0, 1]")
    return float(value)


def box_areas(boxes) -> np.ndarray:
    """Areas ``(n,)`` of boxes ``(n, 4)``."""
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def pairwise_iou(boxes, others) -> np.ndarray:
    """Intersection over union ``(n, m)`` of boxes ``(n, 4)`` and ``(m, 4)``.

    0 where nothing is covered by both. Boxes are continuous, which equals the VOC
    devkit's count of pixels: a box of inclusive corners, of ``x2 - x1 + 1`` pixels, has
    its right edge one later than its last pixel.
    """
    starts = np.maximum(boxes[:, np.newaxis, :2], others[np.newaxis, :, :2])
    ends = np.minimum(boxes[:, np.newaxis, 2:], others[np.newaxis, :, 2:])
    shared = np.maximum(ends - starts, 0).prod(axis=2)
    covered = box_areas(boxes)[:, np.newaxis] + box_areas(others) - shared
    return np.divide(shared, covered, out=np.zeros_like(shared), where=shared > 0)


def _dicts(name, images):
    if not isinstance(images, (list, tuple)):
        raise ValueError(f"{name} must be a list of dicts, got {type(images).__name__}")
    for index, image in enumerate(images):
        if not isinstance(image, dict):
            raise ValueError(f"{name}[{index}] must be a dict, got {image!r:.200}")
    return images


def _entry(where, image, name):
    if name not in image:
        raise ValueError(f"{where} must have {name}, it has {sorted(image)}")
    return np.asarray(image[name])


def _boxes(where, image):
    return check_boxes(where, _entry(where, image, "boxes"))


def _of_length(where, name, values, count):
    if values.shape != (count,) and not (values.size == 0 and count == 0):
        raise ValueError(
            f"{where} must have {count} {name}, as many as boxes, got shape "
            f"{values.shape}"
        )
    return values.reshape(-1)


def _numbers(where, image, name, count):
    values = _of_length(where, name, _entry(where, image, name), count)
    values = values.astype(np.float64)
    if not np.isfinite(values).all():
        bad = values[~np.isfinite(values)][0]
        raise ValueError(f"{where} must have finite {name}, got {bad}")
    return values


def _labels(where, image, name, count, num_classes):
    values = _of_length(where, name, _entry(where, image, name), count)
    if values.size and values.dtype.kind not in "iu":
        raise ValueError(f"{where} must have whole {name}, got {values.dtype}")
    values = values.astype(np.int64)
    if num_classes is not None and (values >= num_classes).any():
        raise ValueError(
            f"{where} must have {name} below {num_classes}, got {values.max()}"
        )
    return values


def _flags(where, image, name, count):
    if name not in image:
        return np.zeros(count, bool)
    return _of_length(where, name, np.asarray(image[name]), count).astype(bool)
