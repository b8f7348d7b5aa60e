"""Spatial transformers on distorted digits: networks with and without, one budget.

    python benchmarks/spatial_transformers.py --json_file=stn.json
    python benchmarks/spatial_transformers.py --distortions=tc --networks=stn_fcn_affine

Each network of a distortion sees the same images equally often, in batches of 64 by
Adam at 1e-3; accuracy is on the test images, with the last weights. Fully connected
networks behind a transformer see digits of ``rts``, ``tc`` and ``addition`` averaged
over 2x2 pixels after these have warped them at full size; plain ones see all pixels.
All rows are trained in one process, from images in memory: for networks this small that
is much faster than ``apps/train_classifier.py``, which trains one of them. The images
are those of the data set ``distorted_digits``, or with ``--images`` these and more of
the same digits, so that a budget of updates need not be one of repetitions.
"""

import time

import numpy as np
from absl import app, flags
from tensorflow import keras

from keras_cnns import _files, applications, trainers
from keras_cnns.data.builders import distorted_digits

_PLAIN = ("stn_fcn", "stn_cnn", "stn_fcn_affine", "stn_cnn_affine")
# distortion: networks, downsampling behind the transformers of fully connected ones
DISTORTIONS = {
    "r": (_PLAIN, 1),
    "rts": (_PLAIN, 2),
    "p": (_PLAIN, 1),
    "e": (_PLAIN, 1),
    "tc": (_PLAIN, 2),
    "addition": (
        (
            "stn_addition_fcn",
            "stn_addition_cnn",
            "stn_addition_fcn_affine",
            "stn_addition_fcn_affine2",
        ),
        2,
    ),
}

_DISTORTIONS = flags.DEFINE_list("distortions", list(DISTORTIONS), "which ones")
_NETWORKS = flags.DEFINE_list("networks", [], "registry names; empty: those above")
_EPOCHS = flags.DEFINE_integer("epochs", 3, "epochs of every row", lower_bound=1)
_IMAGES = flags.DEFINE_integer(
    "images", 60_000, "to train on; 0: those of the data set", lower_bound=0
)
_SEED = flags.DEFINE_integer("seed", 0, "of initial weights and order")
_DATA_DIR = flags.DEFINE_string("data_dir", None, "where TFDS may have MNIST")
_JSON = flags.DEFINE_string("json_file", "", "file that gets the table; empty: none")


def read(distortion) -> tuple:
    """(train, test) images, standardised, and one-hot labels."""
    depth = 19 if distortion == "addition" else 10
    name, splits = distorted_digits.read_digits(_DATA_DIR.value)
    print(f"{distortion}, digits of {name}", flush=True)
    arrays = []
    for split, digits in splits.items():
        least = _IMAGES.value if split == "train" else 0
        drawn = distorted_digits.distorted(distortion, split, *digits, least)
        images, labels = (np.array(part) for part in zip(*drawn))
        arrays.append((images.astype(np.float32), np.eye(depth)[labels]))
    mean, std = arrays[0][0].mean(), arrays[0][0].std()
    return tuple(((images - mean) / std, labels) for images, labels in arrays)


def train(name, downsampling, train, test) -> dict:
    """One row of the table."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(_SEED.value)
    size, classes = train[0].shape[1:], train[1].shape[-1]
    options = {"downsampling": downsampling} if "_fcn_" in name else {}
    network = applications.create_model(
        name,
        input_shape=size,
        classes=classes,
        classifier_activation=None,
        **options,
    )
    trainer = trainers.ClassificationTrainer(network)
    trainer.compile(trainers.make_optimizer("adam", 1e-3))
    started = time.perf_counter(), time.process_time()
    trainer.fit(*train, batch_size=64, epochs=_EPOCHS.value, verbose=0)
    spent = time.perf_counter() - started[0], time.process_time() - started[1]
    report = trainer.evaluate(*test, batch_size=256, verbose=0, return_dict=True)
    return {
        "network": name,
        "params": network.count_params(),
        "accuracy": report["accuracy"],
        "images": len(train[0]),
        "epochs": _EPOCHS.value,
        "seconds": round(spent[0], 1),
        "cpu_seconds": round(spent[1], 1),
    }


def main(_):
    unknown = set(_DISTORTIONS.value) - set(DISTORTIONS)
    if unknown:
        raise app.UsageError(
            f"unknown {sorted(unknown)}; there are {list(DISTORTIONS)}"
        )
    table = []
    for distortion in _DISTORTIONS.value:
        arrays = read(distortion)
        names, downsampling = DISTORTIONS[distortion]
        for name in _NETWORKS.value or names:
            row = {"distortion": distortion, **train(name, downsampling, *arrays)}
            print(
                f"{distortion:9} {name:27} {row['params']:9,} {row['accuracy']:8.2%} "
                f"{row['seconds']:7.1f} s {row['cpu_seconds']:7.1f} CPU s",
                flush=True,
            )
            table.append(row)
            if _JSON.value:
                _files.write_json(_JSON.value, table, indent=1)


if __name__ == "__main__":
    app.run(main)
