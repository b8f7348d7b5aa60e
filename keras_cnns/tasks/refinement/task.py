"""The refinement task."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from keras_cnns import data, export, figures, inference, trainers
from keras_cnns.runs import RunConfig, Task
from keras_cnns.tasks.adversarial import compile_adversarial
from keras_cnns.tasks.exported import from_run
from keras_cnns.tasks.refinement.options import RefinementOptions

if TYPE_CHECKING:
    from keras_cnns.runs.record import Run
    from keras_cnns.trainers import StepwiseTrainer

_GRID_ROWS = 4  # of simulated and refined images each


class RefinementTask(Task):
    """Trains a refiner and its discriminator, and refines images at the end."""

    name = RefinementOptions.task
    options_class = RefinementOptions
    trainer_class = trainers.SimGAN

    def check(self, num_replicas: int) -> None:
        super().check(num_replicas)
        options = self.options
        new = num_replicas * -(-options.batch_size // num_replicas // 2)
        if options.buffer_size % new:
            raise ValueError(
                f"buffer_size={options.buffer_size} must be a multiple of {new}, the "
                "refined images that it takes in at a time, half a batch"
            )

    def open(self) -> None:
        options = self.options
        steps = options.discriminator_steps
        self.sources = [
            (self.open_source(options.train_split), options.refiner_steps + steps),
            (self.open_source(options.real_split, options.real_dataset), steps),
        ]
        self._to_refine = self.open_source(
            options.refined_split or options.train_split, options.refined_dataset
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
        """The folder of refined images; refuses to overwrite those of other data."""
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

    def configure(self) -> RunConfig:
        preprocessing = self.preprocess_for(self.options.row.networks["refiner"])
        size = self.source.image_shape[:2]
        if not self.options.image_size and None not in size:
            preprocessing = preprocessing.with_size(*size)
        args, example = (
            {"image_shape": preprocessing.shape},
            {"refiner": {"filters": 32}},
        )
        networks = self.networks_of(lambda role, name: args, example)
        return RunConfig(networks, preprocessing, self.source.class_names)

    def make_trainer(self, config: RunConfig, is_new: bool) -> StepwiseTrainer:
        networks = self.build_networks(config).values()
        noise = self.options.make_instance_noise(self.steps_per_epoch)
        given = self.trainer_options(self.trainer_class, instance_noise=noise)
        trainer = self.trainer_class(*networks, **given)
        compile_adversarial(self, trainer)
        return trainer

    def load_batches(
        self, config: RunConfig, start_step: int, share: data.Share = data.WHOLE
    ) -> tf.data.Dataset:
        """Endless stream of (simulated images, real ones)."""
        size = self.options.batch_size
        streams = [
            self._stream(config, source, count * size, number, start_step, share)
            for number, (source, count) in enumerate(self.sources)
        ]
        return tf.data.Dataset.zip(tuple(streams))

    def _stream(
        self, config, source, batch_size, number, start_step=0, share=data.WHOLE
    ):
        """Batches of images without their labels."""
        return data.load_training(
            source,
            batch_size,
            start_step,
            preprocessing=config.preprocessing,
            augmentation=self.augmentation,
            seed=self.options.seed + number,
            share=share,
        ).map(lambda images, labels: images)

    def sampler(self, trainer: StepwiseTrainer, config: RunConfig) -> tuple:
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

    def report(self, run: Run, progress: dict) -> None:
        """Curves, and the refined images."""
        super().report(run, progress)
        if os.path.exists(self._folder):
            print(f"{self._folder} is there already and stays unchanged")
            return
        refiner = inference.Refiner(run)
        given = (refiner.network, refiner.preprocessing, self._to_refine)
        count = inference.refine_source(*given, self._folder)
        print(f"{count} refined images are in {self._folder}")

    @classmethod
    def inferencer(cls, run: Run) -> inference.Refiner:
        """``inference.Refiner``."""
        return inference.Refiner(run)

    @classmethod
    def export(
        cls,
        run: Run,
        export_dir: str,
        name: str = "",
        *,
        form: export.Form = export.SAVED_MODEL,
    ) -> tuple:
        name = name or f"{run.options['model']}_refiner"
        form = from_run(form, run)
        return export.export_refiner(run.load("refiner"), export_dir, name, form=form)
