"""Functions as TensorFlow Lite files, in 32 or 8 bits, and how they are called."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import tensorflow as tf

from keras_cnns import _files
from keras_cnns._quiet import errors_unseen

if TYPE_CHECKING:
    import numpy as np

_SIGNATURE = "serving_default"  # the converter's own name for the only one


def write(
    function: tf.types.experimental.PolymorphicFunction,
    path: str,
    calibration: np.ndarray | None = None,
) -> None:
    """Writes a function into a file.

    Args:
        function, calibration: as of ``onnx_files.write``.
        path: of the file.

    Raises:
        ValueError: if TensorFlow Lite has no such operations, which are named.
    """
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [function.get_concrete_function()], tf.Module()
    )
    if calibration is not None:
        name = function.input_signature[0].name
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: (
            {name: image[None]} for image in calibration
        )
    try:
        with errors_unseen():  # the converter counts operations there
            content = converter.convert()
    except Exception as error:  # its own class is not public
        operations = sorted(set(re.findall(r"'(tf\.\w+)' op", str(error))))
        reason = "it has no " + ", ".join(operations) if operations else str(error)
        raise ValueError(
            f"TensorFlow Lite cannot hold this network: {reason.splitlines()[0]:.300}"
        ) from error
    with _files.atomic_file(path) as file:
        file.write(content)


def open_file(path: str) -> Callable[..., dict]:
    """A function of NumPy arrays by name, which returns such.

    Raises:
        ValueError: if it is no such file.
    """
    with _files.reading(path, "a TensorFlow Lite model"):
        interpreter = tf.lite.Interpreter(path, num_threads=os.cpu_count())
        return interpreter.get_signature_runner(_SIGNATURE)
