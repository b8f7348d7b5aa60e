"""Every family's smallest sensible network under the same budget on Fashion-MNIST.

    python benchmarks/families.py --minutes=10 --families=densenet,resnet

Each network's speed is measured first (median of five rounds of training steps, after
a warm-up); then it is trained by ``apps/train_classifier.py``, in a process of its own,
for as many whole epochs as fit into the budget, evaluation after each epoch included,
start-up and tracing apart. The results are added to ``docs/fashion_mnist.json``, one
entry per family, from which ``docs/models.md`` quotes.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
from absl import app, flags

import keras_cnns  # noqa: F401  sets TensorFlow's log level before it is loaded

import tensorflow as tf  # isort: skip

from keras_cnns import _files, applications, trainers

_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_APP = os.path.join(_ROOT, "apps", "train_classifier.py")
_RESULTS = os.path.join(_ROOT, "docs", "fashion_mnist.json")
_TRAINED, _TESTED = 60_000, 10_000
# Evaluation does the forward pass alone, about a third of a training step's work.
_EVALUATION_SHARE = 1 / 3

_COMMON = {
    "dataset": "fashion_mnist",
    "batch_size": 128,
    "learning_rate": 0.1,
    "weight_decay": 5e-4,
    "schedule": "cosine",
    "augmentation": "flip",
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
}

_FAMILIES = flags.DEFINE_list("families", list(FAMILIES), "which ones")
_MINUTES = flags.DEFINE_float("minutes", 10, "budget of each network", lower_bound=0.1)
_DATA_DIR = flags.DEFINE_string("data_dir", None, "where prepared data sets are")


def images_per_second(model, builder_args, values) -> float:
    """Speed of training steps: the median of five rounds, after a warm-up."""
    size = values.get("image_size") or 28
    network = applications.create_model(
        model,
        input_shape=(size, size, 1),
        classes=10,
        classifier_activation=None,
        **builder_args,
    )
    trainer = trainers.ClassificationTrainer(
        network, auxiliary_weight=values.get("auxiliary_weight", 0.0)
    )
    trainer.compile(trainers.make_optimizer("sgd", 0.01))
    batch_size = values["batch_size"]
    random = np.random.default_rng(0)
    images = random.normal(size=(batch_size, size, size, 1)).astype(np.float32)
    labels = np.eye(10, dtype=np.float32)[random.integers(0, 10, batch_size)]
    batches = tf.data.Dataset.from_tensors((images, labels)).repeat()
    trainer.fit(batches, steps_per_epoch=2, verbose=0)
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        trainer.fit(batches, steps_per_epoch=4, verbose=0)
        seconds.append(time.perf_counter() - started)
    return 4 * batch_size / statistics.median(seconds)


def train(family, minutes, data_dir) -> dict:
    """Measures, trains and reports one family."""
    model, builder_args, own = FAMILIES[family]
    values = {**_COMMON, **own}
    speed = images_per_second(model, builder_args, values)
    tf.keras.backend.clear_session()
    seconds_per_epoch = (_TRAINED + _EVALUATION_SHARE * _TESTED) / speed
    values["epochs"] = max(1, int(60 * minutes / seconds_per_epoch))
    values.update(model=model, builder_args=json.dumps(builder_args))
    if data_dir:
        values["data_dir"] = data_dir
    with tempfile.TemporaryDirectory() as folder:
        command = [f"--{name}={value}" for name, value in values.items()]
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, _APP, *command, f"--output_dir={folder}"], check=True
        )
        total = time.perf_counter() - started
        network, _ = trainers.load_run(folder, "last")
        with open(os.path.join(folder, "metrics.csv"), encoding="utf-8") as file:
            names, *rows = [line.strip().split(",") for line in file]
    epochs = [dict(zip(names, row)) for row in rows]
    return {
        "model": model,
        "flags": values,
        "accuracy": float(epochs[-1]["val_accuracy"]),
        "params": sum(int(tf.size(w)) for w in network.trainable_weights),
        "macs": applications.count_macs(network),
        "epochs": values["epochs"],
        "images_per_second": round(speed, 1),
        "training_seconds": round(sum(float(e["seconds"]) for e in epochs), 1),
        "total_seconds": round(total, 1),
        "cpus": os.cpu_count(),
        "date": time.strftime("%Y-%m-%d"),
    }


def main(_):
    unknown = set(_FAMILIES.value) - set(FAMILIES)
    if unknown:
        raise app.UsageError(f"unknown {sorted(unknown)}; there are {list(FAMILIES)}")
    for family in _FAMILIES.value:
        result = train(family, _MINUTES.value, _DATA_DIR.value)
        results = {}
        if os.path.exists(_RESULTS):
            with open(_RESULTS, encoding="utf-8") as file:
                results = json.load(file)
        results[family] = result
        _files.write_text(_RESULTS, json.dumps(results, indent=1) + "\n")
        print(
            f"{family}: {result['accuracy']:.2%} after {result['epochs']} epochs, "
            f"{result['params']:,} parameters, {result['images_per_second']} images/s"
        )


if __name__ == "__main__":
    app.run(main)
