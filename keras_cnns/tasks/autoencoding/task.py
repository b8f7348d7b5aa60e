"""The task of what-where auto-encoders."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

from keras_cnns import applications, data, export, figures, inference, trainers
from keras_cnns.runs import RunConfig, Task
from keras_cnns.tasks.autoencoding.options import AutoencodingOptions
from keras_cnns.tasks.exported import from_run

if TYPE_CHECKING:
    from keras_cnns.runs.record import Run
    from keras_cnns.trainers import StepwiseTrainer

_GRID_ROWS = 4  # of images, and of reconstructions


class AutoencodingTask(Task):
    """Trains an auto-encoder and the classifier on top of it."""

    name = AutoencodingOptions.task
    options_class = AutoencodingOptions
    trainer_class = trainers.WhatWhereTrainer

    @property
    def needs_labels(self) -> bool:
        return self.options.labels != "none"

    def check(self, num_replicas: int) -> None:
        super().check(num_replicas)
        size = self.options.labelled_batch_size
        if self.options.labels == "some" and size % num_replicas:
            raise ValueError(
                f"labelled_batch_size={size} must be a multiple of the number of "
                f"replicas, {num_replicas}"
            )

    def open(self) -> None:
        options = self.options
        source = labelled = self.open_source(options.train_split)
        self._held_out = self.open_source(options.validation_split)
        if self._held_out and self._held_out.class_names != source.class_names:
            raise ValueError(
                f"the splits {source.split} and {self._held_out.split} of "
                f"{source.name} have different classes"
            )
        if options.num_labels:
            labelled = data.balanced(source, options.num_labels, options.seed)
        self._labelled = labelled if options.labels == "some" else None
        self.sources = [(source if self._labelled else labelled, 1)]
        if self._labelled and labelled.num_examples < options.labelled_batch_size:
            raise ValueError(
                f"a step takes labelled_batch_size={options.labelled_batch_size} "
                f"labelled images, of which there are {labelled.num_examples}"
            )

    def facts(self) -> dict:
        facts = super().facts()
        if self._labelled:
            facts["number of labelled examples"] = self._labelled.num_examples
        return facts

    def configure(self) -> RunConfig:
        options, names = self.options, self.source.class_names
        model = options.row.networks["network"]
        preprocessing = self.preprocess_for(model)
        if not options.image_size and None not in self.source.image_shape[:2]:
            preprocessing = preprocessing.with_size(*self.source.image_shape[:2])
        args = {
            "image_shape": preprocessing.shape,
            "notation": options.notation or _notation_for(model, names),
            "include_top": options.labels != "none",
            "unpooling": options.unpooling,
            **options.effective("beta", "dropout_rate"),
        }
        networks = self.networks_of(
            lambda role, name: args, {"network": {"batch_norm": True}}
        )
        if options.labels != "none":
            _check_classifier(args["notation"], names)
        return RunConfig(networks, preprocessing, names)

    def make_trainer(self, config: RunConfig, is_new: bool) -> StepwiseTrainer:
        kind = self.trainer_class
        network = self.build_networks(config)["network"]
        trainer = kind(network, **self.trainer_options(kind))
        trainer.compile(
            self.options.make_optimizer(self.total_steps, self.steps_per_epoch)
        )
        return trainer

    def load_batches(
        self, config: RunConfig, start_step: int, share: data.Share = data.WHOLE
    ) -> tf.data.Dataset:
        """Endless stream of (images, labels), with some labels and images without."""
        batches = super().load_batches(config, start_step, share)
        if self._labelled is None:
            return batches
        labelled = data.load_training(
            self._labelled,
            self.options.labelled_batch_size,
            start_step,
            preprocessing=config.preprocessing,
            augmentation=self.augmentation,
            seed=self.options.seed + 1,
            share=share,
        )
        return tf.data.Dataset.zip((labelled, batches)).map(
            lambda few, many: (*few, many[0])
        )

    def load_validation(
        self, config: RunConfig, share: data.Share = data.WHOLE
    ) -> tf.data.Dataset | None:
        if self._held_out is None:
            return None
        return data.load_evaluation(
            self._held_out,
            self.options.batch_size,
            preprocessing=config.preprocessing,
            share=share,
        )

    def sampler(self, trainer: StepwiseTrainer, config: RunConfig) -> tuple:
        """Images of all classes above their reconstructions, the same each time."""
        columns, source = self.options.grid_columns, self._held_out or self.source
        count = min(columns * _GRID_ROWS, source.num_examples)
        images, _ = data.read_images(data.spread(source, count), config.preprocessing)

        def reconstruct():
            with trainer.averaged_weights():
                return inference.reconstruct(trainer.network, images)

        def write(reconstructions, path):
            figures.reconstruction_grid(images, reconstructions, path, columns)

        return reconstruct, write

    def report(self, run: Run, progress: dict) -> None:
        """Curves, and the evaluation of the last epoch on the validation split."""
        super().report(run, progress)
        if self._held_out is None:
            return
        autoencoder = inference.Autoencoder(run)
        progress["report"] = inference.evaluate_autoencoder(autoencoder, self._held_out)
        print(f"last epoch: {progress['report'].summary()}")

    @classmethod
    def inferencer(cls, run: Run, which: str = "last") -> inference.Autoencoder:
        """``inference.Autoencoder``."""
        return inference.Autoencoder(run, which)

    @classmethod
    def export(
        cls,
        run: Run,
        export_dir: str,
        name: str = "",
        *,
        which: str = "last",
        form: export.Form = export.SAVED_MODEL,
    ) -> tuple:
        autoencoder = inference.Autoencoder(run, which)
        return export.export_autoencoder(
            autoencoder.network,
            export_dir,
            name or run.options["model"],
            class_names=autoencoder.class_names,
            form=from_run(form, run, which),
        )


def _notation_for(model, class_names):
    """The layers of a registered network, the last one for the data's classes."""
    notation = applications.model_info(model).architecture["notation"]
    if applications.parse_notation(notation)[-1].kind != "fc" or not class_names:
        return notation
    return f"{notation.rpartition('-')[0]}-{len(class_names)}fc"


def _check_classifier(notation, class_names):
    """Refuses layers that do not end in a classifier of the data."""
    wanted, last = f"{len(class_names)}fc", applications.parse_notation(notation)[-1]
    if (last.kind, last.size) != ("fc", len(class_names)):
        raise ValueError(
            f"notation {notation!r} must end in {wanted}, the classifier of the data's "
            f"{len(class_names)} classes; or take labels=none"
        )
