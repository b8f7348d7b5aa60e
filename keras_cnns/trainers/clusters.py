"""Who trains together: the workers that TF_CONFIG or Slurm names, and those lost."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
from collections.abc import Iterator

import tensorflow as tf
from absl import logging

_EXAMPLE = (
    '{"cluster": {"worker": ["host1:12345", "host2:12345"]}, '
    '"task": {"type": "worker", "index": 0}}'
)
# Variables that Slurm sets for every task of a step.
_SLURM = (
    "SLURM_JOB_ID",
    "SLURM_PROCID",
    "SLURM_STEP_NODELIST",
    "SLURM_STEP_NUM_TASKS",
    "SLURM_STEP_TASKS_PER_NODE",
)
# Jobs that share a node get ports of their own, below those of outgoing connections.
_FIRST_PORT, _PORTS_OF_A_JOB, _JOBS = 20000, 16, 750
_ABORTED = "Collective ops is aborted"  # in what TensorFlow raises then
# What it raises otherwise if another process ends, or does not come.
_LOSSES = (
    tf.errors.AbortedError,
    tf.errors.DeadlineExceededError,
    tf.errors.UnavailableError,
)
_PATIENCE = 2  # seconds


class LostWorkerError(ConnectionError):
    """Another worker has ended, or cannot be reached."""


def find_cluster() -> tf.distribute.cluster_resolver.ClusterResolver:
    """The cluster of the environment: of TF_CONFIG, else of the Slurm step.

    Returns:
        Its resolver, which knows the task of this process.

    Raises:
        ValueError: if neither is there, or the one that is cannot be used.
    """
    if "TF_CONFIG" in os.environ:
        _check_tf_config(os.environ["TF_CONFIG"])
        return tf.distribute.cluster_resolver.TFConfigClusterResolver()
    if not any(name in os.environ for name in _SLURM):
        raise ValueError(
            f"multi_worker needs the variable TF_CONFIG, such as {_EXAMPLE}, or a step "
            "of Slurm (srun), which tells each task who the others are; there is "
            "neither"
        )
    return _slurm_cluster()


def _check_tf_config(text):
    try:
        config = json.loads(text)
        workers, task = config["cluster"]["worker"], config["task"]
        in_range = 0 <= int(task["index"]) < len(workers) or task["type"] != "worker"
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"multi_worker needs TF_CONFIG such as {_EXAMPLE}; got {text!r}"
        ) from error
    if not in_range:
        raise ValueError(
            f"TF_CONFIG names worker {task['index']} of {len(workers)}; workers count "
            "from 0"
        )


def _slurm_cluster():
    """The cluster of a Slurm step, a worker for each task."""
    missing = [name for name in _SLURM if name not in os.environ]
    if missing:
        raise ValueError(
            f"this looks like a job of Slurm, but {' and '.join(missing)} are missing, "
            "which srun sets: start the workers by srun, or give TF_CONFIG"
        )
    job = os.environ["SLURM_JOB_ID"]
    try:
        port = _FIRST_PORT + int(job) % _JOBS * _PORTS_OF_A_JOB
        tasks = int(os.environ["SLURM_STEP_NUM_TASKS"])
        # Its count of GPUs needs nvidia-smi and does not know of none: srun parts
        # them, so that a task sees its own; here it gets a number that always fits.
        slurm = tf.distribute.cluster_resolver.SlurmClusterResolver(
            port_base=port, gpus_per_node=tasks, gpus_per_task=1, auto_set_gpu=False
        )
        # It sorts n10 before n9, but tasks are numbered in the order of nodes.
        workers = sorted(slurm.cluster_spec().job_tasks("worker"), key=_natural)
    except (ValueError, RuntimeError) as error:
        shown = ", ".join(f"{name}={os.environ[name]!r}" for name in _SLURM)
        raise ValueError(f"no cluster is made of {shown}: {error}") from error
    _check_place(workers[slurm.task_id], slurm.task_id)
    return tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": workers}),
        task_type="worker",
        task_id=slurm.task_id,
        num_accelerators={"GPU": len(tf.config.list_physical_devices("GPU"))},
        rpc_layer="grpc",
    )


def _natural(address):
    return [int(p) if p.isdecimal() else p for p in re.split(r"(\d+)", address)]


def _check_place(address, index):
    """Refuses a task that runs on another node than its number tells."""
    node, host = os.environ.get("SLURMD_NODENAME"), address.rpartition(":")[0]
    if node and node != host:
        raise ValueError(
            f"task {index} should run on {host}, but runs on {node}; start the tasks "
            "by srun --distribution=block, or give TF_CONFIG"
        )


def describe(resolver: tf.distribute.cluster_resolver.ClusterResolver) -> str:
    """The task of this process and its cluster, in words."""
    cluster = resolver.cluster_spec()
    address = cluster.task_address(resolver.task_type, resolver.task_id)
    count = sum(map(cluster.num_tasks, cluster.jobs))
    return f"{resolver.task_type} {resolver.task_id} ({address}), one of {count}"


@contextlib.contextmanager
def naming_lost_workers(
    resolver: tf.distribute.cluster_resolver.ClusterResolver | None,
) -> Iterator[None]:
    """Within the block, the end of another worker is an error that names it.

    Args:
        resolver: of the cluster; None if there is one process.

    Raises:
        LostWorkerError: if workers cannot go on together.
    """
    if resolver is None:
        yield
        return
    logging.info("%s; starts when all are there", describe(resolver))
    try:
        yield
    except Exception as error:
        if not _is_loss(error):
            raise
        cluster = resolver.cluster_spec().as_dict()
        lost = [
            f"{kind} {index} ({address})"
            for kind, addresses in cluster.items()
            for index, address in enumerate(addresses)
            if not _answers(address)
        ]
        raise LostWorkerError(
            f"{' and '.join(lost) or 'another worker'} of this run has ended or cannot "
            "be reached, its own output says why; start all workers again, with "
            "--resume, or with --restarts=N, which goes on by itself"
        ) from error


def _is_loss(error):
    """Whether an error is the loss of another worker, or was caused by it.

    Saving, too, is done together: its error tells of a checkpoint.
    """
    while error is not None:
        if isinstance(error, tf.errors.OpError) and (
            isinstance(error, _LOSSES) or _ABORTED in error.message
        ):
            return True
        error = error.__cause__
    return False


def _answers(address):
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), _PATIENCE):
            return True
    except OSError:
        return False
