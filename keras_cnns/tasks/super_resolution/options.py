"""The options of training a super-resolution network."""

import dataclasses

from keras_cnns import losses
from keras_cnns.applications import UPSAMPLINGS
from keras_cnns.runs import (
    DataOptions,
    TrainingOptions,
    any_of,
    changed,
    find_model,
    option,
    parse_numbers,
)
from keras_cnns.tasks.adversarial import AdversarialOptions
from keras_cnns.tasks.classification import ClassificationOptions
from keras_cnns.tasks.features import told_features
from keras_cnns.tasks.inpainting import InpaintingOptions
from keras_cnns.tasks.super_resolution.models import MODELS, is_recursive, scale_of
from keras_cnns.trainers import SUPER_RESOLUTION_LOSSES

_OF_ENLARGED = any_of(
    "takes_enlarged", shown="model", hint="srcnn, vdsr or drcn, which take any scale"
)
_ENLARGING = any_of("enlarges", shown="model", hint="a network that enlarges itself")
_RECURSIVE = any_of("is_recursive", shown="model", hint="drcn")
_ADVERSARIAL = any_of("is_adversarial", shown="model", hint="srgan")
_PIXELS_ALONE = any_of(
    "compares_pixels_alone", shown="model", hint="another than srgan"
)
_FEATURES = (_ADVERSARIAL, any_of("feature_weights", "feature_run"))
_PIXEL_PHASE = (_ADVERSARIAL, any_of("pixel_fraction"))
_OF_NETWORKS = ("scales", "supervision_fraction")  # published, whatever the recipe


@dataclasses.dataclass(frozen=True)
class SuperResolutionOptions(TrainingOptions):
    """What ``train-super-resolution`` takes."""

    task, models = "super_resolution", MODELS

    recipe: str = option(
        "",
        "hyper-parameters in place of the published ones",
        choices=("", "quick"),
    )
    scales: tuple = option(
        ("3",),
        "factors to enlarge by; of several, one is drawn for each patch, and the first "
        "is validated",
        needs=_OF_ENLARGED,
    )
    upsampling: str = option(
        "",
        "how the network enlarges; empty: as published",
        choices=("", *UPSAMPLINGS),
        needs=_ENLARGING,
    )
    init_weights: str = changed(
        ClassificationOptions,
        "init_weights",
        "",
        help="start from a weight file (the package's, or of EDSR or RDN PyTorch's), "
        "or a run's folder",
    )
    loss: str = option(
        "l1",
        "mean absolute or mean squared differences",
        choices=SUPER_RESOLUTION_LOSSES,
    )
    supervision_fraction: float = option(
        0.0,
        "first fraction of the steps, in which the loss of the recursions falls to 0",
        within="[0, 1)",
        needs=_RECURSIVE,
    )
    gradient_clip_value: float = option(
        0.0,
        "each gradient is limited to this divided by the learning rate; 0: no limit",
        within="[0, inf)",
        needs=_PIXELS_ALONE,
    )
    feature_weights: str = changed(
        InpaintingOptions,
        "feature_weights",
        "",
        help="VGG19 to compare by: imagenet, torchvision or a file",
        needs=_ADVERSARIAL,
    )
    feature_run: str = changed(InpaintingOptions, "feature_run", "", needs=_ADVERSARIAL)
    feature_layers: str = option(
        "",
        "other layers of it, comma-separated, finest first; empty: block5_conv4 of "
        "VGG19, stage ends of a run",
        needs=_FEATURES,
    )
    feature_scale: float = option(
        losses.VGG_FEATURE_SCALE,
        "factor of features, whose square is that of their loss",
        within="(0, inf)",
        needs=_ADVERSARIAL,
    )
    adversarial_weight: float = changed(
        InpaintingOptions, "adversarial_weight", 1e-3, needs=_ADVERSARIAL
    )
    pixel_weight: float = option(
        0.0,
        "weight of the differences of pixels, beside features",
        within="[0, inf)",
        needs=_ADVERSARIAL,
    )
    pixel_fraction: float = option(
        5 / 6,
        "first fraction of the steps, on pixels alone, at a constant rate; schedules "
        "are of the rest",
        within="[0, 1]",
        needs=_ADVERSARIAL,
    )
    pixel_learning_rate: float = option(
        0.0,
        "learning rate of those steps; 0: learning_rate",
        within="[0, inf)",
        needs=_PIXEL_PHASE,
    )
    discriminator_learning_rate: float = changed(
        AdversarialOptions, "discriminator_learning_rate", 0.0, needs=_ADVERSARIAL
    )
    patches_per_picture: int = option(
        1, "patches cut out of a picture each time it is read", within="[1, inf)"
    )
    passes_per_epoch: int = option(
        1, "times that an epoch reads each picture", within="[1, inf)"
    )
    validation_split: str = changed(InpaintingOptions, "validation_split", "test")
    validation_images: int = changed(InpaintingOptions, "validation_images", 100)
    image_size: int = changed(
        DataOptions,
        "image_size",
        96,
        help="height and width of the large patches",
        within="[1, 16384]",
    )
    channels: int = changed(
        DataOptions, "channels", 0, help="1 (luma) or 3; 0: the model's"
    )
    augmentation: str = changed(
        DataOptions,
        "augmentation",
        "turns",
        help="turns (mirrored and turned by quarters), or empty for none",
        choices=("", "turns"),
    )
    batch_size: int = changed(TrainingOptions, "batch_size", 16)

    @classmethod
    def published(cls, given: dict) -> dict:
        """Those of the model's source, or of the recipe."""
        values = super().published(given)
        if given.get("recipe") != "quick" or not given.get("model"):
            return values
        kept = {k: v for k, v in values.items() if k in _OF_NETWORKS}
        return {**kept, **find_model(cls.models, given["model"]).details["quick"]}

    @classmethod
    def derive(cls, values: dict) -> dict:
        row = find_model(cls.models, values["model"])
        network = row.networks["network"]
        scale = scale_of(network)
        return {
            "takes_enlarged": scale is None,
            "enlarges": scale is not None,
            "is_recursive": is_recursive(network),
            "is_adversarial": row.trainer == "srgan",
            "compares_pixels_alone": row.trainer != "srgan",
        }

    def check(self) -> None:
        super().check()
        self.enlarged_scales()
        if self.row.trainer == "srgan" and not told_features(self):
            raise ValueError(
                f"{self.model} compares the features of a classifier: give "
                "feature_weights (imagenet, torchvision or a file of VGG19) or "
                "feature_run"
            )
        if self.batch_size % self.patches_per_picture:
            raise ValueError(
                f"batch_size={self.batch_size} must be a multiple of "
                f"patches_per_picture={self.patches_per_picture}"
            )

    def enlarged_scales(self) -> tuple:
        """The factors of networks that take enlarged pictures.

        Raises:
            ValueError: if they are no whole numbers from 2 to 8, or one is there twice.
        """
        scales = parse_numbers("scales", self.scales, kind=int)
        known = all(2 <= scale <= 8 for scale in scales)
        if not scales or not known or len(set(scales)) < len(scales):
            raise ValueError(
                "scales must be different whole numbers from 2 to 8, "
                f"got {','.join(self.scales)!r}"
            )
        return scales
