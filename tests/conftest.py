"""Shared fixtures: prepared data, trained runs, clean Keras state, commands in their
own process."""

import contextlib
import gc
import importlib
import json
import os
import pathlib
import pickle
import socket
import subprocess
import sys
import time
import types
from typing import NamedTuple

import pytest
import shapes
from absl import flags

import keras_cnns  # noqa: F401  sets TensorFlow's log level before it is loaded

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Options of small networks, by the task's name.
_SMALL = {
    "autoencoding": {
        "model": "swwae_small",
        "notation": "(4)3c-2p-(6)3c-2p-10fc",
        "dataset": "digits",
        "train_split": "train[:256]",
        "labels": "some",
        "num_labels": 40,
        "labelled_batch_size": 16,
        "batch_size": 32,
        "epochs": 2,
        "grid_columns": 3,
    },
    "classification": {
        "model": "resnet",
        "builder_args": '{"units": [1], "block": "basic", "filters": 12, '
        '"stem": "small"}',
        "dataset": "digits",
        "batch_size": 32,
        "epochs": 3,
        "augmentation": "pad_crop:1",
    },
    "detection": {
        "model": "faster_rcnn_small",
        "builder_args": '{"network": {"backbone_args": {"filters": [4, 4, 4, 4], '
        '"units": 8}, "rpn_channels": 4, "proposals": {"pre_nms": [50, 50], '
        '"post_nms": [20, 20], "min_size": 4.0}}}',
        "batch_size": 4,
        "epochs": 2,
    },
    "generation": {
        "model": "dcgan32",
        "builder_args": '{"generator": {"filters": [16, 8]}, '
        '"discriminator": {"filters": [8, 16]}}',
        "dataset": "digits",
        "train_split": "train[:256]",
        "image_size": 8,
        "epochs": 2,
        "grid_columns": 3,
    },
    "inpainting": {
        "model": "pconv_unet",
        "builder_args": '{"network": {"filters": [4, 6]}}',
        "dataset": "digits",
        "train_split": "train[:24]",
        "image_size": 16,
        "batch_size": 8,
        "perceptual_weight": 0.0,
        "style_weight": 0.0,
    },
    "refinement": {
        "model": "simgan_eye",
        "builder_args": '{"refiner": {"filters": 4, "blocks": 1}, '
        '"discriminator": {"filters": [4, 4, 4, 4]}}',
        "dataset": "digits",
        "real_dataset": "digits",
        "batch_size": 16,
        "buffer_size": 64,
        "refiner_pretraining": 14,
        "discriminator_pretraining": 5,
    },
    "super_resolution": {
        "model": "edsr_small_x2",
        "builder_args": '{"network": {"filters": 6, "blocks": 1}}',
        "image_size": 16,
        "batch_size": 4,
        "passes_per_epoch": 4,
        "epochs": 2,
    },
}


class TrainedRun(NamedTuple):
    """A finished run.

    Attributes:
        run_dir: its folder.
        saved_model: folder of the version that it was exported as.
        progress: what training it returned.
    """

    run_dir: pathlib.Path
    saved_model: pathlib.Path
    progress: dict


@pytest.fixture(scope="session")
def _modules():
    """What any test loads, so that none of it is there from a test on."""
    from keras_cnns import commands, tasks  # noqa: F401


