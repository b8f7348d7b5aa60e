"""How an exported network is stored: as a SavedModel, for ONNX or TensorFlow Lite."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf
from absl import logging

from keras_cnns import _files, _processor
from keras_cnns._checks import check_choice
from keras_cnns.export import onnx_files, tflite_files
from keras_cnns.export.frozen_network import FrozenNetwork

if TYPE_CHECKING:
    from tensorflow import keras

CARD = "model.json"
EXTRA = "assets.extra"  # folder that TF Serving leaves to others
# format: what writes and opens its files; it is their extension too
_FILES = {"onnx": onnx_files, "tflite": tflite_files}
FORMATS = ("saved_model", "onnx", "tflite", "onnx_int8", "tflite_int8")


@dataclasses.dataclass(frozen=True)
class Form:
    """How a network is stored.

    All have ``model.json`` with what a user of theirs has to know.

    Attributes:
        format: of ``FORMATS``. ``saved_model`` has all signatures, the others those
            that take floats alone, each in a file of its name.
        optimize: whether weights of a SavedModel become constants, and normalisations
            parts of convolutions; the other formats do both.
        calibration: inputs ``(count, height, width, channels)`` by whose activations
            the ranges of 8-bit numbers are chosen; of the formats that end in
            ``_int8`` only.
        about: where the network comes from, which stands in ``model.json`` too: JSON
            values by name.

    Raises:
        ValueError: if the format is none, or calibration is missing or not wanted.
    """

    format: str = "saved_model"
    optimize: bool = False
    calibration: np.ndarray | None = None
    about: dict = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        check_choice("format", self.format, FORMATS)
        if self.quantized != (self.calibration is not None):
            wanted = "needs" if self.quantized else "takes no"
            raise ValueError(f"format {self.format} {wanted} images to calibrate by")

    @property
    def quantized(self) -> bool:
        """Whether numbers have 8 bits."""
        return self.format.endswith("_int8")

    @property
    def tolerance(self) -> float:
        """How far outputs may be from the network's, of the largest."""
        return 1e-4 if self.optimize or self.format != "saved_model" else 1e-5

    def folder(self, name: str) -> str:
        """The folder of a model: TF Serving's must hold SavedModels alone."""
        return name if self.format == "saved_model" else f"{name}_{self.format}"

    def prepared(self, network: keras.Model) -> keras.Model | FrozenNetwork:
        """What takes the network's place in the functions that are stored."""
        plain = self.format == "saved_model" and not self.optimize
        if plain:
            return network
        with _processor.any_processor():
            return FrozenNetwork(network)

    def write(
        self, served: tf.Module, path: str, signatures: Sequence[str], about: dict
    ) -> tuple:
        """Writes functions into a folder.

        Args:
            served: ``tf.Module`` that has them.
            path: the folder.
            signatures: their names.
            about: what else stands in ``model.json``.

        Returns:
            Names of those that are stored.

        Raises:
            ValueError: if the format cannot hold them.
            ImportError: if an extra is not installed.
        """
        functions = {name: getattr(served, name) for name in signatures}
        with _quiet(), _processor.any_processor():
            if self.format == "saved_model":
                tf.saved_model.save(served, path, signatures=functions)
                folder = os.path.join(path, EXTRA)
                os.mkdir(folder)
            else:
                functions = self._write_files(functions, path)
                folder = path
            told = {"format": self.format, "signatures": _described(functions)}
        card = {**told, **self.about, **about}
        _files.write_json(os.path.join(folder, CARD), card, indent=1)
        return tuple(functions)

    def _write_files(self, functions, path) -> dict:
        """Writes a file for each function of floats, and returns these functions."""
        functions = {k: _numeric(f) for k, f in functions.items() if _is_float(f)}
        kind = self.format.removesuffix("_int8")
        for name, function in functions.items():
            file = os.path.join(path, f"{name}.{kind}")
            _FILES[kind].write(function, file, self.calibration)
        return functions


def open_signatures(path: str) -> dict:
    """The functions of a stored version, of NumPy arrays by name to such.

    Args:
        path: the version's folder.

    Raises:
        ValueError: if a file cannot be read.
        ImportError: if an extra is not installed.
    """
    found = {}
    for name in sorted(os.listdir(path)):
        signature, extension = os.path.splitext(name)
        kind = extension[1:]
        if kind in _FILES:
            found[signature] = _FILES[kind].open_file(os.path.join(path, name))
    return found or _saved_signatures(path)


def _saved_signatures(path):
    loaded = tf.saved_model.load(path)

    def numpy(function):
        def call(**inputs):
            given = {name: tf.constant(value) for name, value in inputs.items()}
            return {name: value.numpy() for name, value in function(**given).items()}

        call.loaded = loaded  # its variables must live as long as the function
        return call

    return {name: numpy(function) for name, function in loaded.signatures.items()}


def read_card(path: str) -> dict:
    """What ``model.json`` of a version says; empty without it.

    It lies in the version's folder, of SavedModels in its ``assets.extra``.

    Args:
        path: the version's folder.

    Raises:
        ValueError: if it cannot be read.
    """
    files = [os.path.join(path, *folder, CARD) for folder in ((), (EXTRA,))]
    file = next((file for file in files if os.path.lexists(file)), None)
    if file is None:
        return {}
    with _files.reading(file, "what is told of a model"), open(file, "rb") as content:
        return dict(json.load(content))


def _is_float(function) -> bool:
    return all(spec.dtype.is_floating for spec in function.input_signature)


def _numeric(function):
    """The function without outputs that are texts."""

    @tf.function(input_signature=function.input_signature)
    def numeric(*inputs):
        outputs = function(*inputs)
        return {k: v for k, v in outputs.items() if v.dtype != tf.string}

    return numeric


def _described(functions) -> dict:
    def sizes(spec):
        shape = None if spec.shape.rank is None else spec.shape.as_list()
        return {"dtype": spec.dtype.name, "shape": shape}

    described = {}
    for name, function in functions.items():
        outputs = function.get_concrete_function().structured_outputs
        described[name] = {
            "inputs": {spec.name: sizes(spec) for spec in function.input_signature},
            "outputs": {key: sizes(spec) for key, spec in outputs.items()},
        }
    return described


@contextlib.contextmanager
def _quiet():
    """Keeps warnings of converters from the user, who can do nothing about them."""
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
