"""Evaluations, and the figures that show them."""

from keras_cnns.metrics.classification import (
    ClassificationReport,
    evaluate_classifier,
    report,
    wilson_interval,
)
from keras_cnns.metrics.discrepancy import (
    KernelDistance,
    kernel_distance,
    median_distance,
    mmd_rbf,
)
from keras_cnns.metrics.figures import (
    Panel,
    plot_confusion_matrix,
    plot_learning_curves,
    plot_panels,
    plot_training_curves,
)
from keras_cnns.metrics.generative import (
    frechet_distance,
    inception_score,
    precision_recall,
)
from keras_cnns.metrics.generative_report import (
    GenerativeReport,
    Protocol,
    Scores,
    compare,
    evaluate_features,
)
from keras_cnns.metrics.parzen import (
    ParzenEstimate,
    cross_validated_sigma,
    parzen_estimate,
    parzen_log_likelihood,
)

__all__ = [
    "ClassificationReport",
    "GenerativeReport",
    "KernelDistance",
    "Panel",
    "ParzenEstimate",
    "Protocol",
    "Scores",
    "compare",
    "cross_validated_sigma",
    "evaluate_classifier",
    "evaluate_features",
    "frechet_distance",
    "inception_score",
    "kernel_distance",
    "median_distance",
    "mmd_rbf",
    "parzen_estimate",
    "parzen_log_likelihood",
    "plot_confusion_matrix",
    "plot_learning_curves",
    "plot_panels",
    "plot_training_curves",
    "precision_recall",
    "report",
    "wilson_interval",
]
