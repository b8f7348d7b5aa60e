"""What pruning costs three classifiers of Fashion-MNIST.

    python benchmarks/pruning.py --output_dir=runs/pruning

trains thin or short forms of DenseNet-BC, ResNet-20 and All-CNN on a part of the
images, at half their size, prunes each in several ways, and trains what is left; with
random masks of the same density and without any, too, for as long. The folder keeps the
runs: what is there already is not trained again. Prints a table, and a line of JSON,
which ``--json_file`` gets too.
"""

import json
import os

import numpy as np
from absl import app, flags

import keras_cnns  # noqa: F401  sets TensorFlow's log level before it is loaded
from keras_cnns import _files, compression, runs
from keras_cnns.commands import run_command
from keras_cnns.tasks.classification import PruningTask

import tensorflow as tf  # isort: skip

NETS = {
    "densenet_bc": {
        "model": "densenet",
        "builder_args": '{"blocks": [3, 3, 3], "growth_rate": 12, '
        '"initial_filters": 24, "stem": "small"}',
    },
    "resnet20": {"model": "cifar_resnet20"},
    "all_cnn": {
        "model": "all_cnn",
        "builder_args": '{"filters": [32, 64], "input_dropout_rate": 0.0, '
        '"dropout_rate": 0.2, "rectified_class_maps": false}',
        "optimizer": "adam",
        "learning_rate": 1e-3,
        "weight_decay": 0.0,
    },
}
# Kernels of 3x3, and others, for each one kept. Patterns are 2.25 times by themselves.
_PATTERNS = {"connectivity": 1.0, "other_connectivity": 1.0}
_FOUR = {"connectivity": 4 / 2.25, "other_connectivity": 4.0}
_EIGHT = {"connectivity": 3.6, "other_connectivity": 8.1}
_ADMM = {"admm_rounds": 6, "admm_rho": 0.1}
WAYS = {
    "as_long": None,
    "patterns": _PATTERNS,
    "four": _FOUR,
    "eight": _EIGHT,
    "random": _EIGHT,
    "admm_four": {**_FOUR, **_ADMM},
    "admm_eight": {**_EIGHT, **_ADMM},
}

_TESTED = "test[:5000]"
_NETS = flags.DEFINE_list("nets", list(NETS), "which networks")
_WAYS = flags.DEFINE_list(
    "ways", ["as_long", "patterns", "four", "eight"], "which ways"
)
_IMAGES = flags.DEFINE_integer("images", 6000, "images to train on")
_SIZE = flags.DEFINE_integer("image_size", 14, "height and width of the images")
_EPOCHS = flags.DEFINE_integer("epochs", 6, "epochs of the dense network")
_FURTHER = flags.DEFINE_integer("further_epochs", 4, "epochs of what is left of it")
_FOLDER = flags.DEFINE_string("output_dir", None, "folder of the runs", required=True)
_DATA = flags.DEFINE_string("data_dir", None, "folder of the data set")
_FILE = flags.DEFINE_string("json_file", "", "file that gets the result as JSON")


class _RandomRule(compression.KernelRule):
    """As many weights of as many kernels, whatever their values."""

    def mask(self, values):
        random = np.random.default_rng(values.shape)
        return super().mask(random.normal(size=values.shape))


class _RandomTask(PruningTask):
    """Prunes by chance."""

    def _rules(self, network, config):
        return [_RandomRule(**vars(r)) for r in super()._rules(network, config)]


def _train(net, way) -> dict:
    """Accuracies of a run, which is made unless it is there."""
    folder = os.path.join(_FOLDER.value, f"{net}_{way}")
    path = os.path.join(folder, "result.json")
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    tf.keras.backend.clear_session()
    dense = os.path.join(_FOLDER.value, f"{net}_dense")
    if way in ("dense", "as_long"):
        options = {**NETS[net], "dataset": "fashion_mnist", "data_dir": _DATA.value}
        options |= {"train_split": f"train[:{_IMAGES.value}]", "epochs": _EPOCHS.value}
        options |= {"validation_split": _TESTED, "image_size": _SIZE.value}
        if way == "as_long":
            last = os.path.join(dense, "last.h5")
            options |= {"init_weights": last, "epochs": _FURTHER.value}
        progress = run_command("train-classifier", run_dir=folder, **options)
        result = {"retrained": progress["report"].top_1}
    else:
        options = {**WAYS[way], "run_dir": dense, "output_dir": folder}
        epochs = _FURTHER.value + WAYS[way].get("admm_rounds", 0)
        if "admm_rounds" in WAYS[way] and "optimizer" not in NETS[net]:
            options["admm_learning_rate"] = 0.01  # a tenth of the run's
        result = _pruned(way == "random", epochs=epochs, **options)
    _files.write_json(path, result)
    return result


def _pruned(by_chance, **options):
    if by_chance:
        options = PruningTask.options_class.resolve(**options)
        pruning = runs.train(_RandomTask, options)["pruning"]
    else:
        pruning = run_command("prune-classifier", **options)["pruning"]
    total = pruning["layers"][-1]
    return {**pruning["accuracy"], **total}


def main(_):
    rows = []
    for net in _NETS.value:
        for way in ("dense", *_WAYS.value):
            row = {"net": net, "way": way, **_train(net, way)}
            rows.append(row)
            _show(row)
    for row in rows:
        _show(row)
    result = json.dumps(rows)
    print(result)
    if _FILE.value:
        _files.write_text(_FILE.value, f"{result}\n")


def _show(row):
    print(
        f"{row['net']:12} {row['way']:9} {row.get('compression', 1):6.2f} times fewer  "
        f"projected {row.get('projected', np.nan):.4f}  trained {row['retrained']:.4f}",
        flush=True,
    )


if __name__ == "__main__":
    app.run(main)
