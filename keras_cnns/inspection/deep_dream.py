"""Deep dream: an image that excites a layer more, from coarse to fine."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from keras_cnns._checks import check_choice, check_count, check_within
from keras_cnns.inspection.inspected import as_inspected, open_part

if TYPE_CHECKING:
    from tensorflow import keras

    from keras_cnns.inspection.inspected import InspectedClassifier


@dataclasses.dataclass(frozen=True)
class DreamRecipe:
    """How a deep dream is made.

    Attributes:
        objective: ``"half_squares"``, half the sum of squares of the activations, or
            ``"mean_squares"``, the sum of squares without 2 positions at each border,
            divided by the number of all values.
        layers: names of layers and their coefficients, of the network of the source.
        num_octaves, octave_ratio: sizes, each this much smaller than the next.
        rounded: whether each size is the next larger one divided and rounded, and not
            the whole one divided and cut off.
        num_steps: in each octave.
        step_size: of a step; the gradient is divided by its mean absolute value.
        input_std: standard deviation by which the source's inputs are divided, on grey
            levels of 0 to 255: steps in other inputs are scaled by it.
        least_mean: smallest divisor.
        jitter: largest shift before a step, in pixels, undone after it.
        largest_loss: objective before a step after which an octave ends.
        lost_detail: whether what an image loses when it is made smaller is added again
            at the next size, and not the dream's own changes to the image there.
        clipped: whether each step ends with clipping; the result always does.
        source: code and network.

    Raises:
        ValueError: if a value is bad.
    """

    objective: str
    layers: dict
    num_octaves: int
    octave_ratio: float
    rounded: bool
    num_steps: int
    step_size: float
    input_std: float
    least_mean: float = 0.0
    jitter: int = 0
    largest_loss: float = np.inf
    lost_detail: bool = False
    clipped: bool = True
    source: str = ""

    def __post_init__(self):
        check_choice("objective", self.objective, ("half_squares", "mean_squares"))
        check_count("num_octaves", self.num_octaves)
        check_count("num_steps", self.num_steps)
        check_count("jitter", self.jitter, least=0)
        check_within("octave_ratio", self.octave_ratio, "(1, inf)")
        check_within("step_size", self.step_size, "(0, inf)")


DREAMS = {
    "caffe": DreamRecipe(
        objective="half_squares",
        layers={"inception_4c": 1.0},
        num_octaves=4,
        octave_ratio=1.4,
        rounded=True,
        num_steps=10,
        step_size=1.5,
        input_std=1.0,
        jitter=32,
        source="google/deepdream, dream.ipynb: GoogLeNet, 0 to 255 minus mean",
    ),
    "keras": DreamRecipe(
        objective="mean_squares",
        layers={"mixed4": 1.0, "mixed5": 1.5, "mixed6": 2.0, "mixed7": 2.5},
        num_octaves=3,
        octave_ratio=1.4,
        rounded=False,
        num_steps=20,
        step_size=0.01,
        input_std=127.5,
        least_mean=1e-6,
        largest_loss=15.0,
        lost_detail=True,
        clipped=False,
        source="keras.io, generative/deep_dream: Inception v3, images of -1 to 1",
    ),
}


def octave_sizes(size: Sequence[int], recipe: DreamRecipe) -> list:
    """(height, width) of the octaves, smallest first.

    Args:
        size: (height, width) of the image.
        recipe: ``DreamRecipe``.
    """
    sizes = [tuple(size)]
    for number in range(1, recipe.num_octaves):
        if recipe.rounded:
            smaller = [int(round(side / recipe.octave_ratio)) for side in sizes[-1]]
        else:
            smaller = [int(side / recipe.octave_ratio**number) for side in size]
        sizes.append(tuple(max(1, side) for side in smaller))
    return sizes[::-1]


def deep_dream(
    model: keras.Model | InspectedClassifier,
    image: np.ndarray,
    limits: tuple,
    recipe: str | DreamRecipe = "caffe",
    layers: Mapping[str, float] | None = None,
    seed: int = 0,
) -> tuple:
    """An image that the network sees more in: one call of ``DeepDream``."""
    return DeepDream(model, limits, recipe, layers)(image, seed)


class DeepDream:
    """Makes images that the network sees more in.

    Args:
        model: model or ``InspectedClassifier``; its layers up to those of the dream
            take images of any size.
        limits: smallest and largest value of the input, numbers or one per channel.
        recipe: key of ``DREAMS`` or a ``DreamRecipe``. Step sizes are in units of the
            input: caffe's 1.5 is meant for values of 0 to 255.
        layers: names of layers and their coefficients; None: the recipe's.

    Attributes:
        recipe: the ``DreamRecipe``.
        layers: the layers and their coefficients.

    Raises:
        ValueError: if a layer does not exist or needs images of one size.
    """

    def __init__(
        self,
        model: keras.Model | InspectedClassifier,
        limits: tuple,
        recipe: str | DreamRecipe = "caffe",
        layers: Mapping[str, float] | None = None,
    ) -> None:
        if not isinstance(recipe, DreamRecipe):
            check_choice("recipe", recipe, DREAMS)
            recipe = DREAMS[recipe]
        self.recipe, self.layers = recipe, dict(layers or recipe.layers)
        classifier = as_inspected(model)
        self._parts = [open_part(classifier, name) for name in self.layers]
        self._limits = limits
        self._channels = classifier.model.inputs[0].shape[-1]
        self._fitting = set()  # sizes of octaves that have been found large enough
        self._compute = tf.function(self._value_and_gradient, reduce_retracing=True)

    def __call__(self, image: np.ndarray, seed: int = 0) -> tuple:
        """The dream of one image.

        Args:
            image: ``(height, width, channels)`` as the network takes it, of any size.
            seed: of the jitter.

        Returns:
            (image of the same shape, float32 within the limits; the objective before
            each step at the largest size, and at its end).

        Raises:
            ValueError: as of ``check_shape``, or if the objective becomes infinite.
        """
        image = np.asarray(image, np.float32)
        self.check_shape(image.shape)
        sizes = octave_sizes(image.shape[:2], self.recipe)
        make = self._by_lost_detail if self.recipe.lost_detail else self._by_own_detail
        result, losses = make(image, sizes, np.random.default_rng(seed))
        return np.clip(result, *self._limits).astype(np.float32), losses

    def check_shape(self, shape: tuple) -> None:
        """Refuses the shape of an image that there is no dream of.

        Raises:
            ValueError: if it is not (height, width, channels) with the network's
                channels, or the smallest octave leaves a layer nothing that counts.
        """
        if len(shape) != 3 or shape[2] != self._channels:
            raise ValueError(
                f"image must be (height, width, {self._channels}), got {tuple(shape)}"
            )
        size = octave_sizes(shape[:2], self.recipe)[0]
        if size not in self._fitting and not all(
            _has_positions(part, (1, *size, self._channels), 1 + 2 * self._border)
            for part in self._parts
        ):
            raise ValueError(
                f"an octave of {size[0]}x{size[1]} is too small for the network; give "
                "a larger image or fewer octaves"
            )
        self._fitting.add(size)

    @property
    def _border(self):
        """Positions at each border that do not count."""
        return 2 if self.recipe.objective == "mean_squares" else 0

    def _by_own_detail(self, image, sizes, random):
        """At each size the changes so far are enlarged and added to the image."""
        detail = np.zeros((*sizes[0], image.shape[2]), np.float32)
        for size in sizes:
            base = _resized(image, size)
            result, losses = self._ascend(base + _resized(detail, size), random)
            detail = result - base
        return result, losses

    def _by_lost_detail(self, image, sizes, random):
        """At each size the result is enlarged, and what the image lost is added."""
        result, shrunk = _resized(image, sizes[0]), _resized(image, sizes[0])
        for size in sizes:
            base = _resized(image, size)
            lost = base - _resized(shrunk, size)
            result, losses = self._ascend(_resized(result, size), random)
            result, shrunk = result + lost, base
        return result, losses

    def _ascend(self, image, random):
        """The image after the steps; the objective before each and at the end."""
        recipe, losses = self.recipe, []
        for _ in range(recipe.num_steps):
            low, high = -recipe.jitter, recipe.jitter + 1
            shift = [int(one) for one in random.integers(low, high, 2)]
            moved = np.roll(image, shift, (0, 1))
            loss, gradient = self._measure(moved)
            losses.append(loss)
            mean = max(np.abs(gradient).mean(), recipe.least_mean)
            if mean > 0:
                moved = moved + recipe.step_size * gradient / mean
            image = np.roll(moved, [-one for one in shift], (0, 1))
            if recipe.clipped:
                image = np.clip(image, *self._limits).astype(np.float32)
            if loss > recipe.largest_loss:
                break
        return image, [*losses, self._measure(image)[0]]

    def _measure(self, image):
        loss, gradient = self._compute(tf.constant(image[None], tf.float32))
        if not np.isfinite(loss):
            raise ValueError(
                f"the objective of {', '.join(self.layers)} became {float(loss)}; take "
                "smaller steps"
            )
        return float(loss), gradient.numpy()[0]

    def _value_and_gradient(self, images):
        with tf.GradientTape() as tape:
            tape.watch(images)
            value = tf.add_n(
                [
                    factor * self._objective(part(images, training=False))
                    for factor, part in zip(self.layers.values(), self._parts)
                ]
            )
        return value, tape.gradient(value, images)

    def _objective(self, activations):
        activations = tf.cast(activations, tf.float32)
        if self.recipe.objective == "half_squares":
            return tf.reduce_sum(activations**2) / 2
        inner = activations
        if activations.shape.rank == 4:
            border = self._border
            inner = activations[:, border:-border, border:-border]
        return tf.reduce_sum(inner**2) / tf.cast(tf.size(activations), tf.float32)


def _has_positions(part, shape, least):
    """Whether a network makes maps with at least so many rows and columns."""
    traced = tf.function(lambda images: part(images, training=False))
    try:
        made = traced.get_concrete_function(tf.TensorSpec(shape)).structured_outputs
    except ValueError:  # a negative size within
        return False
    return made.shape.rank != 4 or all(s is None or s >= least for s in made.shape[1:3])


def _resized(image, size):
    if image.shape[:2] == tuple(size):
        return image
    return tf.image.resize(image, size).numpy()
