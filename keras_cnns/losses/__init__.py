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

__all__ = [
    "discriminator_loss",
    "gradient_penalty",
    "local_adversarial_loss",
    "minimax_generator_loss",
    "non_saturating_generator_loss",
    "self_regularization",
    "wasserstein_critic_loss",
    "wasserstein_generator_loss",
]
