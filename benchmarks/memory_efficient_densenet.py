"""What recomputation in the backward pass of a DenseNet saves, and what it costs.

    python benchmarks/memory_efficient_densenet.py --json_file=densenet.json

DenseNet-BC (k=12) of several depths on random images, with and without
``memory_efficient=True``: resident memory of a training step, with the exponent of its
growth with depth, and seconds per step at one depth.

Each memory figure is of a process of its own, as glibc's malloc has it by default:

- activations: highest resident memory during steps of ``--batch_size`` images, less
  what is resident after a step of one image (with ``--enable_xla``, of as many) by the
  same function, when malloc has given back to the system what it can. So imports,
  weights, the optimizer and the traced or compiled graph are left out.
- process: highest resident memory from the start to the end, tracing included.

Seconds per step: both networks in one process, steps in turn (A B A B ...), medians of
the rounds after two steps of warm-up, of which the first also traces; by the clock, and
of all threads' CPU time, which other jobs on the machine change less. Linux only.
Needs the extra ``bench``.

Pleiss et al., arXiv 1707.06990, figures 4 and 5, did it on GPUs.
"""

import ctypes
import json
import os
import statistics
import subprocess
import sys
import time

import numpy as np
import psutil
from absl import app, flags

import keras_cnns  # noqa: F401  sets TensorFlow's log level before it is loaded

import tensorflow as tf  # isort: skip

from keras_cnns import _files, applications, trainers

FORMS = ("plain", "efficient")
_IMAGE = (32, 32, 3)

_DEPTHS = flags.DEFINE_list("depths", ["40", "70", "100", "130"], "6n + 4 each")
_TIMED = flags.DEFINE_integer("timed_depth", 100, "depth that is timed; 0: none")
_GROWTH = flags.DEFINE_integer("growth_rate", 12, "channels of each layer (k)")
_BATCH = flags.DEFINE_integer("batch_size", 64, "images per step", lower_bound=2)
_ROUNDS = flags.DEFINE_integer("rounds", 15, "timed steps of each form", lower_bound=5)
_XLA = flags.DEFINE_bool("enable_xla", False, "compile the gradients by XLA")
_BASIC = flags.DEFINE_bool("basic", False, "nets without bottlenecks and compression")
_JSON = flags.DEFINE_string("json_file", "", "file that gets the numbers; empty: none")
_PART = flags.DEFINE_string("part", "", "measured by this process; for its own use")


def make_trainer(form, depth):
    """A compiled trainer of a DenseNet."""
    layers = (depth - 4) // (3 if _BASIC.value else 6)
    network = applications.DenseNet(
        (layers,) * 3,
        _GROWTH.value,
        16 if _BASIC.value else 2 * _GROWTH.value,
        1.0 if _BASIC.value else 0.5,
        not _BASIC.value,
        "small",
        classes=10,
        classifier_activation=None,
        memory_efficient=form == "efficient",
    )
    trainer = trainers.ClassificationTrainer(network, enable_xla=_XLA.value)
    trainer.compile(trainers.make_optimizer("sgd", 0.1))
    return trainer


def random_batches(*sizes):
    """Batches of these sizes, under one signature so that nothing is traced twice."""

    def batches():
        random = np.random.default_rng(0)
        for size in sizes:
            labels = np.eye(10, dtype=np.float32)[random.integers(0, 10, size)]
            yield random.normal(size=(size, *_IMAGE)).astype(np.float32), labels

    spec = [tf.TensorSpec([None, *shape]) for shape in (_IMAGE, [10])]
    return tf.data.Dataset.from_generator(batches, output_signature=tuple(spec))


def measure_memory(form, depth) -> dict:
    """MiB of resident memory of a step; for a process of its own."""
    trainer = make_trainer(form, depth)
    # XLA compiles for each size of the batch, which takes memory as well.
    trainer.fit(random_batches(_BATCH.value if _XLA.value else 1), verbose=0)
    highest = _resident("VmHWM")
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # VmHWM starts anew
    before = _resident("VmRSS")
    trainer.fit(random_batches(*[_BATCH.value] * 2), verbose=0)
    peak = _resident("VmHWM")
    return {
        "activations": round(peak - before, 1),
        "process": round(max(highest, peak), 1),
    }


