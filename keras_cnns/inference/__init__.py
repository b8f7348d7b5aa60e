"""Inference: classification, sampling, inpainting, refining and embeddings."""

from keras_cnns.inference.classifiers import load_classifier
from keras_cnns.inference.embeddings import (
    Embedding,
    evaluate_images,
    inception_embedding,
    quantize,
    run_embedding,
)
from keras_cnns.inference.features import run_features
from keras_cnns.inference.inpainters import (
    ExemplarInpainter,
    NetworkInpainter,
    load_inpainting_network,
    open_inpainter,
)
from keras_cnns.inference.inpainting_comparison import Comparison, compare_inpainters
from keras_cnns.inference.predictor import Predictor, load_predictor
from keras_cnns.inference.refinement import Refiner, refine_source
from keras_cnns.inference.sampler import Sampler

__all__ = [
    "Comparison",
    "Embedding",
    "ExemplarInpainter",
    "NetworkInpainter",
    "Predictor",
    "Refiner",
    "Sampler",
    "compare_inpainters",
    "evaluate_images",
    "inception_embedding",
    "load_classifier",
    "load_inpainting_network",
    "load_predictor",
    "open_inpainter",
    "quantize",
    "refine_source",
    "run_embedding",
    "run_features",
]
