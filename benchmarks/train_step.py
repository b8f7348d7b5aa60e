"""Training speed with and without XLA, side by side.

    python benchmarks/train_step.py --json_file=xla.json

One process, the same batch, steps of both kinds in turn (A B A B ...), medians of the
rounds after a warm-up. Takes two minutes on two cores. Needs the extra ``bench``.
"""

import json
import os
import statistics
import time

import numpy as np
import psutil
from absl import app, flags

import keras_cnns  # noqa: F401  sets TensorFlow's log level before it is loaded

import tensorflow as tf  # isort: skip

from keras_cnns import _files, applications, trainers

MODELS = {
    "DenseNet-BC, 3x4 layers, k=24, stem/2, 28x28x1": lambda: applications.DenseNet(
        (4, 4, 4),
        24,
        48,
        stem="small",
        stem_strides=2,
        input_shape=(28, 28, 1),
        classes=10,
        classifier_activation=None,
    ),
    "CifarResNet20, 32x32x3": lambda: applications.CifarResNet20(
        classifier_activation=None
    ),
}

_BATCH = flags.DEFINE_integer("batch_size", 128, "examples per step")
_ROUNDS = flags.DEFINE_integer("rounds", 7, "rounds of each kind, at least 5")
_STEPS = flags.DEFINE_integer("steps", 4, "steps per round")
_JSON = flags.DEFINE_string("json_file", "", "file that gets the numbers; empty: none")


def _trainer(build, enable_xla):
    trainer = trainers.ClassificationTrainer(build(), enable_xla=enable_xla)
    trainer.compile(trainers.make_optimizer("sgd", 0.1))
    return trainer


def _seconds(trainer, batch, steps):
    started = time.perf_counter()
    trainer.fit(batch.repeat(steps), verbose=0)
    return time.perf_counter() - started


def measure(build, batch_size, rounds, steps):
    """Images per second without and with XLA: medians of the rounds."""
    pair = {kind: _trainer(build, kind == "xla") for kind in ("graph", "xla")}
    shape = (batch_size, *pair["graph"].network.input_shape[1:])
    random = np.random.default_rng(0)
    labels = np.eye(10, dtype=np.float32)[random.integers(0, 10, batch_size)]
    images = random.normal(size=shape).astype(np.float32)
    batch = tf.data.Dataset.from_tensors((images, labels))
    speeds = {kind: [] for kind in pair}
    for trainer in pair.values():
        _seconds(trainer, batch, 2)
    for _ in range(rounds):
        for kind, trainer in pair.items():
            speeds[kind].append(steps * batch_size / _seconds(trainer, batch, steps))
    return {kind: statistics.median(values) for kind, values in speeds.items()}


def main(_):
    if _ROUNDS.value < 5:
        raise app.UsageError("--rounds must be at least 5 for a median that means much")
    results = {
        "cpus": os.cpu_count(),
        "cpu_percent_before": psutil.cpu_percent(interval=2),
        "batch_size": _BATCH.value,
    }
    print(f"{'model':50} {'graph':>9} {'xla':>9}  ratio   (images per second)")
    for name, build in MODELS.items():
        speed = measure(build, _BATCH.value, _ROUNDS.value, _STEPS.value)
        ratio = speed["xla"] / speed["graph"]
        print(f"{name:50} {speed['graph']:9.1f} {speed['xla']:9.1f}  {ratio:5.2f}")
        results[name] = {**speed, "ratio": ratio}
    if _JSON.value:
        _files.write_text(_JSON.value, json.dumps(results, indent=2))


if __name__ == "__main__":
    app.run(main)
