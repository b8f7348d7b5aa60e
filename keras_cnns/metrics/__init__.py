"""Metrics: pure functions, and reports that keep scores with their protocol."""

from keras_cnns._masks import hole_ratio, hole_ratio_bin
from keras_cnns.metrics._protocols import check_equal_protocols
from keras_cnns.metrics.bootstrap import bootstrap_interval
from keras_cnns.metrics.classification import (
    ClassificationReport,
    evaluate_classifier,
    report,
    wilson_interval,
)
from keras_cnns.metrics.coco import CocoScores, coco_metrics
from keras_cnns.metrics.detection import (
    INTERPOLATIONS,
    ClassMatches,
    MeanAveragePrecision,
    average_precision,
    match_detections,
    mean_average_precision,
    voc_average_precision,
)
from keras_cnns.metrics.detection_report import (
    DetectionReport,
    DetectionRow,
    detection_markdown,
    report_detections,
    write_detection_csv,
    write_detection_json,
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
from keras_cnns.metrics.proposals import (
    average_recall,
    best_overlaps,
    proposal_recall,
)
from keras_cnns.metrics.super_resolution_report import (
    UpscaledPicture,
    UpscalingProtocol,
    UpscalingReport,
    compare_upscaling,
    score_upscaled,
    upscaling_markdown,
)

__all__ = [
    "UpscaledPicture",
    "UpscalingProtocol",
    "UpscalingReport",
    "check_equal_protocols",
    "compare_upscaling",
    "score_upscaled",
    "INTERPOLATIONS",
    "ClassMatches",
    "ClassificationReport",
    "CocoScores",
    "DetectionReport",
    "DetectionRow",
    "GenerativeReport",
    "KernelDistance",
    "MeanAveragePrecision",
    "Measurement",
    "ParzenEstimate",
    "Protocol",
    "QualityRow",
    "Scores",
    "average_precision",
    "average_recall",
    "best_overlaps",
    "bootstrap_interval",
    "coco_metrics",
    "compare",
    "cross_validated_sigma",
    "detection_markdown",
    "evaluate_classifier",
    "evaluate_features",
    "frechet_distance",
    "hole_ratio",
    "hole_ratio_bin",
    "inception_score",
    "kernel_distance",
    "match_detections",
    "mean_absolute_error",
    "mean_average_precision",
    "measure_inpainting",
    "median_distance",
    "mmd_rbf",
    "parzen_estimate",
    "parzen_log_likelihood",
    "precision_recall",
    "proposal_recall",
    "psnr",
    "quality_markdown",
    "report",
    "report_detections",
    "ssim",
    "summarize_inpainting",
    "upscaling_markdown",
    "voc_average_precision",
    "wilson_interval",
    "write_detection_csv",
    "write_detection_json",
    "write_quality_csv",
    "write_quality_json",
]
