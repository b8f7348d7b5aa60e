"""CNNs and GANs of the classic literature, in Keras on TensorFlow 2.

Sub-packages load on first use, so ``import keras_cnns`` costs nothing:
``keras_cnns.applications.DenseNet121()`` builds a network, and
``keras_cnns.open_run(folder)`` opens a finished training. Within
``with keras_cnns.show_progress():`` work that takes long shows how far it is.

TensorFlow's start-up messages are kept off the terminal; set the environment
variable ``TF_CPP_MIN_LOG_LEVEL`` yourself (0 shows everything) to have them back.
On Python 3.12 and later, import it before TensorFlow: it makes ``tf.keras`` Keras 2.
"""

import importlib
import os

from keras_cnns import _versions

__version__ = "0.2.0"

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
_versions.choose_keras()

_SUBPACKAGES = (
    "applications",
    "commands",
    "compression",
    "data",
    "exemplar",
    "export",
    "figures",
    "inference",
    "inspection",
    "layers",
    "losses",
    "metrics",
    "runs",
    "serving",
    "studio",
    "tasks",
    "trainers",
)


def __getattr__(name):
    if name == "open_run":
        return importlib.import_module(f"{__name__}.tasks").open_run
    if name == "show_progress":
        return importlib.import_module(f"{__name__}._progress").shown
    if name in _SUBPACKAGES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *_SUBPACKAGES, "open_run", "show_progress"])
