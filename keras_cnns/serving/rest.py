"""TF Serving's REST API as an ASGI application.

Source: TensorFlow Serving, "RESTful API".
"""

from __future__ import annotations

import functools
import json
import re
import urllib.parse
from typing import TYPE_CHECKING

from google.protobuf import json_format
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from tensorflow_serving.apis import get_model_metadata_pb2

from keras_cnns import _versions
from keras_cnns.serving import json_tensors
from keras_cnns.serving.service import ModelSpec
from keras_cnns.serving.status import RequestError, invalid, too_large

if TYPE_CHECKING:
    from keras_cnns.serving.service import Service

METRICS_PATH = "/monitoring/prometheus/metrics"
_VERSION = r"(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
_POSTED = re.compile(
    rf"/v1/models/(?P<name>[^/:]+){_VERSION}:(?P<method>classify|regress|predict)"
)
_GOT = re.compile(rf"/v1/models/(?P<name>[^/:]+){_VERSION}(?P<part>/metadata)?")
_LARGEST_VERSION = 2**63 - 1
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def make_app(service: Service) -> Starlette:
    """The application.

    Args:
        service: ``Service`` that answers.
    """

    async def models(request):
        return await _answer(service, request)

    async def metrics(_):
        return PlainTextResponse(service.metrics.page())

    async def health(_):
        ready = service.is_ready()
        return PlainTextResponse(
            "ok\n" if ready else "not ready\n", 200 if ready else 503
        )

    return Starlette(
        routes=[
            Route("/v1/{rest:path}", models, methods=_METHODS),
            Route(METRICS_PATH, metrics),
            Route("/healthz", health),
        ]
    )


async def _answer(service, request):
    """The response to a request of the API, errors as JSON too."""
    try:
        path = request.scope["raw_path"].decode("ascii", "replace")
        posted, got = _POSTED.fullmatch(path), _GOT.fullmatch(path)
        if posted and request.method == "POST":
            method = posted["method"].capitalize()
            work = functools.partial(_predict, service, request, posted)
        elif got and request.method == "GET":
            method = "GetModelMetadata" if got["part"] else "GetModelStatus"
            work = functools.partial(_tell, service, got)
        else:
            raise invalid(f"Malformed request: {request.method} {path}")
        spec = _spec(posted or got)
        body = await service.answer(
            functools.partial(work, spec), spec.name, method, "REST"
        )
    except RequestError as error:
        told = json.dumps({"error": str(error)})
        return Response(told, error.http_status, media_type="application/json")
    return Response(body, media_type="application/json")


def _spec(found) -> ModelSpec:
    version, label = found["version"], found["label"] or ""
    if version and int(version) > _LARGEST_VERSION:
        raise invalid(f"Failed to convert version: {version:.40} to numeric.")
    return ModelSpec(
        urllib.parse.unquote(found["name"]),
        int(version) if version else None,
        urllib.parse.unquote(label),
    )


async def _predict(service, request, found, spec):
    body = await _read_body(request, service.limits.max_request_bytes)
    if found["method"] != "predict":
        raise invalid(
            "models exported here have signatures of predict only, not of "
            f"{found['method']}"
        )

    def read(servable):
        document = json_tensors.parse(body)
        name = document.get("signature_name", "")
        specs = servable.signature(name).inputs
        inputs, as_rows = json_tensors.read_inputs(document, specs)
        return name, inputs, (), as_rows

    def write(_, __, outputs, as_rows):
        return json_tensors.write_outputs(outputs, as_rows)

    return await service.predict(spec, read, write)


async def _read_body(request, limit):
    declared = request.headers.get("content-length", "0")
    if int(declared) > limit:  # the server has checked that it is a number
        raise too_large(limit)
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                raise too_large(limit)
    except ClientDisconnect as error:
        raise invalid("the client left within its request") from error
    return bytes(body)


async def _tell(service, found, spec):
    if not found["part"]:
        return _to_json(service.status(spec))
    response = service.metadata(spec)
    definitions = get_model_metadata_pb2.SignatureDefMap()
    response.metadata["signature_def"].Unpack(definitions)
    model, signatures = _to_json(response.model_spec), _to_json(definitions)
    return (
        f'{{"model_spec": {model},\n"metadata": {{"signature_def": {signatures}}}}}\n'
    )


def _to_json(message):
    return json_format.MessageToJson(
        message,
        preserving_proto_field_name=True,
        **{_versions.JSON_WITH_DEFAULTS: True},
    )
