"""Report of a detector: by class and over all, with the protocol."""

import csv
import dataclasses
import io
import math
from collections.abc import Sequence
from typing import Any, Optional

import numpy as np

from keras_cnns import _files
from keras_cnns.metrics.bootstrap import bootstrap_interval
from keras_cnns.metrics.coco import CocoScores, coco_metrics
from keras_cnns.metrics.detection import (
    ClassMatches,
    match_detections,
    mean_of_known,
    mean_of_matches,
)


@dataclasses.dataclass(frozen=True)
class DetectionRow:
    """Detections of one class.

    Attributes:
        class_name: its name.
        num_objects: objects that are to be found.
        num_ignored: objects that are neither found nor missed: difficult, or crowds.
        num_detections: detections that count.
        num_found: those that found an object.
        recall: part of the objects that was found; None without objects, as the
            following.
        average_precision: at the report's threshold of IoU.
        average_precision_75: at IoU 0.75.
        coco_ap: mean over IoU 0.5, 0.55, … 0.95, as COCO has it; None also where that
            was not computed.
    """

    class_name: str
    num_objects: int
    num_ignored: int
    num_detections: int
    num_found: int
    recall: Optional[float]
    average_precision: Optional[float]
    average_precision_75: Optional[float]
    coco_ap: Optional[float]


@dataclasses.dataclass(frozen=True)
class DetectionReport:
    """Detections of a data set.

    Attributes:
        mean_average_precision: at the protocol's threshold of IoU; None without
            objects, as the following.
        interval: its bootstrap interval (lower, upper).
        mean_average_precision_75: at IoU 0.75.
        coco: ``CocoScores``, or None.
        rows: list of ``DetectionRow``, one for each class.
        protocol: how the numbers were computed, JSON values.
        matches: list of ``ClassMatches``, from which curves are drawn.
    """

    mean_average_precision: Optional[float]
    interval: tuple
    mean_average_precision_75: Optional[float]
    coco: Optional[CocoScores]
    rows: tuple
    protocol: dict
    matches: tuple = dataclasses.field(repr=False)

    def curves(self) -> dict:
        """(recall, precision) by name of the class, for a plot."""
        curves = {}
        for row, matches in zip(self.rows, self.matches):
            if row.num_objects:
                curves[row.class_name] = matches.curve()
        return curves

    def to_json(self) -> dict:
        """The report as JSON values, without the curves."""
        fields = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name != "matches"
        }
        fields["interval"] = list(self.interval)
        fields["coco"] = self.coco and dataclasses.asdict(self.coco)
        fields["rows"] = [dataclasses.asdict(row) for row in self.rows]
        return fields


def report_detections(
    ground_truth: Sequence[dict],
    detections: Sequence[dict],
    class_names: Sequence[str],
    *,
    iou_threshold: float = 0.5,
    interpolation: str = "all-point",
    coco: bool = True,
    confidence: float = 0.95,
    num_resamples: int = 1000,
    seed: int = 0,
) -> DetectionReport:
    """All numbers of a detector on a data set.

    Args:
        ground_truth, detections: lists of dicts as of ``mean_average_precision`` and
            ``coco_metrics``.
        class_names: names by label.
        iou_threshold: an IoU above it is a match.
        interpolation: ``"11-point"``, ``"101-point"`` or ``"all-point"``.
        coco: whether to compute COCO's numbers.
        confidence, num_resamples, seed: as of ``bootstrap_interval``.

    Returns:
        ``DetectionReport``.

    Raises:
        ValueError: if an argument is bad; names the image.
    """
    data = (ground_truth, detections, len(class_names))
    matches = match_detections(*data, iou_threshold)
    overall = mean_of_matches(matches, iou_threshold, interpolation)
    strict = [m.average_precision(interpolation) for m in match_detections(*data, 0.75)]
    interval = bootstrap_interval(
        matches,
        interpolation,
        confidence=confidence,
        num_resamples=num_resamples,
        seed=seed,
    )
    scores = coco_metrics(*data) if coco else None
    of_coco = scores.ap_per_class if coco else [-1] * len(class_names)
    columns = (class_names, matches, overall.per_class, strict, of_coco)
    return DetectionReport(
        mean_average_precision=_known(overall.value),
        interval=tuple(map(_known, interval)),
        mean_average_precision_75=_known(mean_of_known(strict)),
        coco=scores,
        rows=tuple(_row(*values) for values in zip(*columns)),
        protocol={
            **overall.protocol,
            "interval": f"bootstrap over images, {confidence:.0%}",
            "num_resamples": num_resamples,
            "seed": seed,
        },
        matches=tuple(matches),
    )


def _row(name, matches: ClassMatches, at_threshold, at_75, of_coco):
    num_objects = int(matches.num_objects.sum())
    num_found = int((matches.outcomes == 1).sum())
    return DetectionRow(
        class_name=name,
        num_objects=num_objects,
        num_ignored=int(matches.num_ignored.sum()),
        num_detections=int((matches.outcomes >= 0).sum()),
        num_found=num_found,
        recall=num_found / num_objects if num_objects else None,
        average_precision=_known(at_threshold),
        average_precision_75=_known(at_75),
        coco_ap=of_coco if of_coco >= 0 else None,
    )


def _known(value):
    return None if math.isnan(value) else value


def write_detection_csv(path: str, report: DetectionReport) -> None:
    """Writes the classes as a CSV file with a header; unknown values are empty.

    Args:
        path: file to write, atomically.
        report: what ``report_detections`` returned.

    Raises:
        OSError: if the file cannot be written.
    """
    text = io.StringIO()
    names = [field.name for field in dataclasses.fields(DetectionRow)]
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(map(dataclasses.asdict, report.rows))
    _files.write_text(path, text.getvalue())


def write_detection_json(path: str, report: DetectionReport, **facts: Any) -> None:
    """Writes a report as a JSON file.

    Args:
        path: file to write, atomically.
        report: what ``report_detections`` returned.
        **facts: what else the numbers depend on, such as the data set; JSON values.

    Raises:
        OSError: if the file cannot be written.
    """
    _files.write_json(path, {**facts, **report.to_json()}, indent=1)


def detection_markdown(report: DetectionReport) -> str:
    """A table in Markdown: classes down and their mean last, numbers in percent."""
    lines = [
        ["class", "objects", "detections", "recall", "AP", "AP at 0.75", "COCO AP"],
        ["---", *["---:"] * 6],
    ]
    lines += [
        [
            row.class_name.replace("|", r"\|"),
            str(row.num_objects),
            str(row.num_detections),
            *map(
                _percent,
                (
                    row.recall,
                    row.average_precision,
                    row.average_precision_75,
                    row.coco_ap,
                ),
            ),
        ]
        for row in report.rows
    ]
    recalls = [row.recall for row in report.rows if row.recall is not None]
    coco_ap = report.coco.ap if report.coco and report.coco.ap >= 0 else None
    means = (
        float(np.mean(recalls)) if recalls else None,
        report.mean_average_precision,
        report.mean_average_precision_75,
        coco_ap,
    )
    counts = [
        str(sum(getattr(row, name) for row in report.rows))
        for name in ("num_objects", "num_detections")
    ]
    lines.append(["all", *counts, *map(_percent, means)])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _percent(value):
    return "-" if value is None else f"{100 * value:.1f}"