@pytest.fixture(scope="module", autouse=True)
def _frozen_objects(_modules):
    """What stays from file to file is not looked through each time memory is freed."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _clean_keras(_frozen_objects):
    """Each test draws the same numbers whatever ran before it."""
    from tensorflow import keras

    keras.utils.set_random_seed(0)
    yield
    keras.mixed_precision.set_global_policy("float32")
    keras.backend.clear_session()
    if any(gc.get_count()[1:]):  # else too little was made for a network
        gc.collect()  # networks refer to themselves


@pytest.fixture(scope="session")
def once(tmp_path_factory):
    """Makes something for all processes of the tests: ``once(name, make)``.

    ``make`` gets an empty folder; what it returns the other processes unpickle.
    """
    from keras_cnns import _files

    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    (base / "shared").mkdir(exist_ok=True)

    def get(name, make):
        folder, made = base / "shared" / name, base / "shared" / f"{name}.pickle"
        with _files.locked(str(made.with_suffix(".lock"))):
            if not made.exists():
                folder.mkdir(exist_ok=True)
                made.write_bytes(pickle.dumps(make(folder)))
            return pickle.loads(made.read_bytes())

    return get


@pytest.fixture(scope="session")
def data_dir(once):
    """Folder in which the digits are prepared once for all tests."""
    from keras_cnns import data

    def prepare(folder):
        data.open_source("digits", "train", str(folder))
        return str(folder)

    return once("tfds", prepare)


@pytest.fixture(scope="session")
def boxes_dir(once):
    """Folder of drawn shapes with boxes as COCO has them, for all tests."""
    return once("boxes", shapes.write_coco)


@pytest.fixture(scope="session")
def pictures_dir(once):
    """Folder of parts of photographs, of several sizes, for all tests."""
    from keras_cnns import data
    from keras_cnns.data.builders.photographs import read_pictures

    def write(folder):
        pictures = read_pictures()
        for split, name, number, (height, width) in (
            ("train", "coffee", 0, (60, 70)),
            ("train", "coffee", 1, (48, 48)),
            ("train", "astronaut", 2, (52, 64)),
            ("train", "flower", 3, (70, 55)),
            ("test", "chelsea", 0, (41, 50)),
            ("test", "china", 1, (45, 38)),
        ):
            (folder / split).mkdir(exist_ok=True)
            top, left = 60 + 40 * number, 150
            part = pictures[name][top : top + height, left : left + width]
            data.write_image(str(folder / split / f"{name}{number}.png"), part)
        return str(folder)

    return once("pictures", write)


@pytest.fixture(scope="session")
def small_options(data_dir, boxes_dir, pictures_dir):
    """Options of a small network, by the task's name; they may be changed."""

    def options(task, **changes):
        places = {"data_dir": data_dir}
        if task == "detection":
            places["dataset"] = boxes_dir
        if task == "super_resolution":
            places["dataset"] = pictures_dir
        return {**_SMALL[task], **places, **changes}

    return options


@contextlib.contextmanager
def _verified_here():
    from keras_cnns.export import verification

    def run(command, **_):
        differences = json.dumps(verification._differences(*command[-2:]))
        return subprocess.CompletedProcess(command, 0, stdout=differences, stderr="")

    with pytest.MonkeyPatch.context() as monkeypatch:
        # subprocess itself has other users.
        monkeypatch.setattr(verification, "subprocess", types.SimpleNamespace(run=run))
        yield


@pytest.fixture(scope="session")
def verifying_here():
    """Context in which exports are verified in this process, which is quicker."""
    return _verified_here


@pytest.fixture
def verify_here():
    """The whole test has exports verified so."""
    with _verified_here():
        yield


def _train(folder, verb, export, options):
    from keras_cnns import commands

    progress = commands.run_command(
        verb, run_dir=str(folder / "run"), export_dir=str(folder / "saved"), **options
    )
    return TrainedRun(folder / "run", folder / "saved" / export / "1", progress)


@pytest.fixture(scope="session")
def classifier_run(small_options, once):
    """A classifier of the digits."""
    options = small_options("classification")

    def train(folder):
        with _verified_here():
            return tuple(_train(folder, "train-classifier", "resnet", options))

    return TrainedRun(*once("classifier", train))


@pytest.fixture(scope="session")
def gan_run(small_options, once):
    """A GAN of the digits, with averaged weights."""
    options = small_options("generation", ema_decay=0.9)

    def train(folder):
        return tuple(_train(folder, "train-gan", "dcgan32_generator", options))

    return TrainedRun(*once("gan", train))


@pytest.fixture(scope="session")
def write_run(small_options):
    """Writes the run of a small network as if trained: with the weights it starts with.

    For what needs no more than some run; it takes a second.
    """
    from keras_cnns import applications, runs, tasks

    def write(folder, task, **changes):
        kind = tasks.TASKS[task]
        given = small_options(task, run_dir=str(folder), **changes)
        options = kind.options_class.resolve(**given)
        task = kind(options)
        task.open()
        config = task.configure()
        run = runs.Run(str(folder), task.name, options.to_json(), config)
        runs.write_record(run)
        for role in config.networks:
            files = ("best", "last") if role == "network" else (role,)
            for name in files:
                path = os.path.join(run.folder, f"{name}.h5")
                applications.save_weights(config.build(role), path)
        return run.folder

    return write


