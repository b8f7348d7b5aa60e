"""Looks for boxes that no detector should be trained on.

    check-boxes --dataset=my_pictures --split=train

lists, by file, boxes without area, boxes that reach out of their image by more than a
pixel, and boxes that are there twice, and ends with exit code 1 if there are any. Of
the images only the sizes are read: 2000 scenes take two seconds. ``--json_file`` gets
the problems as JSON.
"""

import dataclasses
from typing import Optional

from keras_cnns import _files, data
from keras_cnns.commands import predict
from keras_cnns.commands.groups import Quiet, Split
from keras_cnns.runs import changed, required


@dataclasses.dataclass(frozen=True)
class OPTIONS(Quiet, Split):
    """What ``check-boxes`` takes."""

    dataset: Optional[str] = required(
        "scenes/items, scenes/cutouts, voc/2007, voc/2012, coco/2017, any TFDS name of "
        "images with boxes, or a folder in the layout of VOC or COCO"
    )
    json_file: str = changed(predict.OPTIONS, "json_file", "")


def run(options: OPTIONS) -> data.BoxReport:
    """Prints and returns what was found.

    Raises:
        ValueError: if there are bad boxes; all are printed before.
    """
    source = data.open_detection_source(
        options.dataset, options.split, options.data_dir
    )
    report = data.check_boxes(source)
    for name, count in report.boxes_by_class.items():
        print(f"{count:8d}  {name}")
    print(
        f"{report.num_boxes} boxes in {report.num_examples} images, at most "
        f"{report.most_boxes} in one; {report.num_empty} images without any"
    )
    for problem in report.problems:
        print(problem)
    if options.json_file:
        rows = [dataclasses.asdict(problem) for problem in report.problems]
        _files.write_json(options.json_file, rows, indent=2)
    if report.problems:
        raise ValueError(f"{source.name} has {data.told_counts(report)}")
    return report
