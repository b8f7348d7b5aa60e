"""Maps by a classifier's trained weights and by random ones, image by image."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from keras_cnns import _progress
from keras_cnns.inspection.faithfulness import logit_layer, map_similarity, randomized
from keras_cnns.inspection.methods import Explainer

RANDOMIZED = {"logits": "of the logits alone", "all": "of all layers"}


@dataclasses.dataclass(frozen=True)
class MapsByWeights:
    """One method's maps of some images.

    Attributes:
        method: key of ``METHODS``.
        trained: by the trained weights, ``(count, height, width)``.
        random: the same with random weights, by key of ``RANDOMIZED``: which ones.
    """

    method: str
    trained: np.ndarray
    random: dict

    def stays(self, number: int) -> dict:
        """How much of an image's map stays with random weights.

        Returns:
            By key of ``RANDOMIZED`` the rank correlations ``signed`` and ``absolute``,
            as of ``Similarity``; None where one of the maps is constant.
        """
        found = {}
        for name, maps in self.random.items():
            pair = (one[number : number + 1] for one in (self.trained, maps))
            alike = map_similarity(*pair)
            values = {"signed": alike.signed, "absolute": alike.absolute}
            found[name] = dict.fromkeys(values) if alike.num_constant else values
        return found

    def row(self, number: int) -> tuple:
        """An image's row of ``figures.explanation_grid`` with ``random_maps``."""
        stays = self.stays(number)["all"]["absolute"]
        text = "-" if stays is None else f"{stays:.2f}"
        maps = self.trained[number], self.random["all"][number]
        return (f"{self.method}: {text} stays", *maps)


def told_similarity(value: float | None) -> str:
    """A rank correlation of ``MapsByWeights.stays`` for people."""
    return "undefined" if value is None else f"{value:.2f}"


def maps_by_weights(
    explainer: Explainer,
    methods: Sequence[str],
    images: np.ndarray,
    classes: int | Sequence[int] | np.ndarray | None = None,
) -> dict:
    """Maps of several methods by the trained weights and by random ones.

    Args:
        explainer: of the classifier; its seed is that of the random weights.
        methods: keys of ``METHODS``.
        images, classes: as of ``gradient_maps``.

    Returns:
        ``MapsByWeights`` by method.

    Raises:
        ValueError: as of ``Explainer.maps``.

    Source: Adebayo et al., arXiv 1810.03292, section 3.
    """
    plain = explainer.classifier("gradient")
    classes = plain.classes_of(images, classes)  # those of the trained weights

    def make():
        return {name: explainer.maps(name, images, classes) for name in methods}

    trained, random = make(), {}
    classifiers = [one for name in methods for one in explainer.classifiers(name)]
    classifiers = list(dict.fromkeys(classifiers))
    for name in _progress.track(RANDOMIZED, "maps by random weights"):
        layers = [logit_layer(plain)] if name == "logits" else None
        with randomized(classifiers, layers, explainer.seed):
            random[name] = make()
    return {
        name: MapsByWeights(
            name, trained[name], {which: made[name] for which, made in random.items()}
        )
        for name in methods
    }
