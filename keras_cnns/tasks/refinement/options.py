"""The options of training a refiner."""

import dataclasses
from typing import Optional

from keras_cnns.runs import changed, option, required
from keras_cnns.tasks.adversarial import AdversarialOptions
from keras_cnns.tasks.refinement.models import MODELS
from keras_cnns.trainers import SimGAN


@dataclasses.dataclass(frozen=True)
class RefinementOptions(AdversarialOptions):
    """What ``refine-images`` takes."""

    task, models = "refinement", MODELS

    real_dataset: Optional[str] = required(
        "data set of the real images, named like dataset"
    )
    real_split: str = option("train", "split of the real images")
    refiner_steps: int = option(2, "refiner updates in each step", within="[1, inf)")
    regularization_weight: float = option(
        0.5, "weight of the self-regularisation, per image", within="[0, inf)"
    )
    features: str = option(
        "identity", "features that refining keeps", choices=tuple(SimGAN.FEATURES)
    )
    buffer_size: int = option(
        12_800,
        "refined images kept for the discriminator; 0 for none",
        within="[0, inf)",
    )
    refiner_pretraining: int = option(
        1000, "first steps, with the refiner alone", within="[0, inf)"
    )
    discriminator_pretraining: int = option(
        200, "next steps, with the discriminator alone", within="[0, inf)"
    )
    refined_split: str = option(
        "", "split to refine at the end; empty: the training split", free=True
    )
    refined_dataset: str = option(
        "", "data set to refine at the end; empty: the simulated one", free=True
    )
    batch_size: int = changed(AdversarialOptions, "batch_size", 512)
    optimizer: str = changed(AdversarialOptions, "optimizer", "sgd")
    learning_rate: float = changed(AdversarialOptions, "learning_rate", 1e-3)
    momentum: float = changed(AdversarialOptions, "momentum", 0.0)
