"""The generation task."""

from keras_cnns import applications, data, export, figures, inference
from keras_cnns.runs import RunConfig, Task
from keras_cnns.tasks.generation.models import TRAINERS
from keras_cnns.tasks.generation.options import GenerationOptions
from keras_cnns.trainers import Latents

# Options that are arguments of some trainers.
_OWN = ("generator_loss", "clip_value", "critic_warm_up", "penalty_weight")


class GenerationTask(Task):
    """Trains a generator and its discriminator or critic."""

    name = GenerationOptions.task
    options_class = GenerationOptions

    def open(self):
        options = self.options
        source = data.open_source(
            options.dataset, options.train_split, options.data_dir, labelled=False
        )
        self.sources = [(source, options.discriminator_steps)]

    def configure(self):
        row, (source, _) = self.options.row, self.sources[0]
        discriminator = row.networks["discriminator"]
        is_conditional = self._check_conditions(discriminator, source)
        # Networks without a range of their own get images in [-1, 1].
        is_unit = applications.model_info(discriminator).preprocessing == "unit"
        preprocessing = self.preprocess_for(
            discriminator, "unit" if is_unit else "signed"
        )
        args = {"image_shape": preprocessing.shape}
        if is_conditional:
            args["classes"] = len(source.class_names)
        return RunConfig(
            self.networks_of(
                row,
                lambda role, name: args,
                example={"generator": {"filters": [256, 128, 64]}},
            ),
            preprocessing,
            source.class_names,
            details={**row.details, "trainer": self.options.algorithm},
        )

    def _check_conditions(self, discriminator, source):
        """Whether the networks take labels; refuses algorithms or data without them."""
        model, trainer = self.options.model, self.options.algorithm
        is_conditional = bool(applications.model_info(discriminator).condition_shape)
        if is_conditional != (trainer == "cgan"):
            raise ValueError(
                f"{model} is {'' if is_conditional else 'not '}conditional and cannot "
                f"be trained by {trainer}"
            )
        if is_conditional and source.class_names == (data.UNLABELLED,):
            raise ValueError(f"{model} needs labels, which {source.name} does not have")
        return is_conditional

    def make_trainer(self, config, is_new):
        options, own = self.options, self.options.effective(*_OWN)
        networks = self.build_networks(config)
        kind = TRAINERS[options.algorithm]
        size = networks["generator"].inputs[0].shape[-1]
        trainer = kind(
            *networks.values(),
            latents=Latents(size, config.details["latents"]),
            discriminator_steps=options.discriminator_steps,
            instance_noise=options.make_instance_noise(self.steps_per_epoch),
            **own,
            **self.step_options(),
        )
        warm_up = {k: v for k, v in own.items() if k == "critic_warm_up"}
        updates = kind.count_updates(
            self.total_steps, options.discriminator_steps, **warm_up
        )
        rates = (options.learning_rate, options.discriminator_rate())
        trainer.compile(
            *(
                options.make_optimizer(n, n / options.epochs, learning_rate=rate)
                for n, rate in zip(updates, rates)
            )
        )
        return trainer

    def sampler(self, trainer, config):
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
    def inferencer(cls, run):
        """``inference.Sampler``."""
        return inference.Sampler(run)

    @classmethod
    def export(cls, run, export_dir, name=""):
        sampler = inference.Sampler(run)
        name = name or f"{run.options['model']}_generator"
        return export.export_generator(
            sampler.generator, sampler.latents, export_dir, name
        )
