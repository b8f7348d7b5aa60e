"""Functions as ONNX files, in 32 or 8 bits, and how ONNX Runtime calls them."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

import tensorflow as tf

from keras_cnns import _files, _progress
from keras_cnns._checks import check_installed

if TYPE_CHECKING:
    import numpy as np

OPSET = 17
# Behind the name of an output that an input has too: in a file all names differ.
_OUTPUT = "_out"


def check_available() -> None:
    """Checks that files can be written and called.

    Raises:
        ImportError: if the extra ``onnx`` is not installed.
    """
    check_installed("ONNX", ("onnx", "onnxruntime", "tf2onnx"), "onnx")


def write(
    function: tf.types.experimental.PolymorphicFunction,
    path: str,
    calibration: np.ndarray | None = None,
) -> None:
    """Writes a function into a file.

    Args:
        function: ``tf.function`` with an input signature of names, that returns a dict;
            an output that has an input's name is stored as ``<name>_out``.
        path: of the file.
        calibration: the function's only input, NumPy, by which the ranges of 8-bit
            numbers are chosen; None: 32 bits.

    Raises:
        ValueError: if ONNX has no such operations, which are named.
        ImportError: if the extra ``onnx`` is not installed.
    """
    check_available()
    import tf2onnx

    signature = function.input_signature
    names = {spec.name for spec in signature}

    @tf.function(input_signature=signature)
    def renamed(*inputs):
        outputs = function(*inputs)
        return {k + _OUTPUT * (k in names): value for k, value in outputs.items()}

    try:
        tf2onnx.convert.from_function(renamed, signature, opset=OPSET, output_path=path)
        open_file(path)
    except Exception as error:  # the converter's classes are not public
        raise ValueError(
            f"ONNX cannot hold this network: {_files.reason_of(error)}"
        ) from error
    if calibration is not None:
        _quantize(path, signature[0].name, calibration)


def _quantize(path, name, calibration):
    """Weights by channel and activations in 8 bits, where convolutions have them."""
    from onnxruntime import quantization
    from onnxruntime.quantization import shape_inference

    class Reader(quantization.CalibrationDataReader):
        """Hands out an image at a time."""

        def __init__(self):
            self._images = _progress.track(calibration, "calibration")

        def get_next(self):
            image = next(self._images, None)
            return None if image is None else {name: image[None]}

    prepared = f"{path}.prepared"
    try:
        shape_inference.quant_pre_process(path, prepared, skip_symbolic_shape=True)
        quantization.quantize_static(prepared, path, Reader(), per_channel=True)
    finally:
        if os.path.exists(prepared):
            os.remove(prepared)


def open_file(path: str) -> Callable[..., dict]:
    """A function of NumPy arrays by name, which returns such.

    Raises:
        ValueError: if it is no such file.
        ImportError: if the extra ``onnx`` is not installed.
    """
    check_available()
    import onnxruntime

    with _files.reading(path, "an ONNX model"):
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    inputs = {given.name for given in session.get_inputs()}
    stored = [output.name for output in session.get_outputs()]
    plain = [name.removesuffix(_OUTPUT) for name in stored]
    names = [p if p in inputs else s for p, s in zip(plain, stored)]

    def call(**inputs):
        return dict(zip(names, session.run(stored, inputs)))

    return call
