"""Which networks fill holes, what they train against, and how each paper does it."""

import dataclasses

from tensorflow import keras

from keras_cnns.trainers.contextual_attention import ContextualAttentionTrainer
from keras_cnns.trainers.global_local import GlobalLocalTrainer
from keras_cnns.trainers.inpainting import InpaintingTrainer
from keras_cnns.trainers.lbam import LBAMTrainer
from keras_cnns.trainers.reconstruction import ReconstructionWeights

TRAINERS = {
    "reconstruction": InpaintingTrainer,
    "lbam": LBAMTrainer,
    "global_local": GlobalLocalTrainer,
    "contextual_attention": ContextualAttentionTrainer,
}
_WITH_FEATURES = ("reconstruction", "lbam")
_AGAINST = ("lbam", "global_local", "contextual_attention")
_PENALIZED = ("lbam", "contextual_attention")
# Flags that act on some of them only: flag, what decides, and which ones use it.
USED_BY = {
    "valid_weight": ("trainer", (*_WITH_FEATURES, "contextual_attention")),
    "hole_weight": ("trainer", (*_WITH_FEATURES, "contextual_attention")),
    "perceptual_weight": ("trainer", _WITH_FEATURES),
    "style_weight": ("trainer", _WITH_FEATURES),
    "total_variation_weight": ("trainer", _WITH_FEATURES),
    "compare_composite": ("trainer", _WITH_FEATURES),
    "second_stage_share": ("trainer", ("reconstruction",)),
    "second_stage_learning_rate": ("trainer", ("reconstruction",)),
    "adversarial_weight": ("trainer", _AGAINST),
    "discriminator_learning_rate": ("trainer", _AGAINST),
    "discriminator_beta_1": ("trainer", _AGAINST),
    "penalty_weight": ("trainer", _PENALIZED),
    "discriminator_steps": ("trainer", _PENALIZED),
    "completion_share": ("trainer", ("global_local",)),
    "discriminator_alone_share": ("trainer", ("global_local",)),
    "coarse_weight": ("trainer", ("contextual_attention",)),
    "discount": ("trainer", ("contextual_attention",)),
    "distance": ("trainer", ("contextual_attention",)),
}
# Flags that trainers have as arguments of the same name.
_OWN = {
    "reconstruction": (),
    "lbam": ("adversarial_weight", "penalty_weight", "discriminator_steps"),
    "global_local": ("adversarial_weight",),
    "contextual_attention": (
        "adversarial_weight",
        "penalty_weight",
        "discriminator_steps",
        "hole_weight",
        "valid_weight",
        "coarse_weight",
        "discount",
        "distance",
    ),
}
# Fields of ``ReconstructionWeights`` and their flags.
_OF_RECONSTRUCTION = {
    "valid": "valid_weight",
    "hole": "hole_weight",
    "perceptual": "perceptual_weight",
    "style": "style_weight",
    "total_variation": "total_variation_weight",
    "of_composite": "compare_composite",
}


@dataclasses.dataclass(frozen=True)
class InpaintingModel:
    """A network and what it trains against.

    Attributes:
        network: registry name; the registry has its pictures' size and range.
        opponents: registry names by role, that of the trainer's argument and of the
            weight file.
        trainer: key of ``TRAINERS``.
        masks: arguments of ``keras_cnns.data.MaskRecipe``.
        flags: flag values of ``apps/train_inpainter.py`` that the source gives.
        source: paper or code, and what differs from it here.
    """

    network: str
    opponents: dict
    trainer: str
    masks: dict
    flags: dict
    source: str


_IRREGULAR = {"kinds": "irregular"}
# 96 to 128 pixels of 256.
_RECTANGLES = {"kinds": "rectangle", "rectangle_sides": (0.375, 0.5)}
_PARTIAL_CONVOLUTION = {
    "optimizer": "adam",
    "learning_rate": 2e-4,
    "beta_1": 0.9,
    "beta_2": 0.999,
    "batch_size": 6,
    "valid_weight": 1.0,
    "hole_weight": 6.0,
    "perceptual_weight": 0.05,
    "style_weight": 120.0,
    "total_variation_weight": 0.1,
    "compare_composite": True,
    "second_stage_learning_rate": 5e-5,
    "second_stage_share": 1 / 3,
}
_PARTIAL_CONVOLUTION_SOURCE = (
    "arXiv 1804.07723, sections 3.3 and 4.2; the second stage's share of the steps is "
    "custom, batch size and Adam's moments (PyTorch's) are (unverified); its masks "
    "come from videos"
)
_LBAM = {
    "optimizer": "adam",
    "learning_rate": 1e-4,
    "beta_1": 0.5,
    "beta_2": 0.9,
    "discriminator_learning_rate": 1e-5,
    "discriminator_beta_1": 0.0,
    "discriminator_steps": 1,
    "batch_size": 48,
    "epochs": 500,
    "augmentation": "flip",
    "valid_weight": 1.0,
    "hole_weight": 1.0,
    "perceptual_weight": 0.05,
    "style_weight": 120.0,
    "total_variation_weight": 0.0,
    "compare_composite": False,
    "adversarial_weight": 0.1,
    "penalty_weight": 10.0,
}
_GLOBAL_LOCAL = {
    "optimizer": "adadelta",
    "learning_rate": 1.0,
    "rho": 0.95,
    "epsilon": 1e-6,
    "batch_size": 96,
    "adversarial_weight": 4e-4,
    "completion_share": 0.18,
    "discriminator_alone_share": 0.02,
}
_CONTEXTUAL_ATTENTION = {
    "optimizer": "adam",
    "learning_rate": 1e-4,
    "beta_1": 0.5,
    "beta_2": 0.9,
    "discriminator_beta_1": 0.5,
    "discriminator_steps": 5,
    "batch_size": 16,
    "adversarial_weight": 1e-3,
    "penalty_weight": 10.0,
    "hole_weight": 1.2,
    "valid_weight": 1.2,
    "coarse_weight": 1.2,
    "discount": 0.9,
    "distance": "axis",
}