def _resident(key):
    """A field of this process in MiB."""
    with open("/proc/self/status", encoding="ascii") as file:
        fields = dict(line.split(":", 1) for line in file)
    return int(fields[key].split()[0]) / 1024


def measure_seconds(depth) -> dict:
    """Seconds per step of both forms, steps in turn."""
    pair = {form: make_trainer(form, depth) for form in FORMS}
    batch = random_batches(_BATCH.value)
    clocks = {"seconds": time.perf_counter, "cpu_seconds": time.process_time}
    steps = {clock: {form: [] for form in FORMS} for clock in clocks}
    for _ in range(2 + _ROUNDS.value):
        for form, trainer in pair.items():
            started = {clock: now() for clock, now in clocks.items()}
            trainer.fit(batch, verbose=0)
            for clock, now in clocks.items():
                steps[clock][form].append(round(now() - started[clock], 3))
    return {"depth": depth, **{clock: _summary(steps[clock]) for clock in clocks}}


def _summary(steps):
    """Of the seconds of all steps, warm-up included."""
    timed = {form: values[2:] for form, values in steps.items()}
    medians = {form: statistics.median(values) for form, values in timed.items()}
    return {
        "first_step": {form: values[0] for form, values in steps.items()},
        "steps": timed,
        "median": medians,
        "ratio": round(medians["efficient"] / medians["plain"], 3),
    }


def in_own_process(*part):
    """What this program measures of one part in a new process."""
    settings = (_GROWTH, _BATCH, _ROUNDS, _XLA, _BASIC)
    command = [sys.executable, __file__, f"--part={json.dumps(part)}"]
    command += [f"--{flag.name}={json.dumps(flag.value)}" for flag in settings]
    ended = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(ended.stdout.strip().splitlines()[-1])


def exponent(depths, values) -> float:
    """Slope of the straight line through the logarithms, by least squares."""
    return round(float(np.polyfit(np.log(depths), np.log(values), 1)[0]), 3)


def report_memory(depths) -> dict:
    """Measures and prints the memory of all networks."""
    rows = []
    print(f"{'layers':>6} {'activations, MiB':>24} {'ratio':>6} {'process, MiB':>20}")
    for depth in depths:
        row = {form: in_own_process("memory", form, depth) for form in FORMS}
        plain, efficient = (row[form]["activations"] for form in FORMS)
        totals = " ".join(f"{row[form]['process']:9.0f}" for form in FORMS)
        print(
            f"{depth:6} {plain:12.0f} {efficient:11.0f} {plain / efficient:6.2f} "
            f"{totals:>20}",
            flush=True,
        )
        rows.append({"depth": depth, **row})
    exponents = {
        form: exponent(depths, [row[form]["activations"] for row in rows])
        for form in FORMS
        if len(rows) > 1
    }
    print("exponents of the activations:", exponents)
    return {"memory": rows, "exponents": exponents}


def main(_):
    if _PART.value:
        kind, *arguments = json.loads(_PART.value)
        measure = {"memory": measure_memory, "seconds": measure_seconds}[kind]
        print(json.dumps(measure(*arguments)))
        return
    depths = [int(depth) for depth in _DEPTHS.value]
    for depth in [*depths, *[_TIMED.value] * bool(_TIMED.value)]:
        if depth < 10 or (depth - 4) % (3 if _BASIC.value else 6):
            raise app.UsageError(f"there is no such network of {depth} layers")
    results = {
        "cpus": os.cpu_count(),
        "cpu_percent_before": psutil.cpu_percent(interval=2),
        "growth_rate": _GROWTH.value,
        "batch_size": _BATCH.value,
        "enable_xla": _XLA.value,
        "basic": _BASIC.value,
        **report_memory(depths),
    }
    if _TIMED.value:
        timed = results["time"] = in_own_process("seconds", _TIMED.value)
        for clock in ("seconds", "cpu_seconds"):
            plain, efficient = timed[clock]["median"].values()
            print(
                f"{_TIMED.value} layers, {clock} per step: plain {plain:.2f}, "
                f"efficient {efficient:.2f}; {timed[clock]['ratio']:.2f}"
            )
    if _JSON.value:
        _files.write_json(_JSON.value, results, indent=2)


if __name__ == "__main__":
    app.run(main)
