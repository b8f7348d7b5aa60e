"""Clusters that the environment names, and workers that were lost."""

import json
import os
import socket

import pytest
import tensorflow as tf

from keras_cnns.trainers import LostWorkerError, clusters

# Of srun --nodes=3 --ntasks=4, as Slurm's documentation has them.
SLURM = {
    "SLURM_JOB_ID": "1502",
    "SLURM_PROCID": "2",
    "SLURM_STEP_NODELIST": "n[9-11]",
    "SLURM_STEP_NUM_TASKS": "4",
    "SLURM_STEP_TASKS_PER_NODE": "1,2,1",
}


@pytest.fixture
def environment(monkeypatch):
    """Sets the variables of a cluster; all others of clusters are unset."""

    def set_variables(**variables):
        for name in ("TF_CONFIG", "SLURMD_NODENAME", *SLURM):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return set_variables


def test_without_a_cluster_both_ways_to_name_one_are_told(environment):
    environment()
    with pytest.raises(ValueError, match="TF_CONFIG, such as .*srun.*neither"):
        clusters.find_cluster()


@pytest.mark.parametrize("text", ["", "{", '{"cluster": {}}'])
def test_a_bad_tf_config_is_quoted(environment, text):
    environment(TF_CONFIG=text)
    with pytest.raises(ValueError, match="needs TF_CONFIG such as"):
        clusters.find_cluster()


def test_a_worker_that_is_not_there(environment):
    config = {"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 3}}
    environment(TF_CONFIG=json.dumps(config))
    with pytest.raises(ValueError, match="worker 3 of 1"):
        clusters.find_cluster()


def test_tasks_of_slurm_are_workers_in_the_order_of_nodes(environment):
    """Two tasks on n10; ports are 20000 + 16 * (1502 mod 750) and the next."""
    environment(**SLURM, SLURMD_NODENAME="n10")
    cluster = clusters.find_cluster()
    assert cluster.cluster_spec().as_dict() == {
        "worker": ["n9:20032", "n10:20032", "n10:20033", "n11:20032"]
    }
    assert (cluster.task_type, cluster.task_id) == ("worker", 2)
    assert cluster.num_accelerators() == {"GPU": 0}
    assert clusters.describe(cluster) == "worker 2 (n10:20033), one of 4"


def test_tf_config_wins_over_slurm(environment):
    config = {"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 0}}
    environment(**SLURM, TF_CONFIG=json.dumps(config))
    assert clusters.find_cluster().cluster_spec().as_dict() == {"worker": ["a:1"]}


def test_what_slurm_has_not_set_is_named(environment):
    """In the script of sbatch itself there is a job, and no step."""
    environment(SLURM_JOB_ID="1502", SLURM_PROCID="0")
    with pytest.raises(ValueError, match="SLURM_STEP_NODELIST and .*srun"):
        clusters.find_cluster()


@pytest.mark.parametrize(
    "name, value",
    [
        ("SLURM_PROCID", "first"),
        ("SLURM_STEP_NODELIST", "n[9-"),
        ("SLURM_STEP_NUM_TASKS", "5"),
        ("SLURM_STEP_TASKS_PER_NODE", "1(x"),
        ("SLURM_JOB_ID", ""),
    ],
)
def test_bad_variables_of_slurm_are_quoted(environment, name, value):
    environment(**{**SLURM, name: value})
    with pytest.raises(ValueError, match="no cluster is made of") as refused:
        clusters.find_cluster()
    assert f"{name}={value!r}" in str(refused.value)


def test_tasks_that_are_dealt_out_in_turn_are_refused(environment):
    environment(**SLURM, SLURMD_NODENAME="n11")
    with pytest.raises(ValueError, match="task 2 should run on n10, but .* n11"):
        clusters.find_cluster()


def test_workers_that_have_ended_are_named():
    with socket.socket() as here, socket.socket() as ended:
        here.bind(("127.0.0.1", 0))
        here.listen()
        ended.bind(("127.0.0.1", 0))  # and does not listen
        alive, lost = (f"127.0.0.1:{s.getsockname()[1]}" for s in (here, ended))
        resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
            tf.train.ClusterSpec({"chief": [alive], "worker": [alive, lost]}),
            task_type="chief",
            task_id=0,
        )
        aborted = "{{function_node x}} Collective ops is aborted by: reset by peer"
        errors = (
            tf.errors.InternalError(None, None, aborted),
            tf.errors.UnavailableError(None, None, "reset by peer"),
        )
        for error in errors:
            refused = pytest.raises(LostWorkerError, match=rf"^worker 1 \({lost}\) of")
            with refused, clusters.naming_lost_workers(resolver):
                raise error
            refused = pytest.raises(type(error))
            with refused, clusters.naming_lost_workers(None):  # that is one process
                raise error
        refused = pytest.raises(LostWorkerError, match=rf"^worker 1 \({lost}\) of")
        with refused, clusters.naming_lost_workers(resolver):
            raise OSError("a checkpoint, which all write together") from errors[0]
        refused = pytest.raises(OSError, match="full")
        with refused, clusters.naming_lost_workers(resolver):
            raise OSError("the disk is full") from ValueError("no space")
        fault = tf.errors.InternalError(None, None, "another fault")
        refused = pytest.raises(tf.errors.InternalError)
        with refused, clusters.naming_lost_workers(resolver):
            raise fault


SUM = """
import keras_cnns
from keras_cnns import trainers
import tensorflow as tf
strategy = trainers.make_strategy("multi_worker")
number = strategy.cluster_resolver.task_id + 1.0
total = strategy.run(tf.function(
    lambda: tf.distribute.get_replica_context().all_reduce("SUM", tf.constant(number))
))
print(strategy.num_replicas_in_sync, float(total))
"""


def test_two_tasks_of_slurm_train_together(start):
    """Real processes with the variables that srun sets: 1 and 2 make 3."""
    variables = {
        "SLURM_JOB_ID": str(os.getpid()),
        "SLURM_STEP_NODELIST": "localhost",
        "SLURM_STEP_NUM_TASKS": "2",
        "SLURM_STEP_TASKS_PER_NODE": "2",
        "SLURMD_NODENAME": "localhost",
    }
    tasks = [start("-c", SUM, **variables, SLURM_PROCID=str(i)) for i in range(2)]
    for task in tasks:
        output, errors = task.communicate(timeout=300)
        assert task.returncode == 0, errors[-2000:]
        assert output.split() == ["2", "3.0"]
