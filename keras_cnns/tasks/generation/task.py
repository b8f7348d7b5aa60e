"""The generation task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keras_cnns import applications, data, export, figures, inference
from keras_cnns.runs import RunConfig, Task
from keras_cnns.tasks.adversarial import compile_adversarial
from keras_cnns.tasks.exported import from_run
from keras_cnns.tasks.generation.models import TRAINERS
from keras_cnns.tasks.generation.options import GenerationOptions
from keras_cnns.trainers import Latents

if TYPE_CHECKING:
    from keras_cnns.runs.record import Run
    from keras_cnns.trainers import StepwiseTrainer


class GenerationTask(Task):
    """Trains a generator and its discriminator or critic."""

    name = GenerationOptions.task
    options_class = GenerationOptions

    def open(self) -> None:
        source = self.open_source(self.options.train_split)
        self.sources = [(source, self.options.discriminator_steps)]

    def configure(self) -> RunConfig:
        row, names = self.options.row, self.source.class_names
        discriminator = row.networks["discriminator"]
        preprocessing = self.preprocess_for(discriminator)
        args = {"image_shape": preprocessing.shape}
        if self._is_conditional(discriminator):
            args["classes"] = len(names)
        example = {"generator": {"filters": [256, 128, 64]}}
        networks = self.networks_of(lambda role, name: args, example)
        details = {**row.details, "trainer": self.options.algorithm}
        return RunConfig(networks, preprocessing, names, details=details)

    def _is_conditional(self, discriminator):
        """Whether the networks take labels; refuses algorithms or data without them."""
        model, trainer = self.options.model, self.options.algorithm
        source = self.source
        is_conditional = bool(applications.model_info(discriminator).condition_shape)
        if is_conditional != (trainer == "cgan"):
            raise ValueError(
                f"{model} is {'' if is_conditional else 'not '}conditional and cannot "
                f"be trained by {trainer}"
            )
        if is_conditional and source.class_names == (data.UNLABELLED,):
            raise ValueError(f"{model} needs labels, which {source.name} does not have")
        return is_conditional

    @property
    def trainer_class(self) -> type[StepwiseTrainer]:
        return TRAINERS[self.options.algorithm]

    def make_trainer(self, config: RunConfig, is_new: bool) -> StepwiseTrainer:
        networks, kind = self.build_networks(config), self.trainer_class
        size = networks["generator"].inputs[0].shape[-1]
        noise = self.options.make_instance_noise(self.steps_per_epoch)
        given = self.trainer_options(
            kind, latents=Latents(size, config.details["latents"]), instance_noise=noise
        )
        trainer = kind(*networks.values(), **given)
        compile_adversarial(self, trainer)
        return trainer

    def sampler(self, trainer: StepwiseTrainer, config: RunConfig) -> tuple:
        """A grid of the same latents; with labels, a class per column."""
        columns, seed = self.options.grid_columns, self.options.seed
        value_range, labels = config.preprocessing.value_range, None
        if trainer.is_conditional:
            classes = len(config.class_names)
            labels = [i % columns % classes for i in range(columns**2)]

        def write(images, path):
            figures.image_grid(images, path, columns, value_range=value_range)

        return lambda: trainer.sample(columns**2, seed=seed, labels=labels), write

    @classmethod
    def inferencer(cls, run: Run) -> inference.Sampler:
        """``inference.Sampler``."""
        return inference.Sampler(run)

    @classmethod
    def export(
        cls,
        run: Run,
        export_dir: str,
        name: str = "",
        *,
        form: export.Form = export.SAVED_MODEL,
    ) -> tuple:
        sampler = inference.Sampler(run)
        name = name or f"{run.options['model']}_generator"
        return export.export_generator(
            sampler.generator,
            sampler.latents,
            export_dir,
            name,
            value_range=sampler.value_range,
            class_names=sampler.class_names if sampler.is_conditional else (),
            form=from_run(form, run),
        )
