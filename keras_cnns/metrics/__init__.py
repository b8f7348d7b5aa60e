"""Metrics: pure functions, and reports that keep scores with their protocol."""

from keras_cnns._masks import hole_ratio, hole_ratio_bin
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
from keras_cnns.metrics.image_quality import mean_absolute_error, psnr, ssim
from keras_cnns.metrics.inpainting_report import (
    Measurement,
    QualityRow,
    measure_inpainting,
    quality_markdown,
    summarize_inpainting,
    write_quality_csv,
    write_quality_json,
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
    "Measurement",
    "ParzenEstimate",
    "Protocol",
    "QualityRow",
    "Scores",
    "compare",
    "cross_validated_sigma",
    "evaluate_classifier",
    "evaluate_features",
    "frechet_distance",
    "hole_ratio",
    "hole_ratio_bin",
    "inception_score",
    "kernel_distance",
    "mean_absolute_error",
    "measure_inpainting",
    "median_distance",
    "mmd_rbf",
    "parzen_estimate",
    "parzen_log_likelihood",
    "precision_recall",
    "psnr",
    "quality_markdown",
    "report",
    "ssim",
    "summarize_inpainting",
    "wilson_interval",
    "write_quality_csv",
    "write_quality_json",
]