def _reconstruction(network, source=_PARTIAL_CONVOLUTION_SOURCE, **changes):
    flags = {**_PARTIAL_CONVOLUTION, **changes}
    return InpaintingModel(network, {}, "reconstruction", _IRREGULAR, flags, source)


MODELS = {
    "pconv_unet": _reconstruction("pconv_unet"),
    "pconv_unet256": _reconstruction("pconv_unet256"),
    "masked_unet": _reconstruction(
        "masked_unet", "not in a paper; as pconv_unet, to compare with it"
    ),
    "lbam": InpaintingModel(
        "lbam",
        {"discriminator": "lbam_discriminator"},
        "lbam",
        _IRREGULAR,
        _LBAM,
        "arXiv 1909.00968, section 4; rates, moments and epochs of its released code; "
        "loss weights and batch size are (unverified). The code has 6 for the hole, "
        "0.01 (0.005 in another revision) for features, and compares those of the "
        "composite too; it crops 256 of 350 pixels",
    ),
    "global_local": InpaintingModel(
        "global_local",
        {"discriminator": "global_local_discriminator"},
        "global_local",
        _RECTANGLES,
        _GLOBAL_LOCAL,
        "SIGGRAPH 2017, sections 3 and 4; phases of 90,000 and 10,000 of 500,000 "
        "steps; weight, optimizer and batch size are (unverified), the constants of "
        "Adadelta are those of its paper, arXiv 1212.5701. A public port has Adam at "
        "4e-4 and a weight of 1e-3",
    ),
    "contextual_attention": InpaintingModel(
        "contextual_attention",
        {
            "global_critic": "contextual_attention_global_discriminator",
            "local_critic": "contextual_attention_local_discriminator",
        },
        "contextual_attention",
        _RECTANGLES,
        _CONTEXTUAL_ATTENTION,
        "arXiv 1801.07892 and the first version of its released code; discount 0.99 in "
        "the paper",
    ),
}


def find_model(name: str) -> InpaintingModel:
    """The row of a name.

    Raises:
        ValueError: if the name is unknown.
    """
    if name not in MODELS:
        raise ValueError(
            f"unknown inpainting model {name!r}; there are {', '.join(MODELS)}"
        )
    return MODELS[name]


def trainer_options(trainer: str, flags: dict, total_steps: int) -> dict:
    """A trainer's own arguments, as the flags of ``USED_BY`` give them.

    Args:
        trainer: key of ``TRAINERS``.
        flags: values of those flags that the trainer uses.
        total_steps: of the whole run, which shares are taken of.

    Raises:
        ValueError: if a share is not in [0, 1] or leaves its own phase or the one of
            both networks without a step, or a weight is bad.
    """
    options = {name: flags[name] for name in _OWN[trainer]}
    if trainer in _WITH_FEATURES:
        options["loss_weights"] = ReconstructionWeights(
            **{field: flags[flag] for field, flag in _OF_RECONSTRUCTION.items()}
        )
    if trainer == "reconstruction":
        steps = _steps_of(flags, "second_stage_share", total_steps)
        options["second_stage_start"] = total_steps - steps if steps else 0
    if trainer == "global_local":
        shares = ("completion_share", "discriminator_alone_share")
        steps = [_steps_of(flags, flag, total_steps) for flag in shares]
        if sum(steps) >= total_steps:
            told = " and ".join(f"{flag}={flags[flag]}" for flag in shares)
            raise ValueError(
                f"{told} leave none of {total_steps} steps for training both networks; "
                "their sum must be less than 1"
            )
        options["completion_steps"], options["discriminator_alone_steps"] = steps
    return options


def _steps_of(flags, name, total_steps):
    """A phase's steps; none only if its share is 0."""
    share = flags[name]
    if not 0 <= share <= 1:
        raise ValueError(f"{name} must be a share in [0, 1], got {share!r}")
    steps = round(share * total_steps)
    if share and not steps:
        raise ValueError(
            f"{name}={share} of {total_steps} steps is none; give a larger share, 0 "
            "for no such phase, or more steps"
        )
    return steps


def two_stage_rate(first: float, second: float, second_stage_start: int):
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
