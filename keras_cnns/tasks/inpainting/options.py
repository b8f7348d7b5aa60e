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

_LIKENESS = one_of("trainer", "reconstruction", "lbam")
_PIXELS = one_of("trainer", "reconstruction", "lbam", "contextual_attention")
_AGAINST = one_of("trainer", "lbam", "global_local", "contextual_attention")
_PENALIZED = one_of("trainer", "lbam", "contextual_attention")
_STAGES = one_of("trainer", "reconstruction")
_PHASES = one_of("trainer", "global_local")
_COARSE = one_of("trainer", "contextual_attention")
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
        "how many images are filled after each epoch, spread over the split; 0 for all",
        least=0,
        needs=any_of("validation_split"),
    )
    patch_size: int = option(
        0,
        "height and width of what local critics and discriminators see; 0: half of the "
        "image's",
        least=0,
        needs=one_of("trainer", "global_local", "contextual_attention"),
    )
    mask_kinds: str = option(
        "irregular",
        "where holes come from, comma-separated: irregular, rectangle, files:FOLDER "
        "(white pixels are holes)",
    )
    hole_ratios: str = option(
        "", "least and largest fraction of irregular hole; empty: 0.01,0.6"
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
        needs=(_LIKENESS, _FEATURES),
    )
    feature_run: str = option(
        "",
        "run of a classifier for them instead, whose stage ends are compared",
        needs=(_LIKENESS, _FEATURES),
    )
    feature_layers: str = option(
        "",
        "other layers of that classifier, comma-separated, finest first",
        needs=(_LIKENESS, any_of("feature_run")),
    )
    valid_weight: float = option(
        1.0, "loss weight of the differences on valid pixels", needs=_PIXELS
    )
    hole_weight: float = option(
        6.0, "loss weight of the differences in the hole", needs=_PIXELS
    )
    perceptual_weight: float = option(
        0.05, "loss weight of the differences of features", needs=_LIKENESS
    )
    style_weight: float = option(
        120.0, "loss weight of those of their Gram matrices", needs=_LIKENESS
    )
    total_variation_weight: float = option(
        0.1, "loss weight of those of neighbours in the hole", needs=_LIKENESS
    )
    compare_composite: bool = option(
        True,
        "whether features are compared with the valid pixels pasted in, too",
        needs=(_LIKENESS, _FEATURES),
    )
    second_stage_fraction: float = option(
        1 / 3, "of the steps, the last ones, with frozen encoder norms", needs=_STAGES
    )
    second_stage_learning_rate: float = option(
        5e-5,
        "learning rate of those steps",
        needs=(_STAGES, any_of("second_stage_fraction")),
    )
    adversarial_weight: float = option(
        0.1, "loss weight of the discriminator's scores", needs=_AGAINST
    )
    penalty_weight: float = option(
        10.0, "of the gradient penalty of Wasserstein critics", needs=_PENALIZED
    )
    completion_fraction: float = option(
        0.18, "of the steps, the first ones, without discriminator", needs=_PHASES
    )
    discriminator_alone_fraction: float = option(
        0.02, "of the steps, the next ones, with nothing else", needs=_PHASES
    )
    coarse_weight: float = option(
        1.2, "weight of the coarse image's differences", needs=_COARSE
    )
    discount: float = option(
        0.9, "factor of a difference's weight per pixel into the hole", needs=_COARSE
    )
    distance: str = option(
        "axis", "how that distance is measured", needs=_COARSE, choices=DISTANCES
    )
    discriminator_steps: int = option(
        1, "discriminator updates in each step", least=1, needs=_PENALIZED
    )
    discriminator_learning_rate: float = option(
        0.0,
        "of the discriminator; 0: that of the trained network",
        least=0,
        needs=_AGAINST,
    )
    discriminator_beta_1: Optional[float] = option(
        None,
        "its beta_1; left out: that of the network",
        needs=(_AGAINST, one_of("optimizer", "adam")),
    )
    batch_size: int = changed(TrainingOptions, "batch_size", 16)
    momentum: float = changed(TrainingOptions, "momentum", 0.0)
    rho: float = changed(TrainingOptions, "rho", 0.95)

    @classmethod
    def published(cls, given):
        """Those of the model, but for its holes where they are of another kind."""
        left_out = _HOLES if "mask_kinds" in given else ()
        values = super().published(given)
        return {k: v for k, v in values.items() if k not in left_out}

    @classmethod
    def derive(cls, values):
        return {"trainer": MODELS[values["model"]].trainer}

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
        """Where the holes come from."""
        ranges = {
            name: parse_numbers(name, getattr(self, name), 2) or None
            for name in ("hole_ratios", "rectangle_sides")
        }
        return MaskRecipe(self.mask_kinds, **ranges)

    def reconstruction_weights(self) -> ReconstructionWeights:
        """Weights of the losses against the true image."""
        return ReconstructionWeights(
            valid=self.valid_weight,
            hole=self.hole_weight,
            perceptual=self.perceptual_weight,
            style=self.style_weight,
            total_variation=self.total_variation_weight,
            of_composite=self.compare_composite,
        )
