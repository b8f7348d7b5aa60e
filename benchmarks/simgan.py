"""Do refined digits train a better classifier of scanned ones than rendered digits?

    python benchmarks/simgan.py --seeds=3 --json_file=simgan.json

For every seed a refiner is trained on rendered digits against scanned ones, and a small
ResNet once on the rendered digits and once on the same digits refined;
``apps/refine_images.py`` and ``apps/train_classifier.py`` do so, each in a process of
its own, with the seed. Accuracy is on the scanned digits of the test split, after the
last epoch; mean over seeds +- sample standard deviation, also of the gain within a
seed.
"""

import json
import os
import tempfile
import time

import _seeds
from absl import app, flags

from keras_cnns import _files

_RENDERED, _SCANNED = "rendered_digits", "digits"
_REFINER = {
    "model": "simgan_eye",
    "dataset": _RENDERED,
    "real_dataset": _SCANNED,
    "builder_args": json.dumps(
        {
            "refiner": {"filters": 24},
            "discriminator": {"filters": [48, 32, 32, 32], "strides": [1, 2, 1, 1]},
        }
    ),
    "batch_size": 32,
    "optimizer": "adam",
    "learning_rate": 0.0005,
    "refiner_pretraining": 104,
    "discriminator_pretraining": 52,
    "regularization_weight": 0.5,
    "buffer_size": 3200,
}
_CLASSIFIER = {
    "model": "resnet",
    "builder_args": json.dumps(
        {"units": [1, 1], "block": "basic", "filters": 16, "stem": "small"}
    ),
    "preprocessing": "tf",
    "image_size": 8,
    "batch_size": 64,
    "learning_rate": 0.05,
}

_SEEDS = flags.DEFINE_integer("seeds", 3, "refiners and classifiers", lower_bound=1)
_EPOCHS = flags.DEFINE_integer("epochs", 10, "of the refiners", lower_bound=1)
_CLASSIFIER_EPOCHS = flags.DEFINE_integer(
    "classifier_epochs", 5, "of the classifiers", lower_bound=1
)
_DATA_DIR = flags.DEFINE_string("data_dir", None, "where prepared data sets are")
_JSON = flags.DEFINE_string("json_file", "", "file that gets the table; empty: none")


def run(name, values) -> None:
    """Runs an app with the data's place; its errors end the comparison."""
    place = {"data_dir": _DATA_DIR.value} if _DATA_DIR.value else {}
    _seeds.run_app(name, {**values, **place}, check=True)


def save_scanned(folder) -> None:
    """Puts the digits that all classifiers are tested on beside those to train on."""
    run("save_images", {"dataset": _SCANNED, "split": "test", "output_dir": folder})


def refine(folder, seed) -> str:
    """Trains a refiner; returns the folder of the images that it has refined."""
    run(
        "refine_images",
        {**_REFINER, "epochs": _EPOCHS.value, "seed": seed, "run_dir": folder},
    )
    save_scanned(os.path.join(folder, "refined"))
    return os.path.join(folder, "refined")


def accuracy_on_scanned(images, folder, seed) -> float:
    """Trains a classifier on ``images/train``; its accuracy on ``images/test``."""
    run(
        "train_classifier",
        {
            **_CLASSIFIER,
            "dataset": images,
            "epochs": _CLASSIFIER_EPOCHS.value,
            "seed": seed,
            "run_dir": folder,
        },
    )
    return float(_seeds.last_epoch(folder)["val_accuracy"])


def main(_):
    found = {"rendered": [], "refined": [], "gain": []}
    table = {"epochs": _EPOCHS.value, "classifier_epochs": _CLASSIFIER_EPOCHS.value}
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        rendered = os.path.join(folder, "rendered")
        run(
            "save_images",
            {"dataset": _RENDERED, "split": "train", "output_dir": rendered},
        )
        save_scanned(rendered)
        for seed in range(_SEEDS.value):
            refined = refine(os.path.join(folder, f"refiner_{seed}"), seed)
            for name, images in (("rendered", rendered), ("refined", refined)):
                run_dir = os.path.join(folder, f"on_{name}_{seed}")
                found[name].append(accuracy_on_scanned(images, run_dir, seed))
            found["gain"].append(found["refined"][-1] - found["rendered"][-1])
            for name, values in found.items():
                table.update(_seeds.over_seeds(name, values))
                print(f"seed {seed}: {name:9} {values[-1]:.2%}", flush=True)
            table["seconds"] = round(time.perf_counter() - started, 1)
            if _JSON.value:
                _files.write_json(_JSON.value, table, indent=1)
    for name in found:
        print(f"{name:9} {_seeds.shown(table, name)}")


if __name__ == "__main__":
    app.run(main)
