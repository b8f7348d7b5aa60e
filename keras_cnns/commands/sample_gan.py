"""Samples images from a trained generator.

    sample-gan --run_dir=runs/dcgan --num_images=64 --seed=1 --output_dir=samples

writes ``samples/<number>.png`` and, of all of them, ``samples/grid.png``; from a
conditional generator ``samples/<class>/<number>.png``, of each class in turn or of
``--classes``.

    sample-gan --model=dcgan64_torch --weights=netG.pth --output_dir=samples

takes a model of ``train-gan`` and a file of its generator's weights in place of a run.
"""

import dataclasses
import os
from typing import Optional

import numpy as np

from keras_cnns import _progress, data, figures, inference
from keras_cnns.commands.groups import Counted, Quiet, Seeded, Written
from keras_cnns.data.sources import folder_name
from keras_cnns.runs import (
    RunOptions,
    TrainingOptions,
    any_of,
    changed,
    find_model,
    option,
)
from keras_cnns.tasks.adversarial import AdversarialOptions
from keras_cnns.tasks.generation import MODELS


@dataclasses.dataclass(frozen=True)
class OPTIONS(Quiet, Written, Seeded):
    """What ``sample-gan`` takes."""

    run_dir: Optional[str] = changed(
        RunOptions, "run_dir", None, writes="", required=False
    )
    model: str = changed(TrainingOptions, "model", "", required=False)
    weights: str = option(
        "", "weight file of the model's generator", needs=any_of("model")
    )
    num_images: int = changed(
        Counted, "num_images", 64, help="number of images", within="[1, inf)"
    )
    classes: str = option(
        "", "names of the classes to sample, comma-separated; empty: all"
    )
    grid_columns: int = changed(
        AdversarialOptions,
        "grid_columns",
        0,
        help="columns of the grid of images; 0: as many as rows",
        within="[0, 100]",
    )


def run(options: OPTIONS) -> list:
    """Samples and returns the paths of the images."""
    sampler = _sampler(options)
    names, labels = sampler.class_names, None
    if sampler.is_conditional:
        chosen = _class_numbers(options.classes, names)
        labels = [chosen[i % len(chosen)] for i in range(options.num_images)]
    elif options.classes:
        raise ValueError(
            f"classes={options.classes!r} has no effect: {sampler.generator.name} is "
            "not conditional"
        )
    made = sampler(options.num_images, seed=options.seed, labels=labels)
    images = data.to_bytes(made, sampler.value_range)
    paths = []
    for i, image in enumerate(_progress.track(images, "files")):
        folder = folder_name(names[labels[i]]) if labels else ""
        paths.append(os.path.join(options.output_dir, folder, f"{i:06d}.png"))
        data.write_image(paths[-1], image)
    figures.image_grid(
        images / np.float32(255),
        os.path.join(options.output_dir, "grid.png"),
        options.grid_columns or None,
        value_range="unit",
    )
    print(f"{len(paths)} images in {options.output_dir}")
    return paths


def _sampler(options):
    """That of the run, or of the model and its file."""
    if bool(options.run_dir) == bool(options.model):
        raise ValueError("give either --run_dir or --model with --weights")
    if options.run_dir:
        return inference.Sampler(options.run_dir)
    if not options.weights:
        raise ValueError(
            f"--model={options.model} needs --weights: random ones draw noise"
        )
    row = find_model(MODELS, options.model)
    return inference.load_sampler(
        row.networks["generator"], options.weights, row.details["latents"]
    )


def _class_numbers(classes, names):
    """Numbers of the classes named in a comma-separated list; empty: of all."""
    wanted = [name.strip() for name in classes.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in names]
    if unknown:
        raise ValueError(f"unknown class {unknown[0]!r}; there are {', '.join(names)}")
    return [names.index(name) for name in wanted or names]
