"""Class-wise ridge regression from pooled features of a region to its object's box.

Source: Girshick et al., arXiv 1311.2524, appendix C, and its public code, which centres
and whitens the targets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.linalg
from absl import logging

from keras_cnns.trainers import region_examples

if TYPE_CHECKING:
    from keras_cnns.trainers.region_examples import Method, RegionExample

_RIDGE = 1000.0
_LEAST_VARIANCE = 1e-3  # is added to those of the targets
_BUFFERED = 256  # rows of a class before they are multiplied
_LARGEST_SUMS = 1 << 30  # bytes of all matrices at once


class BoxRegressors:
    """The regressions of all classes, while they are given the images one by one.

    Kept are a class's sums of products, ``(F + 1, F + 1)`` float64, and 256 rows at
    most. Where the sums of all classes take more than 1 GiB, classes are taken in
    groups, one class at least, and each group wants to be given all images.

    Args:
        num_classes: K.
        method: ``region_examples.Method``.

    Attributes:
        weights: ``(F, K, 4)`` float32, from features that are not scaled to shifts and
            scalings of boxes.
        biases: ``(K, 4)`` float32.
    """

    def __init__(self, num_classes: int, method: Method) -> None:
        self._num_classes, self._method = num_classes, method
        self._first, self._sums, self._without = 0, {}, []
        self.weights, self.biases = None, np.zeros((num_classes, 4), np.float32)

    def num_passes(self, dimension: int) -> int:
        """How often all images must be given if they have ``dimension`` features."""
        return -(-self._num_classes // _group_size(dimension))

    def add(self, example: RegionExample) -> None:
        """Takes the pairs of an image that belong to classes of this pass."""
        dimension = example.pooled.shape[1]
        if self.weights is None:
            shape = (dimension, self._num_classes, 4)
            self.weights = np.zeros(shape, np.float32)
        last = self._first + _group_size(dimension)
        rows, objects, targets = region_examples.pairs(example, self._method)
        classes = example.labels[objects]
        for label in np.unique(classes[(self._first <= classes) & (classes < last)]):
            if label not in self._sums:
                self._sums[label] = RidgeSums(dimension)
            chosen = classes == label
            self._sums[label].add(example.pooled[rows[chosen]], targets[chosen])

    def solve(self, scale: float) -> bool:
        """Ends a pass; whether there is another one.

        Args:
            scale: what all features are multiplied by.
        """
        end = min(self._first + _group_size(len(self.weights)), self._num_classes)
        for label in range(self._first, end):
            if label in self._sums:  # which takes them away, they are large
                solved = self._sums.pop(label).solve(scale)
                self.weights[:, label], self.biases[label] = solved
            else:
                self._without.append(label)
        self._first = end
        if end == self._num_classes and self._without:
            logging.warning(
                "no region overlaps an object of the classes %s enough to learn from, "
                "their boxes stay as they are",
                self._without,
            )
        return end < self._num_classes


def _group_size(dimension):
    return max(1, _LARGEST_SUMS // (8 * (dimension + 1) ** 2))


class RidgeSums:
    """Sums of products of one class, from which its regression is solved.

    The features get a bias of 1, which is penalised as they are.

    Args:
        dimension: number F of features.
    """

    def __init__(self, dimension: int) -> None:
        self._gram = np.zeros((dimension + 1,) * 2, order="F")  # its upper half
        self._cross = np.zeros((dimension + 1, 4))
        self._squares = np.zeros((4, 4))
        self._buffered = []

    def add(self, features: np.ndarray, targets: np.ndarray) -> None:
        """Takes features ``(P, F)`` and targets ``(P, 4)``."""
        bias = np.ones((len(features), 1), np.float32)
        self._buffered.append((np.concatenate([features, bias], 1), targets))
        if sum(len(rows) for rows, _ in self._buffered) >= _BUFFERED:
            self._flush()

    def _flush(self):
        if not self._buffered:
            return
        rows, targets = (
            np.concatenate(parts, dtype=np.float64) for parts in zip(*self._buffered)
        )
        self._buffered = []
        self._gram = scipy.linalg.blas.dsyrk(
            1.0, rows, beta=1.0, c=self._gram, trans=1, overwrite_c=1
        )
        self._cross += rows.T @ targets
        self._squares += targets.T @ targets

    def solve(self, scale: float) -> tuple:
        """Weights ``(F, 4)`` and biases ``(4,)`` for features that are not scaled.

        It uses the sums up.

        Args:
            scale: what features are multiplied by before they are penalised.
        """
        self._flush()
        count, sums = self._gram[-1, -1], self._cross[-1].copy()
        mean = sums / count
        whitened, undone = _whitening(self._squares / count - np.outer(mean, mean))
        scales = np.append(np.full(len(self._cross) - 1, float(scale)), 1.0)
        # The centred and whitened targets' products with the scaled features
        cross = (self._cross - np.outer(self._gram[:, -1], mean)) @ whitened
        cross *= scales[:, np.newaxis]
        gram = self._gram
        gram *= scales
        gram *= scales[:, np.newaxis]
        gram[np.diag_indices_from(gram)] += _RIDGE
        solved = scipy.linalg.solve(
            gram, cross, assume_a="pos", overwrite_a=True, overwrite_b=True
        )
        solved = solved * scales[:, np.newaxis] @ undone
        return solved[:-1], solved[-1] + mean


def _whitening(covariance):
    """The matrix that targets are multiplied by, and its inverse."""
    variances, directions = np.linalg.eigh(covariance)
    deviations = np.sqrt(np.maximum(variances, 0) + _LEAST_VARIANCE)
    return (
        directions / deviations @ directions.T,
        directions * deviations @ directions.T,
    )
