"""Shared fixtures: prepared data, clean Keras state, app runs in their own process."""

import json
import os
import pathlib
import socket
import subprocess
import sys
import time

import pytest

import keras_cnns  # noqa: F401  sets TensorFlow's log level before it is loaded

ROOT = pathlib.Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def _clean_keras():
    """Each test draws the same numbers whatever ran before it."""
    from tensorflow import keras

    keras.utils.set_random_seed(0)
    yield
    keras.mixed_precision.set_global_policy("float32")
    keras.backend.clear_session()


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory):
    """Folder in which the digits are prepared once for all tests."""
    from keras_cnns import data

    folder = str(tmp_path_factory.mktemp("tfds"))
    data.open_source("digits", "train", folder)
    return folder


@pytest.fixture
def assert_same_by_xla():
    """Checks outputs and gradients of a network compiled by XLA against plain ones."""
    import numpy as np
    import tensorflow as tf

    def outputs_and_gradients(network, inputs):
        with tf.GradientTape() as tape:
            outputs = tf.nest.flatten(network(inputs))
            loss = tf.add_n([tf.reduce_sum(output**2) for output in outputs])
        return outputs, tape.gradient(loss, network.trainable_weights)

    def check(network, inputs, atol):
        plain, compiled = (
            tf.function(outputs_and_gradients, jit_compile=xla)(network, inputs)
            for xla in (False, True)
        )
        for first, second in zip(plain[0], compiled[0]):
            np.testing.assert_allclose(second, first, rtol=1e-3, atol=atol)
        for first, second in zip(plain[1], compiled[1]):
            size = np.abs(first).max()
            np.testing.assert_allclose(second, first, atol=1e-3 * size + 1e-7)

    return check


@pytest.fixture
def start():
    """Starts a command of Python in its own process; ends it with the test."""
    processes = []

    def start_process(*arguments, **environment):
        process = subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, **environment},
        )
        processes.append(process)
        return process

    yield start_process
    for process in processes:
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.fixture
def finish(start):
    """Runs a command of Python to its end: (exit code, standard output, errors)."""

    def finish_process(*arguments, **environment):
        process = start(*arguments, **environment)
        output, errors = process.communicate(timeout=300)
        return process.returncode, output, errors

    return finish_process


def _free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for open_socket in sockets:
        open_socket.bind(("127.0.0.1", 0))
    ports = [open_socket.getsockname()[1] for open_socket in sockets]
    for open_socket in sockets:
        open_socket.close()
    return ports


@pytest.fixture
def cluster():
    """Makes TF_CONFIG for each worker of a cluster on this machine."""

    def configurations(count=2):
        workers = [f"127.0.0.1:{port}" for port in _free_ports(count)]
        return [
            json.dumps(
                {
                    "cluster": {"worker": workers},
                    "task": {"type": "worker", "index": index},
                }
            )
            for index in range(count)
        ]

    return configurations


@pytest.fixture
def wait_for_step():
    """Waits until a run has written a checkpoint of a step or of a later one."""
    from keras_cnns.runs import checkpoints

    def wait(process, run_dir, step):
        folder = str(run_dir / "checkpoints")
        while not any(found >= step for found in checkpoints.list_steps(folder)):
            assert process.poll() is None, process.communicate()[1][-2000:]
            time.sleep(0.005)

    return wait
