"""Occlusion: how much a class's score falls where a patch covers the image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_cnns._checks import check_choice, check_size
from keras_cnns.inspection.inspected import as_inspected

if TYPE_CHECKING:
    from tensorflow import keras

    from keras_cnns.inspection.inspected import InspectedClassifier


def occlusion_maps(
    model: keras.Model | InspectedClassifier,
    images: np.ndarray,
    classes: int | Sequence[int] | np.ndarray | None = None,
    patch: int = 8,
    stride: int = 4,
    fill: float | Sequence[float] = 0.0,
    score: str = "probability",
) -> np.ndarray:
    """Mean drop of the score over the patches that cover a pixel.

    The patches reach all borders: the last one of a row or column stands at the edge
    whatever the stride. Pixels near the border lie under fewer of them, and so the
    drops are divided by their number.

    Args:
        model, images, classes: as of ``gradient_maps``.
        patch: height and width of the patch, or one number for both.
        stride: rows and columns from patch to patch, at most the patch.
        fill: the patch's value in the network's input, a number or one per channel; 0
            is the mean colour where inputs are standardised. It matters: a grey square
            is itself something to see.
        score: ``"probability"`` or ``"logit"``.

    Returns:
        ``(count, height, width)`` float32; positive where covering lowers the score.

    Raises:
        ValueError: if the patch is larger than the images, or an argument is bad.

    Source: Zeiler and Fergus, arXiv 1311.2901, section 4.2.
    """
    classifier = as_inspected(model)
    check_choice("score", score, ("probability", "logit"))
    classes = classifier.classes_of(images, classes)
    images = classifier.check_images(images)
    corners, patch = _corners(images.shape[1:3], patch, stride)
    measure = classifier.scores if score == "logit" else classifier.probabilities
    return np.stack(
        [
            _one_map(
                measure, image, number, corners, patch, fill, classifier.batch_size
            )
            for image, number in zip(images, classes)
        ]
    )


def _corners(size, patch, stride):
    """Upper left corners of the patches, and the patch's size."""
    patch, stride = check_size("patch", patch), check_size("stride", stride)
    if any(p > s for p, s in zip(patch, size)):
        raise ValueError(f"patch {patch} is larger than images of {tuple(size)}")
    if any(step > p for step, p in zip(stride, patch)):
        raise ValueError(
            f"stride {stride} is more than the patch {patch}: pixels between would "
            "never be covered"
        )
    starts = [
        sorted({*range(0, s - p + 1, step), s - p})
        for s, p, step in zip(size, patch, stride)
    ]
    return [(y, x) for y in starts[0] for x in starts[1]], patch


def _one_map(measure, image, number, corners, patch, fill, batch_size):
    before = measure(image[None])[0, number]
    drops = np.zeros(image.shape[:2], np.float64)
    counts = np.zeros(image.shape[:2], np.int64)
    for start in range(0, len(corners), batch_size):
        chunk = corners[start : start + batch_size]
        covered = np.repeat(image[None], len(chunk), axis=0)
        places = [np.s_[y : y + patch[0], x : x + patch[1]] for y, x in chunk]
        for one, place in zip(covered, places):
            one[place] = fill
        for place, after in zip(places, measure(covered)[:, number]):
            drops[place] += before - after
            counts[place] += 1
    return (drops / counts).astype(np.float32)
