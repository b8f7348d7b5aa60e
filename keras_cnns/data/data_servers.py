"""Training batches made by other machines, bit for bit those of this one.

A data server is TensorFlow's data service with one dispatcher and one worker, which
``keras-cnns serve-data`` starts. Each server makes its own rows of every batch, as one
of several workers would, so that order, augmentation and resuming stay as they are;
servers that share a dispatcher would send batches in the order in which they are done.
"""

import contextlib
import socket
import urllib.parse
from collections.abc import Callable, Iterator, Sequence

import tensorflow as tf

from keras_cnns.data.stream import WHOLE, Share, endless

_PATIENCE = 10  # seconds until a server must answer
_OF_PYTHON = ("PyFunc", "PyFuncStateless", "EagerPyFunc")
_NOT_KNOWN = "Unknown iteration client id"  # says a dispatcher that was started again
service = tf.data.experimental.service


class LostServerError(ConnectionError):
    """A data server was started again in the middle of a training."""


def load_from_servers(
    load: Callable[[Share], tf.data.Dataset],
    addresses: Sequence[str],
    share: Share = WHOLE,
) -> tf.data.Dataset:
    """A training stream whose batches are made by data servers.

    Args:
        load: function of a ``Share`` that returns the stream of its rows.
        addresses: of the servers, such as ``"grpc://10.0.0.7:5050"``, whose files have
            the same paths as here; each makes equal parts of every batch.
        share: which rows of every batch are wanted.

    Returns:
        Dataset as ``load(share)``.

    Raises:
        ValueError: if an address is bad, a batch cannot be split, or Python functions
            are part of the pipeline, which run in the process that made them only.
        OSError: if a server does not answer.
    """
    for address in addresses:
        _check_answers(address)
    count = len(addresses)
    parts = []
    for number, address in enumerate(addresses):
        part = load(Share(share.index * count + number, share.count * count))
        check_sendable(part)
        parts.append(
            part.apply(service.distribute(service.ShardingPolicy.OFF, address))
        )
    if count == 1:
        return endless(parts[0])
    batches = tf.data.Dataset.zip(tuple(parts)).map(_joined)
    return endless(batches).prefetch(tf.data.AUTOTUNE)


@contextlib.contextmanager
def naming_lost_servers(addresses: Sequence[str]) -> Iterator[None]:
    """Within the block, a server that was started again is an error that says so.

    TensorFlow waits for one that has ended, with a warning every second.

    Args:
        addresses: of the servers, maybe none.

    Raises:
        LostServerError: if one of them no longer knows the training.
    """
    try:
        yield
    except tf.errors.OpError as error:
        if _NOT_KNOWN not in error.message:
            raise
        raise LostServerError(
            f"a data server ({', '.join(addresses)}) was started again and does not "
            "know this training; start the training again, with --resume, or with "
            "--restarts=N, which goes on by itself"
        ) from error


def _joined(*parts):
    """The rows of all parts of a batch."""
    return tf.nest.map_structure(lambda *rows: tf.concat(rows, 0), *parts)


def check_sendable(dataset: tf.data.Dataset) -> None:
    """Refuses a dataset that other processes cannot run.

    Raises:
        ValueError: if Python functions are part of it.
    """
    stored = tf.raw_ops.DatasetToGraphV2(
        input_dataset=tf.data.experimental.to_variant(dataset)
    )
    graph = tf.compat.v1.GraphDef.FromString(stored.numpy())
    nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
    if any(node.op in _OF_PYTHON for node in nodes):
        raise ValueError(
            "data servers cannot make these batches: masks of inpainting and stored "
            "proposals come from Python functions of this process; leave "
            "data_service out"
        )


def _check_answers(address):
    parsed = urllib.parse.urlsplit(address)
    try:
        place = parsed.hostname, parsed.port
    except ValueError:  # the port is no number
        place = None, None
    if parsed.scheme != "grpc" or None in place:
        raise ValueError(
            f"a data server must be grpc://host:port, got {address!r:.100}"
        )
    try:
        socket.create_connection(place, _PATIENCE).close()
    except OSError as error:
        raise OSError(
            f"no data server answers at {address} ({error}); start one there by "
            f"keras-cnns serve-data --port={place[1]}"
        ) from error


def _check_free(port):
    """Refuses a port that is taken, which TensorFlow would share."""
    try:
        with socket.socket() as one:
            # Not those of connections that have ended, which linger for a minute.
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind(("", port))
    except OSError as error:
        raise OSError(f"cannot listen on port {port}: {error}") from error


class DataServer:
    """A data server in this process.

    Anybody who reaches its port may run graphs here, which read and write files.

    Args:
        port: to listen on; 0: any free one.
        host: name or address under which others reach this machine.

    Attributes:
        address: as ``load_from_servers`` takes it.

    Raises:
        OSError: if the port is taken.
    """

    def __init__(self, port: int = 0, host: str = "localhost") -> None:
        _check_free(port)
        self._dispatcher = service.DispatchServer(service.DispatcherConfig(port=port))
        number = self._dispatcher.target.rpartition(":")[2]
        self._worker = service.WorkerServer(
            service.WorkerConfig(
                dispatcher_address=f"localhost:{number}",
                worker_address=f"{host}:%port%",
            )
        )
        self.address = f"grpc://{host}:{number}"
