"""SavedModels for TF Serving: written whole, verified in a fresh process."""

from keras_cnns.export.generator import export_generator, export_generator_run
from keras_cnns.export.inpainter import export_inpainter, export_inpainter_run
from keras_cnns.export.predictor import load_predictor
from keras_cnns.export.refiner import export_refiner, export_refiner_run
from keras_cnns.export.saved_model import (
    export_run,
    export_saved_model,
    find_saved_model,
    load_saved_model,
)
from keras_cnns.export.warmup import check_available as check_warmup_available

__all__ = [
    "check_warmup_available",
    "export_generator",
    "export_generator_run",
    "export_inpainter",
    "export_inpainter_run",
    "export_refiner",
    "export_refiner_run",
    "export_run",
    "export_saved_model",
    "find_saved_model",
    "load_predictor",
    "load_saved_model",
]
