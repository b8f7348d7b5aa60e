"""Evaluates a trained detector on a split of a data set.

    evaluate-detector --run_dir=runs/scenes --dataset=scenes/items --output_dir=scores

prints average precision by class, its mean with a 95 % interval by bootstrap over the
images, that at IoU 0.75, COCO's numbers, and the seconds of an image with the
proposals' part of them. ``--interpolation=11-point`` gives the numbers of Pascal VOC
2007. ``--output_dir`` gets ``detection_report.json``, ``.csv`` and
``precision_recall.png``. Of a region proposal network it is the recall of its proposals
that counts, of the best 10, 50 and 300 of each image.
"""

import dataclasses

from keras_cnns import data, inference
from keras_cnns.commands.groups import Detecting, Epoch, OneRun, Quiet, Split, Written
from keras_cnns.metrics import INTERPOLATIONS
from keras_cnns.runs import changed, option
from keras_cnns.tasks.detection import DetectionOptions


@dataclasses.dataclass(frozen=True)
class OPTIONS(Quiet, OneRun, Epoch, Detecting, Split):
    """What ``evaluate-detector`` takes."""

    interpolation: str = option(
        "all-point",
        "interpolation of the precision-recall curve",
        choices=INTERPOLATIONS,
    )
    num_images: int = option(
        0, "images, evenly spaced over the split; 0: all", within="[0, inf)"
    )
    bad_boxes: str = changed(DetectionOptions, "bad_boxes", "refuse")
    output_dir: str = changed(Written, "output_dir", "", required=False)


def run(options: OPTIONS) -> inference.DetectorEvaluation:
    """Evaluates and returns an ``inference.DetectorEvaluation``."""
    source = data.open_detection_source(
        options.dataset, options.split, options.data_dir
    )
    if options.num_images:
        source = data.spread(source, min(options.num_images, source.num_examples))
    detector = inference.Detector(
        options.run_dir, options.which, **options.detector_options()
    )
    evaluation = inference.evaluate_detector(
        detector,
        source,
        interpolation=options.interpolation,
        bad_boxes=options.bad_boxes,
    )
    print(evaluation.summary())
    if options.output_dir:
        evaluation.write(options.output_dir)
    return evaluation