@pytest.fixture(scope="session")
def runs_by_task(write_run, once):
    """The folder of a run of each task, with the weights it starts with."""
    from keras_cnns import tasks

    def write(folder):
        return {task: write_run(folder / task, task) for task in tasks.TASKS}

    return once("runs", write)


@pytest.fixture(scope="session")
def exports_by_task(runs_by_task, once, verifying_here):
    """The folder of the SavedModel of each task's run, ``<folder>/<task>/1``."""
    from keras_cnns import tasks

    def write(folder):
        with verifying_here():
            return {
                task: tasks.open_run(run).export(str(folder), task)[0]
                for task, run in runs_by_task.items()
            }

    return once("exports", write)


@pytest.fixture
def assert_same_by_xla():
    """Checks outputs and gradients of a network compiled by XLA against plain ones.

    Outputs in 32 and 64 bits, gradients in 64: in 32, rounding gives values near zero
    either sign, and ReLU then has another gradient. Boxes, and how detectors and some
    enlargers read maps, stay in 32.
    """
    import numpy as np
    import tensorflow as tf
    from tensorflow import keras

    def exact(layer):
        return type(layer).from_config({**layer.get_config(), "dtype": "float64"})

    def plain_and_compiled(function, *arguments):
        return (
            tf.function(function, jit_compile=xla)(*arguments) for xla in (False, True)
        )

    def outputs_and_gradients(network, inputs):
        with tf.GradientTape() as tape:
            outputs = tf.nest.flatten(network(inputs))
            loss = tf.add_n([tf.reduce_sum(output**2) for output in outputs])
        return outputs + tape.gradient(loss, network.trainable_weights)

    def check(network, inputs, atol):
        outputs = plain_and_compiled(network, inputs)
        for first, second in zip(*map(tf.nest.flatten, outputs)):
            np.testing.assert_allclose(second, first, rtol=1e-3, atol=atol)
        keras.mixed_precision.set_global_policy("float64")
        clone = keras.models.clone_model(network, clone_function=exact)
        clone.set_weights(network.get_weights())
        inputs = tf.nest.map_structure(lambda x: tf.cast(x, tf.float64), inputs)
        for first, second in zip(
            *plain_and_compiled(outputs_and_gradients, clone, inputs)
        ):
            size = np.abs(first).max()
            np.testing.assert_allclose(second, first, rtol=0, atol=1e-5 * size + 1e-12)

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

    def finish_process(*arguments, seconds=300, **environment):
        process = start(*arguments, **environment)
        output, errors = process.communicate(timeout=seconds)
        return process.returncode, output, errors

    return finish_process


@pytest.fixture
def killed_and_resumed(start, finish, wait_for_step, tmp_path):
    """Trains by an app, once left alone and once killed and resumed: both folders."""
    from keras_cnns.runs import list_steps

    def train(app, options, step):
        flags = [f"--{name}={value}" for name, value in options.items()]
        straight, broken = tmp_path / "straight", tmp_path / "broken"
        code, _, errors = finish(app, *flags, f"--run_dir={straight}")
        assert code == 0, errors
        process = start(app, *flags, f"--run_dir={broken}")
        wait_for_step(process, broken, step)
        process.kill()
        process.wait()
        reached = [max(list_steps(str(d / "checkpoints"))) for d in (straight, broken)]
        assert reached[1] < reached[0]  # it had not ended
        code, _, errors = finish(
            app, "--resume", f"--run_dir={broken}", f"--data_dir={options['data_dir']}"
        )
        assert code == 0 and "resumed from" in errors, errors
        return straight, broken

    return train


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


@pytest.fixture(scope="session")
def load_benchmark():
    """Function of a script's name in ``benchmarks`` that returns it as a module.

    Its flags are taken back: scripts have some of the same names.
    """
    folder = str(ROOT / "benchmarks")

    def load(name):
        known = set(flags.FLAGS)
        sys.path.insert(0, folder)
        try:
            return importlib.import_module(name)
        finally:
            sys.path.remove(folder)
            for new in set(flags.FLAGS) - known:
                delattr(flags.FLAGS, new)

    return load
