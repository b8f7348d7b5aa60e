"""Scaling over worker processes: measured here, and predicted for many replicas.

    python benchmarks/scaling.py --json_file=scaling.json
    python benchmarks/scaling.py --model --step_seconds=DenseNet121:0.1,DCGAN:0.05

The first trains one network by 1 and 2 processes of one thread each, with the same
global batch (strong scaling) and with the same batch per process (weak), and times the
all-reduce of its gradients between them. Four processes would share two cores: what
they lose is the cores, not the network.

The second prints images per second and efficiency by a model: a step is its compute
time, then an all-reduce of 4 bytes per trained parameter, without overlap. Workloads
whose compute time is not given are measured on this machine (one replica, one thread),
where the network is never the limit. Rings and hierarchies are those of
``ring_seconds`` and ``hierarchical_seconds``.
"""

import dataclasses
import json
import os
import socket
import statistics
import subprocess
import sys
import time

from absl import app, flags

import keras_cnns  # noqa: F401  sets TensorFlow's log level before it is loaded

import numpy as np  # isort: skip
import tensorflow as tf  # isort: skip

from keras_cnns import _files, applications, trainers


@dataclasses.dataclass(frozen=True)
class Workload:
    """What one replica does in a step.

    Attributes:
        models: registry names of the networks whose gradients are exchanged.
        images: images per step and replica.
        size: height and width of the images.
    """

    models: tuple
    images: int
    size: tuple

    @property
    def gradient_bytes(self) -> int:
        """Bytes of the gradients in float32."""
        return 4 * sum(applications.model_info(name).params for name in self.models)


WORKLOADS = {
    "DenseNet121": Workload(("densenet121",), 32, (224, 224)),
    "InceptionV3": Workload(("inception_v3",), 32, (299, 299)),
    "DCGAN": Workload(("dcgan64_generator", "dcgan64_discriminator"), 128, (64, 64)),
    "FasterRCNN": Workload(("faster_rcnn_vgg16",), 2, (600, 800)),
}

_AT_ONCE = 8  # images, where compute times are measured
_IS_MODEL = flags.DEFINE_boolean("model", False, "print predictions")
_SECONDS = flags.DEFINE_list("step_seconds", [], "compute times, <workload>:<seconds>")
_REPLICAS = flags.DEFINE_list("replicas", ["8", "64", "512", "4096"], "how many")
_GIGABITS = flags.DEFINE_list("gigabits", ["10", "100", "400"], "of a node, per second")
_LATENCY = flags.DEFINE_float("latency", 20e-6, "seconds per message between nodes")
_PER_NODE = flags.DEFINE_integer("node_replicas", 8, "replicas in a node")
_NODE_GIGABITS = flags.DEFINE_float("node_gigabits", 2400.0, "per second within a node")
_NODE_LATENCY = flags.DEFINE_float("node_latency", 5e-6, "seconds per message in it")
_WORKERS = flags.DEFINE_list("workers", ["1", "2"], "numbers of processes to measure")
_BATCH = flags.DEFINE_integer("batch_size", 64, "images of one process in a step")
_ROUNDS = flags.DEFINE_integer("rounds", 5, "of which the median counts")
_STEPS = flags.DEFINE_integer("steps", 4, "steps, and all-reduces, per round")
_JSON = flags.DEFINE_string("json_file", "", "file that gets the numbers; empty: none")


# The model.


def ring_seconds(num_bytes, replicas, bandwidth, latency) -> float:
    """Time of a ring all-reduce: scatter and gather, n - 1 messages of bytes / n each.

    Args:
        num_bytes: of the tensor.
        replicas: how many, n.
        bandwidth: bytes per second of a link.
        latency: seconds per message.

    Source: Patarasuk and Yuan 2009, "Bandwidth optimal all-reduce algorithms".
    """
    messages = 2 * (replicas - 1)
    return messages / replicas * num_bytes / bandwidth + messages * latency


