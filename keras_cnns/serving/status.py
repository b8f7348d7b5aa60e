"""Why a request is refused: a canonical code, which is gRPC's, and its HTTP status."""

from http import HTTPStatus
from typing import Optional

import grpc
import tensorflow as tf

from keras_cnns import _files
from keras_cnns._errors import what_happened

Code = grpc.StatusCode
# As TF Serving maps them.
HTTP_STATUS = {
    Code.OK: 200,
    Code.CANCELLED: 499,
    Code.UNKNOWN: 500,
    Code.INVALID_ARGUMENT: 400,
    Code.DEADLINE_EXCEEDED: 504,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.PERMISSION_DENIED: 403,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.FAILED_PRECONDITION: 400,
    Code.ABORTED: 409,
    Code.OUT_OF_RANGE: 400,
    Code.UNIMPLEMENTED: 501,
    Code.INTERNAL: 500,
    Code.UNAVAILABLE: 503,
    Code.DATA_LOSS: 500,
    Code.UNAUTHENTICATED: 401,
}
_BY_NUMBER = {code.value[0]: code for code in Code}


class RequestError(Exception):
    """A request cannot be answered.

    Attributes:
        code: canonical code, of ``Code``.
        http_status: of the answer over HTTP.
    """

    def __init__(
        self, code: grpc.StatusCode, message: str, http_status: Optional[int] = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.http_status = http_status or HTTP_STATUS[code]


def invalid(message: str) -> RequestError:
    """The error of a request that is wrong in itself."""
    return RequestError(Code.INVALID_ARGUMENT, message)


def too_large(limit: int) -> RequestError:
    """The error of a request of more than ``limit`` bytes."""
    return RequestError(
        Code.RESOURCE_EXHAUSTED,
        f"the request is larger than {limit} bytes",
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    )


def as_request_error(error: BaseException) -> RequestError:
    """Any error as that of a request; TensorFlow's keep their code."""
    if isinstance(error, RequestError):
        return error
    if isinstance(error, tf.errors.OpError):
        return RequestError(_BY_NUMBER[error.error_code], what_happened(error.message))
    return RequestError(
        Code.INTERNAL, f"{type(error).__name__}: {_files.reason_of(error)}"
    )
