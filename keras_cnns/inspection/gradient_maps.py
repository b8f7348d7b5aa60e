"""Maps from gradients by the image: saliency, SmoothGrad, integrated gradients.

All take a model or an ``InspectedClassifier``, images ``(count, height, width,
channels)`` as the network takes them, and classes (``InspectedClassifier.classes_of``;
None: of each image the one scored best), and return float32 of the images' shape,
signed; ``saliency`` makes maps of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_cnns._checks import check_count, check_flag, check_within
from keras_cnns.inspection.inspected import as_inspected

if TYPE_CHECKING:
    from tensorflow import keras

    from keras_cnns.inspection.inspected import InspectedClassifier

# SmoothGrad's of the reference code; the paper has noise of 0.1 to 0.2.
NUM_SAMPLES, NOISE = 25, 0.15


def saliency(gradients: np.ndarray) -> np.ndarray:
    """The largest absolute value over the channels: ``(count, height, width)``.

    Source: Simonyan et al., arXiv 1312.6034, section 3.1.
    """
    return np.abs(np.asarray(gradients)).max(axis=-1)


def class_gradients(
    model: keras.Model | InspectedClassifier,
    images: np.ndarray,
    classes: int | Sequence[int] | np.ndarray | None = None,
    rule: str = "gradient",
) -> np.ndarray:
    """Gradients of the classes' logits by the images.

    Args:
        model, images, classes: as above.
        rule: ``"gradient"``, ``"guided"`` or ``"deconvnet"``.

    Raises:
        ValueError: if an argument is bad, or the rule finds no ReLU.

    Source: Simonyan et al., arXiv 1312.6034; ``backward_rules`` for the rules.
    """
    classifier = as_inspected(model, rule)
    return classifier.gradients(images, classifier.classes_of(images, classes))


def smooth_gradients(
    model: keras.Model | InspectedClassifier,
    images: np.ndarray,
    classes: int | Sequence[int] | np.ndarray | None = None,
    num_samples: int = NUM_SAMPLES,
    noise: float = NOISE,
    squared: bool = False,
    seed: int = 0,
) -> np.ndarray:
    """Mean gradient over noisy copies of each image: SmoothGrad.

    Args:
        model, images, classes: as above; the class is that of the image without noise.
        num_samples: noisy copies.
        noise: standard deviation of the noise, as a fraction of largest minus smallest
            value of the image.
        squared: whether the mean is of the squared gradients, as the authors' code has
            it, and not of the gradients, as the paper has it.
        seed: of the noise.

    Source: Smilkov et al., arXiv 1706.03825, section 3.
    """
    check_count("num_samples", num_samples)
    check_within("noise", noise, "[0, inf)")
    check_flag("squared", squared)
    classifier = as_inspected(model)
    classes = classifier.classes_of(images, classes)
    images = classifier.check_images(images)
    random = np.random.default_rng(seed)
    deviations = noise * np.ptp(images, axis=(1, 2, 3), keepdims=True)
    total = np.zeros(images.shape, np.float64)
    for _ in range(num_samples):
        drawn = random.normal(size=images.shape).astype(np.float32)
        gradients = classifier.gradients(images + deviations * drawn, classes)
        total += np.square(gradients) if squared else gradients
    return (total / num_samples).astype(np.float32)


def input_times_gradient(
    model: keras.Model | InspectedClassifier,
    images: np.ndarray,
    classes: int | Sequence[int] | np.ndarray | None = None,
) -> np.ndarray:
    """Image times gradient; of a network without biases its sum is the logit."""
    classifier = as_inspected(model)
    images = classifier.check_images(images)
    return images * class_gradients(classifier, images, classes)


def integrated_gradients(
    model: keras.Model | InspectedClassifier,
    images: np.ndarray,
    classes: int | Sequence[int] | np.ndarray | None = None,
    baseline: float | np.ndarray = 0.0,
    num_steps: int = 50,
) -> np.ndarray:
    """Image minus baseline, times the mean gradient on the way from it.

    The mean is by the midpoint rule. The sum over an image approaches the difference
    of the logits (``completeness_error``).

    Args:
        model, images, classes: as above.
        baseline: what counts as no information, in the network's input: a number,
            or an array that broadcasts to the images.
        num_steps: gradients on the way.

    Source: Sundararajan et al., arXiv 1703.01365, sections 3 and 5.
    """
    check_count("num_steps", num_steps)
    classifier = as_inspected(model)
    classes = classifier.classes_of(images, classes)
    images = classifier.check_images(images)
    difference = images - _like(baseline, images)
    total = np.zeros(images.shape, np.float64)
    for step in range(num_steps):
        left = 1 - (step + 0.5) / num_steps
        point = (images - np.float32(left) * difference).astype(np.float32)
        total += classifier.gradients(point, classes)
    return (difference * total / num_steps).astype(np.float32)


def completeness_error(
    model: keras.Model | InspectedClassifier,
    images: np.ndarray,
    attributions: np.ndarray,
    classes: int | Sequence[int] | np.ndarray | None = None,
    baseline: float | np.ndarray = 0.0,
) -> np.ndarray:
    """How far the attributions' sum is from the logit's change, relative to it.

    Args:
        model, images, classes, baseline: as of ``integrated_gradients``.
        attributions: what it returned.

    Returns:
        ``(count,)`` float64, not negative; infinite where the logit does not change
        and the sum is not 0.
    """
    classifier = as_inspected(model)
    classes = classifier.classes_of(images, classes)
    images = classifier.check_images(images)
    chosen = np.arange(len(images)), classes
    change = classifier.scores(images)[chosen].astype(np.float64)
    change -= classifier.scores(_like(baseline, images))[chosen]
    error = np.abs(np.sum(attributions, axis=(1, 2, 3), dtype=np.float64) - change)
    with np.errstate(divide="ignore"):
        return np.where(error == 0, 0, error / np.abs(change))


def _like(baseline, images):
    return np.broadcast_to(np.asarray(baseline, np.float32), images.shape)
