"""Classifiers and box regressions of regions that learn from stored features.

Networks give the features; what is learnt here, R-CNN's and SPPnet's last stages, is
linear: a support vector machine and a box regression for each class.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np

from keras_cnns import _arrays, _boxes, _files
from keras_cnns._checks import check_choice, check_count
from keras_cnns.trainers.box_regressors import BoxRegressors
from keras_cnns.trainers.region_examples import METHODS, checked_examples, negatives
from keras_cnns.trainers.region_svms import RegionSvms

_MEAN_NORM = 20.0  # of scaled features
_NUM_MEASURED = 200  # images whose features' norms are measured
_KIND = "region classifiers"
_SHAPES = {
    "weights": ("D", "K"),
    "biases": ("K",),
    "detectable": ("K",),
    "box_weights": ("F", "K", 4),
    "box_biases": ("K", 4),
}


@dataclasses.dataclass(frozen=True, eq=False)
class RegionClassifiers:
    """Scores and boxes of regions from features as networks give them.

    Attributes:
        weights: ``(D, K)`` float32, from D features to the scores of K classes.
        biases: ``(K,)`` float32.
        detectable: ``(K,)`` bool, False for classes without positives or without
            negatives, whose scores are -inf.
        box_weights: ``(F, K, 4)`` float32, from F pooled features to shifts and
            scalings (ty, tx, th, tw) of the box.
        box_biases: ``(K, 4)`` float32.

    Raises:
        ValueError: if an array is not finite, of another format, or does not fit.
    """

    weights: np.ndarray
    biases: np.ndarray
    detectable: np.ndarray
    box_weights: np.ndarray
    box_biases: np.ndarray

    def __post_init__(self):
        sizes = {}
        for name, axes in _SHAPES.items():
            array = getattr(self, name)
            wanted = bool if name == "detectable" else np.float32
            if array.dtype != wanted or array.ndim != len(axes) or not array.size:
                raise ValueError(
                    f"{name} must be {np.dtype(wanted)} of {len(axes)} axes, got "
                    f"{array.dtype} of shape {array.shape}"
                )
            for axis, size in zip(axes, array.shape):
                fits = (
                    size == axis if axis == 4 else size == sizes.setdefault(axis, size)
                )
                if not fits:
                    raise ValueError(
                        f"{name} must be of shape {axes}, which others have as "
                        f"{sizes}, got {array.shape}"
                    )
            if not np.isfinite(array).all():
                raise ValueError(f"{name} must be finite, it holds NaN or infinity")

    def scores(self, features: np.ndarray) -> np.ndarray:
        """Scores of the classes; 1 and -1 are the margins of positives and negatives.

        Args:
            features: ``(R, D)``.

        Returns:
            ``(R, K)`` float32, not bounded; -inf for classes that are never detected.

        Raises:
            ValueError: if the features are of another dimension.
        """
        features = _matrix("features", features, len(self.weights))
        scores = features @ self.weights + self.biases
        return np.where(self.detectable, scores, np.float32(-np.inf))

    def boxes(self, pooled: np.ndarray, rois: np.ndarray) -> np.ndarray:
        """Boxes of the classes' objects, which may reach out of the image.

        Args:
            pooled: ``(R, F)``.
            rois: ``(R, 4)``, ``(y1, x1, y2, x2)`` in pixels.

        Returns:
            ``(R, K, 4)`` float32; those of a class without regression are the regions.

        Raises:
            ValueError: if an argument is of another shape.
        """
        dimension, num_classes, _ = self.box_weights.shape
        pooled, rois = _matrix("pooled", pooled, dimension), _matrix("rois", rois, 4)
        if len(pooled) != len(rois):
            raise ValueError(f"there are {len(pooled)} pooled, but {len(rois)} rois")
        deltas = (pooled @ self.box_weights.reshape(dimension, -1)).reshape(
            -1, num_classes, 4
        ) + self.box_biases
        rois = rois[:, np.newaxis]
        moved = _boxes.decode_boxes(deltas, rois).numpy()
        return np.where((deltas == 0).all(-1, keepdims=True), rois, moved)

    def save(self, path: str) -> None:
        """Writes an ``.npz`` file, atomically; equal classifiers give equal files.

        Raises:
            OSError: naming ``path``, if writing fails.
        """
        _arrays.write_arrays(path, {name: getattr(self, name) for name in _SHAPES})

    @classmethod
    def load(cls, path: str) -> RegionClassifiers:
        """Reads a file of ``save``; nothing in it is called.

        Raises:
            ValueError: naming the file, if it cannot be read or holds anything else.
        """
        arrays = _arrays.read_arrays(path, tuple(_SHAPES), _KIND)
        with _files.reading(path, _KIND):
            return cls(**arrays)


def _matrix(name, values, dimension):
    values = np.asarray(values, np.float32)
    if values.ndim != 2 or values.shape[1] != dimension:
        raise ValueError(
            f"{name} must be of shape (R, {dimension}), got {values.shape}"
        )
    return values


def fit_region_classifiers(
    examples: Callable[[], Iterator[dict]],
    num_classes: int,
    *,
    method: str = "rcnn",
    seed: int = 0,
    max_negatives: int = 20_000,
    progress: Callable[[float], object] | None = None,
) -> RegionClassifiers:
    """Fits support vector machines and box regressions, as R-CNN and SPPnet do.

    Positives are the boxes of the objects alone. Negatives overlap no object of their
    class much (IoU < 0.3; SPPnet: at most 0.3, and of two that overlap by more than 0.7
    the first one alone); in one pass over the images they are kept where the machine
    does not tell them with its margin. Box regression learns from regions by the object
    that they overlap most (IoU > 0.6; SPPnet: at least 0.5). Regions that overlap an
    ignored object so much are neither. Features are scaled to a mean norm of 20, that
    of the regions of the first 200 images.

    A class without positives, or without negatives, is never detected: its scores are
    -inf. A class without regions to regress from leaves boxes as they are. The log says
    so. Equal arguments give equal bits.

    Kept in memory are one image, the features of all objects, of each class the
    negatives that were not told at its last training and up to 2,000 more, and sums of
    products of the box regression of at most 1 GiB, or of one class; where these do not
    do for all classes there are more passes. A training takes 24 bytes for each feature
    of its positives and negatives meanwhile.

    Args:
        examples: a function without arguments that returns a new iterator over the
            images, always the same: dicts of arrays named as the attributes of
            ``region_examples.RegionExample``, the last regions being the objects.
        num_classes: number K of classes.
        method: "rcnn" or "sppnet".
        seed: of the solver, a whole number from 0 on.
        max_negatives: how many of a class a training leaves at most; those of the
            lowest scores go. The papers have no such limit.
        progress: called with the fraction done, rising to 1, or None.

    Raises:
        ValueError: if an argument is bad, or an example, whose number is told.

    Source: Girshick et al., arXiv 1311.2524, sections 2.3 and appendices B and C; He et
    al., arXiv 1406.4729, section 4.1; the public code of the former. That of the latter
    differs from its paper: it takes the windows that fall on the same cells once, and
    has a ridge of 4,000, not 1,000 as here.
    """
    check_count("num_classes", num_classes)
    check_choice("method", method, METHODS)
    check_count("seed", seed, 0)
    check_count("max_negatives", max_negatives)
    method = METHODS[method]
    passes = _Passes(examples, num_classes, progress)
    survey, boxes = _Survey(num_classes), BoxRegressors(num_classes, method)
    for example in passes:
        survey.add(example)
        boxes.add(example)
        passes.planned = 1 + boxes.num_passes(example.pooled.shape[1])
    if not survey.num_images:
        raise ValueError("examples() yields nothing; give one image at least")
    while boxes.solve(survey.scale("pooled")):
        for example in passes:
            boxes.add(example)
    scale = survey.scale("features")
    positives = survey.take_positives(scale)
    svms = RegionSvms(positives, scale, seed % 2**32, max_negatives)
    for example in passes:
        svms.mine(example.features, negatives(example, num_classes, method))
    svms.finish()
    return RegionClassifiers(
        weights=svms.weights * np.float32(scale),
        biases=svms.biases,
        detectable=svms.is_trained,
        box_weights=boxes.weights,
        box_biases=boxes.biases,
    )


class _Passes:
    """The images, as often as they are wanted; tells the progress.

    Attributes:
        planned: number of passes, the last one's mining included.
    """

    def __init__(self, examples, num_classes, progress):
        self._examples, self._num_classes = examples, num_classes
        self._progress = progress or (lambda fraction: None)
        self._num_images = self._done = 0
        self.planned = 2

    def __iter__(self):
        number = 0
        for example in checked_examples(self._examples, self._num_classes):
            yield example
            number += 1
            if 0 < number < self._num_images:
                part = number / self._num_images
                self._progress((self._done + part) / self.planned)
        self._num_images = self._num_images or number
        self._done += 1
        self._progress(self._done / self.planned)


class _Survey:
    """What the first pass gathers for the machines."""

    def __init__(self, num_classes):
        self.num_images, self._dimension = 0, 0
        self._positives = [[] for _ in range(num_classes)]
        self._norms = {"features": np.zeros(2), "pooled": np.zeros(2)}

    def add(self, example):
        objects = example.object_rows(example.features)
        for label in np.unique(example.labels):
            rows = objects[(example.labels == label) & ~example.ignored]
            self._positives[label].append(rows)
        if self.num_images < _NUM_MEASURED:
            for name, total in self._norms.items():
                norms = np.linalg.norm(getattr(example, name), axis=1)
                total += norms.sum(dtype=np.float64), len(norms)
        self._dimension = objects.shape[1]
        self.num_images += 1

    def scale(self, name) -> float:
        """What features are multiplied by; 1 where they are zeros."""
        total, count = self._norms[name]
        return float(_MEAN_NORM * count / total) if total else 1.0

    def take_positives(self, scale) -> list:
        """Those of each class ``(P, D)``, scaled; they are not kept here."""
        nothing = np.zeros((0, self._dimension), np.float32)
        taken = []
        while self._positives:
            taken.append(np.concatenate([nothing, *self._positives.pop(0)]))
            taken[-1] *= np.float32(scale)
        return taken
