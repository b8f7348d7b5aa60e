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
from keras_cnns.losses.detection import (
    RPN_FORMS,
    region_losses,
    rpn_losses,
    smooth_l1,
)
from keras_cnns.losses.inpainting import (
    DISTANCES,
    check_discount,
    composite,
    discounted_l1,
    distance_to_valid,
    gram_matrix,
    hole_l1,
    hole_mean_squared_error,
    perceptual,
    style,
    total_variation,
    valid_l1,
    valid_mean_l1,
)
from keras_cnns.losses.super_resolution import VGG_FEATURE_SCALE, content
from keras_cnns.losses.triplet import triplet_hinge

__all__ = [
    "DISTANCES",
    "VGG_FEATURE_SCALE",
    "RPN_FORMS",
    "check_discount",
    "composite",
    "content",
    "discounted_l1",
    "discriminator_loss",
    "distance_to_valid",
    "gradient_penalty",
    "gram_matrix",
    "hole_l1",
    "hole_mean_squared_error",
    "valid_mean_l1",
    "local_adversarial_loss",
    "minimax_generator_loss",
    "non_saturating_generator_loss",
    "perceptual",
    "self_regularization",
    "region_losses",
    "rpn_losses",
    "smooth_l1",
    "style",
    "total_variation",
    "triplet_hinge",
    "valid_l1",
    "wasserstein_critic_loss",
    "wasserstein_generator_loss",
]
