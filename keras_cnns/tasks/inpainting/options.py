"""The options of training an inpainting network."""

import dataclasses
from typing import Optional

from keras_cnns.data import MaskRecipe
from keras_cnns.losses import DISTANCES
from keras_cnns.runs import TrainingOptions, any_of, changed, one_of, option, required
from keras_cnns.tasks.inpainting.models import find_model
from keras_cnns.trainers import ReconstructionWeights

_WITH_FEATURES = one_of("trainer", "reconstruction", "lbam")
_WITH_DIFFERENCES = one_of("trainer", "reconstruction", "lbam", "contextual_attention")
_AGAINST = one_of("trainer", "lbam", "global_local", "contextual_attention")
_PENALIZED = one_of("trainer", "lbam", "contextual_attention")
_TWO_STAGES = one_of("trainer", "reconstruction")
_THREE_PHASES = one_of("trainer", "global_local")
_COARSE_TO_FINE = one_of("trainer", "contextual_attention")


@dataclasses.dataclass(frozen=True)
class InpaintingOptions(TrainingOptions):
    """What ``train_inpainter`` takes."""

    task = "inpainting"

    model: Optional[str] = required("its name; list_models.py shows what there is")
    builder_args: str = option(
        "", 'changes of the networks as JSON, by role: {"network": {"filters": …}}'
    )
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
        "height and width of the patches that local critics and discriminators see; "
        "0: half of the image's",
        least=0,
        needs=one_of("trainer", "global_local", "contextual_attention"),
    )
    mask_kinds: str = option(
        "irregular",
        "where holes come from, comma-separated: irregular, rectangle, files:FOLDER "
        "(white pixels are holes)",
    )
    hole_ratios: str = option(
        "",
        "least and largest fraction of hole in irregular masks, such as 0.1,0.3; "
        "empty: 0.01,0.6",
    )
    rectangle_sides: str = option(
        "",
        "shortest and longest side of rectangles, as fractions of the image's; empty: "
        "0.375,0.5",
    )
    feature_weights: str = option(
        "",
        "VGG16 for the perceptual and the style loss: imagenet, torchvision or a "
        "weight file",
        needs=_WITH_FEATURES,
    )
    feature_run: str = option(
        "",
        "run of a classifier for them instead, whose stage ends are compared",
        needs=_WITH_FEATURES,
    )
    feature_layers: str = option(
        "",
        "other layers of that classifier, comma-separated, finest first",
        needs=(_WITH_FEATURES, any_of("feature_run")),
    )
    valid_weight: float = option(
        1.0, "loss weight of the differences on valid pixels", needs=_WITH_DIFFERENCES
    )
    hole_weight: float = option(
        6.0, "loss weight of the differences in the hole", needs=_WITH_DIFFERENCES
    )
    perceptual_weight: float = option(
        0.05, "loss weight of the differences of features", needs=_WITH_FEATURES
    )
    style_weight: float = option(
        120.0,
        "loss weight of the differences of their Gram matrices",
        needs=_WITH_FEATURES,
    )
    total_variation_weight: float = option(
        0.1,
        "loss weight of the differences of neighbours in the hole",
        needs=_WITH_FEATURES,
    )
    compare_composite: bool = option(
        True,
        "whether features are compared with the valid pixels pasted in, too",
        needs=(_WITH_FEATURES, any_of("perceptual_weight", "style_weight")),
    )
    second_stage_fraction: float = option(
        1 / 3,
        "fraction of the steps, the last ones, with frozen encoder batch norms; 0 none",
        needs=_TWO_STAGES,
    )
    second_stage_learning_rate: float = option(
        5e-5,
        "learning rate of those steps",
        needs=(_TWO_STAGES, any_of("second_stage_fraction")),
    )
    adversarial_weight: float = option(
        0.1, "loss weight of the discriminator's scores", needs=_AGAINST
    )
    penalty_weight: float = option(
        10.0, "of the gradient penalty of Wasserstein critics", needs=_PENALIZED
    )
    completion_fraction: float = option(
        0.18,
        "fraction of the steps, the first ones, without the discriminator",
        needs=_THREE_PHASES,
    )
    discriminator_alone_fraction: float = option(
        0.02,
        "fraction of the steps, the next ones, with the discriminator alone",
        needs=_THREE_PHASES,
    )
    coarse_weight: float = option(
        1.2, "weight of the coarse image's differences", needs=_COARSE_TO_FINE
    )
    discount: float = option(
        0.9,
        "factor of a difference's weight per pixel into the hole",
        needs=_COARSE_TO_FINE,
    )
    distance: str = option(
        "axis",
        "how that distance is measured",
        needs=_COARSE_TO_FINE,
        choices=DISTANCES,
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
        """Those of the model, and its holes, unless they are of another kind."""
        if not given.get("model"):
            return {}
        row = find_model(given["model"])
        if "mask_kinds" in given:
            return row.options
        holes = {k: ",".join(map(str, v)) for k, v in row.masks.items() if k != "kinds"}
        return {**row.options, **holes, "mask_kinds": row.masks["kinds"]}

    @classmethod
    def derive(cls, values):
        return {"trainer": find_model(values["model"]).trainer}

    def check(self):
        super().check()
        self.mask_recipe()
        trainer = find_model(self.model).trainer
        if trainer in _WITH_FEATURES.values:
            self._check_features()

    def _check_features(self):
        """Refuses losses on features without a classifier, and the other way round."""
        weights = (
            f"perceptual_weight={self.perceptual_weight} and "
            f"style_weight={self.style_weight}"
        )
        given = [
            f"{name}={getattr(self, name)!r}"
            for name in ("feature_weights", "feature_run")
            if getattr(self, name)
        ]
        needed = self.perceptual_weight or self.style_weight
        if len(given) > 1:
            raise ValueError(f"give {given[0]} or {given[1]}, not both")
        if needed and not given:
            raise ValueError(
                f"{weights} need the features of a classifier: give feature_weights "
                "(imagenet, torchvision or a file of VGG16) or feature_run, or set "
                "both weights to 0"
            )
        if given and not needed:
            raise ValueError(f"{given[0]} has no effect with {weights}; leave it out")

    def mask_recipe(self) -> MaskRecipe:
        """Where the holes come from.

        Raises:
            ValueError: if a kind is unknown or a range is none.
        """
        return MaskRecipe(
            self.mask_kinds,
            hole_ratios=_parse_range("hole_ratios", self.hole_ratios),
            rectangle_sides=_parse_range("rectangle_sides", self.rectangle_sides),
        )

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

    def phase_steps(self, name: str, total_steps: int) -> int:
        """Steps of a phase, none only if its fraction is 0.

        Args:
            name: of the option with the fraction.
            total_steps: of the whole run.

        Raises:
            ValueError: if the fraction is not in [0, 1], or gives no step.
        """
        fraction = getattr(self, name)
        if not 0 <= fraction <= 1:
            raise ValueError(f"{name} must be a fraction in [0, 1], got {fraction!r}")
        steps = round(fraction * total_steps)
        if fraction and not steps:
            raise ValueError(
                f"{name}={fraction} of {total_steps} steps is none; give a larger "
                "fraction, 0 for no such phase, or more steps"
            )
        return steps


def _parse_range(name, text):
    """(smallest, largest); None of an empty text."""
    if not text:
        return None
    try:
        low, high = map(float, text.split(","))
    except ValueError as error:
        raise ValueError(
            f"{name} must be two numbers such as 0.1,0.3, got {text!r}"
        ) from error
    return low, high
