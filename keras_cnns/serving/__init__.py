"""A server of exported models that speaks TF Serving's protocols.

For trying out and for small loads: one process of Python. Its clients work with TF
Serving as they are, ``docs/serving.md`` tells how. ``server.Server`` needs the extra
``serving``.
"""

from keras_cnns._checks import check_installed

_NEEDED = ("grpc", "starlette", "tensorflow_serving", "uvicorn")


def check_available() -> None:
    """Checks that the server can run.

    Raises:
        ImportError: if the extra ``serving`` is not installed.
    """
    check_installed("the server", _NEEDED, "serving")
