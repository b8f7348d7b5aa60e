"""What makes a training that of a generative adversarial network."""

from keras_cnns import applications, data, export, figures, inference
from keras_cnns.runs import RunConfig, Task, parse_builder_args
from keras_cnns.tasks.generation.models import MODELS, TRAINERS, find_model
from keras_cnns.tasks.generation.options import GenerationOptions
from keras_cnns.trainers import Latents

_ROLES = ("generator", "discriminator")
# Options that are arguments of the trainers on which they have an effect.
_OWN = ("generator_loss", "clip_value", "critic_warm_up", "penalty_weight")


class GenerationTask(Task):
    """A generator and its discriminator or critic."""

    name = GenerationOptions.task
    options_class = GenerationOptions

    def check(self, num_replicas):
        super().check(num_replicas)
        self._augmentation()

    def open(self):
        options = self.options
        source = data.open_source(
            options.dataset, options.train_split, options.data_dir, labelled=False
        )
        self.sources = [(source, options.discriminator_steps)]

    def configure(self):
        options, (source, _) = self.options, self.sources[0]
        row = find_model(options.model)
        is_conditional = self._check_conditions(row, source)
        info = applications.model_info(row.discriminator)
        size = (options.image_size,) * 2 if options.image_size else info.input_shape[:2]
        channels = options.channels or source.image_shape[2] or 3
        # What is unbounded gets images in [-1, 1].
        value_range = "unit" if info.preprocessing == "unit" else "signed"
        preprocessing = data.Preprocessing.for_range(*size, channels, value_range)
        common = {"image_shape": preprocessing.shape}
        if is_conditional:
            common["classes"] = len(source.class_names)
        changes = parse_builder_args(
            options.builder_args,
            {"generator": {"filters": [256, 128, 64]}, "discriminator": {}},
            _ROLES,
        )
        networks = {
            role: {
                "model": getattr(row, role),
                "args": {**common, **changes.get(role, {})},
            }
            for role in _ROLES
        }
        return RunConfig(
            networks,
            preprocessing,
            source.class_names,
            details={"latents": row.latents, "trainer": options.algorithm},
        )

    def _check_conditions(self, row, source):
        """Whether the networks take labels; refuses what cannot be trained so."""
        model, trainer = self.options.model, self.options.algorithm
        is_conditional = bool(
            applications.model_info(row.discriminator).condition_shape
        )
        if is_conditional != (trainer == "cgan"):
            raise ValueError(
                f"{model} is {'' if is_conditional else 'not '}conditional and cannot "
                f"be trained by {trainer}"
            )
        if is_conditional and source.class_names == (data.UNLABELLED,):
            raise ValueError(f"{model} wants labels, which {source.name} does not have")
        return is_conditional

    def make_trainer(self, config, is_new):
        options = self.options
        networks = self.prepare_networks({role: config.build(role) for role in _ROLES})
        kind = TRAINERS[options.algorithm]
        own = options.effective(*_OWN)
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
                options.make_optimizer(
                    count, count / options.epochs, learning_rate=rate
                )
                for rate, count in zip(rates, updates)
            )
        )
        return trainer

    def load_batches(self, config, start_step):
        source, minibatches = self.sources[0]
        return data.load_training(
            source,
            self.options.batch_size * minibatches,
            start_step,
            preprocessing=config.preprocessing,
            augmentation=self._augmentation(),
            seed=self.options.seed,
        )

    def sampler(self, trainer, config):
        """A grid of the same latents; with labels, a class per column."""
        columns, seed = self.options.grid_columns, self.options.seed
        labels = None
        if trainer.is_conditional:
            classes = len(config.class_names)
            labels = [i % columns % classes for i in range(columns**2)]

        def write(images, path):
            value_range = config.preprocessing.value_range
            figures.image_grid(images, path, columns, value_range=value_range)

        return lambda: trainer.sample(columns**2, seed=seed, labels=labels), write

    @classmethod
    def models(cls):
        return {
            name: {role: getattr(row, role) for role in _ROLES}
            for name, row in MODELS.items()
        }

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

    def _augmentation(self):
        return data.Augmentation(self.options.augmentation)
