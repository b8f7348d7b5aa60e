"""Training steps of real tasks, without a run: what the benchmarks of speed measure.

Of every kind of trainer there is one, but for two: pruning starts from a trained run,
and its step is that of a classifier under masks; the four steps of Faster R-CNN's
alternating training are those of its two parts, by turns.
"""

# ruff: noqa: E402

import dataclasses
import json
import os
import statistics
import tempfile
import time

from keras_cnns import _processor

_processor.use_onednn()  # as commands that train do, before TensorFlow is loaded

import tensorflow as tf  # isort: skip

from keras_cnns import applications
from keras_cnns.runs import process
from keras_cnns.tasks import TASKS
from keras_cnns.trainers import distribution

_PAUSE = 0.05  # seconds
_FOLDER = tempfile.TemporaryDirectory()  # of what steps need first; goes at the end


def _vgg19_file() -> str:
    """A file of VGG19's weights, random ones: they take as long as ImageNet's."""
    path = os.path.join(_FOLDER.name, "vgg19.h5")
    if not os.path.exists(path):
        network = applications.create_model("vgg19", include_top=False)
        applications.save_weights(network, path)
    return path


_CLASSIFIER = {"dataset": "digits", "channels": 3, "image_size": 224, "batch_size": 8}
_SMALL = {"dataset": "digits", "image_size": 28, "batch_size": 64}
_GAN = {"dataset": "photographs", "batch_size": 16}
_HOLES = {"dataset": "photographs_128", "image_size": 128, "validation_split": ""}
_NO_FEATURES = {"perceptual_weight": 0.0, "style_weight": 0.0}
_SCENES = {"dataset": "scenes/items", "batch_size": 1, "validation_split": ""}
_FEW_SCENES = {**_SCENES, "train_split": "train[:4]"}  # regions are searched for first
_PICTURES = {"dataset": "photographs", "image_size": 64, "validation_split": ""}
# Steps by name: (task, its options); the data need no network. Values that are
# functions are called first. Phases that train one network alone are left out.
STEPS = {
    "densenet121": ("classification", {**_CLASSIFIER, "model": "densenet121"}),
    "resnet50": ("classification", {**_CLASSIFIER, "model": "resnet50"}),
    "densenet_bc40_28": (
        "classification",
        {**_SMALL, "model": "cifar_densenet_bc40_k12"},
    ),
    "cifar_resnet20": ("classification", {**_SMALL, "model": "cifar_resnet20"}),
    "swwae": ("autoencoding", {"dataset": "digits", "model": "swwae_mnist"}),
    "dcgan64": ("generation", {**_GAN, "model": "dcgan64"}),
    "dcgan64_noise": (
        "generation",
        {**_GAN, "model": "dcgan64", "instance_noise": 0.1, "instance_noise_epochs": 5},
    ),
    "cgan": (
        "generation",
        {"dataset": "digits", "model": "dcgan28", "batch_size": 64},
    ),
    "wgan64": ("generation", {**_GAN, "model": "wgan64"}),
    "wgan_gp_cifar10": (
        "generation",
        {**_GAN, "model": "wgan_gp_cifar10", "image_size": 32},
    ),
    "simgan": (
        "refinement",
        {"dataset": "rendered_digits", "real_dataset": "digits", "model": "simgan_eye"}
        | {"image_size": 35, "batch_size": 16}
        | {"refiner_pretraining": 0, "discriminator_pretraining": 0},
    ),
    "pconv_unet": (
        "inpainting",
        {**_HOLES, **_NO_FEATURES, "model": "pconv_unet", "batch_size": 2}
        | {"image_size": 256},
    ),
    "lbam": (
        "inpainting",
        {**_HOLES, **_NO_FEATURES, "model": "lbam", "batch_size": 2},
    ),
    "global_local": (
        "inpainting",
        {**_HOLES, "model": "global_local", "batch_size": 4}
        | {"completion_fraction": 0.0, "discriminator_alone_fraction": 0.0},
    ),
    "contextual_attention": (
        "inpainting",
        {**_HOLES, "model": "contextual_attention", "batch_size": 2},
    ),
    "rcnn": ("detection", {**_FEW_SCENES, "model": "rcnn_small"}),
    "sppnet": ("detection", {**_FEW_SCENES, "model": "sppnet_zf"}),
    "fast_rcnn": ("detection", {**_FEW_SCENES, "model": "fast_rcnn_vgg16"}),
    "rpn": ("detection", {**_SCENES, "model": "rpn_vgg16"}),
    "faster_rcnn": ("detection", {**_SCENES, "model": "faster_rcnn_vgg16"}),
    "edsr": ("super_resolution", {**_PICTURES, "model": "edsr_baseline_x2"}),
    "srgan": (
        "super_resolution",
        {**_PICTURES, "model": "srgan", "batch_size": 4}
        | {"feature_weights": _vgg19_file, "pixel_fraction": 0.0},
    ),
}


