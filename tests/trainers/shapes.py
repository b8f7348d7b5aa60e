"""Pictures of rectangles, ellipses and triangles with exact boxes, for detectors."""

import numpy as np

SIZE, MOST = 64, 3
_NOISE, _SIDES = 0.06, (12, 28)


def draw(count, seed):
    """Images ``(count, 64, 64, 3)`` about [0, 1] and their targets, as batches have."""
    random = np.random.default_rng(seed)
    images = random.normal(0, _NOISE, (count, SIZE, SIZE, 3)) + random.uniform(
        0.2, 0.5, (count, 1, 1, 3)
    )
    boxes = np.zeros((count, MOST, 4), np.float32)
    labels = np.full((count, MOST), -1, np.int32)
    for image, own_boxes, own_labels in zip(images, boxes, labels):
        for i in range(random.integers(1, MOST + 1)):
            box = _free_box(random, own_boxes[:i])
            if box is None:
                break
            own_boxes[i], own_labels[i] = box, random.integers(3)
            _paint(image, box, own_labels[i], random.uniform(0.5, 1, 3))
    sizes = np.full((count, 2), SIZE, np.float32)
    ignored = np.zeros((count, MOST), bool)
    targets = {"boxes": boxes, "labels": labels, "sizes": sizes, "ignored": ignored}
    return images.astype(np.float32), targets


def _free_box(random, others):
    """A box that overlaps the others by 5 % at most; None after 50 draws."""
    for _ in range(50):
        sides = random.integers(*_SIDES, 2, endpoint=True)
        corner = random.integers(0, SIZE - sides + 1)
        box = np.concatenate([corner, corner + sides])
        if all(_iou(box, other) <= 0.05 for other in others):
            return box
    return None


def _iou(one, other):
    common = np.prod(
        np.clip(
            np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2]), 0, None
        )
    )
    areas = [np.prod(box[2:] - box[:2]) for box in (one, other)]
    return common / (sum(areas) - common)


def _paint(image, box, kind, colour):
    y1, x1, y2, x2 = box
    y, x = np.mgrid[y1:y2, x1:x2] + 0.5
    v, u = (y - y1) / (y2 - y1), (x - x1) / (x2 - x1)
    inside = {
        0: np.ones_like(u, bool),
        1: (2 * u - 1) ** 2 + (2 * v - 1) ** 2 <= 1,
        2: np.abs(2 * u - 1) <= v,
    }[int(kind)]
    image[y1:y2, x1:x2][inside] = colour + 0.3 * (image[y1:y2, x1:x2][inside] - 0.5)
