"""Training over several devices or machines: strategies and their requirements."""

from __future__ import annotations

import os
from collections.abc import Callable

import tensorflow as tf
from absl import logging
from tensorflow import keras

from keras_cnns import data
from keras_cnns._graph import copy_network
from keras_cnns.trainers import clusters

STRATEGIES = ("one_device", "mirrored", "multi_worker", "tpu")


def make_strategy(
    name: str = "one_device",
    cluster: tf.distribute.cluster_resolver.ClusterResolver | None = None,
) -> tf.distribute.Strategy:
    """A ``tf.distribute`` strategy by name.

    Args:
        name: ``"one_device"`` (the first GPU, else the CPU), ``"mirrored"`` (all
            GPUs, else all logical CPU devices), ``"multi_worker"`` (the cluster of
            ``clusters.find_cluster``; make it before any other TensorFlow call) or
            ``"tpu"`` (the one in TPU_NAME, or the local one).
        cluster: resolver of the cluster of ``"multi_worker"``; None: to be found.

    Raises:
        ValueError: if the name is unknown, no cluster is found, or no TPU.
    """
    if name != "tpu":
        grow_gpu_memory()
    if name in ("one_device", "mirrored"):
        gpus = tf.config.list_logical_devices("GPU")
    if name == "one_device":
        return tf.distribute.OneDeviceStrategy("/GPU:0" if gpus else "/CPU:0")
    if name == "mirrored":
        devices = gpus or tf.config.list_logical_devices("CPU")
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    if name == "multi_worker":
        cluster = cluster or clusters.find_cluster()
        return tf.distribute.MultiWorkerMirroredStrategy(cluster)
    if name == "tpu":
        try:
            resolver = tf.distribute.cluster_resolver.TPUClusterResolver()
            tf.config.experimental_connect_to_cluster(resolver)
            tf.tpu.experimental.initialize_tpu_system(resolver)
        except (ValueError, OSError, tf.errors.OpError) as error:
            raise ValueError(
                f"no TPU found (TPU_NAME={os.environ.get('TPU_NAME')!r}): {error}"
            ) from error
        return tf.distribute.TPUStrategy(resolver)
    raise ValueError(f"unknown strategy {name!r}; there are {', '.join(STRATEGIES)}")


