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
from keras_cnns.tasks.inpainting.models import MODELS
from keras_cnns.trainers import ReconstructionWeights


def _trained_by(*trainers):
    """Needs a model that one of these algorithms trains."""
    names = [name for name, row in MODELS.items() if row.trainer in trainers]
    return one_of("model", *names)


_RECONSTRUCTION = _trained_by("reconstruction", "lbam")
_PIXELS = _trained_by("reconstruction", "lbam", "contextual_attention")
_ADVERSARIAL = _trained_by("lbam", "global_local", "contextual_attention")
_LOCAL = _trained_by("global_local", "contextual_attention")
_PENALIZED = _trained_by("lbam", "contextual_attention")
_STAGES = _trained_by("reconstruction")
_PHASES = _trained_by("global_local")
_COARSE = _trained_by("contextual_attention")
_FEATURES = any_of("perceptual_weight", "style_weight")
_HOLES = ("mask_kinds", "hole_ratios", "rectangle_sides")


@dataclasses.dataclass(frozen=True)
class InpaintingOptions(TrainingOptions):
    """What ``train-inpainter`` takes."""

    task, models = "inpainting", MODELS

    validation_split: str = option(
        "test", "split evaluated after each epoch; empty for none"
    )
    validation_images: int = option(
        200,
        "images filled after each epoch, evenly spaced in the split; 0 for all",
        least=0,
        needs=any_of("validation_split"),
    )
    patch_size: int = option(
        0,
        "height and width of the patches of local critics and discriminators; 0: half "
        "of the image's",
        least=0,
        needs=_LOCAL,
    )
    mask_kinds: str = option(
        "irregular",
        "kinds of holes, comma-separated: irregular, rectangle, files:FOLDER "
        "(white pixels are holes)",
    )
    hole_ratios: str = option(
        "", "least and largest hole ratio of irregular masks; empty: 0.01,0.6"
    )
    rectangle_sides: str = option(
        "",
        "shortest and longest side of rectangles, fractions of the image's; empty: "
        "0.375,0.5",
    )
    feature_weights: str = option(
        "",
        "VGG16 for the perceptual and the style loss: imagenet, torchvision or a "
        "weight file",
        needs=(_RECONSTRUCTION, _FEATURES),
    )
    feature_run: str = option(
        "",
        "run of a classifier for these losses instead, compared at its stage ends",
        needs=(_RECONSTRUCTION, _FEATURES),
    )
    feature_layers: str = option(
        "",
        "other layers of that classifier, comma-separated, finest first",
        needs=(_RECONSTRUCTION, any_of("feature_run")),
    )
    valid_weight: float = option(
        1.0, "loss weight of differences on valid pixels", needs=_PIXELS
    )
    hole_weight: float = option(
        6.0, "loss weight of differences in the hole", needs=_PIXELS
    )
    perceptual_weight: float = option(
        0.05, "weight of the perceptual loss", needs=_RECONSTRUCTION
    )
    style_weight: float = option(
        120.0, "weight of the style loss", needs=_RECONSTRUCTION
    )
    total_variation_weight: float = option(
        0.1, "loss weight of the total variation in the hole", needs=_RECONSTRUCTION
    )
    compare_composite: bool = option(
        True,
        "whether features of the composite are compared too",
        needs=(_RECONSTRUCTION, _FEATURES),
    )
    second_stage_fraction: float = option(
        1 / 3,
        "last fraction of the steps, with frozen encoder batch norms",
        needs=_STAGES,
    )
    second_stage_learning_rate: float = option(
        5e-5,
        "learning rate of those steps",
        needs=(_STAGES, any_of("second_stage_fraction")),
    )
    adversarial_weight: float = option(
        0.1, "weight of the adversarial loss", needs=_ADVERSARIAL
    )
    penalty_weight: float = option(
        10.0, "weight of the gradient penalty", needs=_PENALIZED
    )
    completion_fraction: float = option(
        0.18, "first fraction of the steps, without discriminator", needs=_PHASES
    )
    discriminator_alone_fraction: float = option(
        0.02, "next fraction of the steps, with the discriminator alone", needs=_PHASES
    )
    coarse_weight: float = option(1.2, "loss weight of the coarse image", needs=_COARSE)
    discount: float = option(
        0.9, "factor of a difference's weight per pixel into the hole", needs=_COARSE
    )
    distance: str = option(
        "axis", "distance into the hole", needs=_COARSE, choices=DISTANCES
    )
    discriminator_steps: int = option(
        1, "discriminator updates in each step", least=1, needs=_PENALIZED
    )
    discriminator_learning_rate: float = option(
        0.0,
        "peak learning rate of the discriminator; 0: learning_rate",
        least=0,
        needs=_ADVERSARIAL,
    )
    discriminator_beta_1: Optional[float] = option(
        None,
        "beta_1 of the discriminator; default: beta_1",
        needs=(_ADVERSARIAL, one_of("optimizer", "adam")),
    )
    batch_size: int = changed(TrainingOptions, "batch_size", 16)
    momentum: float = changed(TrainingOptions, "momentum", 0.0)
    rho: float = changed(TrainingOptions, "rho", 0.95)

    @classmethod
    def published(cls, given):
        """Those of the model, without its holes if ``mask_kinds`` is given."""
        left_out = _HOLES if "mask_kinds" in given else ()
        values = super().published(given)
        return {k: v for k, v in values.items() if k not in left_out}

    def check(self):
        super().check()
        self.mask_recipe()
        if "perceptual_weight" not in self.effective("perceptual_weight"):
            return
        given = [
            f"{name}={getattr(self, name)!r}"
            for name in ("feature_weights", "feature_run")
            if getattr(self, name)
        ]
        if len(given) > 1:
            raise ValueError(f"give {given[0]} or {given[1]}, not both")
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
