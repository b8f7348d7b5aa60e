"""SavedModels for TF Serving, ONNX and TensorFlow Lite files: verified, atomic."""

from keras_cnns.export.autoencoder import export_autoencoder
from keras_cnns.export.detector import export_detector, prepare_and_detect
from keras_cnns.export.forms import FORMATS, Form, read_card
from keras_cnns.export.frozen_network import FrozenNetwork
from keras_cnns.export.generator import export_generator
from keras_cnns.export.inpainter import export_inpainter
from keras_cnns.export.refiner import export_refiner
from keras_cnns.export.saved_model import (
    SAVED_MODEL,
    export_saved_model,
    find_saved_model,
    list_versions,
    load_saved_model,
    open_saved_model,
)
from keras_cnns.export.trust import check_graph
from keras_cnns.export.upscaler import (
    enlarge_colours,
    export_upscaler,
    upscaling_context,
)
from keras_cnns.export.warmup import IF_INSTALLED, read_warmup_requests
from keras_cnns.export.warmup import check_available as check_warmup_available

__all__ = [
    "FORMATS",
    "Form",
    "FrozenNetwork",
    "SAVED_MODEL",
    "check_graph",
    "IF_INSTALLED",
    "check_warmup_available",
    "enlarge_colours",
    "export_autoencoder",
    "export_detector",
    "export_generator",
    "export_inpainter",
    "export_refiner",
    "export_saved_model",
    "export_upscaler",
    "find_saved_model",
    "list_versions",
    "load_saved_model",
    "open_saved_model",
    "prepare_and_detect",
    "read_card",
    "read_warmup_requests",
    "upscaling_context",
]
