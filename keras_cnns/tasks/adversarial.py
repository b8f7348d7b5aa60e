"""Options and optimizers of adversarial trainings."""

import dataclasses
from typing import TYPE_CHECKING, Any, Optional

from keras_cnns.runs import TrainingOptions, any_of, changed, option
from keras_cnns.trainers import InstanceNoise

if TYPE_CHECKING:
    from keras_cnns.runs.task import Task
    from keras_cnns.trainers.adversarial import AdversarialTrainer


@dataclasses.dataclass(frozen=True)
class AdversarialOptions(TrainingOptions):
    """Two networks against each other, with samples after each epoch."""

    discriminator_steps: int = option(
        1, "discriminator updates in each step", within="[1, inf)"
    )
    discriminator_learning_rate: float = option(
        0.0,
        "peak learning rate of the discriminator; 0: learning_rate",
        within="[0, inf)",
    )
    instance_noise: float = option(
        0.0,
        "initial standard deviation of noise on the discriminator's inputs; 0: none",
        within="[0, inf)",
    )
    instance_noise_epochs: float = option(
        0.0,
        "epochs in which it falls to 0",
        within="[0, inf)",
        needs=any_of("instance_noise"),
    )
    grid_columns: int = option(8, "columns of the grids of images", within="[1, 100]")
    beta_1: float = changed(TrainingOptions, "beta_1", 0.5)

    def check(self) -> None:
        super().check()
        if bool(self.instance_noise) != bool(self.instance_noise_epochs):
            raise ValueError(
                "instance_noise and instance_noise_epochs must both be positive or "
                f"both be 0, got {self.instance_noise} and {self.instance_noise_epochs}"
            )

    def make_instance_noise(self, steps_per_epoch: int) -> Optional[InstanceNoise]:
        """The ``InstanceNoise`` of the options; None for none."""
        if not self.instance_noise:
            return None
        steps = max(1, round(self.instance_noise_epochs * steps_per_epoch))
        return InstanceNoise(self.instance_noise, 0.0, steps)


def compile_adversarial(
    task: "Task", trainer: "AdversarialTrainer", **changes: Any
) -> None:
    """Gives both networks of a trainer their optimizers, each by its own updates.

    Args:
        task: ``Task`` with ``discriminator_learning_rate`` among its options.
        trainer: ``AdversarialTrainer``.
        **changes: options of the discriminator's optimizer that differ.
    """
    options = task.options
    rate = options.learning_rate
    rates = (rate, options.discriminator_learning_rate or rate)
    updates = trainer.count_updates(task.total_steps, task.steps_per_epoch)
    trainer.compile(
        *(
            options.make_optimizer(max(1, total), each, learning_rate=rate, **changed)
            for (total, each), rate, changed in zip(updates, rates, ({}, changes))
        )
    )
