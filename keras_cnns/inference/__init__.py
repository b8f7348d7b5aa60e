"""Inference: using trained networks of all tasks, and what is compared with them."""

from keras_cnns.inference.autoencoders import (
    Autoencoder,
    AutoencoderEvaluation,
    evaluate_autoencoder,
    reconstruct,
)
from keras_cnns.inference.classifiers import load_classifier
from keras_cnns.inference.detection_evaluation import (
    DetectorEvaluation,
    evaluate_detector,
    region_examples,
    shown_scenes,
    stored_proposals,
    truth_of,
)
from keras_cnns.inference.detectors import CLASSIFIERS, RPN_CLASSES, Detector
from keras_cnns.inference.embeddings import (
    Embedding,
    evaluate_images,
    inception_embedding,
    quantize,
    run_embedding,
)
from keras_cnns.inference.exports import (
    EXPORTED_TASKS,
    ExportedDetector,
    ExportedInpainter,
    ExportedSampler,
    ExportedUpscaler,
    open_export,
)
from keras_cnns.inference.features import run_features
from keras_cnns.inference.inpainters import (
    ExemplarInpainter,
    NetworkInpainter,
    load_inpainter,
    load_inpainting_network,
    open_inpainter,
)
from keras_cnns.inference.inpainting_comparison import Comparison, compare_inpainters
from keras_cnns.inference.predictor import Predictor, load_predictor
from keras_cnns.inference.refinement import Refiner, refine_source
from keras_cnns.inference.sampler import GeneratorSampler, Sampler, load_sampler
from keras_cnns.inference.self_ensemble import self_ensemble
from keras_cnns.inference.upscalers import (
    BicubicUpscaler,
    NetworkUpscaler,
    load_upscaler,
    open_upscaler,
)
from keras_cnns.inference.upscaling_comparison import (
    UpscalingComparison,
    compare_upscalers,
    evaluate_upscaler,
    read_upscaling_reports,
)

__all__ = [
    "BicubicUpscaler",
    "CLASSIFIERS",
    "EXPORTED_TASKS",
    "RPN_CLASSES",
    "Autoencoder",
    "AutoencoderEvaluation",
    "Comparison",
    "Detector",
    "DetectorEvaluation",
    "Embedding",
    "ExemplarInpainter",
    "ExportedDetector",
    "ExportedInpainter",
    "ExportedSampler",
    "ExportedUpscaler",
    "GeneratorSampler",
    "NetworkInpainter",
    "NetworkUpscaler",
    "Predictor",
    "Refiner",
    "Sampler",
    "UpscalingComparison",
    "compare_inpainters",
    "compare_upscalers",
    "evaluate_autoencoder",
    "evaluate_detector",
    "evaluate_images",
    "evaluate_upscaler",
    "inception_embedding",
    "load_classifier",
    "load_inpainter",
    "load_inpainting_network",
    "load_predictor",
    "load_sampler",
    "load_upscaler",
    "open_export",
    "open_inpainter",
    "open_upscaler",
    "quantize",
    "read_upscaling_reports",
    "reconstruct",
    "refine_source",
    "region_examples",
    "run_embedding",
    "run_features",
    "self_ensemble",
    "shown_scenes",
    "stored_proposals",
    "truth_of",
]
