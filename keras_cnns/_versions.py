"""The two sets of packages that the project runs on; Python's version tells which.

- Python 3.9 to 3.11: TensorFlow 2.15 with its Keras 2, and tensorflow-addons.
- Python 3.12 and 3.13: TensorFlow 2.21 with tf-keras, which is Keras 2 for TensorFlow
  since ``tf.keras`` became Keras 3. tensorflow-addons has no release there;
  ``_stand_ins`` has what is needed of it.

``tf.keras`` is Keras 2 in both, and the project uses no other.
"""

import contextlib
import os
import sys
from importlib import metadata

HAS_ADDONS = sys.version_info < (3, 12)
PACKAGES = (
    "keras-cnns",
    "tensorflow",
    *(("keras", "tensorflow-addons") if HAS_ADDONS else ("tf-keras",)),
    *("tensorflow-datasets", "numpy"),
)
_SWITCH = "TF_USE_LEGACY_KERAS"
_ADVICE = (
    "keras_cnns needs Keras 2 as tf.keras: import keras_cnns before TensorFlow, or set "
    f"the environment variable {_SWITCH}=1"
)


def choose_keras() -> None:
    """Makes ``tf.keras`` Keras 2, where TensorFlow would take Keras 3.

    Raises:
        ImportError: if ``tf.keras`` was used as Keras 3 already, or the environment
            asks for it.
    """
    if HAS_ADDONS:
        return
    wanted = os.environ.get(_SWITCH) or "1"
    os.environ[_SWITCH] = wanted
    if wanted not in ("1", "true", "True"):  # what TensorFlow takes for yes
        raise ImportError(f"{_SWITCH} is {wanted!r} here; {_ADVICE}")
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is None:
        return
    # TensorFlow looks at the variable when tf.keras is first used; its import path was
    # set before, so that ``from tensorflow.keras import layers`` is led here.
    imported = sys.modules.setdefault("tensorflow.keras", tensorflow.keras)
    for keras in (tensorflow.keras, imported):
        if not keras.Model.__module__.startswith("tf_keras."):
            raise ImportError(f"tf.keras is Keras 3 here already; {_ADVICE}")


def installed() -> dict:
    """The version of each of ``PACKAGES``; None for one that is not installed."""
    return {name: _version(name) for name in PACKAGES}


def _version(package):
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def describe() -> str:
    """What runs here, in one line: Python, TensorFlow and Keras with versions."""
    keras = "keras" if HAS_ADDONS else "tf-keras"
    python = ".".join(map(str, sys.version_info[:3]))
    named = (f"{name} {_version(name)}" for name in ("tensorflow", keras))
    return f"python {python}, {', '.join(named)}"


@contextlib.contextmanager
def quiet_import():
    """Keeps what TensorFlow writes while it is imported off the terminal.

    TensorFlow 2.21 writes some before it looks at TF_CPP_MIN_LOG_LEVEL; where that is
    set to show messages, they are shown.
    """
    if HAS_ADDONS or os.environ.get("TF_CPP_MIN_LOG_LEVEL", "0") < "3":
        yield
        return
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
