"""Methods for depth: each deep network beside a plain counterpart.

    python benchmarks/depth.py --json_file=depth.json
    python benchmarks/depth.py --comparisons=highway --train_split=train --epochs=20

Fully connected highway networks and plain ones of equal depth (wider, with some more
parameters), a ResNet with and without stochastic depth, a FractalNet and its deepest
column. Within a comparison all rows have the same data, epochs and optimizer, momentum
in Nesterov's form; ``apps/train_classifier.py`` trains each in a process of its own. A
run that fails, with a loss that is not finite for example, is in the table with its
error message.

The loss is that of training in the last epoch, with blocks and columns left out where
the network drops them; accuracy is on the test split, with the last weights. The short
form takes a third of Fashion-MNIST.
"""

import csv
import json
import os
import subprocess
import sys
import tempfile
import time

from absl import app, flags

from keras_cnns import _files

_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_APP = os.path.join(_ROOT, "apps", "train_classifier.py")

_FULLY_CONNECTED = {"learning_rate": 0.01, "schedule": "constant", "weight_decay": 0.0}
_CONVOLUTIONAL = {"learning_rate": 0.1, "schedule": "cosine", "image_size": 16}
_HIGHWAY = {"transform_gate_bias": -4}
_PLAIN = {"plain": True}
_RESNET = {
    "units": [9, 9, 9],
    "block": "basic",
    "filters": 8,
    "shortcut": "average_pool",
    "stem": "small",
}
_FRACTAL = {"filters": [8, 16, 32, 64], "columns": 4, "dropout_rate": 0.0}
# comparison: rows of (label, model, builder arguments, flags)
COMPARISONS = {
    "highway": [
        ("highway, 20 layers", "highway_fc20", _HIGHWAY, _FULLY_CONNECTED),
        ("plain, 20 layers", "highway_fc20", _PLAIN, _FULLY_CONNECTED),
        ("highway, 50 layers", "highway_fc50", _HIGHWAY, _FULLY_CONNECTED),
        ("plain, 50 layers", "highway_fc50", _PLAIN, _FULLY_CONNECTED),
    ],
    "stochastic_depth": [
        ("ResNet-56, constant depth", "resnet", _RESNET, _CONVOLUTIONAL),
        (
            "ResNet-56, stochastic depth",
            "resnet",
            {**_RESNET, "final_survival_rate": 0.5},
            _CONVOLUTIONAL,
        ),
    ],
    "fractalnet": [
        ("FractalNet, 4 columns", "fractalnet", _FRACTAL, _CONVOLUTIONAL),
        (
            "its deepest column, 32 layers",
            "fractalnet",
            {**_FRACTAL, "only_column": 4},
            _CONVOLUTIONAL,
        ),
    ],
}

_COMPARISONS = flags.DEFINE_list("comparisons", list(COMPARISONS), "which ones")
_SPLIT = flags.DEFINE_string("train_split", "train[:20000]", "what is trained on")
_EPOCHS = flags.DEFINE_integer("epochs", 4, "epochs of every row", lower_bound=1)
_BATCH = flags.DEFINE_integer("batch_size", 128, "examples per step")
_DATA_DIR = flags.DEFINE_string("data_dir", None, "where prepared data sets are")
_JSON = flags.DEFINE_string("json_file", "", "file that gets the table; empty: none")


def train(model, builder_args, values) -> dict:
    """Trains one row and returns its last epoch, or its error."""
    values = {**values, "model": model, "builder_args": json.dumps(builder_args)}
    with tempfile.TemporaryDirectory() as folder:
        command = [f"--{name}={value}" for name, value in values.items()]
        started = time.perf_counter()
        ended = subprocess.run(
            [sys.executable, _APP, *command, f"--run_dir={folder}"],
            capture_output=True,
            text=True,
        )
        values.pop("data_dir", None)
        row = {"flags": values, "seconds": round(time.perf_counter() - started, 1)}
        if ended.returncode:
            lines = ended.stderr.strip().splitlines() or ["no message"]
            return {**row, "error": lines[-1], "exit_code": ended.returncode}
        with open(os.path.join(folder, "metrics.csv"), encoding="utf-8") as file:
            *_, last = csv.DictReader(file)
    return {
        **row,
        "train_loss": float(last["loss"]),
        "test_accuracy": float(last["val_accuracy"]),
    }


def main(_):
    unknown = set(_COMPARISONS.value) - set(COMPARISONS)
    if unknown:
        raise app.UsageError(
            f"unknown {sorted(unknown)}; there are {list(COMPARISONS)}"
        )
    common = {
        "dataset": "fashion_mnist",
        "train_split": _SPLIT.value,
        "epochs": _EPOCHS.value,
        "batch_size": _BATCH.value,
    }
    if _DATA_DIR.value:
        common["data_dir"] = _DATA_DIR.value
    table = []
    print(f"{'network':32} {'train loss':>10} {'accuracy':>9} {'seconds':>8}")
    for comparison in _COMPARISONS.value:
        for label, model, builder_args, own in COMPARISONS[comparison]:
            row = train(model, builder_args, {**common, **own})
            result = row.get("error") or (
                f"{row['train_loss']:10.3f} {row['test_accuracy']:9.2%} "
                f"{row['seconds']:8.1f}"
            )
            print(f"{label:32} {result}", flush=True)
            table.append({"comparison": comparison, "network": label, **row})
            if _JSON.value:
                _files.write_json(_JSON.value, table, indent=1)


if __name__ == "__main__":
    app.run(main)
