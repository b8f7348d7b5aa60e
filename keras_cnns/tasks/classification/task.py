"""The classification task."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from absl import logging

from keras_cnns import (
    applications,
    data,
    export,
    figures,
    inference,
    inspection,
    metrics,
    trainers,
)
from keras_cnns.runs import RunConfig, Task, parse_arguments, run_of_weights
from keras_cnns.tasks.classification.options import ClassificationOptions
from keras_cnns.tasks.exported import from_run

if TYPE_CHECKING:
    import numpy as np
    import tensorflow as tf

    from keras_cnns.runs.record import Run
    from keras_cnns.trainers import StepwiseTrainer

_WARPED_IMAGES = 8  # in the figure of spatial transformers


class ClassificationTask(Task):
    """Trains a network of logits with cross-entropy."""

    name = ClassificationOptions.task
    options_class = ClassificationOptions
    trainer_class = trainers.ClassificationTrainer
    needs_labels = True

    @property
    def augmentation(self) -> data.Augmentation:
        options = self.options
        return data.Augmentation(
            options.augmentation, options.mixup_alpha, options.label_smoothing
        )

    @property
    def patience(self) -> int:
        return self.options.early_stopping

    def check(self, num_replicas: int) -> None:
        super().check(num_replicas)
        if self.options.export_dir and self.options.warmup_requests > 0:
            export.check_warmup_available()

    def open(self) -> None:
        self.sources = [(self.open_source(self.options.train_split), 1)]
        self._held_out = self.open_source(self.options.validation_split)
        self._check_classes()

    def _check_classes(self):
        names = self.source.class_names
        if len(names) == 1:
            logging.warning(
                "%s has one class, %s: there is nothing to tell apart",
                self.source.name,
                names[0],
            )
        others = self._held_out.class_names if self._held_out else names
        if others != names:
            odd = sorted(set(names) ^ set(others))
            raise ValueError(
                f"the splits {self.source.split} and {self._held_out.split} of "
                f"{self.source.name} have different classes: {', '.join(odd[:3])} "
                f"({len(odd)}) only one of them"
            )

    def configure(self) -> RunConfig:
        preprocessing, names = self._preprocessing(), self.source.class_names
        args = {
            **parse_arguments(self.options.builder_args, {"dropout_rate": 0.2}),
            "input_shape": preprocessing.shape,
            "classes": len(names),
        }
        network = {"model": self.options.model, "args": args}
        return RunConfig({"network": network}, preprocessing, names)

    def make_trainer(self, config: RunConfig, is_new: bool) -> StepwiseTrainer:
        options = self.options
        network = _initial_network(config, options.init_weights if is_new else "")
        if options.freeze:
            trainers.freeze_up_to(network, options.freeze)
        network = self.prepare_networks({"network": network})["network"]
        kind = self.trainer_class
        trainer = kind(network, **self.trainer_options(kind))
        trainer.compile(options.make_optimizer(self.total_steps, self.steps_per_epoch))
        return trainer

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

    def report(self, run: Run, progress: dict) -> None:
        """Curves, the evaluation of the last epoch on the validation split, and what
        spatial transformers do."""
        path = os.path.join(run.folder, "learning_curves.png")
        figures.plot_learning_curves(progress["history"], path)
        network, _ = inference.load_classifier(run, "last")
        if self._held_out is not None:
            self._evaluate(network, run, progress)
        if inspection.spatial_transformers(network):
            self._draw_warps(network, run)

    def _evaluate(self, network, run, progress):
        """The report on the validation split."""
        validation = self.load_validation(run.config)
        report = metrics.evaluate_classifier(
            network, validation, run.config.class_names
        )
        path = os.path.join(run.folder, "confusion_matrix.png")
        figures.plot_confusion_matrix(report, path)
        progress["report"] = report
        print(
            f"last epoch: {report.top_1:.2%} of {report.num_examples} correct; best "
            f"epoch was {progress['best_epoch']}"
        )

    def _draw_warps(self, network, run):
        """What spatial transformers make of some images."""
        source = self._held_out or self.source
        shown = data.spread(source, min(_WARPED_IMAGES, source.num_examples))
        images, _ = data.read_images(shown, run.config.preprocessing)
        figures.transformer_grid(
            inspection.spatial_warps(network, images),
            os.path.join(run.folder, "spatial_transformers.png"),
        )

    def export_options(self) -> dict:
        return {"warmup_requests": self.options.warmup_requests}

    @classmethod
    def models(cls) -> dict:
        names = applications.list_models("classification")
        return {name: {"network": name} for name in names}

    @classmethod
    def inferencer(
        cls, run: Run, which: str = "last", **options: Any
    ) -> inference.Predictor:
        """``inference.Predictor``."""
        return inference.load_predictor(run.folder, which=which, **options)

    @classmethod
    def export(
        cls,
        run: Run,
        export_dir: str,
        name: str = "",
        *,
        which: str = "last",
        warmup_requests: int = export.IF_INSTALLED,
        form: export.Form = export.SAVED_MODEL,
    ) -> tuple:
        network, _ = inference.load_classifier(run, which)
        return export.export_saved_model(
            network,
            export_dir,
            name or run.config.networks["network"]["model"],
            preprocessing=run.config.preprocessing,
            class_names=run.config.class_names,
            warmup_requests=warmup_requests,
            form=from_run(form, run, which),
        )

    @classmethod
    def calibration_images(cls, run: Run, count: int) -> np.ndarray:
        options = run.options
        source = data.open_source(
            options["dataset"], options["train_split"], options["data_dir"]
        )
        count = min(count, source.num_examples)
        spread = data.spread(source, count)
        return data.read_images(spread, run.config.preprocessing)[0]

    def _preprocessing(self):
        """That of the options, else of the initial weights, else of the data."""
        options, source = self.options, self.source
        info = applications.model_info(options.model)
        convention = options.preprocessing
        run = None if convention else run_of_weights(options.init_weights, self.name)
        start = run.config.preprocessing if run else None
        if not convention:
            convention = "dataset"
            if options.init_weights in info.weights:
                convention = info.preprocessing_of(options.init_weights)
        height, width, depth = source.image_shape
        height = options.image_size or height or info.input_shape[0]
        width = options.image_size or width or info.input_shape[1]
        depth = options.channels or (depth if convention == "dataset" else 3)
        if start and start.channels == depth:
            return start.with_size(height, width)
        if convention == "dataset":
            if options.init_weights:
                logging.info(
                    "inputs are standardised by mean and standard deviation of the data"
                )
            return data.measure_statistics(source, height, width, depth)
        if convention not in data.CONVENTIONS:
            raise ValueError(
                f"unknown preprocessing {convention!r}; there are dataset, "
                f"{', '.join(data.CONVENTIONS)}"
            )
        return data.Preprocessing(height, width, depth, **data.CONVENTIONS[convention])


def _initial_network(config, init_weights):
    """The network of logits; classes that its initial weights know too keep theirs."""
    path, run = init_weights, run_of_weights(init_weights, ClassificationTask.name)
    if os.path.isdir(path):
        path = os.path.join(path, "best.h5")
    if run is None or not path.endswith(".h5"):
        return config.build("network", weights=path or None, classifier_activation=None)
    network = config.build("network", classifier_activation=None)
    names = (run.config.class_names, config.class_names)
    applications.load_weights(network, path, class_names=names)
    return network
