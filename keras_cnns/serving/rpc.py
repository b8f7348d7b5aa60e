"""TF Serving's gRPC services, by its own protos.

``PredictionService`` has ``Predict`` and ``GetModelMetadata``, ``ModelService`` has
``GetModelStatus``. ``Classify`` and ``Regress`` say that exports have no signature of
theirs; the others are not implemented.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from tensorflow_serving.apis import (
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from keras_cnns.serving import proto_tensors
from keras_cnns.serving.servable import DEFAULT_SIGNATURE
from keras_cnns.serving.service import ModelSpec
from keras_cnns.serving.status import RequestError, invalid

if TYPE_CHECKING:
    import grpc

    from keras_cnns.serving.service import Service


def add_services(service: Service, server: grpc.aio.Server) -> None:
    """Adds both services to a server of ``grpc.aio``.

    Args:
        service: ``Service`` that answers.
        server: the server.
    """
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        _Prediction(service), server
    )
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(_Models(service), server)


async def _answer(service, method, work, request, context):
    """The response, or the end of the call with the error's code."""
    try:
        if not request.HasField("model_spec"):
            raise invalid("Missing ModelSpec")
        asked = request.model_spec
        version = asked.version.value if asked.HasField("version") else None
        spec = ModelSpec(asked.name, version, asked.version_label)
        bound = functools.partial(work, service, request, spec)
        return await service.answer(bound, spec.name, method, "GRPC")
    except RequestError as error:
        return await context.abort(error.code, str(error))


class _Prediction(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, service):
        self._service = service

    async def Predict(self, request, context):
        return await _answer(self._service, "Predict", _predict, request, context)

    async def GetModelMetadata(self, request, context):
        return await _answer(
            self._service, "GetModelMetadata", _metadata, request, context
        )

    async def Classify(self, request, context):
        return await _answer(self._service, "Classify", _refuse, request, context)

    async def Regress(self, request, context):
        return await _answer(self._service, "Regress", _refuse, request, context)


class _Models(model_service_pb2_grpc.ModelServiceServicer):
    def __init__(self, service):
        self._service = service

    async def GetModelStatus(self, request, context):
        return await _answer(self._service, "GetModelStatus", _status, request, context)


async def _predict(service, request, spec):
    def read(_):
        limit = service.limits.max_request_bytes
        inputs = {
            name: proto_tensors.read(name, tensor, limit)
            for name, tensor in request.inputs.items()
        }
        return request.model_spec.signature_name, inputs, request.output_filter, None

    def write(servable, signature, outputs, _):
        response = predict_pb2.PredictResponse()
        response.model_spec.name = servable.name
        response.model_spec.version.value = servable.version
        response.model_spec.signature_name = signature or DEFAULT_SIGNATURE
        for name, array in outputs.items():
            response.outputs[name].CopyFrom(proto_tensors.write(array))
        return response

    return await service.predict(spec, read, write)


async def _metadata(service, request, spec):
    fields = set(request.metadata_field)
    if fields != {"signature_def"}:
        raise invalid(
            "metadata_field must be signature_def, got "
            f"{', '.join(sorted(fields))!r:.200}"
        )
    return service.metadata(spec)


async def _status(service, _, spec):
    return service.status(spec)


async def _refuse(*_):
    raise invalid("models exported here have signatures of Predict only")
