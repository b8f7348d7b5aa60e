"""Makes batches for trainings on other machines, whose processors are too slow for it.

    serve-data --port=5050 --host=10.0.0.7

and, where the accelerators are, any training with
``--data_service=grpc://10.0.0.7:5050``; of several addresses each makes equal parts of
every batch. Batches are those that the training would make itself, to the bit. Image
folders and prepared data sets must have the same paths on all machines. Ctrl-C ends it;
a training that it serves then waits, and ends, with exit code 75, once it is back.

There is no encryption, and anybody who reaches its ports, this one and a further one
that is free, may run graphs here, which read and write files: start it in networks
whose users you trust. ``docs/scaling.md`` tells when it is worth it.
"""

import dataclasses
import signal
import threading

from keras_cnns.data.data_servers import DataServer
from keras_cnns.runs import Options, option


@dataclasses.dataclass(frozen=True)
class OPTIONS(Options):
    """What ``serve-data`` takes."""

    port: int = option(
        5050, "port that trainings connect to; 0: any free one", within="[0, 65535]"
    )
    host: str = option(
        "localhost",
        "name or address under which trainings reach this machine",
    )


def run(options: OPTIONS) -> None:
    """Serves until SIGINT or SIGTERM."""
    server = DataServer(options.port, options.host)
    print(f"making batches at {server.address}", flush=True)
    asked_to_end = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: asked_to_end.set())
    asked_to_end.wait()
