"""Evaluations, and the figures that show them."""

from keras_cnns.metrics.classification import (
    ClassificationReport,
    evaluate_classifier,
    report,
    wilson_interval,
)
from keras_cnns.metrics.figures import plot_confusion_matrix, plot_learning_curves

__all__ = [
    "ClassificationReport",
    "evaluate_classifier",
    "plot_confusion_matrix",
    "plot_learning_curves",
    "report",
    "wilson_interval",
]
