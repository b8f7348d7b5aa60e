"""Learnable bidirectional attention maps: reconstruction losses and a critic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tensorflow as tf

from keras_cnns import losses
from keras_cnns.trainers.adversarial_inpainting import (
    PenalizedInpaintingTrainer,
    check_discriminator,
)
from keras_cnns.trainers.reconstruction_loss import (
    Reconstruction,
    ReconstructionWeights,
)
from keras_cnns.trainers.wasserstein import check_penalized

if TYPE_CHECKING:
    from tensorflow import keras

    from keras_cnns.trainers.feature_networks import FeatureNetwork

# Plain L1 of the image, and features of the output alone.
PAPER_WEIGHTS = ReconstructionWeights(1.0, 1.0, 0.05, 120.0, 0.0, of_composite=False)


class LBAMTrainer(PenalizedInpaintingTrainer):
    """Four losses: pixels, features, style, and a Wasserstein critic's score.

    The critic sees the network's own output, not the composite, and the mask, by
    which it separates valid pixels from the hole. It reports ``critic_loss`` (penalty
    included), ``gradient_penalty`` (before its weight), ``wasserstein_estimate``,
    ``generator_loss`` (the weighted sum), ``adversarial_loss`` and each reconstruction
    loss before its weight.

    Args:
        network: as ``InpaintingTrainer`` takes it, one output.
        discriminator: the critic, ``[images, masks]`` to scores ``(batch, 1)``;
            without batch normalisation, which would tie each example's gradient to the
            others.
        loss_weights: ``ReconstructionWeights``; ``PAPER_WEIGHTS`` if left out.
        feature_network: ``FeatureNetwork``, where the weights need features.
        adversarial_weight: of the critic's score.
        penalty_weight: lambda.
        value_range: ``"unit"`` or ``"signed"``.
        **options: of ``PenalizedInpaintingTrainer``.

    Raises:
        ValueError: if networks do not fit together or an argument is bad.

    Source: Xie et al., ICCV 2019 (arXiv 1909.00968), section 3.4; its weights are
    (unverified). The released code negates the critic's score of true images twice
    and lowers the score of filled ones in the network's update; the signs here are
    those of Gulrajani et al., arXiv 1704.00028.
    """

    def __init__(
        self,
        network: keras.Model,
        discriminator: keras.Model,
        *,
        loss_weights: ReconstructionWeights = PAPER_WEIGHTS,
        feature_network: FeatureNetwork | None = None,
        adversarial_weight: float = 0.1,
        penalty_weight: float = 10.0,
        value_range: str = "unit",
        **options: Any,
    ) -> None:
        reconstruction = Reconstruction(loss_weights, feature_network, value_range)
        super().__init__(
            network,
            discriminator,
            adversarial_weight=adversarial_weight,
            penalty_weight=penalty_weight,
            value_range=value_range,
            metric_names=(
                "critic_loss",
                "gradient_penalty",
                "wasserstein_estimate",
                "generator_loss",
                "adversarial_loss",
                *reconstruction.names,
            ),
            **options,
        )
        check_penalized(discriminator, penalty_weight)
        check_discriminator(discriminator, 2)
        self._reconstruction = reconstruction

    def critic_objective(
        self, images: tf.Tensor, masks: tf.Tensor, fractions: tf.Tensor
    ) -> tuple:
        """E D(filled) - E D(true) with the penalty between them."""
        fakes = tf.stop_gradient(self.paint(images, masks)[0])
        return self.penalized_loss(
            lambda images: self._score(images, masks), images, fakes, fractions
        )

    def generator_objective(self, images: tf.Tensor, masks: tf.Tensor) -> tuple:
        """The reconstruction losses and -E D(filled), weighted."""
        (output,) = self.paint(images, masks)
        scores = self._score(output, masks)
        adversarial = tf.reduce_mean(losses.wasserstein_generator_loss(scores))
        loss, report = self._reconstruction(output, images, masks)
        loss += self._adversarial_weight * adversarial
        return loss, {"generator_loss": loss, "adversarial_loss": adversarial, **report}

    def _score(self, images, masks):
        return self.discriminator([images, masks], training=True)
