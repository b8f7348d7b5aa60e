"""The studio's server: one process, which keeps pictures for as long as it runs."""

import contextlib
import logging
import os
import socket
import tempfile
import threading

import fastapi
import gradio as gr
import uvicorn
from PIL import Image

from keras_cnns.studio.guard import Guard
from keras_cnns.studio.page import STYLE, make_page, theme
from keras_cnns.studio.shelf import Shelf
from keras_cnns.studio.trainings import Trainings

_PICTURES = "GRADIO_TEMP_DIR"  # where the page's library keeps uploaded and made ones
_PATIENCE = 2  # seconds that open connections get at the end


class Studio:
    """A context in which the page is served.

    Pictures are kept in a temporary folder, which is removed at the end. While it is
    open, Pillow refuses pictures of more than ``max_pixels`` in the whole process.

    Args:
        shelf: with the runs.
        verbs: of ``keras-cnns`` that train, by the task's name.
        host: address to listen on.
        port: 0: any free one.
        token: that visitors need; empty: none. See ``Guard``.
        max_upload: bytes of the largest file.
        max_pixels: of the largest picture.

    Attributes:
        port: that it listens on, within the context.
        address: of the page, with the token.

    Raises:
        OSError: on entering, if the port is taken.
    """

    def __init__(
        self,
        shelf: Shelf,
        verbs: dict,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        token: str = "",
        max_upload: int = 32 * 2**20,
        max_pixels: int = 25_000_000,
    ) -> None:
        self._shelf, self._host, self._token = shelf, host, token
        self._trainings = Trainings(shelf, verbs)
        self._max_upload, self._max_pixels = max_upload, max_pixels
        self.port = port
        self._stack = contextlib.ExitStack()

    @property
    def address(self) -> str:
        """The page's address for a browser on this machine."""
        everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}
        host = everywhere.get(self._host, self._host)
        host = f"[{host}]" if ":" in host else host
        asked = f"?token={self._token}" if self._token else ""
        return f"http://{host}:{self.port}/{asked}"

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
            listening = socket.create_server((self._host, self.port), family=family)
            stack.enter_context(listening)
            self.port = listening.getsockname()[1]
            folder = tempfile.TemporaryDirectory(prefix="keras_cnns_studio_")
            stack.enter_context(_environment(_PICTURES, stack.enter_context(folder)))
            stack.enter_context(_largest_pictures(self._max_pixels))
            stack.enter_context(self._trainings)
            stack.enter_context(_serving(self._application(), listening))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self._stack.close()

    def _application(self):
        app = fastapi.FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
        gr.mount_gradio_app(
            app,
            make_page(self._shelf, self._trainings),
            path="/",
            server_name=self._host,
            server_port=self.port,
            footer_links=[],
            run_history=False,
            max_file_size=self._max_upload,
            ssr_mode=False,
            enable_monitoring=False,
            pwa=False,
            mcp_server=False,
            theme=theme(),
            css=STYLE,
        )
        return Guard(app, self._token)


@contextlib.contextmanager
def _environment(name, value):
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


@contextlib.contextmanager
def _largest_pictures(pixels):
    """Pillow refuses from twice its limit on; from the limit on it only warns."""
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = pixels // 2
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


@contextlib.contextmanager
def _serving(app, listening):
    """Serves in a thread, so that signals stay with the command."""
    config = uvicorn.Config(
        app,
        log_level="error",
        server_header=False,
        timeout_graceful_shutdown=_PATIENCE,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        with _quiet_server():
            thread.join()


@contextlib.contextmanager
def _quiet_server():
    """Pages that are still open when it ends are no error to be printed."""
    logger = logging.getLogger("uvicorn.error")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)