def hierarchical_seconds(num_bytes, replicas, per_node, node_link, link) -> float:
    """Time of scatter within nodes, rings between them, gather within nodes.

    The rings of a node's replicas, each of its share of the bytes, run side by side
    over the node's one link.

    Args:
        num_bytes: of the tensor.
        replicas: how many, over all nodes.
        per_node: how many in a node; they fill whole nodes.
        node_link: (bytes per second, seconds per message) between its replicas.
        link: the same between nodes.

    Raises:
        ValueError: if replicas do not fill whole nodes.
    """
    if replicas % per_node:
        raise ValueError(f"{replicas} replicas do not fill nodes of {per_node}")
    inside = ring_seconds(num_bytes, per_node, *node_link)
    return inside + ring_seconds(num_bytes, replicas // per_node, *link)


def predict(images, compute_seconds, reduce_seconds, replicas):
    """(images per second, efficiency) of a step that exchanges after it computes."""
    seconds = compute_seconds + reduce_seconds
    return replicas * images / seconds, compute_seconds / seconds


def predictions(step_seconds):
    """A row for each workload, network and number of replicas."""
    node_link = _NODE_GIGABITS.value * 1e9 / 8, _NODE_LATENCY.value
    for name, compute in step_seconds.items():
        work = WORKLOADS[name]
        for gigabits in map(float, _GIGABITS.value):
            link = gigabits * 1e9 / 8, _LATENCY.value
            for replicas in map(int, _REPLICAS.value):
                size = work.gradient_bytes
                ring = ring_seconds(size, replicas, *link)
                hierarchy = hierarchical_seconds(
                    size, replicas, _PER_NODE.value, node_link, link
                )
                yield {
                    "workload": name,
                    "gigabits": gigabits,
                    "replicas": replicas,
                    "ring": predict(work.images, compute, ring, replicas),
                    "hierarchical": predict(work.images, compute, hierarchy, replicas),
                }


def print_model():
    """Prints the table of predictions, and returns what they are made of."""
    given = dict(part.split(":") for part in _SECONDS.value)
    unknown = set(given) - set(WORKLOADS)
    if unknown:
        raise app.UsageError(f"unknown {sorted(unknown)}; there are {list(WORKLOADS)}")
    seconds = {}
    for name, work in WORKLOADS.items():
        is_given = name in given
        seconds[name] = float(given[name]) if is_given else _compute_seconds(work)
        print(
            f"{name}: {work.gradient_bytes:,} bytes, {work.images} images in "
            f"{seconds[name]:.3g} s ({'given' if is_given else 'measured here'})"
        )
    rows = list(predictions(seconds))
    print(
        f"\n{'workload':12} {'Gbit/s':>6} {'replicas':>8}  ring: images/s, efficiency"
    )
    for row in rows:
        cells = [
            f"{row[k][0]:12,.0f} {row[k][1]:6.1%}" for k in ("ring", "hierarchical")
        ]
        place = f"{row['workload']:12} {row['gigabits']:6.0f} {row['replicas']:8}"
        print(f"{place} {cells[0]}  hierarchical: {cells[1]}")
    return {"step_seconds": seconds, "rows": rows}


def _compute_seconds(work):
    """Seconds of forward and backward pass of the workload's networks, of all images
    of a step, eight at once where they are that many: memory would not do for all."""
    total, at_once = 0.0, _AT_ONCE if work.images % _AT_ONCE == 0 else 1
    for name in work.models:
        network = applications.create_model(name)
        shapes = [[at_once, *_known(i.shape[1:], work.size)] for i in network.inputs]
        inputs = [tf.ones(shape) for shape in shapes]

        @tf.function
        def gradients(network=network, inputs=inputs):
            with tf.GradientTape() as tape:
                outputs = tf.nest.flatten(network(inputs, training=True))
                loss = tf.add_n(
                    [tf.reduce_sum(o) for o in outputs if o.dtype.is_floating]
                )
            return tape.gradient(loss, network.trainable_variables)

        gradients()
        times = [_seconds_of(gradients) for _ in range(3)]
        total += work.images / at_once * statistics.median(times)
        tf.keras.backend.clear_session()
    return total


def _known(shape, size):
    sizes = iter(size)
    return [next(sizes) if side is None else side for side in shape]


def _seconds_of(function):
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


# Measurements.


def work(batch_size, rounds, steps):
    """What one of the processes does; all of them, the same."""
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    strategy = trainers.make_strategy("multi_worker")
    with strategy.scope():
        network = applications.create_model(
            "cifar_resnet20", classifier_activation=None
        )
        trainer = trainers.ClassificationTrainer(network)
        trainer.compile(trainers.make_optimizer("sgd", 0.1))
    images = tf.ones((batch_size, 32, 32, 3))
    batch = tf.data.Dataset.from_tensors((images, tf.one_hot([0] * batch_size, 10)))
    gradients = [tf.zeros(v.shape) for v in network.trainable_variables]

    @tf.function
    def exchange():
        def all_reduce():
            context = tf.distribute.get_replica_context()
            return context.all_reduce(tf.distribute.ReduceOp.SUM, gradients)

        return strategy.run(all_reduce)

    def train():
        """Seconds of a step, without what ``fit`` does before the first one."""
        ends = []
        clock = tf.keras.callbacks.LambdaCallback(
            on_batch_end=lambda *_, **__: ends.append(time.perf_counter())
        )
        data = batch.repeat(steps + 1)
        trainer.fit(data, steps_per_epoch=steps + 1, callbacks=[clock], verbose=0)
        return (ends[-1] - ends[0]) / steps

    def reduce():
        """Seconds of an all-reduce."""
        started = time.perf_counter()
        for _ in range(steps):
            strategy.experimental_local_results(exchange())[0][0].numpy()
        return (time.perf_counter() - started) / steps

    found = {}
    for name, function in (("step", train), ("all_reduce", reduce)):
        function()
        times = [function() for _ in range(rounds)]
        found[f"{name}_seconds"] = statistics.median(times)
    size = sum(4 * int(np.prod(g.shape)) for g in gradients)
    return {**found, "gradient_bytes": size, "batch_size": batch_size}


def measure(workers, batch_size):
    """Numbers of the first of so many processes on this machine."""
    sockets = [socket.socket() for _ in range(workers)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    addresses = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    argument = json.dumps([batch_size, _ROUNDS.value, _STEPS.value])
    processes = []
    for index in range(workers):
        task = {"type": "worker", "index": index}
        config = json.dumps({"cluster": {"worker": addresses}, "task": task})
        command = [sys.executable, __file__, "work", argument]
        environment = {**os.environ, "TF_CONFIG": config}
        processes.append(
            subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
        )
    outputs = [process.communicate()[0] for process in processes]
    if any(process.returncode for process in processes):
        raise SystemExit("a process failed, see above")
    return json.loads(outputs[0].splitlines()[-1])


def print_measurements():
    """Prints speeds and efficiencies, and returns the numbers."""
    counts, batch, rows = list(map(int, _WORKERS.value)), _BATCH.value, []
    print(f"load of {os.cpu_count()} cores before: {os.getloadavg()[0]:.1f}")
    print("scaling workers images/s efficiency step_ms all_reduce_ms bytes")
    for kind in ("strong", "weak"):
        for count in counts:
            size = batch * (max(counts) if kind == "strong" else count)
            row = {"scaling": kind, "workers": count, **measure(count, size)}
            rows.append(row)
            row["images_per_second"] = size / row["step_seconds"]
            first = next(r for r in rows if r["scaling"] == kind)
            per_worker = first["images_per_second"] / first["workers"]
            row["efficiency"] = row["images_per_second"] / count / per_worker
            print(
                f"{kind:7} {count:7} {row['images_per_second']:8.1f} "
                f"{row['efficiency']:10.1%} {1e3 * row['step_seconds']:7.1f} "
                f"{1e3 * row['all_reduce_seconds']:13.2f} {row['gradient_bytes']:,}"
            )
    return {"cpus": os.cpu_count(), "rows": rows}


def main(_):
    found = print_model() if _IS_MODEL.value else print_measurements()
    if _JSON.value:
        _files.write_json(_JSON.value, found, indent=2)


if __name__ == "__main__":
    if sys.argv[1:2] == ["work"]:
        print(json.dumps(work(*json.loads(sys.argv[2]))))
    else:
        app.run(main)
