"""Images of random regions, as region classifiers learn from them."""

import numpy as np

NUM_CLASSES, DIMENSION, POOLED = 3, 6, 5
_CENTRES = np.random.default_rng(1).normal(size=(NUM_CLASSES, DIMENSION))


def overlaps(first, second):
    """IoU of all pairs of boxes, in float64."""
    first, second = np.float64(first)[:, None], np.float64(second)[None]
    low, high = np.maximum(first, second)[..., :2], np.minimum(first, second)[..., 2:]
    common = np.prod(np.maximum(high - low, 0), axis=-1)
    areas = [np.prod(b[..., 2:] - b[..., :2], axis=-1) for b in (first, second)]
    return common / (areas[0] + areas[1] - common)


def image(seed, labels=None, num_regions=30, num_near=12, noise=0.1):
    """An image with objects of some classes, one or two of any where it is not told.

    Features tell the class of the object that a region overlaps, by how much it does;
    pooled features tell the way to its box.
    """
    draw = np.random.default_rng(seed)
    if labels is None:
        labels = draw.integers(NUM_CLASSES, size=draw.integers(1, 3))
    labels = np.asarray(labels, np.int32)
    count = len(labels)
    corners = np.stack([draw.uniform(0, 20, count), 60 * np.arange(count)], axis=1)
    boxes = np.concatenate([corners, corners + draw.uniform(25, 50, (count, 2))], 1)
    near = np.zeros((0, 4))
    if count:
        near = boxes[draw.integers(count, size=num_near)]
        near = near + draw.normal(scale=4, size=near.shape)
    corners = draw.uniform(0, 100, (num_regions - len(near), 2))
    far = np.concatenate([corners, corners + draw.uniform(10, 60, corners.shape)], 1)
    rois = np.concatenate([near, far, boxes]).astype(np.float32)
    features = draw.normal(scale=noise, size=(len(rois), DIMENSION))
    pooled = draw.normal(scale=noise, size=(len(rois), POOLED))
    if count:
        iou = overlaps(rois, boxes)
        best = iou.argmax(axis=1)
        features += iou.max(axis=1, keepdims=True) * _CENTRES[labels[best]]
        sides = np.tile(rois[:, 2:] - rois[:, :2], 2)
        pooled[:, :4] += (boxes[best] - rois) / sides
    return {
        "features": features.astype(np.float32),
        "pooled": pooled.astype(np.float32),
        "rois": rois,
        "boxes": rois[len(rois) - count :],
        "labels": labels,
        "ignored": np.zeros(count, bool),
    }


def images(count, **arguments):
    """A function that yields images, as they are wanted."""
    return lambda: (image(seed, **arguments) for seed in range(count))