def grow_gpu_memory() -> None:
    """Lets each GPU's memory be taken as it is needed, not as a whole at the start.

    So that others, such as the process that verifies an export, find some. It has no
    effect on GPUs that this process uses already.
    """
    for gpu in tf.config.list_physical_devices("GPU"):
        try:
            tf.config.experimental.set_memory_growth(gpu, True)
        except (RuntimeError, ValueError) as error:  # initialised, or split up
            logging.warning("the memory of %s is taken as a whole: %s", gpu.name, error)


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process writes the files of the run."""
    resolver = strategy.cluster_resolver
    if resolver is None or resolver.task_type is None:
        return True
    return resolver.task_type == "chief" or (
        resolver.task_type == "worker"
        and resolver.task_id == 0
        and "chief" not in resolver.cluster_spec().jobs
    )


def has_workers(strategy: tf.distribute.Strategy) -> bool:
    """Whether several processes train together."""
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def worker_batches(
    strategy: tf.distribute.Strategy,
    load_batches: Callable[[data.Share], tf.data.Dataset],
) -> tf.data.Dataset | tf.distribute.DistributedDataset:
    """Batches as ``fit`` and ``evaluate`` take them; each worker loads its own rows.

    Args:
        strategy: that of the trainer.
        load_batches: function of a ``data.Share`` that returns the dataset of a
            worker's rows of all batches.

    Returns:
        A ``tf.data.Dataset``; with several workers a distributed one, which does not
        know its length.
    """
    if not has_workers(strategy):
        return load_batches(data.WHOLE)

    def load(context):
        workers = context.num_input_pipelines
        batches = load_batches(data.Share(context.input_pipeline_id, workers))
        return data.split_batches(batches, context.num_replicas_in_sync // workers)

    return strategy.distribute_datasets_from_function(load)


def any_worker(strategy: tf.distribute.Strategy, value: bool) -> bool:
    """Whether a value is true in any worker; all workers must call it together."""
    one = tf.constant(float(value))
    values = strategy.run(tf.function(tf.identity), args=(one,))
    return bool(strategy.reduce(tf.distribute.ReduceOp.SUM, values, axis=None) > 0)


def wait_for_workers(strategy: tf.distribute.Strategy) -> None:
    """Waits until all workers have called it, so that none ends before the others."""
    if has_workers(strategy):
        any_worker(strategy, False)


def is_same_for_all_workers(strategy: tf.distribute.Strategy, value: int) -> bool:
    """Whether all workers have the same number; all must call it together."""
    if not has_workers(strategy):
        return True
    one = tf.constant(float(value), tf.float64)
    values = strategy.run(tf.function(tf.identity), args=(one,))
    mean = strategy.reduce(tf.distribute.ReduceOp.MEAN, values, axis=None)
    return float(mean) == value


def scale_loss(loss: tf.Tensor) -> tf.Tensor:
    """A replica's contribution to the global mean loss.

    Gradients are summed over replicas; this is the one place that makes the sum a
    mean. Replicas must have equal batches.
    """
    return loss / tf.distribute.get_strategy().num_replicas_in_sync


def sum_over_replicas(gradients: list) -> list:
    """Sums each gradient over the replicas; call in replica context."""
    return tf.distribute.get_replica_context().all_reduce(
        tf.distribute.ReduceOp.SUM, gradients
    )


def synchronize_batch_norm(network: keras.Model) -> keras.Model:
    """A copy whose batch normalisation takes its statistics over all replicas.

    Args:
        network: functional model; call within the strategy's scope.

    Returns:
        The copy, with the same weights.
    """

    def synchronized(layer):
        if not isinstance(layer, keras.layers.BatchNormalization):
            return None
        return type(layer).from_config({**layer.get_config(), "synchronized": True})

    return copy_network(network, synchronized)


def check_compilable(network: keras.Model) -> None:
    """Refuses what XLA cannot compile.

    Raises:
        ValueError: if a batch normalisation is synchronised: its collectives cannot be
            compiled.
    """
    for layer in network.submodules:
        if getattr(layer, "synchronized", False):
            raise ValueError(
                "enable_xla cannot be combined with synchronised batch normalisation "
                f"({layer.name} of {network.name})"
            )


def scale_changes(variables: list, before: list, factors: list) -> None:
    """Multiplies what variables have changed by; call in replica context.

    Args:
        variables: of any devices.
        before: their values before the change.
        factors: a number for each.
    """

    def scaled(variable, value, factor):
        variable.assign(value + factor * (variable - value))

    def scale(strategy, values):
        for variable, *arguments in zip(variables, values, factors):
            strategy.extended.update(variable, scaled, args=arguments)

    tf.distribute.get_replica_context().merge_call(scale, args=(before,))


def mask_variables(variables: list, masks: list) -> None:
    """Sets variables to 0 where masks are False; call in replica context."""

    def masked(variable, mask):
        variable.assign(tf.where(mask, variable, tf.zeros_like(variable)))

    def mask_all(strategy, values):
        for variable, mask in zip(variables, values):
            strategy.extended.update(variable, masked, args=(mask,))

    tf.distribute.get_replica_context().merge_call(mask_all, args=(masks,))


def clip_variables(variables: list, limit: float) -> None:
    """Clips variables to [-limit, limit] on all devices; call in replica context."""

    def clip(strategy):
        for variable in variables:
            strategy.extended.update(
                variable, lambda v: v.assign(tf.clip_by_value(v, -limit, limit))
            )

    tf.distribute.get_replica_context().merge_call(clip)
