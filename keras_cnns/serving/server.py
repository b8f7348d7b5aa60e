"""The server: both protocols in one event loop, on ports of their own."""

import asyncio
import concurrent.futures
import contextlib
import socket
import threading
from typing import Any

import grpc
import uvicorn
from absl import logging

from keras_cnns.serving.catalog import Catalog
from keras_cnns.serving.rest import make_app
from keras_cnns.serving.rpc import add_services
from keras_cnns.serving.service import Limits, Service

_BACKLOG = 2048
_KEPT_ALIVE = 60  # seconds that a connection may be idle


class Server:
    """Serves the models of a folder, between ``start`` and ``stop``.

    Attributes:
        service: what answers.
        rest_port, grpc_port: where it listens, once started.
    """

    def __init__(
        self,
        catalog: Catalog,
        *,
        limits: Limits,
        host: str = "127.0.0.1",
        rest_port: int = 8501,
        grpc_port: int = 8500,
        **batching: Any,
    ) -> None:
        """Starts nothing but the threads that run batches.

        Args:
            catalog: the models.
            limits: of requests.
            host: address to listen on.
            rest_port, grpc_port: ports; 0 takes any free one.
            **batching: ``max_batch_size``, ``batch_timeout`` in seconds and
                ``batch_threads``.
        """
        self.service = Service(catalog, limits, **batching)
        self.rest_port, self.grpc_port = rest_port, grpc_port
        self._host = host
        self._started = concurrent.futures.Future()
        self._stopping = None  # event of the loop
        self._loop = None
        self._thread = threading.Thread(target=self._run, name="server", daemon=True)

    def start(self, poll_interval: float = 1.0) -> None:
        """Loads the models, and returns when it listens.

        Args:
            poll_interval: seconds between looks for new versions.

        Raises:
            OSError: if the folder cannot be read, or a port is taken.
        """
        self.service.catalog.update()
        self._thread.start()
        self._started.result()
        self.service.catalog.watch(poll_interval)

    def stop(self) -> None:
        """Takes no more requests, finishes those that it has, and ends."""
        self.service.draining = True
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        self.service.catalog.stop()
        self.service.close()

    def _run(self):
        try:
            asyncio.run(self._serve())
        except Exception as error:
            if self._started.done():
                logging.exception("the server ended")
            else:
                self._started.set_exception(error)

    async def _serve(self):
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        with contextlib.closing(_listen(self._host, self.rest_port)) as listening:
            self.rest_port = listening.getsockname()[1]
            rpc = await self._start_rpc()
            grace = self.service.limits.request_timeout
            config = uvicorn.Config(
                make_app(self.service),
                lifespan="off",
                ws="none",
                access_log=False,
                log_config=None,  # its messages are logged like all others
                log_level="warning",
                timeout_keep_alive=_KEPT_ALIVE,
                timeout_graceful_shutdown=max(1, round(grace)),
            )
            http = uvicorn.Server(config)
            serving = asyncio.create_task(http.serve(sockets=[listening]))
            self._started.set_result(None)
            await self._stopping.wait()
            http.should_exit = True
            await asyncio.gather(rpc.stop(grace), serving)

    async def _start_rpc(self):
        most = self.service.limits.max_request_bytes
        server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", most),
                ("grpc.so_reuseport", 0),  # else two servers share the requests
            ]
        )
        add_services(self.service, server)
        _listen(self._host, self.grpc_port).close()  # gRPC tells not why it cannot
        self.grpc_port = server.add_insecure_port(_address(self._host, self.grpc_port))
        await server.start()
        return server


def _listen(host, port):
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        server = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise OSError(
            f"cannot listen on {_address(host, port)}: {error.strerror}; give another "
            "--host or port"
        ) from error
    # Inherited by connections; else an answer's second packet waits 40 ms for the first
    # to be acknowledged. asyncio sets it only for sockets that name their protocol.
    server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return server


def _address(host, port):
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
