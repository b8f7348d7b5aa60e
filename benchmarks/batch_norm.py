"""The experiment of the batch normalisation paper on a small scale: steps saved.

    python benchmarks/batch_norm.py --data_dir=data --output_dir=runs/batch_norm

One BN-Inception at a quarter of its width, 28x28 Fashion-MNIST, stochastic gradient
descent with momentum at a constant rate: without batch normalisation, with it at the
same rate, and with it at five times that rate; with the same initial kernels and
batches each time. ``batch_norm.json`` gets the test accuracy at fixed intervals, on the
first images of the test set only, to save time; ``batch_norm.png`` the three curves.

Ioffe, Szegedy, arXiv 1502.03167, figure 2 and section 4.2.1, did it on ImageNet.
"""

import os
import time

from absl import app, flags
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import keras_cnns  # noqa: F401  sets TensorFlow's log level before it is loaded

from tensorflow import keras  # isort: skip

from keras_cnns import _files, applications, data, trainers

_DATA_DIR = flags.DEFINE_string("data_dir", None, "where the data set is kept")
_OUTPUT = flags.DEFINE_string("output_dir", None, "folder for the results")
_RATE = flags.DEFINE_float("learning_rate", 0.01, "rate of the first two runs")
_FACTOR = flags.DEFINE_float("rate_factor", 5.0, "of the rate in the third run")
_BATCH = flags.DEFINE_integer("batch_size", 64, "examples per step")
_STEPS = flags.DEFINE_integer("steps", 700, "training steps of each run")
_INTERVAL = flags.DEFINE_integer("interval", 50, "steps between evaluations")
_IMAGES = flags.DEFINE_integer("test_images", 2000, "how many are evaluated")
_TARGET = flags.DEFINE_float("target", 0.8, "accuracy whose steps are counted")
_SEED = flags.DEFINE_integer("seed", 0, "of weights and batches")


def runs():
    """Name, whether there is batch normalisation, and rate of each run."""
    rate, higher = _RATE.value, _RATE.value * _FACTOR.value
    return [
        (f"without, rate {rate:g}", False, rate),
        (f"with, rate {rate:g}", True, rate),
        (f"with, rate {higher:g}", True, higher),
    ]


def train(batch_norm, rate, source, test):
    """Trains one net.

    Returns:
        Test accuracies after each interval, and the seconds that training took.
    """
    keras.backend.clear_session()
    keras.utils.set_random_seed(_SEED.value)
    network = applications.BNInception(
        stem="small",
        stem_strides=2,
        depth_multiplier=0.25,
        batch_norm=batch_norm,
        input_shape=(28, 28, 1),
        classes=10,
        classifier_activation=None,
    )
    trainer = trainers.ClassificationTrainer(network)
    trainer.compile(trainers.make_optimizer("sgd", rate, nesterov=False))
    batches = data.load_training(
        source[0], _BATCH.value, preprocessing=source[1], seed=_SEED.value
    )
    started = time.perf_counter()
    history = trainer.fit(
        batches,
        steps_per_epoch=_INTERVAL.value,
        epochs=_STEPS.value // _INTERVAL.value,
        validation_data=test,
        verbose=2,
    )
    return history.history["val_accuracy"], time.perf_counter() - started


def steps_to(target, accuracies):
    """Steps until an accuracy is reached first; None if it never is."""
    for count, accuracy in enumerate(accuracies, start=1):
        if accuracy >= target:
            return count * _INTERVAL.value
    return None


def plot(results, path):
    """The curves of all runs, and the target accuracy."""
    figure = Figure(figsize=(7, 4.2))
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for name, result in results.items():
        axes.plot(result["steps"], result["accuracy"], marker=".", label=name)
    axes.axhline(_TARGET.value, color="grey", linewidth=0.8, linestyle="--")
    axes.set_xlabel("training steps")
    axes.set_ylabel(f"accuracy on {_IMAGES.value:,} test images")
    axes.grid(alpha=0.3)
    axes.legend(title="batch normalisation")
    with _files.atomic_file(path) as file:
        figure.savefig(file, format="png", dpi=110, bbox_inches="tight")


def main(_):
    if _STEPS.value < _INTERVAL.value or _INTERVAL.value < 1:
        raise app.UsageError("--steps must be at least --interval, and that at least 1")
    source = data.open_source("fashion_mnist", "train", _DATA_DIR.value)
    preprocessing = data.measure_statistics(source, 28, 28, 1)
    test = data.load(
        "fashion_mnist",
        "test",
        _BATCH.value,
        preprocessing=preprocessing,
        data_dir=_DATA_DIR.value,
    )
    test = test.unbatch().take(_IMAGES.value).batch(_BATCH.value).cache()
    results = {}
    for name, batch_norm, rate in runs():
        print(f"batch normalisation: {name}", flush=True)
        accuracies, seconds = train(batch_norm, rate, (source, preprocessing), test)
        results[name] = {
            "learning_rate": rate,
            "batch_norm": batch_norm,
            "steps": [_INTERVAL.value * (i + 1) for i in range(len(accuracies))],
            "accuracy": accuracies,
            "steps_to_target": steps_to(_TARGET.value, accuracies),
            "seconds": round(seconds, 1),
        }
    plot(results, os.path.join(_OUTPUT.value, "batch_norm.png"))
    settings = {flag.name: flag.value for flag in _SETTINGS}
    _files.write_json(
        os.path.join(_OUTPUT.value, "batch_norm.json"),
        {"settings": settings, "runs": results},
        indent=2,
    )
    print(f"\n{'batch normalisation':22} {'steps to':>9} {'best':>8} {'seconds':>8}")
    for name, result in results.items():
        reached = result["steps_to_target"] or "never"
        best = f"{max(result['accuracy']):.2%}"
        print(f"{name:22} {reached!s:>9} {best:>8} {result['seconds']:8}")
    print(f"steps are those to {_TARGET.value:.0%}; everything is in {_OUTPUT.value}")


_SETTINGS = (_BATCH, _STEPS, _INTERVAL, _IMAGES, _TARGET, _SEED)

if __name__ == "__main__":
    flags.mark_flag_as_required("output_dir")
    app.run(main)
