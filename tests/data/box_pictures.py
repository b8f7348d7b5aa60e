"""Small pictures with boxes, and their annotations as VOC and COCO have them."""

import numpy as np

CLASSES = ("cat", "dog")
# By image: (height, width), objects as (class, inclusive xmin ymin xmax ymax from 1 on,
# difficult).
PICTURES = {
    "a": ((30, 40), [("dog", (3, 5, 12, 20), 0), ("cat", (21, 1, 40, 30), 1)]),
    "b": ((20, 20), []),
    "c": ((40, 24), [("cat", (2, 3, 2, 3), 0)]),  # one pixel
    "d": ((24, 40), [("dog", (11, 7, 30, 18), 0)]),
}
SPLITS = {"train": ("a", "b", "d"), "val": ("c",)}


def pixels_of(name):
    """Dark, with a bright rectangle for each object, a channel for each class."""
    (height, width), objects = PICTURES[name]
    pixels = np.full((height, width, 3), 20, np.uint8)
    for label, (x1, y1, x2, y2), _ in objects:
        pixels[y1 - 1 : y2, x1 - 1 : x2, CLASSES.index(label)] = 240
    return pixels


def xml_of(name, **changes):
    """The annotation of a picture; ``size`` and ``objects`` may be others."""
    (height, width), objects = PICTURES[name]
    height, width = changes.get("size", (height, width))
    text = f"<size><width>{width}</width><height>{height}</height></size>"
    for label, (x1, y1, x2, y2), difficult in changes.get("objects", objects):
        text += (
            f"<object><name>{label}</name><difficult>{difficult}</difficult><bndbox>"
            f"<xmin>{x1}</xmin><ymin>{y1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax>"
            "</bndbox></object>"
        )
    return f"<annotation>{text}</annotation>"


def coco_of(names):
    """The JSON value of some pictures."""
    images, annotations = [], []
    for number, name in enumerate(names, 7):
        (height, width), objects = PICTURES[name]
        size = {"height": height, "width": width}
        images.append({"id": number, "file_name": f"{name}.png", **size})
        for label, (x1, y1, x2, y2), difficult in objects:
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": 10 * (CLASSES.index(label) + 1),
                    "bbox": [x1 - 1, y1 - 1, x2 - x1 + 1, y2 - y1 + 1],
                    "iscrowd": difficult,
                    "segmentation": [[1, 2, 3, 4]],
                }
            )
    categories = [{"id": 20, "name": "dog"}, {"id": 10, "name": "cat"}]
    return {"categories": categories, "images": images, "annotations": annotations}
