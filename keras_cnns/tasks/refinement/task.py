"""What makes a training that of a refiner of simulated images."""

import os

import numpy as np
import tensorflow as tf

from keras_cnns import applications, data, export, figures, inference, trainers
from keras_cnns.runs import RunConfig, Task, parse_builder_args
from keras_cnns.tasks.refinement.models import MODELS, find_model
from keras_cnns.tasks.refinement.options import RefinementOptions

_ROLES = ("refiner", "discriminator")
_GRID_ROWS = 4  # of simulated and refined images each


class RefinementTask(Task):
    """A refiner and its discriminator, and images refined at the end."""

    name = RefinementOptions.task
    options_class = RefinementOptions

    def check(self, num_replicas):
        super().check(num_replicas)
        options = self.options
        new = num_replicas * -(-options.batch_size // num_replicas // 2)
        if options.buffer_size % new:
            raise ValueError(
                f"buffer_size={options.buffer_size} must be a multiple of {new}, the "
                "refined images that it takes in at a time, half a batch"
            )
        data.Augmentation(options.augmentation)

    def open(self):
        options = self.options
        simulated, real = (
            data.open_source(name, split, options.data_dir, labelled=False)
            for name, split in (
                (options.dataset, options.train_split),
                (options.real_dataset, options.real_split),
            )
        )
        steps = options.discriminator_steps
        self.sources = [(simulated, options.refiner_steps + steps), (real, steps)]
        self._to_refine = data.open_source(
            options.refined_dataset or options.dataset,
            options.refined_split or options.train_split,
            options.data_dir,
            labelled=False,
        )
        self._check_phases()
        self._folder = self._refined_folder()

    def _check_phases(self):
        """Refuses a run that ends within the pretraining."""
        options, steps = self.options, self.steps_per_epoch
        alone = options.refiner_pretraining + options.discriminator_pretraining
        if self.total_steps <= alone:
            raise ValueError(
                f"epochs={options.epochs} of {steps} steps end within the pretraining "
                f"of {alone} steps; give more epochs, or less of refiner_pretraining "
                "and discriminator_pretraining"
            )

    def _refined_folder(self):
        """Where refined images go; refuses to refine others where some are already."""
        options, source = self.options, self._to_refine
        split = source.split.partition("[")[0]
        folder = os.path.join(options.run_dir, "refined", split)
        if os.path.exists(folder) and (
            options.refined_split or options.refined_dataset
        ):
            raise ValueError(
                f"{folder} holds images already; move it away to refine {source.name} "
                f"{source.split}"
            )
        return folder

    def facts(self):
        return {
            **super().facts(),
            "number of real ones": self.sources[1][0].num_examples,
        }

    def configure(self):
        options, (source, _) = self.options, self.sources[0]
        row = find_model(options.model)
        size = source.image_shape[:2]
        if options.image_size:
            size = (options.image_size, options.image_size)
        elif None in size:
            size = applications.model_info(row.refiner).input_shape[:2]
        channels = options.channels or source.image_shape[2] or 3
        preprocessing = data.Preprocessing.for_range(*size, channels, "signed")
        example = {"refiner": {"filters": 32}, "discriminator": {}}
        changes = parse_builder_args(options.builder_args, example, _ROLES)
        networks = {
            role: {
                "model": getattr(row, role),
                "args": {"image_shape": preprocessing.shape, **changes.get(role, {})},
            }
            for role in _ROLES
        }
        return RunConfig(networks, preprocessing, source.class_names)

    def make_trainer(self, config, is_new):
        options = self.options
        networks = self.prepare_networks({role: config.build(role) for role in _ROLES})
        trainer = trainers.SimGAN(
            *networks.values(),
            regularization_weight=options.regularization_weight,
            features=options.features,
            refiner_steps=options.refiner_steps,
            discriminator_steps=options.discriminator_steps,
            buffer_size=options.buffer_size,
            refiner_pretraining=options.refiner_pretraining,
            discriminator_pretraining=options.discriminator_pretraining,
            instance_noise=options.make_instance_noise(self.steps_per_epoch),
            **self.step_options(),
        )

        def optimizer(learning_rate, updates_per_step, steps_without):
            return options.make_optimizer(
                (self.total_steps - steps_without) * updates_per_step,
                self.steps_per_epoch * updates_per_step,
                learning_rate=learning_rate,
            )

        trainer.compile(
            optimizer(
                options.learning_rate,
                options.refiner_steps,
                options.discriminator_pretraining,
            ),
            optimizer(
                options.discriminator_rate(),
                options.discriminator_steps,
                options.refiner_pretraining,
            ),
        )
        return trainer

    def load_batches(self, config, start_step):
        """Endless stream of (simulated images, real ones)."""
        size = self.options.batch_size
        streams = [
            self._stream(config, source, count * size, number, start_step)
            for number, (source, count) in enumerate(self.sources)
        ]
        return tf.data.Dataset.zip(tuple(streams))

    def _stream(self, config, source, batch_size, number, start_step=0):
        """Batches of images without their labels."""
        return data.load_training(
            source,
            batch_size,
            start_step,
            preprocessing=config.preprocessing,
            augmentation=data.Augmentation(self.options.augmentation),
            seed=self.options.seed + number,
        ).map(lambda images, labels: images)

    def sampler(self, trainer, config):
        """Rows of simulated images above refined ones, and real ones beside both."""
        columns = self.options.grid_columns
        simulated, real = (
            self._fixed_images(config, source, rows * columns)
            for (source, _), rows in zip(self.sources, (_GRID_ROWS, 2 * _GRID_ROWS))
        )

        def write(refined, path):
            figures.refinement_grid(simulated, refined, real, path, columns)

        return lambda: trainer.refine(simulated), write

    def _fixed_images(self, config, source, count):
        """Images of all classes, the same in every run; repeated where they are few."""
        available = min(count, source.num_examples)
        images = next(iter(self._stream(config, source, available, 0))).numpy()
        return images[np.arange(count) % available]

    def report(self, run, progress):
        """Curves, and the refined images."""
        super().report(run, progress)
        if os.path.exists(self._folder):
            print(f"{self._folder} is there already and stays as it is")
            return
        with data.naming_bad_images(self._to_refine.name):
            count = inference.Refiner(run).refine_source(self._to_refine, self._folder)
        print(f"{count} refined images are in {self._folder}")

    @classmethod
    def models(cls):
        return {
            name: {role: getattr(row, role) for role in _ROLES}
            for name, row in MODELS.items()
        }

    @classmethod
    def inferencer(cls, run):
        """``inference.Refiner``."""
        return inference.Refiner(run)

    @classmethod
    def export(cls, run, export_dir, name=""):
        name = name or f"{run.options['model']}_refiner"
        return export.export_refiner(run.load("refiner"), export_dir, name)
