"""What both protocols share: predicting, metadata and states, within limits."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import dataclasses
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from absl import logging
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2

from keras_cnns.serving.batching import Batcher
from keras_cnns.serving.metrics import Metrics
from keras_cnns.serving.status import (
    Code,
    RequestError,
    as_request_error,
    invalid,
)

if TYPE_CHECKING:
    from keras_cnns.serving.catalog import Catalog
    from keras_cnns.serving.servable import Servable

_READERS = 2  # threads that turn messages into arrays and back


@dataclasses.dataclass(frozen=True)
class Limits:
    """What requests may take.

    Attributes:
        max_requests: number in work at the same time; more are refused.
        max_request_bytes: size of one.
        request_timeout: seconds for one.
    """

    max_requests: int = 64
    max_request_bytes: int = 32 * 2**20
    request_timeout: float = 30.0


@dataclasses.dataclass(frozen=True)
class ModelSpec:
    """Which model is asked, and which version of it; None: the newest."""

    name: str
    version: int | None = None
    label: str = ""


class Service:
    """Answers requests of any protocol.

    Attributes:
        catalog: ``Catalog`` of the models.
        limits: ``Limits``.
        metrics: ``Metrics``.
        draining: whether it answers only what it has begun.
    """

    def __init__(self, catalog: Catalog, limits: Limits, **batching: Any) -> None:
        """Starts the threads that run batches.

        Args:
            catalog: ``Catalog``.
            limits: of requests.
            **batching: arguments of ``Batcher`` but for its metrics.
        """
        self.catalog, self.limits, self.metrics = catalog, limits, Metrics()
        self.draining = False
        self._batcher = Batcher(metrics=self.metrics, **batching)
        self._readers = concurrent.futures.ThreadPoolExecutor(_READERS, "tensors")
        self._in_work = 0

    def close(self) -> None:
        """Ends the threads, once what they have begun is done."""
        self._batcher.close()
        self._readers.shutdown()

    async def answer(
        self, work: Callable[[], Awaitable], name: str, method: str, protocol: str
    ) -> Any:
        """The result of a coroutine function, within the limits, counted.

        Args:
            work: function without arguments.
            name: of the model that is asked.
            method: such as ``"Predict"``.
            protocol: ``"REST"`` or ``"GRPC"``.

        Raises:
            RequestError: whatever goes wrong.
        """
        started = time.perf_counter()
        known = name if name in self.catalog.available() else ""
        code = Code.CANCELLED  # unless it ends: then the client has gone
        try:
            with self._admitted():
                result = await asyncio.wait_for(work(), self.limits.request_timeout)
            code = Code.OK
            spent = 1e6 * (time.perf_counter() - started)
            self.metrics.request_latency.observe(spent, known, method, protocol)
            return result
        except asyncio.TimeoutError as error:
            code = Code.DEADLINE_EXCEEDED
            seconds = self.limits.request_timeout
            raise RequestError(code, f"not done within {seconds:g} seconds") from error
        except Exception as error:
            refused = as_request_error(error)
            code = refused.code
            if code is Code.INTERNAL:
                logging.exception("a request for %s failed", name)
            raise refused from error
        finally:
            self.metrics.requests.add(known, code.name)

    @contextlib.contextmanager
    def _admitted(self):
        if self._in_work >= self.limits.max_requests:
            raise RequestError(
                Code.UNAVAILABLE,
                f"{self._in_work} requests are in work, which is the most; try later",
            )
        self._in_work += 1
        try:
            yield
        finally:
            self._in_work -= 1

    async def predict(
        self, spec: ModelSpec, read: Callable[[Servable], tuple], write: Callable
    ) -> Any:
        """What ``write`` makes of a signature's outputs.

        Args:
            spec: which model.
            read: function of the ``Servable``: (name of a signature, its inputs, names
                of outputs or none for all, anything).
            write: function of the ``Servable``, the signature's name, outputs by name
                and that anything.

        Raises:
            RequestError: if the request is wrong.
        """
        with self.catalog.using(spec.name, spec.version, spec.label) as servable:
            name, inputs, wanted, context = await self._aside(read, servable)
            signature = servable.signature(name)
            signature.check(inputs)
            _check_wanted(wanted, signature)
            future = self._batcher.submit(signature, inputs)
            outputs = await asyncio.wrap_future(future)
            if wanted:
                outputs = {key: outputs[key] for key in wanted}
            return await self._aside(write, servable, name, outputs, context)

    def _aside(self, function, *arguments):
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(self._readers, function, *arguments)

    def metadata(
        self, spec: ModelSpec
    ) -> get_model_metadata_pb2.GetModelMetadataResponse:
        """The signatures of a version, ``GetModelMetadataResponse``."""
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        with self.catalog.using(spec.name, spec.version, spec.label) as servable:
            definitions = get_model_metadata_pb2.SignatureDefMap()
            for name, definition in servable.definitions.items():
                definitions.signature_def[name].CopyFrom(definition)
            response.model_spec.name = servable.name
            response.model_spec.version.value = servable.version
        response.metadata["signature_def"].Pack(definitions)
        return response

    def status(self, spec: ModelSpec) -> get_model_status_pb2.GetModelStatusResponse:
        """The states of a model's versions, ``GetModelStatusResponse``."""
        if spec.label:
            raise invalid(f"Unrecognized servable version label: {spec.label}")
        response = get_model_status_pb2.GetModelStatusResponse()
        for version in self.catalog.versions(spec.name, spec.version):
            told = response.model_version_status.add()
            told.version, told.state = version.number, version.state
            told.status.SetInParent()  # told if all is well, too
            if version.error:
                told.status.error_code = Code.UNKNOWN.value[0]
                told.status.error_message = version.error
        return response

    def is_ready(self) -> bool:
        """Whether it takes requests, and every model has a version that answers."""
        available = self.catalog.available()
        return bool(available) and all(available.values()) and not self.draining


def _check_wanted(wanted, signature):
    for name in wanted:
        if name not in signature.outputs:
            raise invalid(
                f"output tensor alias not found in signature: {name} Outputs expected "
                f"to be in the set {{{','.join(sorted(signature.outputs))}}}."
            )
    if len(set(wanted)) < len(wanted):
        raise invalid(f"duplicate output tensor alias in {', '.join(wanted)}")
