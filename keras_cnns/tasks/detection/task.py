"""The detection task."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from absl import logging

from keras_cnns import (
    _progress,
    applications,
    data,
    export,
    figures,
    inference,
    trainers,
)
from keras_cnns.applications import DetectionFunction, load_backbone, region_features
from keras_cnns.data import scaling
from keras_cnns.runs import (
    RunConfig,
    Task,
    parse_numbers,
    run_of_weights,
)
from keras_cnns.tasks.detection.backbones import (
    backbone_of,
    check_pooled,
    freeze,
    weight_file,
)
from keras_cnns.tasks.detection.options import SEARCHED, DetectionOptions
from keras_cnns.tasks.exported import from_run

if TYPE_CHECKING:
    import tensorflow as tf

    from keras_cnns.runs.option_groups import TrainingOptions
    from keras_cnns.runs.record import Run
    from keras_cnns.trainers import StepwiseTrainer

_TRAINERS = {
    "rcnn": trainers.FastRCNNTrainer,
    "sppnet": trainers.FastRCNNTrainer,
    "fast_rcnn": trainers.FastRCNNTrainer,
    "faster_rcnn": trainers.FasterRCNNTrainer,
    "rpn": trainers.RPNTrainer,
}
# Of the steps of alternating training, the fractions at which the first three of its
# turns end: each sees 80,000 images in the published code.
_PHASE_ENDS = (1 / 4, 1 / 2, 3 / 4)
_GRID_IMAGES = 12
_PAPER_SIDE = 600  # shorter side of images of varying sizes


class DetectionTask(Task):
    """Trains a detector, and fits what scores its regions."""

    name = DetectionOptions.task
    options_class = DetectionOptions

    def __init__(self, options: TrainingOptions) -> None:
        super().__init__(options)
        self._held_out = None
        self._proposals = {}
        self._searches = options.row.trainer in SEARCHED
        self._alternates = bool(
            options.effective("training").get("training") == "alternating"
        )

    @property
    def augmentation(self) -> data.Augmentation:
        return data.Augmentation("")  # boxes are flipped with their images

    def open_source(self, split: str, dataset: str = "") -> data.Source | None:
        if not split:
            return None
        options = self.options
        return data.open_detection_source(
            dataset or options.dataset, split, options.data_dir
        )

    def open(self) -> None:
        options = self.options
        self.sources = [(self.open_source(options.train_split), 1)]
        self._held_out = self.open_source(options.validation_split)
        if self._held_out and self._held_out.class_names != self.source.class_names:
            raise ValueError(
                f"the splits {self.source.split} and {self._held_out.split} of "
                f"{self.source.name} have different classes"
            )
        if self._searches and self.options.channels == 1 != self.source.image_shape[2]:
            raise ValueError(
                "channels must be 3 or 0 where proposals are searched for in colour "
                "images, got 1"
            )

    def _proposals_of(self, source):
        """The stored proposals of a split, those that are missing searched for now.

        That takes long, and waits until all else is known to be right.
        """
        if self._searches and source.split not in self._proposals:
            options = self.options
            folder = options.proposals_dir or os.path.join(options.run_dir, "proposals")
            self._proposals[source.split] = inference.stored_proposals(
                source, folder, self._search_settings()
            )
        return self._proposals.get(source.split)

    def _search_settings(self):
        """Arguments of ``exemplar.selective_search``; none where it is not used."""
        if not self._searches:
            return {}
        options = self.options
        scales = parse_numbers("proposal_scales", options.proposal_scales, kind=int)
        return {
            "mode": options.proposal_mode,
            "width": options.proposal_width or None,
            "min_side": options.proposal_min_side,
            "scales": list(scales) or None,
            "max_boxes": options.num_proposals,
        }

    @property
    def _sides(self):
        """(shorter side, largest longer side) that images are scaled to."""
        height, width, _ = self.source.image_shape
        own = min(height, width) if height and width else _PAPER_SIDE
        return self.options.image_size or own, self.options.long_side

    @property
    def _lengths(self):
        return dict(zip(("short_side", "long_side"), self._sides))

    def configure(self) -> RunConfig:
        options = self.options
        args = {"image_shape": (None, None, 3)}
        if options.row.trainer != "rpn":
            args["classes"] = len(self.source.class_names)
        example = {"network": {"pooling": "align"}}
        networks = self.networks_of(lambda role, name: args, example)
        preprocessing = self._preprocessing(backbone_of(networks)[0])
        networks["network"]["args"]["image_shape"] = preprocessing.shape
        details = {
            "sides": list(self._sides),
            "classifiers": options.effective("classifiers").get(
                "classifiers", "softmax"
            ),
            "proposals": self._search_settings(),
        }
        if self._alternates:
            networks["proposer"] = self._proposer(networks["network"])
        names = self.source.class_names
        return RunConfig(networks, preprocessing, names, details=details)

    def _proposer(self, network):
        """The region proposal network that has the anchors of a detector."""
        info = applications.model_info(network["model"])
        own = {**info.architecture, **network["args"]}
        taken = applications.model_info("rpn_vgg16").architecture
        args = {name: own[name] for name in (*taken, "image_shape")}
        args["backbone_args"] = applications.without_top(
            own["backbone"], own["backbone_args"]
        )
        return {"model": "rpn_vgg16", "args": args}

    def _preprocessing(self, backbone):
        """That of the options, else of the backbone's weights, else of the data."""
        options, source = self.options, self.source
        info = applications.model_info(backbone)
        height, width = scaling.canvas_size(source.image_shape, *self._sides)
        convention = options.preprocessing
        run = run_of_weights(options.backbone_weights, "classification")
        channels = options.channels or source.image_shape[2] or 3
        if not convention and run is not None:
            found = run.config.preprocessing
            if options.channels not in (0, found.channels):
                raise ValueError(
                    f"channels={options.channels} does not suit {run.folder}, whose "
                    f"images have {found.channels}"
                )
            return found.with_size(height, width)
        if not convention and options.backbone_weights:
            convention = info.preprocessing_of(options.backbone_weights)
        if convention in ("", "dataset"):
            return data.measure_statistics(source, height, width, channels)
        known = {**data.CONVENTIONS[convention], "crop_ratio": None}
        return data.Preprocessing(height, width, channels, **known)

    @property
    def trainer_class(self) -> type[StepwiseTrainer]:
        if self._alternates:
            return trainers.AlternatingFasterRCNNTrainer
        return _TRAINERS[self.options.row.trainer]

    def make_trainer(self, config: RunConfig, is_new: bool) -> StepwiseTrainer:
        options = self.options
        networks = self.build_networks(config)
        backbone = backbone_of(config.networks)
        if is_new and options.backbone_weights:
            for network in networks.values():
                load_backbone(network, weight_file(options.backbone_weights), *backbone)
        if options.freeze and not options.backbone_weights and is_new:
            logging.warning(
                "freeze=%s keeps random weights: there are no backbone_weights",
                options.freeze,
            )
        if config.details["classifiers"] == "svm":
            check_pooled(networks["network"])
        for network in networks.values():
            freeze(network, options.freeze, options.freeze_batch_norm)
        kind, given = self.trainer_class, {}
        if options.row.trainer != "rpn":
            given["background_range"] = (options.background_iou, options.foreground_iou)
        if self._alternates:
            return self._alternating(networks, given)
        trainer = kind(networks["network"], **self.trainer_options(kind, **given))
        trainer.compile(self._optimizer(self.total_steps))
        return trainer

    def _alternating(self, networks, given):
        """The compiled trainer of Faster R-CNN's four steps."""
        kind, total = self.trainer_class, self.total_steps
        if total < 4:
            raise ValueError(
                f"training=alternating needs 4 steps at least, and epochs="
                f"{self.options.epochs} are {total}"
            )
        ends = [round(end * total) for end in _PHASE_ENDS]
        given = self.trainer_options(kind, phase_ends=ends, **given)
        trainer = kind(networks["network"], networks["proposer"], **given)
        lengths = [end - start for start, end in zip([0, *ends], [*ends, total])]
        trainer.compile(*map(self._optimizer, lengths))
        return trainer

    def _optimizer(self, steps):
        return self.options.make_optimizer(steps, self.steps_per_epoch)

    def load_batches(
        self, config: RunConfig, start_step: int, share: data.Share = data.WHOLE
    ) -> tf.data.Dataset:
        options = self.options
        return data.load_detection_training(
            self.source,
            options.batch_size,
            start_step,
            preprocessing=config.preprocessing,
            **self._lengths,
            max_objects=options.max_objects or None,
            flip=options.augmentation == "flip",
            seed=options.seed,
            proposals=self._proposals_of(self.source),
            bad_boxes=options.bad_boxes,
            share=share,
        )

    def load_validation(
        self, config: RunConfig, share: data.Share = data.WHOLE
    ) -> tf.data.Dataset | None:
        if self._held_out is None:
            return None
        return self._evaluation(config, self._held_out, share)

    def _evaluation(self, config, source, share=data.WHOLE):
        options = self.options
        return data.load_detection_evaluation(
            source,
            options.batch_size,
            preprocessing=config.preprocessing,
            **self._lengths,
            max_objects=options.max_objects or None,
            proposals=self._proposals_of(source),
            bad_boxes=options.bad_boxes,
            share=share,
        )

    def sampler(self, trainer: StepwiseTrainer, config: RunConfig) -> tuple:
        """Detections on some images, by the network's own scores."""
        source = self._held_out or self.source
        count = min(_GRID_IMAGES, source.num_examples)
        batches = -(-count // self.options.batch_size)
        batches = list(self._evaluation(config, source).take(batches))
        detect = DetectionFunction(trainer.network)
        names = config.class_names
        if self.options.row.trainer == "rpn":
            names = inference.RPN_CLASSES

        def sample():
            with trainer.averaged_weights():
                return [
                    detect(images, targets["sizes"], targets.get("proposals"))
                    for images, targets in batches
                ]

        def write(found, path):
            scenes = inference.shown_scenes(batches, found, config.preprocessing)
            images, detections, truths = (part[:count] for part in scenes)
            figures.detection_grid(images, detections, path, names, truths=truths)

        return sample, write

    def complete(self, run: Run) -> None:
        """Fits support vector machines and box regressors, of R-CNN and SPPnet."""
        if run.config.details["classifiers"] != "svm":
            return
        network = run.load("network")
        batches = self._evaluation(run.config, self.source)
        with _progress.fractions("region classifiers") as show:
            fitted = trainers.fit_region_classifiers(
                inference.region_examples(region_features(network), batches),
                len(run.config.class_names),
                method=self.options.row.trainer,
                seed=self.options.seed,
                progress=show,
            )
        fitted.save(os.path.join(run.folder, inference.CLASSIFIERS))

    def report(self, run: Run, progress: dict) -> None:
        """Curves, and detections of the last epoch on the validation split."""
        super().report(run, progress)
        if self._held_out is None:
            return
        evaluation = inference.evaluate_detector(
            inference.Detector(run),
            self._held_out,
            self._proposals_of(self._held_out),
            bad_boxes=self.options.bad_boxes,
        )
        evaluation.write(run.folder)
        progress["report"] = evaluation
        print(evaluation.summary())

    @classmethod
    def inferencer(
        cls, run: Run, which: str = "last", **options: Any
    ) -> inference.Detector:
        """``inference.Detector``."""
        return inference.Detector(run, which, **options)

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
        detector = inference.Detector(run, which)
        return export.export_detector(
            detector.function,
            export_dir,
            name or run.options["model"],
            preprocessing=detector.preprocessing,
            sides=detector.sides,
            class_names=detector.class_names,
            form=from_run(form, run, which),
        )
