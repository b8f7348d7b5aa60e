"""Which refiner plays against which discriminator, and how the paper trains them."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class RefinementModel:
    """A refiner and its discriminator.

    Attributes:
        refiner, discriminator: registry names.
        options: values of ``RefinementOptions`` that the source gives.
        source: paper, and what it leaves open.
    """

    refiner: str
    discriminator: str
    options: dict
    source: str


_EYE = {
    "optimizer": "sgd",
    "momentum": 0.0,
    "nesterov": False,
    "schedule": "constant",
    "learning_rate": 1e-3,
    "batch_size": 512,
    "refiner_steps": 2,
    "discriminator_steps": 1,
    "refiner_pretraining": 1000,
    "discriminator_pretraining": 200,
    "regularization_weight": 0.5,
    "buffer_size": 12_800,
}
_SOURCE = (
    "arXiv 1612.07828, implementation details; weight of the regularization and size "
    "of the buffer are not given there, these are of public ports"
)
MODELS = {
    "simgan_eye": RefinementModel(
        "simgan_eye_refiner", "simgan_eye_discriminator", _EYE, _SOURCE
    ),
    "simgan_hand": RefinementModel(
        "simgan_hand_refiner",
        "simgan_hand_discriminator",
        {**_EYE, "refiner_pretraining": 500},
        _SOURCE,
    ),
}


def find_model(name: str) -> RefinementModel:
    """The row of a name.

    Raises:
        ValueError: if the name is unknown.
    """
    if name not in MODELS:
        raise ValueError(f"unknown model {name!r}; there are {', '.join(MODELS)}")
    return MODELS[name]
