"""Where a training step's time goes, by kind of operation.

    python benchmarks/step_profile.py --step=densenet121
    python benchmarks/step_profile.py --step=resnet50 \\
        --changes='{"dataset": "folder", "augmentation": "random_resized_crop,flip"}'

Makes the networks and the data of one of ``_steps.STEPS``, with changed options, and
measures, without writing a run:

- the step, on one batch that is kept: its milliseconds, and those of operations of each
  kind, from TensorFlow's profiler; of several that run at once all count;
- how far it is from what the machine can do: floating-point operations of convolutions
  and products of matrices per second, beside a product of two large matrices;
- the input pipeline by itself, in examples per second;
- the share of a step in which the training waits for data, with both together.
"""

import collections
import glob
import json
import os
import tempfile

import _steps  # isort: skip  first: sets how TensorFlow is loaded
import _machine
import numpy as np
import tensorflow as tf
from absl import app, flags
from tensorflow.python.framework import ops
from tensorflow.tsl.profiler.protobuf import xplane_pb2

from keras_cnns import _files

_STEP = flags.DEFINE_enum("step", "densenet121", list(_steps.STEPS), "which one")
_CHANGES = flags.DEFINE_string("changes", "{}", "changes of its options, as JSON")
_COUNT = flags.DEFINE_integer("count", 10, "steps of each measurement", lower_bound=2)
_JSON = flags.DEFINE_string("json_file", "", "file that gets the numbers; empty: none")

# Kinds of operations, by parts of their types' names; the first that fits counts.
_KINDS = {
    "convolution": ("Conv2D", "Conv3D"),
    "product of matrices": ("MatMul", "Einsum"),
    "normalisation": ("BatchNorm", "LRN"),
    "pooling": ("Pool",),
    "optimizer": ("Assign", "Apply"),
    "random numbers": ("Random", "Stateless"),
    "moving data": (
        "Concat", "Slice", "Pad", "Transpose", "Split", "Reshape", "Gather", "Pack",
        "Tile", "Scatter", "Resize", "Crop", "Identity", "Copy", "Reverse", "Shape",
    ),
    "elementwise and sums": (
        "Relu", "Mul", "Add", "Sub", "Div", "Sum", "Mean", "Cast", "Exp", "Log", "Neg",
        "Tanh", "Sigmoid", "Square", "Sqrt", "Rsqrt", "Bias", "Softmax", "Select",
        "Max", "Min", "Abs", "Sign", "Greater", "Less", "Equal", "Softplus", "Fill",
        "Like", "Pow", "XlaLaunch", "_Fused",
    ),
}  # fmt: skip
_WAITING = "IteratorGetNextOp"  # what TensorFlow calls taking a batch
_PRODUCTS = ("convolution", "product of matrices")
_CALLS = ("PartitionedCall", "StatefulPartitionedCall", "If", "While", "XlaLaunch")


def kind_of(operation: str) -> str:
    """The kind of an operation's type."""
    for kind, parts in _KINDS.items():
        if any(part in operation for part in parts):
            return kind
    return "other"


def profiled(step, count) -> tuple:
    """(milliseconds of a step by type of operation, share without any of them)."""
    options = tf.profiler.experimental.ProfilerOptions(2, python_tracer_level=0)
    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder, options)
        seconds = _steps.seconds(step, count)
        tf.profiler.experimental.stop()
        (path,) = glob.glob(os.path.join(folder, "**", "*.xplane.pb"), recursive=True)
        with open(path, "rb") as file:
            space = xplane_pb2.XSpace.FromString(file.read())
    spent, intervals = collections.Counter(), []
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                name = plane.event_metadata[event.metadata_id].name
                if name.startswith(_WAITING):
                    spent[_WAITING] += event.duration_ps / 1e9 / count
                node, _, operation = name.rpartition(":")
                if not node or " " in name or "::" in name or operation in _CALLS:
                    continue
                spent[operation] += event.duration_ps / 1e9 / count
                start = line.timestamp_ns + event.offset_ps / 1e3
                intervals.append((start, start + event.duration_ps / 1e3))
    return spent, 1 - covered(intervals) * 1e-9 / seconds


def covered(intervals) -> float:
    """Length of the union of some intervals."""
    total, end = 0.0, -np.inf
    for first, last in sorted(intervals):
        total += max(0.0, last - max(first, end))
        end = max(end, last)
    return total


def flops_of(graph) -> float:
    """Floating-point operations of a graph's convolutions and products of matrices."""
    total = 0.0
    for node in graph.get_operations():
        for name in ("f", "function"):
            if node.type in _CALLS and name in node.node_def.attr:
                called = node.node_def.attr[name].func.name
                total += flops_of(graph._get_function(called).graph)
        if kind_of(node.type) in _PRODUCTS:
            counted = ops.get_stats_for_node_def(graph, node.node_def, "flops").value
            total += counted or 0
    return total


def main(_):
    changes, count = _steps.parse_json(_CHANGES.value, dict), _COUNT.value
    trainer, load, batch = _steps.prepare(_STEP.value, **changes)
    train = _steps.step_function(trainer)
    kept, examples = iter(load(0).take(1).cache().repeat()), iter(load(0))
    _steps.seconds(lambda: train(kept), 3)
    seconds = _steps.seconds(lambda: train(kept), count) / count
    spent, idle = profiled(lambda: train(kept), count)
    spent.pop(_WAITING, None)
    kinds = collections.Counter()
    for operation, milliseconds in spent.items():
        kinds[kind_of(operation)] += milliseconds
    gflops = flops_of(train.get_concrete_function(kept).graph) * 1e-9
    next(examples)
    reading = _steps.seconds(lambda: next(examples), 20) / 20
    waits, _ = profiled(lambda: train(examples), count)
    together = _steps.seconds(lambda: train(examples), count) / count
    result = {
        "step_ms": 1e3 * seconds,
        "ms_by_kind": dict(kinds.most_common()),
        "ms_by_operation": dict(spent.most_common(12)),
        "share_without_operations": idle,
        "gflop_per_step": gflops,
        "gflops_of_step": gflops / seconds,
        "gflops_of_products": gflops / sum(kinds[kind] for kind in _PRODUCTS) * 1e3,
        "gflops_of_matrix_product": _machine.matrix_product_gflops(),
        "pipeline_examples_per_second": batch / reading,
        "waiting_share": waits[_WAITING] / (1e3 * together),
    }
    print(json.dumps(result, indent=1))
    if _JSON.value:
        _files.write_json(_JSON.value, result, indent=1)


if __name__ == "__main__":
    app.run(main)
