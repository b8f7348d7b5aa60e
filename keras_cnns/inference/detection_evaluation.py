"""Detectors on whole splits: proposals, detections, scores, and how long they take."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from keras_cnns import _files, _progress, applications, data, exemplar, figures, metrics
from keras_cnns.data.box_checks import usable_boxes
from keras_cnns.data.sources import folder_name
from keras_cnns.inference.detectors import RPN_CLASSES

if TYPE_CHECKING:
    from tensorflow import keras

    from keras_cnns._types import Array
    from keras_cnns.inference.detectors import Detector

_RECALLS = (10, 50, 300)  # proposals of an image whose recall is told


def stored_proposals(
    source: data.Source, folder: str, settings: dict
) -> data.ProposalStore:
    """The proposals of a split; those that are not stored yet are searched for.

    Args:
        source: of ``data.open_detection_source``.
        folder: gets a folder for the split; a search that was ended goes on with the
            first of its files that is missing.
        settings: arguments of ``exemplar.selective_search``.

    Returns:
        ``data.ProposalStore``.

    Raises:
        ValueError: if the folder holds proposals of other data or settings.
        OSError: if it cannot be written.
    """
    with _progress.bar(
        desc=f"proposals of {source.split}", total=source.num_examples
    ) as bar:
        return data.write_proposals(
            os.path.join(folder, folder_name(source.split)),
            source,
            lambda image, index: exemplar.selective_search(image, **settings),
            settings=settings,
            max_boxes=settings["max_boxes"],
            report=lambda done, total: bar.update(done - bar.n),
        )


def region_examples(
    features: keras.Model, batches: tf.data.Dataset
) -> Callable[[], Iterator[dict]]:
    """What R-CNN's and SPPnet's classifiers are fitted to; see ``trainers``.

    Args:
        features: of ``applications.detection``'s ``region_features``.
        batches: dataset of ``data.load_detection_evaluation``, with proposals.

    Returns:
        Function without arguments that returns a fresh iterator over the images: dicts
        of ``features``, ``pooled``, ``rois``, ``boxes``, ``labels``, ``ignored``.
    """

    @tf.function
    def values(image, rois):
        values = applications.run_regions(features, image[tf.newaxis], rois[tf.newaxis])
        return [value[0] for value in values]

    def iterate():
        for images, targets in batches:
            targets = {name: value.numpy() for name, value in targets.items()}
            for i, image in enumerate(images):
                is_object = targets["labels"][i] >= 0
                boxes = targets["boxes"][i][is_object]
                count = targets["num_proposals"][i]
                rois = np.concatenate([targets["proposals"][i][:count], boxes])
                padding = targets["proposals"].shape[1] + len(is_object) - len(rois)
                padded = np.pad(rois, [(0, padding), (0, 0)])
                vectors, pooled = values(image, padded)
                yield {
                    "features": vectors.numpy()[: len(rois)],
                    "pooled": pooled.numpy()[: len(rois)],
                    "rois": rois,
                    "boxes": boxes,
                    "labels": targets["labels"][i][is_object],
                    "ignored": targets["ignored"][i][is_object],
                }

    return iterate


def truth_of(target: dict, image: Array, left_out: Collection[int] = ()) -> dict:
    """The objects of an example in pixels, as ``metrics`` takes them.

    Args:
        target: of an example of ``data.open_detection_source``.
        image: ``(height, width, channels)``, at whose border boxes are cut.
        left_out: positions of boxes that do not count.
    """
    height, width = image.shape[:2]
    boxes = data.pixel_boxes(target, height, width).numpy()
    truth = {
        "boxes": np.clip(boxes, 0, [height, width, height, width]),
        "labels": target["labels"].numpy(),
        "ignored": target["ignored"].numpy(),
    }
    return {k: np.delete(v, list(left_out), 0) for k, v in truth.items()}


def shown_scenes(
    batches: Sequence[tuple], found: Sequence[dict], preprocessing: data.Preprocessing
) -> tuple:
    """What ``figures.detection_grid`` draws of batches of evaluation.

    Args:
        batches: list of (images, targets) of ``data.load_detection_evaluation``.
        found: list of what ``DetectionFunction`` makes of each.
        preprocessing: ``Preprocessing`` of the images.

    Returns:
        Lists of uint8 images, of dicts of detections and of true boxes ``(n, 4)``.
    """
    images, detections, truths = [], [], []
    for (inputs, targets), outputs in zip(batches, found):
        levels = preprocessing.unstandardize(inputs).numpy()
        pixels = data.to_bytes(levels / 255, "unit")
        outputs = {name: value.numpy() for name, value in outputs.items()}
        sizes = np.ceil(targets["sizes"].numpy()).astype(int)
        for i, (height, width) in enumerate(sizes):
            images.append(pixels[i, :height, :width])
            count = outputs["count"][i]
            detections.append(
                {k: outputs[k][i, :count] for k in ("boxes", "scores", "classes")}
            )
            is_object = targets["labels"][i].numpy() >= 0
            truths.append(targets["boxes"][i].numpy()[is_object])
    return images, detections, truths


@dataclasses.dataclass(frozen=True)
class DetectorEvaluation:
    """What a detector does on a split.

    Attributes:
        report: ``metrics.DetectionReport``; None of a region proposal network.
        recalls: of a region proposal network, recall at IoU 0.5 by number of
            proposals, and ``"average_recall"`` of the most; else empty.
        seconds: of one image, mean, first image left out.
        proposal_seconds: of its proposals, where these are searched for meanwhile; else
            None.
        facts: data set, split and the detector's protocol, JSON values.
    """

    report: metrics.DetectionReport | None
    recalls: dict
    seconds: float
    proposal_seconds: float | None
    facts: dict

    def summary(self) -> str:
        """The numbers as text."""
        lines = []
        if self.report is not None:
            lines.append(metrics.detection_markdown(self.report).rstrip())
            value, interval = self.report.mean_average_precision, self.report.interval
            if value is not None:
                low, high = interval
                lines.append(
                    f"mean average precision {value:.2%} [{low:.2%}, {high:.2%}] at "
                    f"IoU 0.5, {self.report.mean_average_precision_75:.2%} at 0.75"
                )
        for name, value in self.recalls.items():
            lines.append(f"{name}: {value:.2%}")
        text = f"{1000 * self.seconds:.1f} ms of an image"
        if self.proposal_seconds is not None:
            text += f", {self.proposal_seconds / self.seconds:.0%} for its proposals"
        lines.append(text)
        return "\n".join(lines)

    def to_json(self) -> dict:
        """All numbers as JSON values."""
        return {
            **self.facts,
            "seconds_per_image": self.seconds,
            "proposal_seconds": self.proposal_seconds,
            "recalls": self.recalls,
            **(self.report.to_json() if self.report is not None else {}),
        }

    def write(self, folder: str) -> None:
        """Writes ``detection_report.json``, ``.csv`` and ``precision_recall.png``."""
        path = os.path.join(folder, "detection_report")
        _files.write_json(f"{path}.json", self.to_json(), indent=1)
        if self.report is None:
            return
        metrics.write_detection_csv(f"{path}.csv", self.report)
        plot = os.path.join(folder, "precision_recall.png")
        figures.plot_precision_recall(self.report, plot)


def evaluate_detector(
    detector: Detector,
    source: data.Source,
    proposals: data.ProposalStore | None = None,
    *,
    interpolation: str = "all-point",
    bad_boxes: str = "refuse",
    seed: int = 0,
) -> DetectorEvaluation:
    """Runs a detector on every image of a split, one by one.

    Args:
        detector: ``inference.Detector``.
        source: of ``data.open_detection_source``.
        proposals: ``data.ProposalStore`` of the split, for networks that are given
            them; None: they are searched for, and their time is measured.
        interpolation: of ``metrics.report_detections``.
        bad_boxes: as of ``data.load_detection_evaluation``.
        seed: of the bootstrap.

    Returns:
        ``DetectorEvaluation``.

    Raises:
        ValueError: if classes differ, or an image cannot be decoded.
    """
    is_rpn = detector.class_names == RPN_CLASSES
    is_searching = detector.function.takes_regions and proposals is None
    if not is_rpn and tuple(source.class_names) != tuple(detector.class_names):
        raise ValueError(
            f"{source.name} has the classes {', '.join(source.class_names[:3])} ... "
            f"({len(source.class_names)}), the detector knows "
            f"{', '.join(detector.class_names[:3])} ... ({len(detector.class_names)})"
        )
    truths, found, times = _run(detector, source, proposals, bad_boxes)
    seconds, searched = np.mean(times[1:] or times, axis=0)
    report = None
    if not is_rpn:
        report = metrics.report_detections(
            truths, found, source.class_names, interpolation=interpolation, seed=seed
        )
    return DetectorEvaluation(
        report=report,
        recalls=_recalls(truths, found) if is_rpn else {},
        seconds=float(seconds),
        proposal_seconds=float(searched) if is_searching else None,
        facts={
            "dataset": source.name,
            "split": source.split,
            "num_images": len(truths),
            "detector": detector.protocol,
        },
    )


def _run(detector, source, proposals, bad_boxes):
    """Objects, detections and seconds (all, proposals) of each image."""
    _, dropped = usable_boxes(source, bad_boxes)
    truths, found, times = [], [], []
    examples = _progress.track(source.examples, "evaluation", source.num_examples)
    for index, (content, target) in enumerate(examples):
        image = detector.preprocessing.decode(source.read(content)).numpy()
        truths.append(truth_of(target, image, [k for i, k in dropped if i == index]))
        given = None if proposals is None else proposals.read(index)
        detections, *seconds = detector.timed(image, given)
        found.append(detections)
        times.append(seconds)
    return truths, found, times


def _recalls(truths, found):
    boxes = [one["boxes"] for one in found]
    recalls = {
        f"recall@{n}": metrics.proposal_recall(truths, boxes, n) for n in _RECALLS
    }
    most = _RECALLS[-1]
    return {
        **recalls,
        f"average recall@{most}": metrics.average_recall(truths, boxes, most),
    }
