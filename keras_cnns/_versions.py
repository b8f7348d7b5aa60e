"""The two sets of packages that the project runs on; Python's version tells which.

- Python 3.9 to 3.11: TensorFlow 2.15 with its Keras 2, and tensorflow-addons.
- Python 3.12 and 3.13: TensorFlow 2.21 with tf-keras, which is Keras 2 for TensorFlow
  since ``tf.keras`` became Keras 3. tensorflow-addons has no release there;
  ``_stand_ins`` has what is needed of it.

``tf.keras`` is Keras 2 in both, and the project uses no other. The process that
verifies exports has few modules when it comes here: this file needs no further ones.
"""

import os
import sys

HAS_ADDONS = sys.version_info < (3, 12)
PACKAGES = (
    "keras-cnns",
    "tensorflow",
    *(("keras", "tensorflow-addons") if HAS_ADDONS else ("tf-keras",)),
    *("tensorflow-datasets", "numpy"),
)
# What protobuf's JSON writer calls the option to write fields that hold their default:
# it was renamed in protobuf 5, and TensorFlow 2.15 takes none from 5 on.
JSON_WITH_DEFAULTS = (
    "including_default_value_fields"
    if HAS_ADDONS
    else "always_print_fields_with_no_presence"
)
_SWITCH = "TF_USE_LEGACY_KERAS"
_OWN_KERAS = "keras." if HAS_ADDONS else "tf_keras."
_ADVICE = (
    "keras_cnns needs Keras 2 as tf.keras: import keras_cnns before TensorFlow, or "
    + ("unset " if HAS_ADDONS else "set ")
    + f"the environment variable {_SWITCH}"
    + ("" if HAS_ADDONS else "=1")
)


def choose_keras() -> None:
    """Makes ``tf.keras`` Keras 2: that of TensorFlow 2.15, tf-keras beside later ones.

    Raises:
        ImportError: if ``tf.keras`` was used as another already, or the environment
            asks for Keras 3.
    """
    if HAS_ADDONS:
        # TensorFlow 2.15 would look for tf-keras, too, which is not installed there.
        os.environ.pop(_SWITCH, None)
    else:
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
        if not keras.Model.__module__.startswith(_OWN_KERAS):
            found = "tf-keras" if HAS_ADDONS else "Keras 3"
            raise ImportError(f"tf.keras is {found} here already; {_ADVICE}")
