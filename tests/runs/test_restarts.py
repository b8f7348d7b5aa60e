"""Trainings over several replicas that lose processes end as those that lost none.

Equality is of every bit, statistics and metrics of the replicas included.
"""

import csv
import json
import os
import pathlib
import random
import signal
import time

import numpy as np
import pytest
import tensorflow as tf

APP = "apps/train_classifier.py"
NET = '{"units": [1], "block": "basic", "filters": 12, "stem": "small"}'
# 17 steps an epoch
OPTIONS = {
    "model": "resnet", "builder_args": NET, "dataset": "digits",
    "train_split": "train[:40%]", "batch_size": 32, "checkpoint_interval": 5,
    "deterministic": True,
}  # fmt: skip

# Trains on two devices to the end, then again, with an error in a checkpoint, resumed.
TWO_DEVICES = """
import json, sys
import tensorflow as tf
from keras_cnns import _files, commands
cpu = tf.config.list_physical_devices("CPU")[0]
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(cpu, two)
options, straight, broken = json.loads(sys.argv[1]), *sys.argv[2:]
commands.run_command("train-classifier", run_dir=straight, **options)
write, calls = _files.write_json, []
def fail_at_fourth(path, value, **options):
    if path.endswith("progress.json"):
        calls.append(path)
        if len(calls) == 4:
            raise ValueError("fourth")
    write(path, value, **options)
_files.write_json = fail_at_fourth
try:
    commands.run_command("train-classifier", run_dir=broken, **options)
except ValueError as error:
    assert str(error) == "fourth", error
commands.run_command("train-classifier", run_dir=broken, resume=True, **options)
"""


def _state(folder):
    newest = max((folder / "checkpoints").glob("step_*"))
    reader = tf.train.load_checkpoint(str(newest / "state"))
    names = set(reader.get_variable_to_shape_map()) - {"_CHECKPOINTABLE_OBJECT_GRAPH"}
    return newest.name, {name: np.asarray(reader.get_tensor(name)) for name in names}


def _rows(folder):
    with open(folder / "metrics.csv") as file:
        return [{**row, "seconds": ""} for row in csv.DictReader(file)]


def _assert_same_run(straight, broken, epochs):
    (step, expected), (last, found) = _state(straight), _state(broken)
    assert last == step and set(found) == set(expected)
    different = [n for n in expected if expected[n].tobytes() != found[n].tobytes()]
    assert not different
    for name in ("best.h5", "last.h5"):
        assert (straight / name).read_bytes() == (broken / name).read_bytes()
    assert _rows(straight) == _rows(broken) and len(_rows(straight)) == epochs


def test_two_devices_go_on_with_the_same_bits(finish, data_dir, tmp_path):
    """The error comes in the second epoch's first checkpoint, after 20 steps of 34."""
    straight, broken = tmp_path / "straight", tmp_path / "broken"
    options = {**OPTIONS, "epochs": 2, "data_dir": data_dir}
    options["distribution_strategy"] = "mirrored"
    code, _, errors = finish(
        "-c", TWO_DEVICES, json.dumps(options), straight, broken, seconds=550
    )
    assert code == 0, errors[-3000:]
    _assert_same_run(straight, broken, epochs=2)


def _training_process(supervisor):
    """Number of the process that trains for another one."""
    proc = pathlib.Path("/proc")
    children = proc / str(supervisor.pid) / "task" / str(supervisor.pid) / "children"
    for child in children.read_text().split():
        if b"spawn_main" in (proc / child / "cmdline").read_bytes():
            return int(child)
    raise AssertionError("there is none")


@pytest.mark.slow  # minutes: each restart imports TensorFlow and traces anew
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("num_kills", [1, 4])
def test_workers_killed_at_random_end_as_if_left_alone(
    start, cluster, wait_for_step, data_dir, tmp_path, num_kills
):
    """Each kill is one restart for either worker, and nothing is left behind."""
    straight, broken = tmp_path / "straight", tmp_path / "broken"
    epochs, moments = 2 + num_kills, random.Random(num_kills)
    options = {**OPTIONS, "epochs": epochs, "data_dir": data_dir}
    options["distribution_strategy"] = "multi_worker"
    flags = [f"--{name}={value}" for name, value in options.items()]

    def begin(folder, *more):
        places = [f"--run_dir={folder}", *more]
        return [start(APP, *flags, *places, TF_CONFIG=c) for c in cluster()]

    def end(workers):
        outputs = [worker.communicate(timeout=1400)[1] for worker in workers]
        assert [worker.returncode for worker in workers] == [0, 0], outputs
        return outputs

    end(begin(straight))
    workers = begin(broken, f"--restarts={num_kills}")
    for kill in range(num_kills):
        wait_for_step(workers[0], broken, 5 + 17 * kill)
        time.sleep(moments.uniform(0, 3))
        os.kill(_training_process(moments.choice(workers)), signal.SIGKILL)
    for errors in end(workers):
        assert errors.count("going on from the last checkpoint") == num_kills
        assert f"restart {num_kills} of {num_kills}" in errors
    _assert_same_run(straight, broken, epochs)
    assert not (broken / ".lock").exists()
