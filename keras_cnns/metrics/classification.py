"""How good a classifier is, overall and per class."""

import dataclasses

import numpy as np
from sklearn import metrics as sk_metrics


@dataclasses.dataclass(frozen=True)
class ClassificationReport:
    """Result of an evaluation.

    Attributes:
        num_examples: number of examples.
        top_1, top_5: share of correct answers, and of right classes among the five
            most probable; ``top_5`` is None with five classes or fewer.
        cross_entropy: mean of ``-log p(right class)``, in nats.
        class_names: names by label.
        confusion: counts ``(true class, predicted class)``.
        precision, recall: per class; 0 where a class was never predicted or is absent.
    """

    num_examples: int
    top_1: float
    top_5: float
    cross_entropy: float
    class_names: tuple
    confusion: np.ndarray
    precision: tuple
    recall: tuple

    def to_json(self) -> dict:
        """The report as JSON values."""
        return {**dataclasses.asdict(self), "confusion": self.confusion.tolist()}


def report(probabilities, labels, class_names) -> ClassificationReport:
    """Compares probabilities with the truth.

    Args:
        probabilities: ``(examples, classes)``.
        labels: true classes ``(examples,)``.
        class_names: names by label.

    Raises:
        ValueError: if there are no examples, or shapes do not belong together.
    """
    probabilities, labels = np.asarray(probabilities), np.asarray(labels)
    if not len(labels) or probabilities.shape != (len(labels), len(class_names)):
        raise ValueError(
            f"{len(labels)} labels and {len(class_names)} classes do not fit "
            f"probabilities of shape {probabilities.shape}"
        )
    predicted = probabilities.argmax(axis=1)
    classes = np.arange(len(class_names))
    precision, recall, _, _ = sk_metrics.precision_recall_fscore_support(
        labels, predicted, labels=classes, zero_division=0
    )
    of_truth = probabilities[np.arange(len(labels)), labels]
    top_5 = None
    if len(class_names) > 5:
        best = np.argsort(-probabilities, axis=1, kind="stable")[:, :5]
        top_5 = float((best == labels[:, np.newaxis]).any(axis=1).mean())
    return ClassificationReport(
        num_examples=len(labels),
        top_1=float((predicted == labels).mean()),
        top_5=top_5,
        cross_entropy=float(-np.log(np.maximum(of_truth, 1e-30)).mean()),
        class_names=tuple(class_names),
        confusion=sk_metrics.confusion_matrix(labels, predicted, labels=classes),
        precision=tuple(map(float, precision)),
        recall=tuple(map(float, recall)),
    )


def evaluate_classifier(network, dataset, class_names) -> ClassificationReport:
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
    for images, one_hot in dataset:
        probabilities.append(np.asarray(predict(images)))
        labels.append(one_hot.numpy().argmax(axis=1))
    if not labels:
        raise ValueError("the data set is empty")
    return report(np.concatenate(probabilities), np.concatenate(labels), class_names)
