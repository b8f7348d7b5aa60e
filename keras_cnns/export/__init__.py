"""SavedModels for TF Serving: written whole, verified in a fresh process."""

from keras_cnns.export.saved_model import (
    export_run,
    export_saved_model,
    find_saved_model,
    load_saved_model,
)

__all__ = [
    "export_run",
    "export_saved_model",
    "find_saved_model",
    "load_saved_model",
]
