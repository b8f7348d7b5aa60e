"""Data servers: real ones on this machine make the same batches, to the bit."""

import gc

import numpy as np
import pytest
import tensorflow as tf

from keras_cnns import data
from keras_cnns.commands import run_command
from keras_cnns.data.data_servers import (
    DataServer,
    LostServerError,
    load_from_servers,
    naming_lost_servers,
)

NUM_STEPS, BATCH = 60, 32  # of the digits, 44 steps in an epoch


@pytest.fixture(scope="module")
def servers():
    """Addresses of two servers."""
    started = [DataServer() for _ in range(2)]
    yield tuple(server.address for server in started)


@pytest.fixture
def load(data_dir):
    """Function of a share and a first step to a stream of augmented digits."""
    source = data.open_source("digits", "train", data_dir)

    def load_digits(share=data.WHOLE, start_step=0):
        return data.load_training(
            source,
            BATCH,
            start_step,
            preprocessing=data.Preprocessing.for_range(8, 8, 1, "signed"),
            augmentation=data.Augmentation("pad_crop:1,flip", mixup_alpha=0.2),
            seed=3,
            share=share,
        )

    return load_digits


def _read(stream, count):
    return [[part.numpy() for part in batch] for batch in stream.take(count)]


def _assert_same(found, expected):
    assert len(found) == len(expected)
    for batch, wanted in zip(found, expected):
        for one, other in zip(batch, wanted):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("count", [1, 2])
def test_batches_are_the_same_from_any_step_on(servers, load, count):
    expected = _read(load(), NUM_STEPS)
    stream = load_from_servers(load, servers[:count])
    assert stream.element_spec == load().element_spec
    assert stream.cardinality() == tf.data.INFINITE_CARDINALITY
    _assert_same(_read(stream, NUM_STEPS), expected)
    later = load_from_servers(lambda share: load(share, 30), servers[:count])
    _assert_same(_read(later, NUM_STEPS - 30), expected[30:])


def test_workers_get_their_rows(servers, load):
    expected = _read(load(), 5)
    for index in range(2):
        rows = slice(index * BATCH // 2, (index + 1) * BATCH // 2)
        stream = load_from_servers(load, servers, data.Share(index, 2))
        _assert_same(_read(stream, 5), [[x[rows] for x in b] for b in expected])


def test_a_server_that_was_started_again_is_named(load):
    """On the same port, at once: connections that ended do not keep it."""
    server = DataServer()
    address, port = server.address, int(server.address.rpartition(":")[2])
    batches = iter(load_from_servers(load, [address]))
    next(batches)
    del server
    gc.collect()
    again = DataServer(port)
    assert again.address == address
    lost = pytest.raises(LostServerError, match=f"{address}.*--restarts=N")
    with lost, naming_lost_servers([address]):
        for _ in range(10_000):
            next(batches)
    other = pytest.raises(tf.errors.NotFoundError, match="another")
    with other, naming_lost_servers([address]):
        raise tf.errors.NotFoundError(None, None, "another")


def test_a_run_is_the_same(servers, small_options, tmp_path):
    rows = []
    for name, given in (("here", {}), ("there", {"data_service": servers})):
        progress = run_command(
            "train-classifier",
            **small_options("classification", run_dir=str(tmp_path / name), epochs=1),
            **given,
            deterministic=True,
            quiet=True,
        )
        rows.append({**progress["history"][0], "seconds": 0})
    assert rows[0] == rows[1]


def test_what_python_makes_is_refused(servers, data_dir):
    source = data.open_source("digits", "train", data_dir)

    def load_holes(share):
        return data.load_inpainting_training(
            source,
            8,
            preprocessing=data.Preprocessing.for_range(16, 16, 1, "signed"),
            masks=data.MaskRecipe(),
            seed=0,
            share=share,
        )

    with pytest.raises(ValueError, match="masks .* Python functions of this process"):
        load_from_servers(load_holes, servers)


@pytest.mark.parametrize("address", ["localhost:5050", "grpc://", "grpc://host:port"])
def test_bad_addresses(load, address):
    with pytest.raises(ValueError, match=f"must be grpc://host:port, got '{address}'"):
        load_from_servers(load, [address])


def test_nobody_answers_and_ports_that_are_taken(load, servers):
    with pytest.raises(OSError, match="answers at grpc://localhost:1 .*--port=1$"):
        load_from_servers(load, ["grpc://localhost:1"])
    port = int(servers[0].rpartition(":")[2])
    with pytest.raises(OSError, match=f"cannot listen on port {port}: "):
        DataServer(port)


def test_batches_that_servers_cannot_share(load, servers):
    with pytest.raises(ValueError, match="batch_size=32 must be a multiple of .*, 3"):
        load_from_servers(load, [*servers, servers[0]])


def test_a_server_of_its_own_process(load, start):
    process = start("-m", "keras_cnns", "serve-data", "--port=0")
    line = process.stdout.readline()
    assert line.startswith("making batches at grpc://localhost:"), process.stderr.read()
    stream = load_from_servers(load, [line.split()[-1]])
    _assert_same(_read(stream, 5), _read(load(), 5))
    process.terminate()
    assert process.wait(60) == 0
