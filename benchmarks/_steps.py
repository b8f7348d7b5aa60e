"""Training steps of real tasks, without a run: what the benchmarks of speed measure."""

# ruff: noqa: E402

import dataclasses
import json
import time

from keras_cnns import _processor

_processor.use_onednn()  # as commands that train do, before TensorFlow is loaded

import tensorflow as tf  # isort: skip

from keras_cnns.runs import process
from keras_cnns.tasks import TASKS
from keras_cnns.trainers import distribution

_CLASSIFIER = {"dataset": "digits", "channels": 3, "image_size": 224, "batch_size": 8}
_SMALL = {"dataset": "digits", "image_size": 28, "batch_size": 64}
_GAN = {"dataset": "photographs", "batch_size": 16}
# Steps by name: (task, its options); the data need no network.
STEPS = {
    "densenet121": ("classification", {**_CLASSIFIER, "model": "densenet121"}),
    "resnet50": ("classification", {**_CLASSIFIER, "model": "resnet50"}),
    "densenet_bc40_28": (
        "classification",
        {**_SMALL, "model": "cifar_densenet_bc40_k12"},
    ),
    "cifar_resnet20": ("classification", {**_SMALL, "model": "cifar_resnet20"}),
    "dcgan64": ("generation", {**_GAN, "model": "dcgan64"}),
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
    "lbam": (
        "inpainting",
        {"dataset": "photographs_128", "model": "lbam", "batch_size": 2}
        | {"image_size": 128, "validation_split": ""}
        | {"perceptual_weight": 0.0, "style_weight": 0.0},
    ),
    "faster_rcnn": (
        "detection",
        {"dataset": "scenes/items", "model": "faster_rcnn_vgg16", "batch_size": 1}
        | {"validation_split": ""},
    ),
}


def prepare(name: str, **changes):
    """A trainer and its data.

    Args:
        name: key of ``STEPS``.
        **changes: of its options.

    Returns:
        (compiled trainer, function of a step that returns the stream of batches from it
        on, examples per step).
    """
    task_name, given = STEPS[name]
    task_class = TASKS[task_name]
    given = {"run_dir": "not_written", **given, **changes}
    options = task_class.options_class.resolve(**given)
    strategy = distribution.make_strategy(options.distribution_strategy)
    task = task_class(options)
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