def make_task(name: str, **changes):
    """The task of a step, which is not opened yet.

    Args:
        name: key of ``STEPS``.
        **changes: of its options.
    """
    task_name, given = STEPS[name]
    given = {"run_dir": os.path.join(_FOLDER.name, name), **given, **changes}
    given = {key: made() if callable(made) else made for key, made in given.items()}
    task_class = TASKS[task_name]
    return task_class(task_class.options_class.resolve(**given))


def prepare(name: str, **changes):
    """A trainer and its data.

    Args:
        name: key of ``STEPS``.
        **changes: of its options.

    Returns:
        (compiled trainer, function of a step that returns the stream of batches from it
        on, examples per step).
    """
    task = make_task(name, **changes)
    options = task.options
    strategy = distribution.make_strategy(options.distribution_strategy)
    task.check(strategy.num_replicas_in_sync)
    process.set_up(options.seed, options.mixed_precision)
    with strategy.scope():
        task.open()
        config = dataclasses.replace(task.configure(), facts=task.facts())
        trainer = task.make_trainer(config, True)
    source, minibatches = task.sources[0]
    return (
        trainer,
        lambda step: task.load_batches(config, step),
        options.batch_size * minibatches,
    )


def step_function(trainer):
    """The training step of an iterator's next batch, as one graph."""
    run = trainer.distribute_strategy.run
    return tf.function(lambda batches: run(trainer.train_step, (next(batches),)))


def seconds(function, count) -> float:
    """Seconds of some calls whose results are fetched, together."""
    started = time.perf_counter()
    for _ in range(count):
        found = function()
    tf.nest.map_structure(lambda x: x.numpy() if tf.is_tensor(x) else x, found)
    return time.perf_counter() - started


def medians_in_turn(runs: dict, rounds: int) -> dict:
    """Medians of what functions return, called in turn, in either order.

    A B C, C B A, A B C and so on, since who comes first may have an advantage. A first
    round, in which graphs are traced, does not count. Before each call there is a
    pause, as threads spin for a while.

    Args:
        runs: functions without arguments that return seconds, by name.
        rounds: calls of each that count.
    """
    spent = {name: [] for name in runs}
    order = list(runs)
    for _ in range(1 + rounds):
        for name in order:
            time.sleep(_PAUSE)
            spent[name].append(runs[name]())
        order.reverse()
    return {name: statistics.median(values[1:]) for name, values in spent.items()}


def parse_json(text: str, kind: type):
    """A flag's value as JSON.

    Raises:
        ValueError: if it is none, or not of the kind, ``dict`` or ``list`` of them.
    """
    value = json.loads(text)
    parts = value if kind is list else [value]
    if not isinstance(value, kind) or not all(isinstance(x, dict) for x in parts):
        wanted = "list of objects" if kind is list else "object"
        raise ValueError(f"changes must be a JSON {wanted}, got {text!r}")
    return value
