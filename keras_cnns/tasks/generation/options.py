"""The options of training a GAN."""

import dataclasses
import functools

from keras_cnns.runs import changed, find_model, one_of, option
from keras_cnns.tasks.adversarial import AdversarialOptions
from keras_cnns.tasks.generation.models import MODELS, TRAINERS, paper_options

_BY = functools.partial(one_of, "trainer")


@dataclasses.dataclass(frozen=True)
class GenerationOptions(AdversarialOptions):
    """What ``train-gan`` takes."""

    task, models = "generation", MODELS

    trainer: str = option(
        "", "algorithm that trains the model; empty: its own", choices=("", *TRAINERS)
    )
    generator_loss: str = option(
        "non_saturating",
        "loss of the generator",
        needs=_BY("gan", "cgan"),
        choices=("non_saturating", "minimax"),
    )
    clip_value: float = option(
        0.01,
        "largest absolute value of the critic's weights",
        within="(0, inf)",
        needs=_BY("wgan"),
    )
    critic_warm_up: bool = option(
        False, "100 critic updates for each early generator update", needs=_BY("wgan")
    )
    penalty_weight: float = option(
        10.0, "weight of the gradient penalty", within="[0, inf)", needs=_BY("wgan_gp")
    )
    momentum: float = changed(AdversarialOptions, "momentum", 0.5)

    @classmethod
    def published(cls, given: dict) -> dict:
        model = given.get("model")
        return paper_options(model, given.get("trainer", "")) if model else {}

    @classmethod
    def derive(cls, values: dict) -> dict:
        return {
            "trainer": values["trainer"] or find_model(MODELS, values["model"]).trainer
        }

    @property
    def algorithm(self) -> str:
        """Key of ``TRAINERS``."""
        return self.derive(vars(self))["trainer"]
