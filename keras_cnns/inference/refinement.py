"""Refining images and whole data sets with a trained refiner."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from keras_cnns import _files, _progress, data
from keras_cnns.data.sources import folder_name
from keras_cnns.runs import read_run

if TYPE_CHECKING:
    from keras_cnns.runs.record import Run

_BATCH = 100  # images refined at a time


class Refiner:
    """Makes simulated images look real, by the averaged weights of a run.

    Args:
        run: ``Run`` of the task ``refinement``, or its folder.

    Attributes:
        network: ``keras.Model``, images in [-1, 1] to such of the same shape.
        preprocessing: how images become its inputs.

    Raises:
        ValueError: if the folder holds no such run, or its weights cannot be read.
    """

    def __init__(self, run: str | Run) -> None:
        run = read_run(run, "refinement")
        self.network = run.load("refiner")
        self.preprocessing = run.config.preprocessing

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Refined images.

        Args:
            images: uint8 ``(batch, height, width, channels)`` of the network's shape.

        Returns:
            uint8 of the same shape.
        """
        inputs = self.preprocessing.standardize(images)
        return data.to_bytes(self.network(inputs, training=False))


def refine_source(
    refiner: Callable,
    preprocessing: data.Preprocessing,
    source: data.Source,
    folder: str,
) -> int:
    """Refines a split into ``<folder>/<class>/<number>.png``, atomically.

    Args:
        refiner: images in [-1, 1] to such of the same shape.
        preprocessing: how images become its inputs.
        source: ``Source`` of the images.
        folder: a new folder.

    Returns:
        Number of images.

    Raises:
        FileExistsError: if the folder exists.
    """
    examples = source.examples.map(
        lambda content, label: (preprocessing(source.read(content)), label)
    )
    names = [folder_name(name) for name in source.class_names]
    number = 0
    with _files.atomic_folder(folder) as partial:
        for name in names:
            os.makedirs(os.path.join(partial, name), exist_ok=True)
        batches = examples.batch(_BATCH).as_numpy_iterator()
        count = -(-source.num_examples // _BATCH)
        for images, labels in _progress.track(batches, "refinement", count):
            refined = data.to_bytes(refiner(images, training=False))
            for image, label in zip(refined, labels):
                path = os.path.join(partial, names[label], f"{number:06d}.png")
                data.write_image(path, image)
                number += 1
    return number
