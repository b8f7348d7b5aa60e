"""The commands: ``keras-cnns <verb> --flags``, and the scripts in ``apps/``.

    keras-cnns --help
    keras-cnns train-classifier --model=cifar_densenet_bc40_k12 --dataset=digits \\
        --run_dir=runs/digits
"""

import difflib
import functools
import importlib
import sys
from typing import TYPE_CHECKING, Any

from keras_cnns import _processor, _progress
from keras_cnns._quiet import quiet_import

if TYPE_CHECKING:
    from keras_cnns.runs.task import Task

# Verb: (what it does, package of a task, or module with ``OPTIONS`` and ``run``).
VERBS = {
    "train-classifier": ("train an image classifier", "tasks.classification"),
    "train-autoencoder": (
        "train an auto-encoder, and a classifier with few labels",
        "tasks.autoencoding",
    ),
    "train-detector": ("train an object detector", "tasks.detection"),
    "train-gan": ("train a generative adversarial network", "tasks.generation"),
    "train-inpainter": ("train a network that fills holes", "tasks.inpainting"),
    "train-super-resolution": (
        "train a network that enlarges pictures",
        "tasks.super_resolution",
    ),
    "refine-images": ("train a refiner of simulated images", "tasks.refinement"),
    "evaluate-classifier": ("evaluate a classifier", "commands.evaluate_classifier"),
    "evaluate-autoencoder": (
        "evaluate an auto-encoder",
        "commands.evaluate_autoencoder",
    ),
    "evaluate-gan": ("score a generator: FID, KID, …", "commands.evaluate_gan"),
    "evaluate-detector": ("evaluate a detector", "commands.evaluate_detector"),
    "predict": ("classify images", "commands.predict"),
    "prune-classifier": (
        "set most weights of a classifier to zero",
        "commands.prune_classifier",
    ),
    "inspect-classifier": (
        "show what a classifier looks at",
        "commands.inspect_classifier",
    ),
    "detect": ("find objects in images", "commands.detect"),
    "sample-gan": ("sample images from a generator", "commands.sample_gan"),
    "inpaint": ("fill the holes of images", "commands.inpaint"),
    "compare-inpainting": (
        "compare inpainting methods on the same holes",
        "commands.compare_inpainting",
    ),
    "upscale": ("enlarge pictures", "commands.upscale"),
    "compare-super-resolution": (
        "compare methods of enlarging pictures",
        "commands.compare_super_resolution",
    ),
    "export-model": ("export a run for TF Serving", "commands.export_model"),
    "serve": ("answer requests by exported models", "commands.serve"),
    "serve-data": ("make batches for other machines", "commands.serve_data"),
    "studio": ("use runs on a page in the browser", "commands.studio"),
    "study-dcgan": ("inspect the networks of a GAN", "commands.study_dcgan"),
    "study-gan-training": (
        "plot why GANs are hard to train",
        "commands.study_gan_training",
    ),
    "list-models": ("show models and recipes", "commands.list_models"),
    "list-options": ("show the flags of commands", "commands.list_options"),
    "check-boxes": ("look for bad boxes in a data set", "commands.check_boxes"),
    "save-images": ("write a data set as image files", "commands.save_images"),
}
# What else trains networks than tasks do.
_ALSO_TRAIN = ("prune-classifier", "study-gan-training")


def find_command(verb: str) -> tuple:
    """The command of a verb: (help text, ``Options`` class, function of options).

    Raises:
        ValueError: if there is no such verb; names the nearest.
    """
    if verb not in VERBS:
        near = difflib.get_close_matches(verb, VERBS, n=1)
        hint = f"; did you mean {near[0]}?" if near else "."
        raise ValueError(f"unknown verb {verb!r}{hint} There are {', '.join(VERBS)}")
    package, _, name = VERBS[verb][1].partition(".")
    if "tensorflow" not in sys.modules:
        if package == "tasks" or verb in _ALSO_TRAIN:
            _processor.use_onednn()
        with quiet_import():
            importlib.import_module("tensorflow")
    module = importlib.import_module(f"keras_cnns.{package}.{name}")
    if package == "tasks":
        tasks = importlib.import_module("keras_cnns.tasks")
        task = tasks.TASKS[name]
        return module.__doc__, task.options_class, functools.partial(tasks.train, task)
    # The data were imported with it; listing the verbs must not load them.
    sources = importlib.import_module("keras_cnns.data.sources")
    run = sources.naming_bad_images()(_reported(module.run))
    return module.__doc__, module.OPTIONS, run


def _reported(run):
    """A command's function that shows progress, unless its options are quiet."""

    @functools.wraps(run)
    def reported(options):
        # Of those that take no time, quiet is no option.
        with _progress.shown(getattr(options, "quiet", False)):
            return run(options)

    return reported


def verb_of(task: "type[Task]") -> str:
    """The verb that trains a task."""
    target = f"tasks.{task.name}"
    return next(verb for verb, (_, module) in VERBS.items() if module == target)


def run_command(verb: str, /, **given: Any) -> Any:
    """Runs a command from code and returns its result.

    Args:
        verb: key of ``VERBS``.
        **given: options by name; defaults are those of the command line.

    Raises:
        ValueError: if an option is bad or has no effect.
    """
    _, options, run = find_command(verb)
    return run(options.resolve(**given))


def main(verb: str) -> None:
    """The script of a verb: flags, run, exit code."""
    _start(find_command(verb))


def _start(command):
    # Listing the verbs must not load TensorFlow.
    program = importlib.import_module("keras_cnns.commands.program")
    program.start(*command)


def console() -> None:
    """``keras-cnns <verb> --flags``."""
    verb = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if verb in ("--help", "-h", "help", "-help"):
        width = max(map(len, VERBS))
        print("usage: keras-cnns <verb> --flags; keras-cnns <verb> --help\n")
        for name, (text, _) in VERBS.items():
            print(f"  {name:{width}}  {text}")
        return
    try:
        command = find_command(verb)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    sys.argv = [f"{sys.argv[0]} {verb}", *sys.argv[2:]]
    _start(command)
