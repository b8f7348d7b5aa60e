"""The options of training a what-where auto-encoder."""

import dataclasses

from keras_cnns.applications import UNPOOLINGS
from keras_cnns.runs import TrainingOptions, any_of, changed, one_of, option
from keras_cnns.tasks.adversarial import AdversarialOptions
from keras_cnns.tasks.autoencoding.models import MODELS
from keras_cnns.tasks.classification import ClassificationOptions
from keras_cnns.trainers import REDUCTIONS


@dataclasses.dataclass(frozen=True)
class AutoencodingOptions(TrainingOptions):
    """What ``train-autoencoder`` takes."""

    task, models = "autoencoding", MODELS

    notation: str = option(
        "", "layers in the paper's notation, as (64)5c-2p-10fc; empty: the model's"
    )
    unpooling: str = option(
        "where",
        "what the decoder is told: where maxima were, soft places, or nothing",
        choices=UNPOOLINGS,
    )
    beta: float = option(
        100.0,
        "inverse temperature of the soft maximum",
        within="[0, inf)",
        needs=one_of("unpooling", "soft"),
    )
    labels: str = option(
        "all",
        "which images are trained on with their labels",
        choices=("all", "some", "none"),
    )
    num_labels: int = option(
        0,
        "labelled images, as many of each class, drawn by the seed; 0: the whole split",
        within="[0, inf)",
        needs=one_of("labels", "all", "some"),
    )
    labelled_batch_size: int = option(
        32,
        "labelled images per step, beside batch_size ones without",
        within="[1, inf)",
        needs=one_of("labels", "some"),
    )
    reconstruction_weight: float = option(
        1.0, "weight of the reconstruction's squared error", within="[0, inf)"
    )
    middle_weight: float = option(
        0.2, "weight of the squared errors of the maps in between", within="[0, inf)"
    )
    reduction: str = option(
        "sum",
        "of squared errors over the values of an image or map",
        choices=REDUCTIONS,
        needs=any_of("reconstruction_weight", "middle_weight"),
    )
    dropout_rate: float = option(
        0.0,
        "fraction dropped of what enters dense layers",
        within="[0, 1)",
        needs=one_of("labels", "all", "some"),
    )
    validation_split: str = changed(ClassificationOptions, "validation_split", "test")
    grid_columns: int = changed(AdversarialOptions, "grid_columns", 8)
