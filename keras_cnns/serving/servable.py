"""One version of a model, loaded: its signatures, called with arrays."""

import os
import threading
from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from keras_cnns import _files, export
from keras_cnns.serving import proto_tensors
from keras_cnns.serving.status import Code, RequestError, invalid

DEFAULT_SIGNATURE = "serving_default"
_LARGEST_WARMUP = 2**30  # bytes of one of its tensors


class Signature:
    """A function of a version: arrays by name to arrays by name.

    Attributes:
        model: the model's name.
        inputs, outputs: ``tf.TensorSpec`` by name.
    """

    def __init__(self, model: str, loaded: Any, function: Callable) -> None:
        self.model = model
        self._loaded = loaded  # its variables must live as long as the function
        self.inputs = function.structured_input_signature[1]
        self.outputs = function.structured_outputs
        self._function = function
        # It is not for two threads: see ``export.saved_model.run_one_by_one``.
        self._lock = threading.Lock()
        specs = [*self.inputs.values(), *self.outputs.values()]
        self._has_rows = all(
            spec.shape.rank and spec.shape[0] is None for spec in specs
        )

    def check(self, inputs: dict) -> None:
        """Refuses inputs of other names, types or shapes.

        Raises:
            RequestError: naming what differs.
        """
        extra, missing = set(inputs) - set(self.inputs), set(self.inputs) - set(inputs)
        if extra or missing:
            raise invalid(
                "input size does not match signature. Sent extra: "
                f"{{{','.join(sorted(extra))}}}. Missing but required: "
                f"{{{','.join(sorted(missing))}}}."
            )
        for name, spec in self.inputs.items():
            array = inputs[name]
            if tf.as_dtype(array.dtype) != spec.dtype:
                raise invalid(
                    f"input {name} must be {spec.dtype.name}, got {array.dtype}"
                )
            if not spec.shape.is_compatible_with(array.shape):
                raise invalid(
                    f"input {name} must have the shape {spec.shape}, got {array.shape}"
                )

    def count_rows(self, inputs: dict) -> int:
        """How many rows checked inputs have; 0 if they are none of independent rows.

        They are where every input and output has a first axis of any size.
        """
        counts = {len(array) for array in inputs.values()} if self._has_rows else {0}
        return counts.pop() if len(counts) == 1 else 0

    def __call__(self, inputs: dict) -> dict:
        """The outputs of checked inputs; calls follow one another."""
        given = {
            name: tf.constant(array, self.inputs[name].dtype)
            for name, array in inputs.items()
        }
        with self._lock:
            outputs = self._function(**given)
            return {name: value.numpy() for name, value in outputs.items()}


class Servable:
    """A loaded version.

    Attributes:
        name: the model's.
        version: its number.
        definitions: ``SignatureDef`` by name, as stored.
    """

    def __init__(self, name: str, version: int, folder: str, trust_graph: bool) -> None:
        """Loads a version and runs its warm-up requests.

        Args:
            name: the model's.
            version: its number.
            folder: of the version.
            trust_graph: whether its graph may do more than compute.

        Raises:
            ValueError: if its graph is not trusted.
            Exception: whatever TensorFlow raises for damaged files.
        """
        self.name, self.version = name, version
        if not trust_graph:
            export.check_graph(folder)
        self.definitions = _read_definitions(folder)
        with _files.plain_path(folder) as plain:
            loaded = tf.saved_model.load(plain, tags=["serve"])
        self._signatures = {
            key: Signature(name, loaded, function)
            for key, function in loaded.signatures.items()
        }
        for request in export.read_warmup_requests(folder):
            signature = self.signature(request.model_spec.signature_name)
            inputs = {
                key: proto_tensors.read(key, tensor, _LARGEST_WARMUP)
                for key, tensor in request.inputs.items()
            }
            signature.check(inputs)
            signature(inputs)

    def signature(self, name: str) -> Signature:
        """The signature of a name; empty: ``serving_default``.

        Raises:
            RequestError: if there is none.
        """
        name = name or DEFAULT_SIGNATURE
        if name not in self._signatures:
            raise RequestError(
                Code.FAILED_PRECONDITION,
                f'Serving signature key "{name:.200}" not found. There are: '
                f"{', '.join(sorted(self._signatures))}",
            )
        return self._signatures[name]


def _read_definitions(folder):
    with open(os.path.join(folder, "saved_model.pb"), "rb") as file:
        model = saved_model_pb2.SavedModel.FromString(file.read())
    return dict(model.meta_graphs[0].signature_def)
