"""Whether maps tell of the classifier: random weights, and deleted pixels.

A map that stays the same when the weights are random tells of the image, of its edges
for example, and not of what the network has learnt.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy import stats

from keras_cnns._checks import check_within
from keras_cnns.inspection.inspected import InspectedClassifier, as_inspected

if TYPE_CHECKING:
    from tensorflow import keras


class Similarity(NamedTuple):
    """Mean rank correlations of maps.

    Attributes:
        signed: Spearman's of the maps, over the images; NaN if there is none.
        absolute: that of their absolute values.
        num_constant: images left out because one of the maps is constant.
    """

    signed: float
    absolute: float
    num_constant: int


def map_similarity(maps: np.ndarray, others: np.ndarray) -> Similarity:
    """How alike maps order the positions, by image.

    Args:
        maps: ``(count, height, width)`` or with channels, signed.
        others: of the same shape.

    Raises:
        ValueError: if the shapes differ.

    Source: Adebayo et al., arXiv 1810.03292, section 3.
    """
    maps, others = (np.asarray(x, np.float64) for x in (maps, others))
    if maps.shape != others.shape:
        raise ValueError(f"maps of {maps.shape} and {others.shape} cannot be compared")
    signed, absolute, constant = [], [], 0
    for one, other in zip(maps.reshape(len(maps), -1), others.reshape(len(maps), -1)):
        if any(np.ptp(x) == 0 for x in (one, other, np.abs(one), np.abs(other))):
            constant += 1
            continue
        signed.append(rank_correlation(one, other))
        absolute.append(rank_correlation(np.abs(one), np.abs(other)))
    return Similarity(_mean(signed), _mean(absolute), constant)


def _mean(values):
    return float(np.mean(values)) if values else float("nan")


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's rank correlation of two vectors; equal values share their rank."""
    ranks = [stats.rankdata(values) for values in (one, other)]
    return float(np.corrcoef(*ranks)[0, 1])


def weighted_layers(classifier: InspectedClassifier) -> list:
    """Names of the layers with weights, from the logits down to the image."""
    return [layer.name for layer in reversed(classifier.model.layers) if layer.weights]


def logit_layer(classifier: InspectedClassifier) -> str:
    """Name of the last layer with a kernel, which makes the logits."""
    return next(
        layer.name for layer in reversed(classifier.model.layers) if _has_kernel(layer)
    )


def _has_kernel(layer):
    return any(len(weight.shape) > 1 for weight in layer.weights)


@contextlib.contextmanager
def randomized(
    classifiers: InspectedClassifier | Sequence[InspectedClassifier],
    layers: Collection[str] | None = None,
    seed: int = 0,
) -> Iterator[None]:
    """Context in which layers of inspected classifiers have random weights.

    Kernels become normal values of mean 0 and their own standard deviation; vectors
    (biases, scales, statistics of batch normalisation) are shuffled, which keeps
    variances positive. Afterwards the weights are as they were. What is drawn depends
    on the seed and the order of the layers in the network alone, so that copies of one
    network under several rules are randomised alike.

    Args:
        classifiers: ``InspectedClassifier``, or a list of them; their own weights are
            changed, those of the models that they were made of are not.
        layers: names of the layers; None: all with weights.
        seed: of the random values.

    Raises:
        ValueError: if a layer does not exist or has no weights.
    """
    if isinstance(classifiers, InspectedClassifier):
        classifiers = [classifiers]
    before = []
    try:
        for classifier in classifiers:
            names = weighted_layers(classifier)
            chosen = names if layers is None else list(layers)
            unknown = sorted(set(chosen) - set(names))
            if unknown:
                raise ValueError(
                    f"there is no layer with weights named {', '.join(unknown)}"
                )
            random = np.random.default_rng(seed)
            for name in names:
                layer = classifier.model.get_layer(name)
                weights = layer.get_weights()
                drawn = [_randomized(weight, random) for weight in weights]
                if name in chosen:  # the others are drawn all the same
                    before.append((layer, weights))
                    layer.set_weights(drawn)
        yield
    finally:
        for layer, weights in before:
            layer.set_weights(weights)


def _randomized(weight, random):
    if not np.issubdtype(weight.dtype, np.floating):
        return weight
    if weight.ndim < 2:
        return random.permutation(np.atleast_1d(weight)).reshape(weight.shape)
    return random.normal(0, weight.std(), weight.shape).astype(weight.dtype)


