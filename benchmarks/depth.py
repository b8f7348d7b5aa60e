"""Methods for depth: each deep network beside a plain counterpart.

    python benchmarks/depth.py --json_file=depth.json
    python benchmarks/depth.py --comparisons=highway --train_split=train --epochs=20
    python benchmarks/depth.py --comparisons=fractalnet --seeds=3

Fully connected highway networks and plain ones of equal depth (wider, with some more
parameters), a ResNet with and without stochastic depth, a FractalNet and its deepest
column. Within a comparison all rows have the same data, epochs and optimizer, momentum
in Nesterov's form; ``apps/train_classifier.py`` trains each in a process of its own. A
run that fails, with a loss that is not finite for example, is in the table with its
error message.

The loss is that of training in the last epoch, with blocks and columns left out where
the network drops them; accuracy is on the test split, with the last weights; the third
column is accuracy with the statistics of batch normalisation measured again on
``--statistics_images``, with nothing dropped. Means over ``--seeds`` +- sample standard
deviations. The short form takes a third of Fashion-MNIST.
"""

import json
import tempfile
import time

import _seeds
from absl import app, flags

from keras_cnns import _files, data, inference, inspection, metrics

_FULLY_CONNECTED = {"learning_rate": 0.01, "schedule": "constant", "weight_decay": 0.0}
_CONVOLUTIONAL = {"learning_rate": 0.1, "schedule": "cosine"}
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
_TEST_SPLIT = flags.DEFINE_string("test_split", "test", "what is tested on")
_IMAGE_SIZE = flags.DEFINE_integer(
    "image_size", 16, "height and width, of convolutional networks", lower_bound=1
)
_EPOCHS = flags.DEFINE_integer("epochs", 4, "epochs of every row", lower_bound=1)
_SEEDS = flags.DEFINE_integer("seeds", 1, "runs of every row", lower_bound=1)
_STATISTICS = flags.DEFINE_integer(
    "statistics_images", 0, "to measure statistics on again; 0: not", lower_bound=0
)
_BATCH = flags.DEFINE_integer("batch_size", 128, "examples per step")
_DATA_DIR = flags.DEFINE_string("data_dir", None, "where prepared data sets are")
_JSON = flags.DEFINE_string("json_file", "", "file that gets the table; empty: none")


def train(model, builder_args, values) -> dict:
    """Trains one row with one seed and returns its last epoch, or its error."""
    values = {**values, "model": model, "builder_args": json.dumps(builder_args)}
    with tempfile.TemporaryDirectory() as folder:
        ended = _seeds.run_app(
            "train_classifier",
            {**values, "run_dir": folder},
            capture_output=True,
            text=True,
        )
        if ended.returncode:
            lines = ended.stderr.strip().splitlines() or ["no message"]
            return {"error": lines[-1], "exit_code": ended.returncode}
        last = _seeds.last_epoch(folder)
        found = {
            "train_loss": float(last["loss"]),
            "test_accuracy": float(last["val_accuracy"]),
        }
        if _STATISTICS.value:
            found["remeasured_accuracy"] = remeasured_accuracy(folder)
    return found


def remeasured_accuracy(run_dir) -> float:
    """Test accuracy with the statistics of the whole network on training images."""
    network, run = inference.load_classifier(run_dir, "last")

    def load(split):
        return data.load(
            "fashion_mnist",
            split,
            200,
            data_dir=_DATA_DIR.value,
            preprocessing=run.config.preprocessing,
        )

    batches = [images for images, _ in load(f"train[:{_STATISTICS.value}]")]
    network = inspection.remeasure_batch_norm(network, batches)
    names = run.config.class_names
    return metrics.evaluate_classifier(network, load(_TEST_SPLIT.value), names).top_1


def measure(model, builder_args, values) -> dict:
    """One row of the table: all seeds, or the first error."""
    started = time.perf_counter()
    kept = {name: value for name, value in values.items() if name != "data_dir"}
    row = {"flags": {**kept, "model": model, "builder_args": builder_args}}
    found = []
    for seed in range(_SEEDS.value):
        found.append(train(model, builder_args, {**values, "seed": seed}))
        if "error" in found[-1]:
            return {**row, **found[-1], "seed": seed}
    for name in found[0]:
        row.update(_seeds.over_seeds(name, [result[name] for result in found]))
    return {**row, "seconds": round(time.perf_counter() - started, 1)}


def show(row) -> str:
    """A row as text."""
    if "error" in row:
        return f"seed {row['seed']}: {row['error']}"
    again = "remeasured_accuracy"
    return (
        f"{_seeds.shown(row, 'train_loss', '.3f'):16} "
        f"{_seeds.shown(row, 'test_accuracy'):18} "
        f"{_seeds.shown(row, again) if again in row else '':18} {row['seconds']:8.1f}"
    )


def main(_):
    unknown = set(_COMPARISONS.value) - set(COMPARISONS)
    if unknown:
        raise app.UsageError(
            f"unknown {sorted(unknown)}; there are {list(COMPARISONS)}"
        )
    if _STATISTICS.value and "highway" in _COMPARISONS.value:
        raise app.UsageError(
            f"--statistics_images={_STATISTICS.value}: the networks of highway have no "
            "batch normalisation; name the other --comparisons"
        )
    if _IMAGE_SIZE.present and _COMPARISONS.value == ["highway"]:
        raise app.UsageError(
            f"--image_size={_IMAGE_SIZE.value} has no effect on the networks of "
            "highway, which take 28x28"
        )
    common = {
        "dataset": "fashion_mnist",
        "train_split": _SPLIT.value,
        "validation_split": _TEST_SPLIT.value,
        "epochs": _EPOCHS.value,
        "batch_size": _BATCH.value,
    }
    if _DATA_DIR.value:
        common["data_dir"] = _DATA_DIR.value
    table = []
    print(
        f"{'network':32} {'train loss':16} {'accuracy':18} {'remeasured':18} "
        f"{'seconds':>8}"
    )
    for comparison in _COMPARISONS.value:
        for label, model, builder_args, own in COMPARISONS[comparison]:
            values = {**common, **own}
            if comparison != "highway":
                values["image_size"] = _IMAGE_SIZE.value
            row = measure(model, builder_args, values)
            print(f"{label:32} {show(row)}", flush=True)
            table.append({"comparison": comparison, "network": label, **row})
            if _JSON.value:
                _files.write_json(_JSON.value, table, indent=1)


if __name__ == "__main__":
    app.run(main)
