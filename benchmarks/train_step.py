"""Training speed with and without XLA, side by side.

    python benchmarks/train_step.py --json_file=xla.json

One process, the same batch, steps of both kinds in turn (A B A B ...), medians of the
rounds after a warm-up. Speeds of the GANs count the images that the discriminator
sees. Takes some ten minutes on two cores. Needs the extra ``bench``.
"""

import os
import statistics
import time

import numpy as np
import psutil
from absl import app, flags

import keras_cnns  # noqa: F401  sets TensorFlow's log level before it is loaded

import tensorflow as tf  # isort: skip

from keras_cnns import _files, applications, trainers


def _classifier(model, **builder_args):
    """Function of ``enable_xla`` that returns a compiled trainer."""

    def make(enable_xla):
        network = applications.create_model(
            model, classifier_activation=None, **builder_args
        )
        trainer = trainers.ClassificationTrainer(network, enable_xla=enable_xla)
        trainer.compile(trainers.make_optimizer("sgd", 0.1))
        return trainer

    return make


def _gan(kind, model, discriminator, latent_size):
    """The same for a GAN, with its paper's number of discriminator steps."""

    def make(enable_xla):
        trainer = kind(
            applications.create_model(f"{model}_generator"),
            applications.create_model(f"{model}_{discriminator}"),
            latents=latent_size,
            enable_xla=enable_xla,
        )
        trainer.compile(*(trainers.make_optimizer("adam", 1e-4) for _ in range(2)))
        return trainer

    return make


# name: (function that makes the trainer, shape of an image, images per step)
STEPS = {
    "DenseNet-BC k=24 28x28x1": (
        _classifier(
            "densenet",
            blocks=(4, 4, 4),
            growth_rate=24,
            initial_filters=48,
            stem="small",
            stem_strides=2,
            input_shape=(28, 28, 1),
            classes=10,
        ),
        (28, 28, 1),
        128,
    ),
    "CifarResNet20 32x32x3": (_classifier("cifar_resnet20"), (32, 32, 3), 128),
    "DCGAN 64x64x3": (
        _gan(trainers.GAN, "dcgan64", "discriminator", 100),
        (64, 64, 3),
        16,
    ),
    "WGAN-GP 32x32x3": (
        _gan(trainers.WassersteinGANGP, "wgan_gp_cifar10", "critic", 128),
        (32, 32, 3),
        5 * 16,
    ),
}

_NETWORKS = flags.DEFINE_list("networks", list(STEPS), "which ones, by their names")
_ROUNDS = flags.DEFINE_integer("rounds", 7, "rounds of each kind, at least 5")
_STEPS = flags.DEFINE_integer("steps", 4, "steps per round")
_JSON = flags.DEFINE_string("json_file", "", "file that gets the numbers; empty: none")


def _seconds(trainer, batch, steps):
    started = time.perf_counter()
    trainer.fit(batch.repeat(steps), verbose=0)
    return time.perf_counter() - started


def measure(make, image_shape, batch_size, rounds, steps):
    """Images per second without and with XLA: medians of the rounds."""
    pair = {kind: make(kind == "xla") for kind in ("graph", "xla")}
    random = np.random.default_rng(0)
    labels = np.eye(10, dtype=np.float32)[random.integers(0, 10, batch_size)]
    images = random.normal(size=(batch_size, *image_shape)).astype(np.float32)
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
    unknown = set(_NETWORKS.value) - set(STEPS)
    if unknown:
        raise app.UsageError(f"unknown {sorted(unknown)}; there are {list(STEPS)}")
    results = {
        "cpus": os.cpu_count(),
        "cpu_percent_before": psutil.cpu_percent(interval=2),
    }
    print(f"{'model':50} {'graph':>9} {'xla':>9}  ratio   (images per second)")
    for name in _NETWORKS.value:
        make, image_shape, batch_size = STEPS[name]
        speed = measure(make, image_shape, batch_size, _ROUNDS.value, _STEPS.value)
        ratio = speed["xla"] / speed["graph"]
        print(f"{name:50} {speed['graph']:9.1f} {speed['xla']:9.1f}  {ratio:5.2f}")
        results[name] = {**speed, "ratio": ratio, "batch_size": batch_size}
        tf.keras.backend.clear_session()
    if _JSON.value:
        _files.write_json(_JSON.value, results, indent=2)


if __name__ == "__main__":
    app.run(main)
