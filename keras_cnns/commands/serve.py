"""Serves exported models over TF Serving's REST and gRPC APIs.

    serve --model_base=savedmodels

answers ``POST http://127.0.0.1:8501/v1/models/<model>:predict`` and gRPC on port 8500
for ``savedmodels/<model>/<version>/``, as ``export-model`` writes them. New versions
are loaded while it runs and take over; removing one goes back to the one before. Ctrl-C
and SIGTERM end it once it has answered what it was asked.

It is for trying out and for small loads: TF Serving is made for large ones, and answers
the same requests. There is no encryption, and anybody who reaches the port may ask.
``docs/serving.md`` has clients, and the commands for TF Serving.
"""

import dataclasses
import ipaddress
import os
import signal
import threading

from absl import logging

from keras_cnns import serving
from keras_cnns.commands.groups import Exported
from keras_cnns.runs import Options, changed, option, required

_MEGABYTE = 2**20
_PORTS = "[0, 65535]"


@dataclasses.dataclass(frozen=True)
class OPTIONS(Options):
    """What ``serve`` takes."""

    model_base: str = required("folder of exported models, <model>/<version>")
    models: tuple = option((), "names of the models, comma-separated; empty: all")
    num_versions: int = option(
        1, "how many of the newest versions are served", within="[1, 100]"
    )
    poll_interval: float = option(
        1.0, "seconds between looks for new versions", within="[0.01, 3600]"
    )
    host: str = option(
        "127.0.0.1", "address to listen on; 0.0.0.0: all of this machine's"
    )
    rest_port: int = option(
        8501, "port of the REST API; 0: any free one", within=_PORTS
    )
    grpc_port: int = option(
        8500, "port of the gRPC API; 0: any free one", within=_PORTS
    )
    max_batch_size: int = option(
        32, "most rows of requests that are run together", within="[1, 65536]"
    )
    batch_timeout: float = option(
        2.0, "milliseconds that a request waits for others", within="[0, 60000]"
    )
    batch_threads: int = option(
        2,
        "batches that are run at the same time, of different signatures",
        within="[1, 64]",
    )
    max_requests: int = option(
        64, "requests in work at the same time; more are refused", within="[1, 65536]"
    )
    max_request_megabytes: int = option(
        32, "size of the largest request", within="[1, 2047]"
    )
    request_timeout: float = option(
        30.0, "seconds after which a request is given up", within="[0.1, 3600]"
    )
    trust_graph: bool = changed(Exported, "trust_graph", False, needs=())


def run(options: OPTIONS) -> None:
    """Serves until SIGINT or SIGTERM."""
    serving.check_available()
    if not os.path.isdir(options.model_base):
        raise ValueError(
            f"--model_base={options.model_base} is no folder; export-model makes one"
        )
    from keras_cnns.serving.catalog import Catalog
    from keras_cnns.serving.server import Server
    from keras_cnns.serving.service import Limits

    catalog = Catalog(
        options.model_base, options.models, options.num_versions, options.trust_graph
    )
    server = Server(
        catalog,
        limits=Limits(
            options.max_requests,
            options.max_request_megabytes * _MEGABYTE,
            options.request_timeout,
        ),
        host=options.host,
        rest_port=options.rest_port,
        grpc_port=options.grpc_port,
        max_batch_size=options.max_batch_size,
        batch_timeout=options.batch_timeout / 1000,
        batch_threads=options.batch_threads,
    )
    asked_to_end = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: asked_to_end.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    server.start(options.poll_interval)
    _announce(server, options)
    asked_to_end.wait()
    for number, handler in before.items():  # asked again, it ends at once
        signal.signal(number, handler)
    print("finishing what was asked", flush=True)
    server.stop()


def _announce(server, options):
    available = server.service.catalog.available()
    for name, numbers in available.items():
        told = ", ".join(map(str, numbers)) or "none that can be loaded"
        print(f"{name}: version {told}")
    if not available:
        logging.warning("no <model>/<version> in %s yet", options.model_base)
    host = f"[{options.host}]" if ":" in options.host else options.host
    print(
        f"REST at http://{host}:{server.rest_port}/v1/models/<model>:predict, gRPC at "
        f"{host}:{server.grpc_port}; for trying out and small loads",
        flush=True,
    )
    if not is_loopback(options.host):
        logging.warning(
            "anybody who reaches %s may ask, unencrypted: put a proxy before it", host
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
