"""Metrics of a classifier, overall and per class."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from sklearn import metrics as sk_metrics

from keras_cnns import _progress

if TYPE_CHECKING:
    from keras_cnns._types import Array


@dataclasses.dataclass(frozen=True)
class ClassificationReport:
    """Metrics of a classifier.

    Attributes:
        num_examples: number of examples.
        top_1, top_5: fraction of examples whose class is the most probable, or among
            the five most probable; ``top_5`` is None with five classes or fewer. Of
            equally probable classes the first count.
        top_1_interval, top_5_interval: Wilson's 95 % intervals of these fractions.
        cross_entropy: mean of ``-log p(right class)``, in nats.
        class_names: names by label.
        confusion: counts ``(true class, predicted class)``.
        precision, recall: per class; None where a class was never predicted, or has no
            examples, so that they are not defined.
    """

    num_examples: int
    top_1: float
    top_5: float | None
    cross_entropy: float
    class_names: tuple
    confusion: np.ndarray
    precision: tuple
    recall: tuple
    top_1_interval: tuple
    top_5_interval: tuple | None

    def to_json(self) -> dict:
        """The report as JSON values."""
        return {**dataclasses.asdict(self), "confusion": self.confusion.tolist()}


def wilson_interval(successes: int, total: int, confidence: float = 0.95) -> tuple:
    """Wilson's score interval of a fraction, without continuity correction.

    Args:
        successes: number of successful trials.
        total: number of trials.
        confidence: probability that such intervals hold the true fraction.

    Returns:
        (lower, upper) bound, in [0, 1].

    Raises:
        ValueError: if there were no trials, more successes than trials, or
            ``confidence`` is not in (0, 1).

    Source: Wilson, "Probable inference, the law of succession, and statistical
    inference", JASA 22, 1927.
    """
    if not 0 <= successes <= total or not total:
        raise ValueError(f"{successes!r} of {total!r} is no fraction")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be in (0, 1), got {confidence!r}")
    z = statistics.NormalDist().inv_cdf((1 + confidence) / 2)
    centre = successes + z**2 / 2
    spread = z * math.sqrt(successes * (total - successes) / total + z**2 / 4)
    lower, upper = ((centre + s * spread) / (total + z**2) for s in (-1, 1))
    # The bounds of none and of all are exact, except for rounding.
    return lower if successes else 0.0, upper if successes < total else 1.0


def report(
    probabilities: Array, labels: Array, class_names: Sequence[str]
) -> ClassificationReport:
    """Compares probabilities with the true classes.

    Args:
        probabilities: ``(examples, classes)``.
        labels: true classes ``(examples,)``.
        class_names: names by label.

    Raises:
        ValueError: if there are no examples, shapes do not fit, or a probability is NaN
            or infinite.
    """
    probabilities, labels = np.asarray(probabilities), np.asarray(labels)
    if not len(labels) or probabilities.shape != (len(labels), len(class_names)):
        raise ValueError(
            f"{len(labels)} labels and {len(class_names)} classes do not fit "
            f"probabilities of shape {probabilities.shape}"
        )
    num_bad = int((~np.isfinite(probabilities)).any(axis=1).sum())
    if num_bad:
        raise ValueError(
            f"the probabilities of {num_bad} of {len(labels)} examples are NaN or "
            "infinite; the network's weights or the images may be"
        )
    predicted = probabilities.argmax(axis=1)
    classes = np.arange(len(class_names))
    confusion = sk_metrics.confusion_matrix(labels, predicted, labels=classes)
    of_truth = probabilities[np.arange(len(labels)), labels]
    is_right = predicted == labels
    top_5 = top_5_interval = None
    if len(class_names) > 5:
        best = np.argsort(-probabilities, axis=1, kind="stable")[:, :5]
        is_among = (best == labels[:, np.newaxis]).any(axis=1)
        top_5 = float(is_among.mean())
        top_5_interval = wilson_interval(int(is_among.sum()), len(labels))
    return ClassificationReport(
        num_examples=len(labels),
        top_1=float(is_right.mean()),
        top_5=top_5,
        cross_entropy=float(-np.log(np.maximum(of_truth, 1e-30)).mean()),
        class_names=tuple(class_names),
        confusion=confusion,
        precision=_fractions(confusion, confusion.sum(axis=0)),
        recall=_fractions(confusion, confusion.sum(axis=1)),
        top_1_interval=wilson_interval(int(is_right.sum()), len(labels)),
        top_5_interval=top_5_interval,
    )


def _fractions(confusion, totals):
    """Right ones of each class by its total; None of a class without any."""
    right = np.diag(confusion)
    return tuple(int(r) / int(n) if n else None for r, n in zip(right, totals))


def evaluate_classifier(
    network: Callable, dataset: Iterable, class_names: Sequence[str]
) -> ClassificationReport:
    """Runs a network over a data set.

    Args:
        network: images to probabilities ``(batch, classes)``; a Keras model or any
            function.
        dataset: batches of (images, one-hot labels), such as ``data.load`` gives.
        class_names: names by label.

    Raises:
        ValueError: if there are no examples, or the numbers of classes differ.
    """
    predict = getattr(network, "predict_on_batch", network)
    probabilities, labels = [], []
    for images, one_hot in _progress.track(dataset, "evaluation"):
        probabilities.append(np.asarray(predict(images)))
        labels.append(one_hot.numpy().argmax(axis=1))
    if not labels:
        raise ValueError("the data set is empty")
    return report(np.concatenate(probabilities), np.concatenate(labels), class_names)
