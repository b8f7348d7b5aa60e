"""Linear support vector machines of regions, with one pass of hard-negative mining.

Source: Girshick et al., arXiv 1311.2524, sections 2.3 and 3 and appendix B, and its
public code, whose numbers these are.
"""

import warnings
from collections.abc import Sequence

import numpy as np
from absl import logging
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import LinearSVC

_PENALTY = 1e-3  # C of the errors
_BIAS_FEATURE = 10.0
_POSITIVE_WEIGHT = 2.0  # of the errors of positives
_HARD, _EASY = -1.0001, -1.2  # scores: above, negatives come in; below, they go
_RETRAINED_AFTER = 2000  # new negatives
_TOLERANCE, _MOST_STEPS = 1e-4, 10_000  # of the solver


class RegionSvms:
    """The machines of all classes, while negatives are mined image by image.

    Kept are the positives of all classes and, of each class, the negatives that the
    last training left, the new ones since then, which are 2,000 and those of one image
    at most, and during a training its float64 copy of them.

    Args:
        positives: of each class, ``(P, D)`` float32 features that are scaled.
        scale: what all other features are multiplied by.
        seed: of the solver.
        max_negatives: how many of a class a training leaves at most, those of the
            highest scores.

    Attributes:
        weights: ``(D, K)`` float32, for features that are scaled.
        biases: ``(K,)`` float32.
        is_trained: ``(K,)`` bool, False where there are no positives or no negatives.
    """

    def __init__(
        self,
        positives: Sequence[np.ndarray],
        scale: float,
        seed: int,
        max_negatives: int,
    ) -> None:
        self._positives, self._scale = positives, np.float32(scale)
        self._has_positives = np.array([len(rows) > 0 for rows in positives])
        self._seed, self._max_negatives = seed, max_negatives
        count, dimension = len(positives), positives[0].shape[1]
        self._negatives = [[] for _ in range(count)]
        self._num_new, self._num_trainings = np.zeros((2, count), int)
        self.weights = np.zeros((dimension, count), np.float32)
        self.biases = np.zeros(count, np.float32)

    @property
    def is_trained(self) -> np.ndarray:
        return self._num_trainings > 0

    def scores(self, features: np.ndarray) -> np.ndarray:
        """``(R, K)`` of features ``(R, D)`` that are not scaled; 0 before training."""
        return features @ self.weights * self._scale + self.biases

    def mine(self, features: np.ndarray, is_negative: np.ndarray) -> None:
        """Takes the hard negatives of an image, and trains what has enough of them.

        A class takes all negatives of the first image that has any.

        Args:
            features: ``(R, D)`` float32, not scaled.
            is_negative: ``(R, K)`` bool.
        """
        is_hard = ~self.is_trained | (self.scores(features) > _HARD)
        taken = is_negative & is_hard & self._has_positives
        for number in np.flatnonzero(taken.any(axis=0)):
            rows = features[taken[:, number]] * self._scale
            self._negatives[number].append(rows)
            self._num_new[number] += len(rows)
            is_first = not self._num_trainings[number]
            if is_first or self._num_new[number] > _RETRAINED_AFTER:
                self._train(number)

    def finish(self) -> None:
        """Trains once more what has got negatives since, and tells what has none."""
        for number in np.flatnonzero(self._num_new):
            self._train(number)
        for number in np.flatnonzero(self.is_trained):
            logging.info(
                "class %d: machine trained %d times, of %d positives and of %d "
                "negatives at the end",
                number, self._num_trainings[number], len(self._positives[number]),
                sum(map(len, self._negatives[number])),
            )  # fmt: skip
            scores = self._positives[number] @ self.weights[:, number]
            if not (scores + self.biases[number] > 0).any():
                logging.warning(
                    "class %d: the machine takes none of its positives for one; on "
                    "these features hard negatives hide them, train the network longer "
                    "or take its softmax",
                    number,
                )
        if not self.is_trained.all():
            logging.warning(
                "the classes %s have no positives or no negatives, they are never "
                "detected",
                np.flatnonzero(~self.is_trained).tolist(),
            )

    def _train(self, number):
        negatives = np.concatenate(self._negatives[number])
        machine = _fitted(self._positives[number], negatives, self._seed)
        if machine.n_iter_ >= _MOST_STEPS:
            logging.warning("class %d: the machine's solver did not converge", number)
        weights = machine.coef_[0].astype(np.float32)
        bias = np.float32(machine.intercept_[0])
        self.weights[:, number], self.biases[number] = weights, bias
        scores = negatives @ weights + bias
        kept = np.flatnonzero(scores >= _EASY)
        if len(kept) > self._max_negatives:
            logging.warning(
                "class %d: the %d negatives of the highest scores are kept, of %d",
                number, self._max_negatives, len(kept),
            )  # fmt: skip
            order = np.argsort(-scores[kept], kind="stable")
            kept = np.sort(kept[order[: self._max_negatives]])
        self._negatives[number] = [negatives[kept]]
        self._num_new[number] = 0
        self._num_trainings[number] += 1


def _fitted(positives, negatives, seed):
    """The machine of scaled features; it may not have converged."""
    machine = LinearSVC(
        loss="hinge",
        dual=True,
        C=_PENALTY,
        class_weight={1: _POSITIVE_WEIGHT, -1: 1.0},
        intercept_scaling=_BIAS_FEATURE,
        tol=_TOLERANCE,
        max_iter=_MOST_STEPS,
        random_state=seed,
    )
    rows = np.concatenate([positives, negatives], dtype=np.float64)
    signs = np.repeat([1, -1], [len(positives), len(negatives)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # its caller tells
        return machine.fit(rows, signs)
