"""A running server, and clients."""

import contextlib

import pytest
import served_models

from keras_cnns import applications, data, export
from keras_cnns.serving.catalog import Catalog
from keras_cnns.serving.server import Server
from keras_cnns.serving.service import Limits


@pytest.fixture(scope="package")
def serving():
    """Context of a server of a folder and its client: ``serving(base, **options)``."""

    @contextlib.contextmanager
    def run(base, *, names=(), num_versions=1, limits=None, **options):
        options = {
            "max_batch_size": 8, "batch_timeout": 0.0, "batch_threads": 1, **options
        }  # fmt: skip
        server = Server(
            Catalog(str(base), names, num_versions),
            limits=limits or Limits(),
            rest_port=0,
            grpc_port=0,
            **options,
        )
        server.start(poll_interval=0.05)
        client = served_models.Client(server.rest_port, server.grpc_port)
        try:
            yield client
        finally:
            client.close()
            server.stop()

    return run


@pytest.fixture(scope="package")
def base(tmp_path_factory):
    """The model ``scaled`` in versions 3 and 5, by these factors."""
    folder = tmp_path_factory.mktemp("models")
    for factor in (3, 5):
        served_models.write_scaled(folder / "scaled" / str(factor), factor)
    return folder


@pytest.fixture(scope="package")
def client(serving, base):
    """Of a server of both versions."""
    with serving(base, num_versions=2) as client:
        yield client


@pytest.fixture(scope="package")
def classifier(tmp_path_factory, verifying_here):
    """(folder with the export ``digits``, its network, its preprocessing)."""
    folder = tmp_path_factory.mktemp("exports")
    network = applications.ResNet(
        (1,), "basic", 4, stem="small", input_shape=(8, 8, 3), classes=2
    )
    feed = data.Preprocessing(8, 8, 3, (127.0,) * 3, (60.0,) * 3)
    with verifying_here():
        export.export_saved_model(
            network, str(folder), "digits", preprocessing=feed, class_names=("a", "ä")
        )
    return folder, network, feed
