"""The options of training an inpainting network."""

import dataclasses
from typing import Optional

from keras_cnns.data import MaskRecipe
from keras_cnns.losses import DISTANCES
from keras_cnns.runs import (
    TrainingOptions,
    any_of,
    changed,
    one_of,
    option,
    parse_numbers,
)
from keras_cnns.tasks.adversarial import AdversarialOptions
from keras_cnns.tasks.features import told_features
from keras_cnns.tasks.inpainting.models import MODELS
from keras_cnns.trainers import ReconstructionWeights


def _trained_by(*trainers):
    """Needs a model that one of these algorithms trains."""
    names = [name for name, row in MODELS.items() if row.trainer in trainers]
    return one_of("model", *names)


def _weight(default, of, needs):
    return option(default, f"weight of {of}", within="[0, inf)", needs=needs)


_LOSSES = _trained_by("reconstruction", "lbam")
_PIXELS = _trained_by("reconstruction", "lbam", "contextual_attention")
_ADVERSARIAL = _trained_by("lbam", "global_local", "contextual_attention")
_LOCAL = _trained_by("global_local", "contextual_attention")
_PENALIZED = _trained_by("lbam", "contextual_attention")
_STAGES = _trained_by("reconstruction")
_PHASES = _trained_by("global_local")
_COARSE = _trained_by("contextual_attention")
_FEATURES = (_LOSSES, any_of("perceptual_weight", "style_weight"))
_FEATURE_RUN = (_LOSSES, any_of("feature_run"))
_SECOND_STAGE = (_STAGES, any_of("second_stage_fraction"))
_ADVERSARIAL_ADAM = (_ADVERSARIAL, one_of("optimizer", "adam"))
_VALIDATION = any_of("validation_split")
_HOLES = ("mask_kinds", "hole_ratios", "rectangle_sides")


@dataclasses.dataclass(frozen=True)
class InpaintingOptions(TrainingOptions):
    """What ``train-inpainter`` takes."""

    task, models = "inpainting", MODELS

    validation_split: str = option("test", "split evaluated each epoch; empty: none")
    validation_images: int = option(
        200, "images of it, evenly spaced; 0: all", within="[0, inf)", needs=_VALIDATION
    )
    patch_size: int = option(
        0,
        "side of local critics' patches; 0: half the image's",
        within="[0, inf)",
        needs=_LOCAL,
    )
    mask_kinds: str = option(
        "irregular", "comma-separated irregular, rectangle, files:FOLDER (white: hole)"
    )
    hole_ratios: str = option(
        "", "least and largest hole ratio of irregular masks; empty: 0.01,0.6"
    )
    rectangle_sides: str = option(
        "", "least and largest side as fraction of the image's; empty: 0.375,0.5"
    )
    feature_weights: str = option(
        "", "VGG16 to compare by: imagenet, torchvision or a file", needs=_FEATURES
    )
    feature_run: str = option(
        "", "run of a classifier instead, compared at stage ends", needs=_FEATURES
    )
    feature_layers: str = option(
        "", "other layers of it, comma-separated, finest first", needs=_FEATURE_RUN
    )
    standardize_features: bool = option(
        True,
        "whether it gets images standardised as it was trained, or else in [0, 1]",
        needs=_FEATURES,
    )
    valid_weight: float = _weight(1.0, "differences on valid pixels", _PIXELS)
    hole_weight: float = _weight(6.0, "differences in the hole", _PIXELS)
    perceptual_weight: float = _weight(0.05, "the perceptual loss", _LOSSES)
    style_weight: float = _weight(120.0, "the style loss", _LOSSES)
    total_variation_weight: float = _weight(0.1, "total variation in the hole", _LOSSES)
    compare_composite: bool = option(
        True, "whether features of the composite are compared too", needs=_FEATURES
    )
    second_stage_fraction: float = option(
        1 / 3,
        "last fraction of the steps, encoder batch norms frozen",
        within="[0, 1]",
        needs=_STAGES,
    )
    second_stage_learning_rate: float = option(
        5e-5, "learning rate of those steps", within="(0, inf)", needs=_SECOND_STAGE
    )
    adversarial_weight: float = _weight(0.1, "the adversarial loss", _ADVERSARIAL)
    penalty_weight: float = _weight(10.0, "the gradient penalty", _PENALIZED)
    completion_fraction: float = option(
        0.18,
        "first fraction of the steps, without discriminator",
        within="[0, 1]",
        needs=_PHASES,
    )
    discriminator_alone_fraction: float = option(
        0.02,
        "next fraction of the steps, with the discriminator alone",
        within="[0, 1]",
        needs=_PHASES,
    )
    coarse_weight: float = _weight(1.2, "the coarse image", _COARSE)
    discount: float = option(
        0.9,
        "factor of a difference's weight per pixel into the hole",
        within="(0, 1]",
        needs=_COARSE,
    )
    distance: str = option(
        "axis", "distance into the hole", needs=_COARSE, choices=DISTANCES
    )
    discriminator_steps: int = changed(
        AdversarialOptions, "discriminator_steps", 1, needs=_PENALIZED
    )
    discriminator_learning_rate: float = changed(
        AdversarialOptions, "discriminator_learning_rate", 0.0, needs=_ADVERSARIAL
    )
    discriminator_beta_1: Optional[float] = option(
        None,
        "beta_1 of the discriminator; default: beta_1",
        within="[0, 1)",
        needs=_ADVERSARIAL_ADAM,
    )
    batch_size: int = changed(TrainingOptions, "batch_size", 16)
    momentum: float = changed(TrainingOptions, "momentum", 0.0)
    rho: float = changed(TrainingOptions, "rho", 0.95)

    @classmethod
    def published(cls, given: dict) -> dict:
        """Those of the model, without its holes if ``mask_kinds`` is given."""
        left_out = _HOLES if "mask_kinds" in given else ()
        values = super().published(given)
        return {k: v for k, v in values.items() if k not in left_out}

    def check(self) -> None:
        super().check()
        self.mask_recipe()
        has_stages = any(self.effective("second_stage_fraction").values())
        if has_stages and (self.schedule != "constant" or self.warmup_epochs):
            raise ValueError(
                f"schedule={self.schedule!r} and warmup_epochs={self.warmup_epochs} "
                "cannot be combined with second_stage_fraction="
                f"{self.second_stage_fraction}, which sets the rate; take constant and "
                "0, or a fraction of 0"
            )
        if "perceptual_weight" not in self.effective("perceptual_weight"):
            return
        given = told_features(self)
        if (self.perceptual_weight or self.style_weight) and not given:
            raise ValueError(
                f"perceptual_weight={self.perceptual_weight} and style_weight="
                f"{self.style_weight} need the features of a classifier: give "
                "feature_weights (imagenet, torchvision or a file of VGG16) or "
                "feature_run, or set both weights to 0"
            )

    def mask_recipe(self) -> MaskRecipe:
        """How masks are made."""
        ranges = {
            name: parse_numbers(name, getattr(self, name), 2) or None
            for name in ("hole_ratios", "rectangle_sides")
        }
        return MaskRecipe(self.mask_kinds, **ranges)

    def reconstruction_weights(self) -> ReconstructionWeights:
        """Weights of the reconstruction losses."""
        return ReconstructionWeights(
            valid=self.valid_weight,
            hole=self.hole_weight,
            perceptual=self.perceptual_weight,
            style=self.style_weight,
            total_variation=self.total_variation_weight,
            of_composite=self.compare_composite,
        )
