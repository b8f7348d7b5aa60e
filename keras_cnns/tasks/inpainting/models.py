"""Inpainting models: networks, discriminators, and hyper-parameters as published."""

from keras_cnns import trainers
from keras_cnns.runs import PaperModel

TRAINERS = {
    "reconstruction": trainers.ReconstructionTrainer,
    "lbam": trainers.LBAMTrainer,
    "global_local": trainers.GlobalLocalTrainer,
    "contextual_attention": trainers.ContextualAttentionTrainer,
}
# 96 to 128 pixels of 256.
_RECTANGLES = {"mask_kinds": "rectangle", "rectangle_sides": "0.375,0.5"}
# fmt: off
_ADAM = {"optimizer": "adam", "epsilon": 1e-8}
_PARTIAL_CONVOLUTION = {
    "mask_kinds": "irregular", **_ADAM, "learning_rate": 2e-4,
    "beta_1": 0.9, "beta_2": 0.999, "batch_size": 6, "valid_weight": 1.0,
    "hole_weight": 6.0, "perceptual_weight": 0.05, "style_weight": 120.0,
    "total_variation_weight": 0.1, "compare_composite": True,
    "second_stage_learning_rate": 5e-5, "second_stage_fraction": 1 / 3,
}
_LBAM = {
    "mask_kinds": "irregular", **_ADAM, "learning_rate": 1e-4,
    "beta_1": 0.5, "beta_2": 0.9,
    "discriminator_learning_rate": 1e-5,
    "discriminator_beta_1": 0.0, "discriminator_steps": 1, "batch_size": 48,
    "epochs": 500, "augmentation": "flip", "valid_weight": 1.0, "hole_weight": 1.0,
    "perceptual_weight": 0.05, "style_weight": 120.0, "total_variation_weight": 0.0,
    "compare_composite": False, "standardize_features": False,
    "adversarial_weight": 0.1, "penalty_weight": 10.0,
}
_GLOBAL_LOCAL = {
    **_RECTANGLES, "optimizer": "adadelta", "learning_rate": 1.0, "rho": 0.95,
    "epsilon": 1e-6, "batch_size": 96, "adversarial_weight": 4e-4,
    "completion_fraction": 0.18, "discriminator_alone_fraction": 0.02,
}
_CONTEXTUAL_ATTENTION = {
    **_RECTANGLES, **_ADAM, "learning_rate": 1e-4, "beta_1": 0.5,
    "beta_2": 0.9, "discriminator_beta_1": 0.5, "discriminator_steps": 5,
    "batch_size": 16, "adversarial_weight": 1e-3, "penalty_weight": 10.0,
    "hole_weight": 1.2, "valid_weight": 1.2, "coarse_weight": 1.2, "discount": 0.9,
    "distance": "axis",
}
# fmt: on
_PARTIAL_CONVOLUTION_SOURCE = (
    "arXiv 1804.07723, sections 3.3 and 4.2; the second stage's fraction of the steps "
    "is custom, batch size and Adam's moments (PyTorch's) are (unverified); its masks "
    "come from videos"
)


def _reconstruction(network, source=_PARTIAL_CONVOLUTION_SOURCE):
    roles = {"network": network}
    return PaperModel(roles, _PARTIAL_CONVOLUTION, source, "reconstruction")


MODELS = {
    "pconv_unet": _reconstruction("pconv_unet"),
    "pconv_unet256": _reconstruction("pconv_unet256"),
    "masked_unet": _reconstruction(
        "masked_unet", "not in a paper; as pconv_unet, to compare with it"
    ),
    "lbam": PaperModel(
        {"network": "lbam", "discriminator": "lbam_discriminator"},
        _LBAM,
        "arXiv 1909.00968, section 4; rates, moments and epochs of its released code, "
        "and that VGG16 gets images in [0, 1] without standardisation; "
        "loss weights and batch size are (unverified). The code has 6 for the hole, "
        "0.01 (0.005 in another revision) for features, and compares those of the "
        "composite too; it crops 256 of 350 pixels",
        "lbam",
    ),
    "global_local": PaperModel(
        {"network": "global_local", "discriminator": "global_local_discriminator"},
        _GLOBAL_LOCAL,
        "SIGGRAPH 2017, sections 3 and 4; phases of 90,000 and 10,000 of 500,000 "
        "steps; weight, optimizer and batch size are (unverified), the constants of "
        "Adadelta are those of its paper, arXiv 1212.5701. A public port has Adam at "
        "4e-4 and a weight of 1e-3",
        "global_local",
    ),
    "contextual_attention": PaperModel(
        {
            "network": "contextual_attention",
            "global_critic": "contextual_attention_global_discriminator",
            "local_critic": "contextual_attention_local_discriminator",
        },
        _CONTEXTUAL_ATTENTION,
        "arXiv 1801.07892 and the first version of its released code; discount 0.99 in "
        "the paper",
        "contextual_attention",
    ),
}
