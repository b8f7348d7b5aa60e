"""Coarse-to-fine inpainting with a global and a local critic."""

from typing import Any

import tensorflow as tf
from tensorflow import keras

from keras_cnns import losses
from keras_cnns._checks import check_at_least
from keras_cnns.trainers import local_patches
from keras_cnns.trainers.adversarial_inpainting import (
    PenalizedInpaintingTrainer,
    check_discriminator,
    square_size,
)
from keras_cnns.trainers.wasserstein import check_penalized, sum_of_means


class ContextualAttentionTrainer(PenalizedInpaintingTrainer):
    """Two Wasserstein critics, penalised in the hole alone, and two stages' L1 losses.

    It reports ``critic_loss`` (penalties included), ``gradient_penalty`` (the sum of
    both before their weight), ``wasserstein_estimate`` (the sum of both),
    ``generator_loss`` (the weighted sum), ``adversarial_loss``, ``hole`` (the
    discounted differences) and ``valid`` (those of valid pixels), each with its coarse
    part weighted.

    Args:
        network: ``[images, masks]`` to ``[refined, coarse]`` images.
        global_critic: images to scores ``(batch, 1)``.
        local_critic: patches around the hole to scores ``(batch, 1)``; its input gives
            the size. Both critics must be without batch normalisation.
        adversarial_weight: of the critics' scores.
        hole_weight, valid_weight: of the differences in the hole and outside.
        coarse_weight: of the coarse image's differences, against 1 of the refined.
        discount, distance: as ``losses.discounted_l1`` takes them.
        penalty_weight: lambda.
        value_range: ``"unit"`` or ``"signed"``.
        **options: of ``PenalizedInpaintingTrainer``; its ``discriminator_steps`` are 5
            if left out.

    Raises:
        ValueError: if the networks do not fit together or an argument is bad.

    Source: Yu et al., arXiv 1801.07892, algorithm 1 and section 3; weights and discount
    of the released code's first version. Differences in the hole are averaged over
    each image's own hole, there over the local patch.
    """

    num_outputs = num_critics = 2
    discriminator_steps = 5

    metric_names = (
        "critic_loss",
        "gradient_penalty",
        "wasserstein_estimate",
        "generator_loss",
        "adversarial_loss",
        "hole",
        "valid",
    )

    def __init__(
        self,
        network: keras.Model,
        global_critic: keras.Model,
        local_critic: keras.Model,
        *,
        adversarial_weight: float = 1e-3,
        hole_weight: float = 1.2,
        valid_weight: float = 1.2,
        coarse_weight: float = 1.2,
        discount: float = 0.9,
        distance: str = "axis",
        penalty_weight: float = 10.0,
        value_range: str = "signed",
        **options: Any,
    ) -> None:
        for critic in (global_critic, local_critic):
            check_discriminator(critic, 1)
            check_penalized(critic, penalty_weight)
        critics = join_critics(global_critic, local_critic)
        super().__init__(
            network,
            critics,
            adversarial_weight=adversarial_weight,
            penalty_weight=penalty_weight,
            value_range=value_range,
            **options,
        )
        losses.check_discount(discount, distance)
        check_at_least(
            0,
            hole_weight=hole_weight,
            valid_weight=valid_weight,
            coarse_weight=coarse_weight,
        )
        self._weights = (adversarial_weight, hole_weight, valid_weight)
        self._coarse_weight = coarse_weight
        self._discount = {"discount": discount, "distance": distance}
        self._patch_size = square_size(local_critic, 0)
        self._critics = (global_critic, local_critic)

    @property
    def networks(self) -> dict:
        global_critic, local_critic = self._critics
        return {
            "last": self.network,
            "global_critic": global_critic,
            "local_critic": local_critic,
        }

    def critic_objective(
        self,
        images: tf.Tensor,
        masks: tf.Tensor,
        global_fractions: tf.Tensor,
        local_fractions: tf.Tensor,
    ) -> tuple:
        """Each critic's E f(filled) - E f(true), with its penalty in the hole."""
        output = tf.stop_gradient(self.paint(images, masks)[0])
        reals = self._views(images, masks)
        fakes = self._views(losses.composite(output, images, masks), masks)
        return self.penalized_loss(
            self._score,
            reals,
            fakes,
            [global_fractions, local_fractions],
            weights=self._views(1 - masks, masks),
        )

    def generator_objective(self, images: tf.Tensor, masks: tf.Tensor) -> tuple:
        """Scores of the filled image, and the differences of both stages."""
        refined, coarse = self.paint(images, masks)
        filled = self._views(losses.composite(refined, images, masks), masks)
        scores = self._score(filled)
        adversarial = sum_of_means(losses.wasserstein_generator_loss, scores)

        def both(loss, **options):
            on_refined, on_coarse = (
                tf.reduce_mean(loss(output, images, masks, **options))
                for output in (refined, coarse)
            )
            return on_refined + self._coarse_weight * on_coarse

        hole = both(losses.discounted_l1, **self._discount)
        valid = both(losses.valid_mean_l1)
        terms = (adversarial, hole, valid)
        loss = sum(weight * term for weight, term in zip(self._weights, terms))
        return loss, {
            "generator_loss": loss,
            "adversarial_loss": adversarial,
            "hole": hole,
            "valid": valid,
        }

    def _score(self, views):
        """Scores of the global and the local critic."""
        return self.discriminator(views, training=True)

    def _views(self, images, masks):
        """Inputs of the global and the local critic."""
        corners = local_patches.hole_corners(masks, self._patch_size)
        return [images, local_patches.cut(images, corners, self._patch_size)]


def join_critics(global_critic: keras.Model, local_critic: keras.Model) -> keras.Model:
    """Both critics as one network ``[images, patches]`` to their two scores.

    They share an optimizer, and are trained like one network.
    """
    inputs = [keras.Input(c.input_shape[1:]) for c in (global_critic, local_critic)]
    scores = [global_critic(inputs[0]), local_critic(inputs[1])]
    return keras.Model(inputs, scores, name="critics")
