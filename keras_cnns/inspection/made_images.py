"""Pictures that a classifier makes: class models, and dreams of image files."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_cnns import data
from keras_cnns.figures import image_grid
from keras_cnns.inspection.activation_maximization import maximize
from keras_cnns.inspection.deep_dream import DREAMS, DeepDream

if TYPE_CHECKING:
    from keras_cnns.inspection.activation_maximization import Regularization
    from keras_cnns.inspection.inspected import InspectedClassifier
    from keras_cnns.inspection.subjects import Subject

_SHOWN_SIDE = 128  # pixels of a class model's shorter side, about
_STEP_SIZE = 0.1  # of a step to a class model, in units of the input
_LARGEST_DREAM = 512  # pixels of its longer side


def draw_class_models(
    subject: Subject,
    classifier: InspectedClassifier,
    names: Sequence[str],
    path: str,
    regularization: str | Regularization = "smooth",
    num_steps: int = 200,
    seed: int = 0,
) -> dict:
    """Writes an image for each class, of large logit, one below the other.

    Args:
        subject: ``Subject``.
        classifier: its ``InspectedClassifier``.
        names: of the classes.
        path: PNG file to write.
        regularization, num_steps, seed: as of ``maximize``.

    Returns:
        JSON values: picture and, by class, logit and probability of its image.
    """
    units = [subject.class_number(name) for name in names]
    images, logits = maximize(
        classifier,
        units,
        subject.preprocessing.shape,
        regularization=regularization,
        num_steps=num_steps,
        step_size=_STEP_SIZE,
        normalized=True,
        limits=subject.limits,
        seed=seed,
    )
    scale = max(1, round(_SHOWN_SIDE / min(images.shape[1:3])))
    image_grid(subject.as_unit(images), path, 1, "unit", row_labels=names, scale=scale)
    chosen = classifier.probabilities(images)[range(len(units)), units]
    rows = [
        {"class": name, "logit": float(logit), "probability": float(probability)}
        for name, logit, probability in zip(names, logits, chosen)
    ]
    return {"picture": path, "classes": rows}


def open_dream(
    subject: Subject,
    classifier: InspectedClassifier,
    recipe: str = "caffe",
    layers: Mapping[str, float] | None = None,
) -> DeepDream:
    """What makes dreams by a subject's network.

    Steps are as large on grey levels as the recipe's source has them.

    Args:
        subject: ``Subject``.
        classifier: its ``InspectedClassifier``.
        recipe: key of ``DREAMS``.
        layers: names of layers and their coefficients; None: the recipe's.

    Raises:
        ValueError: if a layer does not exist or needs images of one size.
    """
    recipe = DREAMS[recipe]
    std = float(np.mean(subject.preprocessing.std))
    recipe = dataclasses.replace(
        recipe, step_size=recipe.step_size * recipe.input_std / std
    )
    return DeepDream(classifier, subject.limits, recipe, layers)


def dream_input(subject: Subject, image: str) -> np.ndarray:
    """An image file as a dream begins: in its own aspect and size up to 512 pixels."""
    return subject.whole_input(image, _LARGEST_DREAM)


def draw_dream(
    subject: Subject, dream: DeepDream, image: str, path: str, seed: int = 0
) -> dict:
    """Writes the dream of an image file.

    Args:
        subject: ``Subject``.
        dream: its ``open_dream``.
        image: path of the image file.
        path: PNG file to write.
        seed: of the jitter.

    Returns:
        JSON values: image, picture, layers, and the objective at the largest size
        before the first step and after the last.
    """
    dreamt, values = dream(dream_input(subject, image), seed)
    pixels = data.to_bytes(subject.as_unit(dreamt[None]), "unit")[0]
    data.write_image(path, pixels)
    return {
        "image": image,
        "picture": path,
        "layers": dream.layers,
        "objective": [values[0], values[-1]],
    }
