"""What the layers on regions compute, by plain loops over NumPy arrays."""

import math

import numpy as np

# Whole, one pixel, over the edge, outside, padding; in pixels of 4 to a cell.
ROIS = np.array(
    [
        [[0, 0, 24, 20], [9, 5, 10, 6], [10, 12, 50, 31], [90, 0, 120, 9]],
        [[3.4, 2.2, 13.7, 17.9], [0, 0, 0, 0], [-9, -7, 8, 6.5], [4, 4, 20, 8]],
    ],
    np.float32,
)


def round_half_away(value):
    return int(math.copysign(math.floor(abs(value) + 0.5), value))


def iou(first, second):
    def area(box):
        return max(box[2] - box[0], 0) * max(box[3] - box[1], 0)

    common = area([*np.maximum(first[:2], second[:2]), *np.minimum(first, second)[2:]])
    union = area(first) + area(second) - common
    return common / union if union > 0 else 0.0


def suppress(boxes, scores, threshold, limit):
    """Indices that stay, by falling score."""
    kept = []
    for i in sorted(range(len(scores)), key=lambda i: -scores[i]):
        if all(iou(boxes[i], boxes[k]) <= threshold for k in kept):
            kept.append(i)
    return kept[:limit]


def decode(deltas, box):
    height, width = box[2] - box[0], box[3] - box[1]
    y, x = (box[0] + box[2]) / 2 + deltas[0] * height, box[1] + width / 2
    x += deltas[1] * width
    height, width = height * np.exp(deltas[2]), width * np.exp(deltas[3])
    return np.array([y - height / 2, x - width / 2, y + height / 2, x + width / 2])


def bin_maximum(image, rows, columns):
    """Maximum of the cells of a bin that are inside of the map, else 0."""
    (top, bottom), (left, right) = (
        np.clip(edges, 0, size) for edges, size in zip((rows, columns), image.shape)
    )
    inside = image[top:bottom, left:right]
    return inside.max(axis=(0, 1)) if inside.size else np.zeros(image.shape[-1])


def _edges(start, length, i, count):
    return start + i * length // count, start + math.ceil((i + 1) * length / count)


def roi_pooling(features, rois, size=2, scale=0.25):
    result = np.zeros((*rois.shape[:2], size, size, features.shape[-1]))
    for b, r, i, j in np.ndindex(*rois.shape[:2], size, size):
        corners = (rois[b, r] - [0, 0, 1, 1]) * scale
        top, left, bottom, right = map(round_half_away, corners)
        rows = _edges(top, max(bottom - top + 1, 1), i, size)
        columns = _edges(left, max(right - left + 1, 1), j, size)
        result[b, r, i, j] = bin_maximum(features[b], rows, columns)
    return result


def _bilinear(image, y, x):
    height, width = image.shape[:2]
    if not (-1 <= y <= height and -1 <= x <= width):
        return np.zeros(image.shape[-1])
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    top, left = int(y), int(x)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    down, along = y - top, x - left
    upper = image[top, left] * (1 - along) + image[top, right] * along
    lower = image[bottom, left] * (1 - along) + image[bottom, right] * along
    return upper * (1 - down) + lower * down


def roi_align(features, rois, size=2, scale=0.25, samples=3, aligned=True):
    result = np.zeros((*rois.shape[:2], size, size, features.shape[-1]))
    for b, r, i, j in np.ndindex(*rois.shape[:2], size, size):
        top, left, bottom, right = rois[b, r].astype(float) * scale
        height, width = bottom - top, right - left
        if aligned:
            top, left = top - 0.5, left - 0.5
        else:
            height, width = max(height, 1), max(width, 1)
        for k, m in np.ndindex(samples, samples):
            y = top + (i + (k + 0.5) / samples) * height / size
            x = left + (j + (m + 0.5) / samples) * width / size
            result[b, r, i, j] += _bilinear(features[b], y, x) / samples**2
    return result


def anchors(features, stride=8, sizes=(16, 20), ratios=(0.5, 1.0)):
    """Of ratio 0.5 about the cell of 8 pixels: 11 by 6, of ratio 1: 8 by 8."""
    result = []
    for row, column in np.ndindex(*features.shape[1:3]):
        y, x = row * stride + stride / 2, column * stride + stride / 2
        for height, width in ((6, 11), (8, 8)):
            for size in sizes:
                half = np.array([height, width]) * size / stride / 2
                result.append([y - half[0], x - half[1], y + half[0], x + half[1]])
    return np.array(result)


