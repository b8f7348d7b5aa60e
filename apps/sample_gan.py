"""Draws pictures from a trained generator.

    python apps/sample_gan.py --run_dir=runs/dcgan --num_images=64 --seed=1 \
        --output_dir=samples

writes ``samples/<number>.png`` and, of all of them, ``samples/grid.png``; from a
conditional generator ``samples/<class>/<number>.png``, of each class in turn or of
``--classes``.
"""

import os

import flag_definitions
import numpy as np
from PIL import Image

from keras_cnns import _files, inspection
from keras_cnns.data import sources
from keras_cnns.trainers import adversarial, generative_runs


def run(run_dir, output_dir, num_images=64, classes="", grid_columns=0, seed=0):
    """Samples; the parameters are the flags.

    Returns:
        Paths of the pictures.
    """
    generator, _, latents, description = generative_runs.load_networks(run_dir)
    names = description.class_names
    labels = None
    if len(generator.inputs) > 1:
        chosen = _class_numbers(classes, names)
        labels = [chosen[i % len(chosen)] for i in range(num_images)]
    elif classes:
        raise ValueError(
            f"classes={classes!r} has no effect: {generator.name} is not conditional"
        )
    pictures = inspection.to_bytes(
        adversarial.sample_generator(
            generator, latents, num_images, seed=seed, labels=labels
        ),
        description.value_range,
    )
    paths = []
    for i, picture in enumerate(pictures):
        folder = sources.folder_name(names[labels[i]]) if labels else ""
        path = os.path.join(output_dir, folder, f"{i:06d}.png")
        is_grey = picture.shape[-1] == 1
        image = Image.fromarray(picture[..., 0] if is_grey else picture)
        with _files.whole_file(path) as partial:
            image.save(partial, format="PNG")
        paths.append(path)
    inspection.picture_grid(
        pictures / np.float32(255),
        os.path.join(output_dir, "grid.png"),
        grid_columns or None,
        value_range="unit",
    )
    print(f"{len(paths)} pictures in {output_dir}")
    return paths


def _class_numbers(classes, names):
    """Numbers of the classes named in a comma-separated list; empty: of all."""
    wanted = [name.strip() for name in classes.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in names]
    if unknown:
        raise ValueError(
            f"unknown class {unknown[0]!r}; the run has {', '.join(names)}"
        )
    return [names.index(name) for name in wanted or names]


if __name__ == "__main__":
    flag_definitions.start(run)
