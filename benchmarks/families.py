"""Every family's smallest sensible network under the same budget on Fashion-MNIST.

    python benchmarks/families.py --speed
    python benchmarks/families.py --minutes=10 --seeds=3

The first command, to be run on a quiet machine, measures each network's speed over half
a minute of training steps, after a warm-up. The second trains each one by
``apps/train_classifier.py``, in a process of its own, for as many whole epochs as fit
into the budget at that speed, with evaluation after each epoch, without start-up and
tracing, once for each seed. Both write ``docs/fashion_mnist.json``, one entry per
family, with the mean accuracy over seeds, its sample standard deviation and all values;
``docs/models.md`` quotes from it.
"""

import json
import os
import subprocess
import sys
import tempfile
import time

import _seeds
import numpy as np
from absl import app, flags

import keras_cnns  # noqa: F401  sets TensorFlow's log level before it is loaded

import tensorflow as tf  # isort: skip

from keras_cnns import _files, applications, inference, trainers

_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_RESULTS = os.path.join(_ROOT, "docs", "fashion_mnist.json")
_TRAINED, _TESTED = 60_000, 10_000
_SPEED_SECONDS = 30
# Evaluation does the forward pass alone, about a third of a training step's work.
_EVALUATION_FRACTION = 1 / 3

_COMMON = {
    "dataset": "fashion_mnist",
    "batch_size": 128,
    "learning_rate": 0.1,
    "weight_decay": 5e-4,
    "schedule": "cosine",
    "augmentation": "flip",
}
_SMALL_INCEPTION = {"stem": "small", "stem_strides": 2, "depth_multiplier": 0.25}
_INCEPTION_75 = {
    "image_size": 75,
    "optimizer": "rmsprop",
    "epsilon": 1e-3,
    "learning_rate": 0.002,
    "weight_decay": 4e-5,
}
# family: (model, builder arguments, flags that differ from the common ones)
FAMILIES = {
    "densenet": (
        "densenet",
        {
            "blocks": [4, 4, 4],
            "growth_rate": 24,
            "initial_filters": 48,
            "stem": "small",
            "stem_strides": 2,
        },
        {},
    ),
    "resnet": ("cifar_resnet20", {}, {}),
    "stochastic_depth": (
        "stochastic_depth_resnet",
        {"depth": 20, "final_survival_rate": 0.8},
        {},
    ),
    "highway": (
        "highway_mnist32",
        {},
        {"learning_rate": 0.05, "weight_decay": 1e-4},
    ),
    "resnet_in_resnet": ("rir", {"widths": [12, 24, 48], "units": [2, 2, 2]}, {}),
    "dpn": (
        "dpn",
        {
            "stem": "small",
            "units": [1, 2, 2],
            "increments": [8, 8, 16],
            "filters": 16,
            "groups": 2,
            "width": 16,
            "initial_filters": 8,
        },
        {"weight_decay": 1e-4},
    ),
    "shufflenet": (
        "shufflenet",
        {"stem": "small", "filters": 192, "groups": 3, "units": [3, 4, 2]},
        {"weight_decay": 1e-4},
    ),
    "fractalnet": (
        "fractalnet",
        {"filters": [16, 32, 64], "columns": 3, "dropout_rate": 0.2},
        {"learning_rate": 0.05, "weight_decay": 1e-4},
    ),
    "network_in_network": (
        "network_in_network",
        {
            "filters": [[64, 48, 32], [64, 64, 64], [64, 64]],
            "initializer": "he_normal",
            "dropout_rate": 0.25,
        },
        {"optimizer": "adam", "learning_rate": 0.001, "weight_decay": 0.0},
    ),
    "maxout": (
        "maxout_network",
        {
            "filters": [24, 48, 48],
            "units": 100,
            "input_dropout_rate": 0.0,
            "dropout_rate": 0.2,
        },
        {
            "optimizer": "adam",
            "learning_rate": 0.001,
            "weight_decay": 0.0,
            "batch_size": 64,
        },
    ),
    "all_cnn": (
        "all_cnn",
        {"filters": [32, 64], "input_dropout_rate": 0.0, "dropout_rate": 0.2},
        {"learning_rate": 0.01, "weight_decay": 1e-3, "batch_size": 64},
    ),
    "googlenet": (
        "googlenet_torch",
        _SMALL_INCEPTION,
        {"learning_rate": 0.05, "batch_size": 64},
    ),
    "bn_inception": (
        "bn_inception",
        _SMALL_INCEPTION,
        {"learning_rate": 0.05, "batch_size": 64},
    ),
    "inception_v3": (
        "inception_v3_torch",
        {"depth_multiplier": 0.25, "dropout_rate": 0.2},
        _INCEPTION_75,
    ),
    "inception_v4": ("inception_v4", {"depth_multiplier": 0.25}, _INCEPTION_75),
    "inception_resnet": (
        "inception_resnet_v1",
        {"depth_multiplier": 0.25},
        _INCEPTION_75,
    ),
}

