"""Small models for a server: a known function of a number, and clients of a server."""

import json
import shutil
import types
import urllib.error
import urllib.request

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import (
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from keras_cnns import _files


class _Scaled(tf.Module):
    """``images`` times a factor; their sum over a row; a count's squares."""

    def __init__(self, factor):
        super().__init__()
        self._factor = tf.Variable(factor, dtype=tf.float32)

        @tf.function(input_signature=[tf.TensorSpec([None, None], name="images")])
        def serving_default(images):
            return {"scaled": self._factor * images}

        @tf.function(input_signature=[tf.TensorSpec([], tf.int32, name="count")])
        def sample(count):
            return {"squares": tf.range(count) ** 2, "count": count}

        @tf.function(
            input_signature=[
                tf.TensorSpec([None], tf.string, name="text_bytes"),
                tf.TensorSpec([None, 2], tf.int64, name="pairs"),
            ]
        )
        def both(text_bytes, pairs):
            joined = tf.strings.join([text_bytes, tf.as_string(pairs[:, 0])])
            floats = tf.cast(pairs, tf.float32) / self._factor
            return {"text_bytes": joined, "text": joined, "ratios": floats}

        self.serving_default, self.sample, self.both = serving_default, sample, both


def write_scaled(folder, factor, *, file_to_add=None):
    """Writes the model as a version, as exports appear: whole or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    module = _Scaled(factor)
    names = ("serving_default", "sample", "both")
    with _files.partial_folder(str(folder.parent)) as partial:
        signatures = {name: getattr(module, name) for name in names}
        tf.saved_model.save(module, partial, signatures=signatures)
        if file_to_add:
            shutil.copy(*file_to_add)
        _files.claim(partial, str(folder))


class Client:
    """Asks a server by both protocols."""

    def __init__(self, rest_port, grpc_port):
        self.rest_port, self.grpc_port = rest_port, grpc_port
        self._base = f"http://127.0.0.1:{rest_port}"
        self._channel = grpc.insecure_channel(f"127.0.0.1:{grpc_port}")
        self.stub = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        self.models = model_service_pb2_grpc.ModelServiceStub(self._channel)

    def close(self):
        self._channel.close()

    def ask(self, path, body=None, method=None):
        """(HTTP status, body as JSON or text); what is sent may be JSON or bytes."""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        request = urllib.request.Request(self._base + path, body, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                status, text = answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read().decode()
        return status, json.loads(text) if text.startswith(("{", "[")) else text

    def predict(self, model, *, version=None, signature="", wanted=(), **inputs):
        """The response over gRPC, outputs as arrays."""
        request = predict_pb2.PredictRequest(output_filter=wanted)
        request.model_spec.name, request.model_spec.signature_name = model, signature
        if version is not None:
            request.model_spec.version.value = version
        for name, value in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
        response = self.stub.Predict(request, timeout=30)
        outputs = {name: tf.make_ndarray(t) for name, t in response.outputs.items()}
        return types.SimpleNamespace(spec=response.model_spec, outputs=outputs)


def rows(count, width=3, start=0):
    """Distinct rows of numbers."""
    return np.arange(start, start + count * width, dtype=np.float32).reshape(-1, width)
