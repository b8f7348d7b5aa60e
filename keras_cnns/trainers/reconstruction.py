"""Training of an inpainting network on reconstruction losses."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tensorflow import keras

from keras_cnns._checks import check_at_least
from keras_cnns.trainers.freezing import encoder_batch_norms
from keras_cnns.trainers.inpainting import InpaintingTrainer
from keras_cnns.trainers.reconstruction_loss import (
    Reconstruction,
    ReconstructionWeights,
)

if TYPE_CHECKING:
    import tensorflow as tf

    from keras_cnns.trainers.feature_networks import FeatureNetwork


class ReconstructionTrainer(InpaintingTrainer):
    """Reconstruction losses alone, in one stage or in partial convolution's two.

    From step ``second_stage_start`` on, the batch normalisations of the encoder are
    frozen, statistics and trained parameters: the zeros in holes bias the statistics of
    a batch. Give the optimizer a schedule whose rate drops there (``two_stage_rate``).

    It reports ``loss``, the weighted sum, and each loss before its weight: ``valid``,
    ``hole``, ``perceptual``, ``style``, ``total_variation``.

    Args:
        network: as ``InpaintingTrainer`` takes it, one output.
        loss_weights: ``ReconstructionWeights``; partial convolution's if left out.
        feature_network: ``FeatureNetwork``, where the weights need features.
        second_stage_start: step that the second stage begins with; 0: one stage.
        value_range: ``"unit"`` or ``"signed"``.
        **options: of ``StepwiseTrainer``.

    Raises:
        ValueError: if the network does not fit, there is nothing to freeze, or an
            argument is bad.

    Source: Liu et al., arXiv 1804.07723, sections 3.3 and 4.2 (Adam at 2e-4, then at
    5e-5).
    """

    def __init__(
        self,
        network: keras.Model,
        *,
        loss_weights: ReconstructionWeights | None = None,
        feature_network: FeatureNetwork | None = None,
        second_stage_start: int = 0,
        value_range: str = "unit",
        **options: Any,
    ) -> None:
        reconstruction = Reconstruction(
            loss_weights or ReconstructionWeights(), feature_network, value_range
        )
        super().__init__(
            network,
            value_range=value_range,
            metric_names=("loss", *reconstruction.names),
            **options,
        )
        check_at_least(0, second_stage_start=second_stage_start)
        self._reconstruction = reconstruction
        self._second_stage_start = second_stage_start
        self._frozen_later = encoder_batch_norms(network) if second_stage_start else []
        self._is_frozen = False

    def next_step(self) -> Callable[[tuple], dict]:
        """``train_step``, then ``second_stage_step`` with frozen norms."""
        is_second = 0 < self._second_stage_start <= self.steps_done
        if is_second != self._is_frozen:
            for layer in self._frozen_later:
                layer.trainable = not is_second
            self._is_frozen = is_second
            self._compiled = {}  # XLA compiled the other stage's norms
        return self.second_stage_step if is_second else self.train_step

    def train_step(self, data: tuple) -> dict:
        """One update.

        Args:
            data: (true images, masks).
        """
        self.minimize(self.objective, self.network, self.optimizer, *data)
        return self.finish_step()

    def second_stage_step(self, data: tuple) -> dict:
        """The same, compiled again for the partly frozen network."""
        return self.train_step(data)

    def objective(self, images: tf.Tensor, masks: tf.Tensor) -> tuple:
        """Weighted sum of the reconstruction losses, and what is reported."""
        (output,) = self.paint(images, masks)
        loss, report = self._reconstruction(output, images, masks)
        return loss, {"loss": loss, **report}


def two_stage_rate(
    first: float, second: float, second_stage_start: int
) -> keras.optimizers.schedules.LearningRateSchedule:
    """The rate of partial convolution's two stages, a schedule.

    Args:
        first, second: learning rates, positive.
        second_stage_start: step that the second stage begins with, at least 1.

    Raises:
        ValueError: if an argument is out of range.
    """
    if not min(first, second) > 0 or second_stage_start < 1:
        raise ValueError(
            "two stages need positive rates and a second one that starts at step 1 or "
            f"later, got {first!r}, {second!r} and {second_stage_start!r}"
        )
    # Keras keeps a value up to and including its boundary.
    return keras.optimizers.schedules.PiecewiseConstantDecay(
        [second_stage_start - 1], [first, second]
    )