_FAMILIES = flags.DEFINE_list("families", list(FAMILIES), "which ones")
_MINUTES = flags.DEFINE_float("minutes", 10, "budget of each network", lower_bound=0.1)
_SEEDS = flags.DEFINE_integer("seeds", 1, "trainings of each network", lower_bound=1)
_SPEED = flags.DEFINE_boolean("speed", False, "measure speeds instead of training")
_DATA_DIR = flags.DEFINE_string("data_dir", None, "where prepared data sets are")


def images_per_second(model, builder_args, values) -> float:
    """Speed of training steps over half a minute, after a warm-up."""
    size = values.get("image_size") or 28
    network = applications.create_model(
        model,
        input_shape=(size, size, 1),
        classes=10,
        classifier_activation=None,
        **builder_args,
    )
    trainer = trainers.ClassificationTrainer(network)
    trainer.compile(trainers.make_optimizer("sgd", 0.01))
    batch_size = values["batch_size"]
    random = np.random.default_rng(0)
    images = random.normal(size=(batch_size, size, size, 1)).astype(np.float32)
    labels = np.eye(10, dtype=np.float32)[random.integers(0, 10, batch_size)]
    batches = tf.data.Dataset.from_tensors((images, labels)).repeat()
    trainer.fit(batches, steps_per_epoch=2, verbose=0)
    steps, started = 0, time.perf_counter()
    while time.perf_counter() - started < _SPEED_SECONDS:
        trainer.fit(batches, steps_per_epoch=8, verbose=0)
        steps += 8
    return steps * batch_size / (time.perf_counter() - started)


def train(family, speed, minutes, data_dir) -> dict:
    """Trains a family with each seed for as many epochs as its speed allows."""
    model, builder_args, own = FAMILIES[family]
    values = {**_COMMON, **own}
    seconds_per_epoch = (_TRAINED + _EVALUATION_FRACTION * _TESTED) / speed
    # Whole epochs; a twentieth of one more than the budget is tolerated.
    values["epochs"] = max(1, int(60 * minutes / seconds_per_epoch + 0.05))
    values.update(model=model, builder_args=json.dumps(builder_args))
    place = {"data_dir": data_dir} if data_dir else {}
    accuracies, started = [], time.perf_counter()
    for seed in range(_SEEDS.value):
        with tempfile.TemporaryDirectory() as folder:
            arguments = {**values, **place, "seed": seed, "run_dir": folder}
            _seeds.run_app("train_classifier", arguments, check=True)
            network, _ = inference.load_classifier(folder, "last")
            accuracies.append(float(_seeds.last_epoch(folder)["val_accuracy"]))
    return {
        "model": model,
        "flags": values,
        **_seeds.over_seeds("accuracy", accuracies),
        "params": sum(int(tf.size(w)) for w in network.trainable_weights),
        "macs": applications.count_macs(network),
        "epochs": values["epochs"],
        "total_seconds": round(time.perf_counter() - started, 1),
        "cpus": os.cpu_count(),
        "date": time.strftime("%Y-%m-%d"),
    }


def main(_):
    failed = []
    unknown = set(_FAMILIES.value) - set(FAMILIES)
    if unknown:
        raise app.UsageError(f"unknown {sorted(unknown)}; there are {list(FAMILIES)}")
    idle = [flag.name for flag in (_MINUTES, _SEEDS, _DATA_DIR) if flag.present]
    if _SPEED.value and idle:
        raise app.UsageError(f"--{idle[0]} has no effect with --speed")
    for family in _FAMILIES.value:
        results = _stored()
        entry = results.setdefault(family, {})
        if _SPEED.value:
            model, builder_args, own = FAMILIES[family]
            speed = images_per_second(model, builder_args, {**_COMMON, **own})
            entry["images_per_second"] = round(speed, 1)
            tf.keras.backend.clear_session()
        elif "images_per_second" not in entry:
            raise app.UsageError(f"{family}: measure its speed first, with --speed")
        else:
            speed = entry["images_per_second"]
            try:
                entry.update(train(family, speed, _MINUTES.value, _DATA_DIR.value))
            except subprocess.CalledProcessError as error:
                # The app has shown why; the other families still follow.
                failed.append(f"{family} ended with status {error.returncode}")
                continue
        _files.write_json(_RESULTS, {**_stored(), family: entry}, indent=1)
        print(family, entry)
    if failed:
        sys.exit("; ".join(failed))


def _stored():
    if not os.path.exists(_RESULTS):
        return {}
    with open(_RESULTS, encoding="utf-8") as file:
        return json.load(file)


if __name__ == "__main__":
    app.run(main)
