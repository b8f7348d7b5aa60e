"""Pictures of rectangles, ellipses and triangles with exact boxes, for detectors."""

import json

import numpy as np
from PIL import Image

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


def write_coco(folder, counts=(("train", 12), ("test", 4))):
    """Writes images as PNG files and their boxes as COCO has them; the folder's path.

    Args:
        folder: ``pathlib.Path`` of an empty folder.
        counts: images by split.
    """
    names = ("rectangle", "ellipse", "triangle")
    (folder / "annotations").mkdir()
    for seed, (split, count) in enumerate(counts):
        (folder / "images" / split).mkdir(parents=True)
        images, targets = draw(count, seed)
        annotations = []
        for i, image in enumerate(images):
            pixels = np.clip(255 * image, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / "images" / split / f"{i}.png")
            for box, label in zip(targets["boxes"][i].tolist(), targets["labels"][i]):
                y1, x1, y2, x2 = box
                annotations.append({
                    "id": len(annotations) + 1, "image_id": i,
                    "category_id": int(label) + 1, "bbox": [x1, y1, x2 - x1, y2 - y1],
                })  # fmt: skip
        found = {
            "categories": [{"id": k + 1, "name": name} for k, name in enumerate(names)],
            "images": [
                {"id": i, "file_name": f"{i}.png", "height": SIZE, "width": SIZE}
                for i in range(count)
            ],
            "annotations": [a for a in annotations if a["category_id"] > 0],
        }
        path = folder / "annotations" / f"instances_{split}.json"
        path.write_text(json.dumps(found))
    return str(folder)


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
