"""The weighted reconstruction losses of inpainting."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import tensorflow as tf

from keras_cnns import losses
from keras_cnns.data.preprocessing import check_value_range

if TYPE_CHECKING:
    from keras_cnns.trainers.feature_networks import FeatureNetwork


@dataclasses.dataclass(frozen=True)
class ReconstructionWeights:
    """Weight of each loss; 0 leaves one out.

    Attributes:
        valid, hole: of the absolute differences on valid pixels and in the hole.
        perceptual: of the differences of features.
        style: of the differences of their Gram matrices.
        total_variation: of the differences of neighbours in the hole.
        of_composite: whether features of the composite are compared as well as those
            of the output.

    The values are those of Liu et al., arXiv 1804.07723, section 3.3.
    """

    valid: float = 1.0
    hole: float = 6.0
    perceptual: float = 0.05
    style: float = 120.0
    total_variation: float = 0.1
    of_composite: bool = True

    def __post_init__(self):
        for name, weight in self.positive(least=None).items():
            if not weight >= 0:
                raise ValueError(f"the weight {name} must be >= 0, got {weight!r}")
        if not self.positive():
            raise ValueError("all weights of the reconstruction are 0")

    def positive(self, least: float | None = 0) -> dict:
        """The weights above ``least`` by name; None gives all."""
        weights = dataclasses.asdict(self)
        del weights["of_composite"]
        return {k: v for k, v in weights.items() if least is None or v > least}

    @property
    def needs_features(self) -> bool:
        return bool(self.perceptual or self.style)


class Reconstruction:
    """The weighted sum of the losses between outputs and true images.

    Args:
        weights: ``ReconstructionWeights``.
        feature_network: ``FeatureNetwork`` for the perceptual and the style loss.
        value_range: of the images, ``"unit"`` or ``"signed"``.

    Raises:
        ValueError: if a feature network is missing, superfluous or of another range.
    """

    def __init__(
        self,
        weights: ReconstructionWeights,
        feature_network: FeatureNetwork | None = None,
        value_range: str = "unit",
    ) -> None:
        check_value_range(value_range)
        if weights.needs_features and feature_network is None:
            raise ValueError(
                "the perceptual and the style loss need a feature_network; give one, "
                "or weights with perceptual=0 and style=0"
            )
        if feature_network is not None:
            if not weights.needs_features:
                raise ValueError(
                    f"{feature_network.name} would have no effect: the weights of the "
                    "perceptual and the style loss are 0"
                )
            if feature_network.value_range != value_range:
                raise ValueError(
                    f"{feature_network.name} takes images in the range "
                    f"{feature_network.value_range!r}, those to be filled are in "
                    f"{value_range!r}"
                )
        self._weights = weights
        self._feature_network = feature_network

    @property
    def names(self) -> tuple:
        """Names of the losses that are reported."""
        return tuple(self._weights.positive())

    def __call__(self, output: tf.Tensor, images: tf.Tensor, masks: tf.Tensor) -> tuple:
        """The loss of each image.

        Args:
            output: ``(batch, height, width, channels)``, of the network.
            images: the true images.
            masks: ``(batch, height, width, 1)``, 1 for valid pixels.

        Returns:
            (weighted sum, scalar; dict of each loss before its weight, scalars), means
            over the batch.
        """
        composites = losses.composite(output, images, masks)
        terms = {
            "valid": lambda: losses.valid_l1(output, images, masks),
            "hole": lambda: losses.hole_l1(output, images, masks),
            "total_variation": lambda: losses.total_variation(composites, masks),
        }
        if self._feature_network is not None:
            pairs = self._features(output, composites, images)
            terms["perceptual"] = lambda: _sum_of(losses.perceptual, pairs)
            terms["style"] = lambda: _sum_of(losses.style, pairs)
        weights = self._weights.positive()
        report = {name: tf.reduce_mean(terms[name]()) for name in weights}
        return sum(weights[name] * report[name] for name in weights), report

    def _features(self, output, composites, images):
        """(features, those of the true images) of outputs, and perhaps composites."""
        compared = [output, composites] if self._weights.of_composite else [output]
        targets = [tf.stop_gradient(maps) for maps in self._feature_network(images)]
        # One pass over all of them is faster than one for each kind.
        maps = self._feature_network(tf.concat(compared, 0))
        parted = [tf.split(values, len(compared)) for values in maps]
        return [(list(features), targets) for features in zip(*parted)]


def _sum_of(loss, pairs):
    return tf.add_n([loss(features, targets) for features, targets in pairs])
