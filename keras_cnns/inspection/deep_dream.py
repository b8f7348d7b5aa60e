"""Deep dream: an image that excites a layer more, from coarse to fine."""

import dataclasses

import numpy as np
import tensorflow as tf

from keras_cnns._checks import check_choice, check_count, check_within
from keras_cnns.inspection.inspected import as_inspected, open_part


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


def octave_sizes(size, recipe) -> list:
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


def deep_dream(model, image, limits, recipe="caffe", layers=None, seed=0) -> tuple:
    """An image that the network sees more in.

    Args:
        model: model or ``InspectedClassifier``; its layers up to those of the dream
            take images of any size.
        image: ``(height, width, channels)`` as the network takes it, of any size.
        limits: smallest and largest value of the input, numbers or one per channel.
        recipe: key of ``DREAMS`` or a ``DreamRecipe``. Step sizes are in units of the
            input: caffe's 1.5 is meant for values of 0 to 255.
        layers: names of layers and their coefficients; None: the recipe's.
        seed: of the jitter.

    Returns:
        (image of the same shape, float32 within the limits; the objective before each
        step at the largest size, and at its end).

    Raises:
        ValueError: if a layer does not exist or needs images of one size, or an octave
            is too small for the network.
    """
    if isinstance(recipe, str):
        check_choice("recipe", recipe, DREAMS)
        recipe = DREAMS[recipe]
    dream = _Dream(as_inspected(model), layers or recipe.layers, limits, recipe, seed)
    image = np.asarray(image, np.float32)
    if image.ndim != 3:
        raise ValueError(f"image must be (height, width, channels), got {image.shape}")
    make = _by_lost_detail if recipe.lost_detail else _by_own_detail
    result = make(dream, image, octave_sizes(image.shape[:2], recipe))
    return np.clip(result, *limits).astype(np.float32), dream.losses


def _by_own_detail(dream, image, sizes):
    """At each size the dream's changes so far are enlarged and added to the image."""
    detail = np.zeros((*sizes[0], image.shape[2]), np.float32)
    for size in sizes:
        base = _resized(image, size)
        result = dream.ascend(base + _resized(detail, size))
        detail = result - base
    return result


def _by_lost_detail(dream, image, sizes):
    """At each size the result is enlarged, and what the image lost is added."""
    result, shrunk = _resized(image, sizes[0]), _resized(image, sizes[0])
    for size in sizes:
        base = _resized(image, size)
        lost = base - _resized(shrunk, size)
        start = _resized(result, size)
        result = dream.ascend(start) + lost
        shrunk = base
    return result


def _resized(image, size):
    if image.shape[:2] == tuple(size):
        return image
    return tf.image.resize(image, size).numpy()


class _Dream:
    """The objective of layers, and its ascent."""

    def __init__(self, classifier, layers, limits, recipe, seed):
        parts = [open_part(classifier, name) for name in layers]
        self._parts = list(zip(layers, layers.values(), parts))
        self._limits, self._recipe = limits, recipe
        self._random = np.random.default_rng(seed)
        self._compute = tf.function(self._value_and_gradient, reduce_retracing=True)
        self.losses = []

    def ascend(self, image):
        """The image after the recipe's steps."""
        recipe, self.losses = self._recipe, []
        for _ in range(recipe.num_steps):
            low, high = -recipe.jitter, recipe.jitter + 1
            shift = [int(one) for one in self._random.integers(low, high, 2)]
            moved = np.roll(image, shift, (0, 1))
            loss, gradient = self._measure(moved)
            self.losses.append(loss)
            mean = max(np.abs(gradient).mean(), recipe.least_mean)
            if mean > 0:
                moved = moved + recipe.step_size * gradient / mean
            image = np.roll(moved, [-one for one in shift], (0, 1))
            if recipe.clipped:
                image = np.clip(image, *self._limits).astype(np.float32)
            if loss > recipe.largest_loss:
                break
        self.losses.append(self._measure(image)[0])
        return image

    def _measure(self, image):
        try:
            loss, gradient = self._compute(tf.constant(image[None], tf.float32))
        except (ValueError, tf.errors.InvalidArgumentError) as error:
            raise ValueError(
                f"an octave of {image.shape[0]}x{image.shape[1]} is too small for the "
                "network; give a larger image or fewer octaves"
            ) from error
        if not np.isfinite(loss):
            raise ValueError(
                f"an octave of {image.shape[0]}x{image.shape[1]} leaves the layer no "
                "activations, or its values are not finite"
            )
        return float(loss), gradient.numpy()[0]

    def _value_and_gradient(self, images):
        with tf.GradientTape() as tape:
            tape.watch(images)
            value = tf.add_n(
                [factor * self._objective(part(images, training=False))
                 for _, factor, part in self._parts]
            )  # fmt: skip
        return value, tape.gradient(value, images)

    def _objective(self, activations):
        activations = tf.cast(activations, tf.float32)
        if self._recipe.objective == "half_squares":
            return tf.reduce_sum(activations**2) / 2
        inner = (
            activations[:, 2:-2, 2:-2] if activations.shape.rank == 4 else activations
        )
        return tf.reduce_sum(inner**2) / tf.cast(tf.size(activations), tf.float32)