def randomization_check(
    make_maps: Callable[[], np.ndarray],
    classifiers: InspectedClassifier | Sequence[InspectedClassifier],
    stages: Mapping[str, Collection[str]],
    seed: int = 0,
) -> dict:
    """How much of the maps stays as more, or other, layers are random.

    Args:
        make_maps: function without arguments that returns signed maps ``(count, height,
            width)`` by the classifiers' weights of the moment.
        classifiers: the ``InspectedClassifier`` that it uses, or a list of them.
        stages: names of the layers that are random together, by the stage's name:
            growing sets are the cascading check, single ones the independent one.
        seed: of the random weights.

    Returns:
        ``Similarity`` to the maps of the trained weights, by stage.

    Source: Adebayo et al., arXiv 1810.03292, sections 3.1 and 3.2.
    """
    trained, found = make_maps(), {}
    for stage, names in stages.items():
        with randomized(classifiers, names, seed):
            found[stage] = map_similarity(trained, make_maps())
    return found


def cascading_stages(classifier: InspectedClassifier) -> dict:
    """Growing sets of layers with kernels, from the logits down, by its last.

    Layers without a kernel, such as batch normalisation, join the kernel before them.
    """
    stages, names = {}, []
    for name in weighted_layers(classifier):
        names.append(name)
        if _has_kernel(classifier.model.get_layer(name)):
            stages[name] = tuple(names)
    return stages


def independent_stages(classifier: InspectedClassifier) -> dict:
    """Each layer with weights by itself, from the logits down."""
    return {name: (name,) for name in weighted_layers(classifier)}


class Deletion(NamedTuple):
    """Probability of each image's class, with and without pixels.

    Attributes:
        before: of the images, ``(count,)``.
        after: without the pixels of the largest absolute values of the maps.
        random: without as many at random.
    """

    before: np.ndarray
    after: np.ndarray
    random: np.ndarray


def deletion_score(
    model: keras.Model | InspectedClassifier,
    images: np.ndarray,
    maps: np.ndarray,
    classes: int | Sequence[int] | np.ndarray | None = None,
    **options: Any,
) -> Deletion:
    """How much the probability falls as the pixels go that a map marks.

    Args:
        model, images, classes, **options: as of ``deletion_scores``.
        maps: ``(count, height, width)``.
    """
    return deletion_scores(model, images, {"": maps}, classes, **options)[""]


def deletion_scores(
    model: keras.Model | InspectedClassifier,
    images: np.ndarray,
    maps: Mapping[str, np.ndarray],
    classes: int | Sequence[int] | np.ndarray | None = None,
    fraction: float = 0.1,
    fill: float | Sequence[float] = 0.0,
    seed: int = 0,
) -> dict:
    """The ``Deletion`` of the maps of several methods, by name.

    Args:
        model, images, classes: as of ``gradient_maps``.
        maps: ``(count, height, width)``, by name.
        fraction: of the pixels that go.
        fill: their value in the network's input; a number or one per channel.
        seed: of those at random.

    Raises:
        ValueError: if the maps are not of the images' size.
    """
    check_within("fraction", fraction, "(0, 1)")
    classifier = as_inspected(model)
    classes = classifier.classes_of(images, classes)
    images = classifier.check_images(images)
    maps = {name: np.abs(one) for name, one in maps.items()}
    for one in maps.values():
        if one.shape != images.shape[:3]:
            raise ValueError(f"maps of {one.shape} are not of images {images.shape}")
    noise = np.random.default_rng(seed).random(images.shape[:3])
    chosen = np.arange(len(images)), classes

    def probability(values):
        left = images if values is None else _deleted(images, values, fraction, fill)
        return classifier.probabilities(left)[chosen]

    before, random = probability(None), probability(noise)
    return {
        name: Deletion(before, probability(one), random) for name, one in maps.items()
    }


def _deleted(images, values, fraction, fill):
    """Images without the pixels of the largest values, a fraction of all."""
    count = max(1, round(fraction * values[0].size))
    order = np.argsort(-values.reshape(len(values), -1), axis=1, kind="stable")
    gone = np.zeros((len(values), values[0].size), bool)
    np.put_along_axis(gone, order[:, :count], True, axis=1)
    return np.where(
        gone.reshape(values.shape)[..., None], np.float32(fill), images
    ).astype(np.float32)
