"""Images that a class or a unit responds to most, by gradient ascent."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf
from scipy import ndimage
from tensorflow import keras

from keras_cnns import _progress
from keras_cnns._checks import (
    check_choice,
    check_count,
    check_positive,
    check_within,
    is_whole,
)
from keras_cnns.inspection.inspected import as_inspected

if TYPE_CHECKING:
    from keras_cnns.inspection.inspected import InspectedClassifier


@dataclasses.dataclass(frozen=True)
class Regularization:
    """What keeps an image that is made by gradient ascent like an image.

    The first two are part of the objective, the others follow each step.

    Attributes:
        penalty: factor of the squared norm that is taken off the response.
        total_variation: factor of the sum of squared differences of neighbours.
        jitter: largest shift of the image before a step, in pixels, undone after it.
        decay: fraction of each value that is lost.
        blur: standard deviation of the Gaussian blur, in pixels; 0: none.
        blur_every: steps between blurs.
        norm_percentile: per cent of the pixels, those of smallest norm over the
            channels, that are set to 0.
        contribution_percentile: per cent of the pixels, those of the smallest absolute
            sum of value times gradient, that are set to 0.

    Raises:
        ValueError: if a value is out of range.
    """

    penalty: float = 0.0
    total_variation: float = 0.0
    jitter: int = 0
    decay: float = 0.0
    blur: float = 0.0
    blur_every: int = 1
    norm_percentile: float = 0.0
    contribution_percentile: float = 0.0

    def __post_init__(self):
        for name in ("penalty", "total_variation", "blur"):
            check_within(name, getattr(self, name), "[0, inf)")
        check_within("decay", self.decay)
        check_count("jitter", self.jitter, least=0)
        check_count("blur_every", self.blur_every)
        for name in ("norm_percentile", "contribution_percentile"):
            check_within(name, getattr(self, name), "[0, 100)")


# The penalty of Simonyan et al. (arXiv 1312.6034, section 2; they give no value), and
# the four sets of Yosinski et al. (arXiv 1506.06579, table 1; values unverified).
REGULARIZATIONS = {
    "none": Regularization(),
    "simonyan": Regularization(penalty=0.01),
    "yosinski_1": Regularization(blur=0.5, blur_every=4, norm_percentile=50),
    "yosinski_2": Regularization(decay=0.3, norm_percentile=20),
    "yosinski_3": Regularization(decay=0.0001, blur=1.0, blur_every=4),
    "yosinski_4": Regularization(blur=0.5, blur_every=4, contribution_percentile=90),
    "smooth": Regularization(
        total_variation=0.002, jitter=2, decay=0.001, blur=0.5, blur_every=4
    ),
}


def maximize(
    model: keras.Model | InspectedClassifier,
    units: Sequence[int],
    image_shape: tuple,
    layer: str | None = None,
    regularization: str | Regularization = "simonyan",
    num_steps: int = 200,
    step_size: float = 1.0,
    normalized: bool = False,
    limits: tuple | None = None,
    seed: int = 0,
) -> tuple:
    """Images of largest response, from 0 (where inputs are standardised: the mean).

    Args:
        model: model or ``InspectedClassifier``.
        units: classes, or units or maps of ``layer``; one image is made of each.
        image_shape: ``(height, width, channels)`` of the images.
        layer: name of a layer of maps, whose mean over positions is the response, or
            of vectors; None: the logits.
        regularization: key of ``REGULARIZATIONS`` or a ``Regularization``.
        num_steps: steps of gradient ascent.
        step_size: what the gradient is multiplied by.
        normalized: whether each image's gradient is divided by its root mean square
            first, so that ``step_size`` is in units of the input.
        limits: smallest and largest value of the input, numbers or one per channel,
            to which images are clipped after each step; None: none.
        seed: of the jitter.

    Returns:
        (images ``(count, height, width, channels)``, responses ``(count,)``), float32.

    Raises:
        ValueError: if a layer or unit does not exist, or an argument is bad.
    """
    if not isinstance(regularization, Regularization):
        check_choice("regularization", regularization, REGULARIZATIONS)
        regularization = REGULARIZATIONS[regularization]
    ascent = _Ascent(as_inspected(model), units, layer, regularization)
    check_count("num_steps", num_steps)
    check_positive("step_size", step_size)
    random = np.random.default_rng(seed)
    images = np.zeros((len(ascent.units), *image_shape), np.float32)
    for step in _progress.track(range(1, num_steps + 1), "steps"):
        shift = ascent.draw_shift(random)
        moved = np.roll(images, shift, (1, 2))
        gradients = ascent.gradients(moved)
        scale = _root_mean_square(gradients) if normalized else 1.0
        moved = ascent.regularize(
            moved + step_size * gradients / scale, gradients, step
        )
        images = np.roll(moved, [-one for one in shift], (1, 2))
        if limits is not None:
            images = np.clip(images, *limits).astype(np.float32)
    return images, ascent.responses(images)


def _root_mean_square(values):
    return np.sqrt(np.mean(values**2, axis=(1, 2, 3), keepdims=True)) + 1e-8


class _Ascent:
    """The objective of units, its gradient, and what follows a step."""

    def __init__(self, classifier, units, layer, regularization):
        output = classifier.model.outputs[0] if not layer else None
        output = classifier.output_at(layer) if layer else output
        if len(output.shape) not in (2, 4):
            raise ValueError(
                f"layer {layer!r} gives neither maps nor vectors, but "
                f"{tuple(output.shape)}"
            )
        self.units = [units] if is_whole(units) else list(units)
        for unit in self.units:
            if not is_whole(unit) or not 0 <= unit < output.shape[-1]:
                raise ValueError(
                    f"unit {unit!r} does not exist: there are {output.shape[-1]}"
                )
        self._part = keras.Model(classifier.model.inputs, output)
        self._regularization = regularization
        self._compute = tf.function(self._gradients, reduce_retracing=True)

    def responses(self, images):
        """The units' responses, without penalties."""
        return self._responses(tf.constant(images)).numpy()

    def gradients(self, images):
        """Gradients of response minus penalties by each unit's image."""
        return self._compute(tf.constant(images)).numpy()

    def _responses(self, images):
        outputs = tf.cast(self._part(images, training=False), tf.float32)
        if outputs.shape.rank == 4:
            outputs = tf.reduce_mean(outputs, [1, 2])
        return tf.gather(outputs, self.units, batch_dims=1)

    def _gradients(self, images):
        rule = self._regularization
        with tf.GradientTape() as tape:
            tape.watch(images)
            value = tf.reduce_sum(self._responses(images))
            value -= rule.penalty * tf.reduce_sum(images**2)
            for axis in (1, 2):
                size = images.shape[axis]
                after = tf.gather(images, range(1, size), axis=axis)
                before = tf.gather(images, range(size - 1), axis=axis)
                value -= rule.total_variation * tf.reduce_sum((after - before) ** 2)
        return tape.gradient(value, images)

    def draw_shift(self, random):
        """Rows and columns to roll by."""
        jitter = self._regularization.jitter
        return [int(one) for one in random.integers(-jitter, jitter + 1, 2)]

    def regularize(self, images, gradients, step):
        """What follows a step, of number ``step`` from 1 on."""
        rule = self._regularization
        images = images * np.float32(1 - rule.decay)
        if rule.blur and step % rule.blur_every == 0:
            sigma = (0, rule.blur, rule.blur, 0)
            images = ndimage.gaussian_filter(images, sigma, mode="nearest")
        if rule.norm_percentile:
            norms = np.sqrt((images**2).sum(axis=-1))
            images = _without_small(images, norms, rule.norm_percentile)
        if rule.contribution_percentile:
            parts = np.abs((images * gradients).sum(axis=-1))
            images = _without_small(images, parts, rule.contribution_percentile)
        return images.astype(np.float32)


def _without_small(images, values, percentile):
    """The images, 0 where values ``(count, height, width)`` are below a percentile."""
    limit = np.percentile(values, percentile, axis=(1, 2), keepdims=True)
    return np.where((values >= limit)[..., None], images, 0)
