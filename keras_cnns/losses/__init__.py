"""Losses: pure functions of tensors, one value per example."""

from keras_cnns.losses.adversarial import (
    discriminator_loss,
    gradient_penalty,
    local_adversarial_loss,
    minimax_generator_loss,
    non_saturating_generator_loss,
    self_regularization,
    wasserstein_critic_loss,
    wasserstein_generator_loss,
)
from keras_cnns.losses.inpainting import (
    check_discount,
    composite,
    discounted_l1,
    distance_to_known,
    gram_matrix,
    hole_l1,
    hole_mean_squared_error,
    known_l1,
    perceptual,
    style,
    total_variation,
    valid_l1,
)

__all__ = [
    "check_discount",
    "composite",
    "discounted_l1",
    "discriminator_loss",
    "distance_to_known",
    "gradient_penalty",
    "gram_matrix",
    "hole_l1",
    "hole_mean_squared_error",
    "known_l1",
    "local_adversarial_loss",
    "minimax_generator_loss",
    "non_saturating_generator_loss",
    "perceptual",
    "self_regularization",
    "style",
    "total_variation",
    "valid_l1",
    "wasserstein_critic_loss",
    "wasserstein_generator_loss",
]
