"""Sixteen times the batch with the same epochs: what keeps the accuracy.

    python benchmarks/large_batch.py --seeds=3 --json_file=large_batch.json
    python benchmarks/large_batch.py --dataset=fashion_mnist --batch_size=64 --epochs=5

A small batch, by SGD with momentum; and batches that are ``--factor`` times as large:
at the same rate; with the rate scaled by the same factor after a warm-up (Goyal et al.,
arXiv 1706.02677); and by LAMB with a warm-up (You et al., arXiv 1904.00962). All rows
have the same network, data, epochs and cosine schedule; ``apps/train_classifier.py``
trains each in a process of its own. Accuracy is on the test split, with the last
weights: means over ``--seeds`` +- sample standard deviations.
"""

import tempfile
import time

import _seeds
from absl import app, flags

from keras_cnns import _files

_MODEL = flags.DEFINE_string("model", "cifar_resnet20", "of the registry")
_DATASET = flags.DEFINE_string("dataset", "digits", "what is trained and tested on")
_DATA_DIR = flags.DEFINE_string("data_dir", None, "where prepared data sets are")
_BATCH = flags.DEFINE_integer("batch_size", 16, "the small one", lower_bound=1)
_FACTOR = flags.DEFINE_integer("factor", 16, "of the large one", lower_bound=2)
_EPOCHS = flags.DEFINE_integer("epochs", 30, "of every row", lower_bound=2)
_RATE = flags.DEFINE_float("learning_rate", 0.02, "of SGD with the small batch")
_LAMB_RATE = flags.DEFINE_float("lamb_learning_rate", 0.01, "of LAMB")
_SEEDS = flags.DEFINE_integer("seeds", 1, "runs of every row", lower_bound=1)
_JSON = flags.DEFINE_string("json_file", "", "file that gets the table; empty: none")


def rows() -> dict:
    """Flags of the trainings, by label."""
    rate, factor, warm_up = _RATE.value, _FACTOR.value, _EPOCHS.value / 6
    large = {"batch_size": _BATCH.value * factor}
    return {
        "SGD": {"batch_size": _BATCH.value, "learning_rate": rate},
        "SGD, same rate": {**large, "learning_rate": rate},
        "SGD, scaled rate, warm-up": {
            **large,
            "learning_rate": rate * factor,
            "warmup_epochs": warm_up,
        },
        "LAMB, warm-up": {
            **large,
            "optimizer": "lamb",
            "learning_rate": _LAMB_RATE.value,
            "warmup_epochs": warm_up,
        },
    }


def accuracy(values) -> float:
    """Of the last epoch on the test split."""
    with tempfile.TemporaryDirectory() as folder:
        run_dir = f"{folder}/run"
        _seeds.run_app("train_classifier", {**values, "run_dir": run_dir}, check=True)
        return float(_seeds.last_epoch(run_dir)["val_accuracy"])


def main(_):
    common = {"model": _MODEL.value, "dataset": _DATASET.value}
    common |= {"epochs": _EPOCHS.value, "quiet": True}
    if _DATA_DIR.value:
        common["data_dir"] = _DATA_DIR.value
    table = []
    for label, own in rows().items():
        started = time.perf_counter()
        values = {**common, **own}
        found = [accuracy({**values, "seed": seed}) for seed in range(_SEEDS.value)]
        row = {"label": label, "flags": values, **_seeds.over_seeds("accuracy", found)}
        table.append(row)
        print(
            f"{own['batch_size']:6} {label:28} {_seeds.shown(row, 'accuracy'):18} "
            f"{time.perf_counter() - started:8.1f} s",
            flush=True,
        )
        if _JSON.value:
            _files.write_json(_JSON.value, table, indent=1)


if __name__ == "__main__":
    app.run(main)