def region_proposals(objectness, deltas, anchors, sizes, limit=5):
    rois = np.zeros((len(sizes), limit, 4))
    scores = np.zeros((len(sizes), limit))
    for b, size in enumerate(sizes):
        boxes = [decode(*pair) for pair in zip(deltas[b], anchors)]
        boxes = np.clip(boxes, 0, [*size, *size])
        logits = objectness[b, :, 1] - objectness[b, :, 0]
        large = np.nonzero((boxes[:, 2:] - boxes[:, :2]).min(-1) >= 4)[0]
        best = large[np.argsort(-logits[large])][:8]
        best = best[suppress(boxes[best], logits[best], 0.3, limit)]
        rois[b, : len(best)] = boxes[best]
        scores[b, : len(best)] = 1 / (1 + np.exp(-logits[best]))
    return [rois, scores]


def detections(scores, boxes, valid, limit=6):
    found = {
        "boxes": np.zeros((len(scores), limit, 4)),
        "scores": np.zeros((len(scores), limit)),
        "classes": np.full((len(scores), limit), -1),
        "count": np.zeros(len(scores), int),
    }
    for b, all_scores in enumerate(scores):
        kept = []
        for k in range(all_scores.shape[-1]):
            good = np.nonzero(valid[b] & (all_scores[:, k] > 0.2))[0]
            of_class = suppress(boxes[b, good, k], all_scores[good, k], 0.3, limit)
            kept += [(r, k) for r in good[of_class]]
        kept = sorted(kept, key=lambda place: -all_scores[place])[:limit]
        found["count"][b] = len(kept)
        for i, (r, k) in enumerate(kept):
            found["boxes"][b, i] = boxes[b, r, k]
            found["scores"][b, i] = all_scores[r, k]
            found["classes"][b, i] = k
    return found


def scattered_boxes(shape, seed=0):
    """Boxes of about 20 pixels within about 60."""
    random = np.random.default_rng(seed)
    corners = random.uniform(0, 40, (*shape, 2))
    sides = random.uniform(10, 30, (*shape, 2))
    return np.concatenate([corners, corners + sides], -1).astype(np.float32)


def roi_pyramid_pooling(features, rois, levels=(2, 1), scale=0.25):
    """By the paper's mapping; pixels and cells are counted from 1."""
    result = np.zeros((*rois.shape[:2], 5, features.shape[-1]))
    for b, r in np.ndindex(*rois.shape[:2]):
        spans = []
        for axis, size in enumerate(features.shape[1:3]):
            first = math.floor((float(rois[b, r, axis]) + 1) * scale) + 1
            last = math.ceil(float(rois[b, r, axis + 2]) * scale) - 1
            if first > last:
                first = last = (first + last) // 2
            first, last = np.clip([first, last], 1, size)
            spans.append((first - 1, last - first + 1))
        k = 0
        for level in levels:
            for i, j in np.ndindex(level, level):
                edges = _edges(*spans[0], i, level), _edges(*spans[1], j, level)
                result[b, r, k] = bin_maximum(features[b], *edges)
                k += 1
    return result


def warped_crops(images, rois, size=5, context=1):
    """The part of each region in the image, resized, at its place in zeros."""
    result = np.zeros((*rois.shape[:2], size, size, images.shape[-1]))
    for b, r in np.ndindex(*rois.shape[:2]):
        weights = []
        for axis, length in enumerate(images.shape[1:3]):
            low, high = rois[b, r, axis].item(), rois[b, r, axis + 2].item()
            half = (high - low) / 2 * size / (size - 2 * context)
            middle = (low + high) / 2
            low, high = (round_half_away(middle + s * half) for s in (-1, 1))
            weights.append(_warping(low, high, length, size))
        result[b, r] = np.einsum("ih,hwc,jw->ijc", weights[0], images[b], weights[1])
    return result


def _warping(low, high, length, size):
    """(size, length): linear interpolation between pixels from low up to high."""
    matrix = np.zeros((size, length))
    inside = range(max(low, 0), min(high, length))
    if not inside:
        return matrix
    scale = size / (high - low)
    before = round_half_away(max(-low, 0) * scale)
    count = min(round_half_away(len(inside) * scale), size - before)
    for i in range(count):
        place = (i + 0.5) * len(inside) / count - 0.5
        place = inside[0] + min(max(place, 0), len(inside) - 1)
        for pixel in inside:
            matrix[before + i, pixel] = max(0, 1 - abs(place - pixel))
    return matrix
