"""Average precision and recall of the COCO challenge, computed by pycocotools."""

import contextlib
import dataclasses
import io
from collections.abc import Sequence

import numpy as np

from keras_cnns._checks import check_count
from keras_cnns.metrics._boxed_objects import (
    box_areas,
    check_detections,
    check_ground_truth,
)


@dataclasses.dataclass(frozen=True)
class CocoScores:
    """COCO's twelve numbers, with the protocol that they depend on.

    All are in [0, 1], and -1 where there is no object of that kind.

    Attributes:
        ap: mean average precision over IoU 0.5, 0.55, … 0.95.
        ap_50, ap_75: at one IoU.
        ap_small, ap_medium, ap_large: of objects of an area of at most 32x32, from
            there to 96x96, and of at least 96x96 pixels.
        ar_1, ar_10, ar_100: mean over the same IoUs and classes of the recall with so
            many detections of a class in an image.
        ar_small, ar_medium, ar_large: of 100 detections by area.
        ap_per_class: ``ap`` by class, -1 where a class has no objects. Those are in no
            mean.
        protocol: how they were computed, JSON values.
    """

    ap: float
    ap_50: float
    ap_75: float
    ap_small: float
    ap_medium: float
    ap_large: float
    ar_1: float
    ar_10: float
    ar_100: float
    ar_small: float
    ar_medium: float
    ar_large: float
    ap_per_class: tuple
    protocol: dict


def coco_metrics(
    ground_truth: Sequence[dict], detections: Sequence[dict], num_classes: int
) -> CocoScores:
    """The COCO challenge's average precision and recall of boxes.

    A detection takes the object of its class that it overlaps most among those that no
    better detection has taken, if their IoU is at least the threshold. Crowds overlap
    by the part of the detection that lies in them and are matched any number of times.
    Detections that match a crowd or an ignored object, or none and are outside of the
    range of areas, do not count.

    Args:
        ground_truth: a dict for each image: ``boxes`` ``(n, 4)`` as continuous
            (y1, x1, y2, x2) in pixels, ``labels`` ``(n,)`` from 0 with -1 for padding;
            ``crowd`` ``(n,)`` bool, ``ignored`` ``(n,)`` bool (objects that are neither
            found nor missed) and ``areas`` ``(n,)`` where there are such. COCO's own
            areas are those of the outlines; without, they are the boxes'.
        detections: a dict for each image: ``boxes``, ``scores`` ``(n,)``, ``classes``
            ``(n,)``, -1 for padding.
        num_classes: number of classes.

    Returns:
        ``CocoScores``.

    Raises:
        ValueError: if an argument is bad; names the image.

    Source: Lin et al., "Microsoft COCO: common objects in context", 2014; pycocotools.
    """
    check_count("num_classes", num_classes)
    truths = check_ground_truth(ground_truth, num_classes)
    detections = check_detections(detections, len(truths), num_classes)
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints its numbers
        evaluation = _evaluate(truths, detections, num_classes)
    precision = evaluation.eval["precision"][
        :, :, :, 0, -1
    ]  # all areas, 100 detections
    return CocoScores(
        *map(float, evaluation.stats),
        ap_per_class=tuple(_mean(precision[:, :, k]) for k in range(num_classes)),
        protocol={
            "metric": "COCO average precision",
            "interpolation": "101-point",
            "match": "IoU >= 0.50, 0.55, ... 0.95",
            "areas": "given" if any("areas" in g for g in ground_truth) else "boxes",
            "num_images": len(truths),
            "num_classes": num_classes,
        },
    )


def _mean(values):
    values = values[values > -1]
    return float(values.mean()) if values.size else -1.0


def _evaluate(truths, detections, num_classes):
    """A finished evaluation of pycocotools.

    Numbers of objects and detections start at 1: it takes a match with number 0 for
    none. Detections are entered as its reader of results would, which fails where there
    are none.
    """
    # Imported here, because older versions load pyplot.
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    class Evaluation(COCOeval):
        """Also leaves objects out that are ignored but no crowds."""

        def _prepare(self):
            super()._prepare()
            for objects in self._gts.values():
                for item in objects:
                    item["ignore"] = item["ignore"] or item["left_out"]

    indexed = []
    for images, label, more in (
        (truths, "labels", _of_object),
        (detections, "classes", _of_detection),
    ):
        data = COCO()
        data.dataset = {
            "images": [{"id": index} for index in range(len(images))],
            "categories": [{"id": k, "name": str(k)} for k in range(num_classes)],
            "annotations": _annotations(images, label, more),
        }
        data.createIndex()
        indexed.append(data)
    evaluation = Evaluation(*indexed, iouType="bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return evaluation


def _annotations(images, label, more):
    """All images' boxes, numbered from 1, as corner, width and height."""
    annotations = []
    for index, image in enumerate(images):
        tops, lefts, bottoms, rights = image["boxes"].T
        corners = np.stack([lefts, tops, rights - lefts, bottoms - tops], axis=1)
        for row, (corner, category) in enumerate(zip(corners, image[label])):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": index,
                    "category_id": int(category),
                    "bbox": corner.tolist(),
                    **more(image, row),
                }
            )
    return annotations


def _of_object(image, row):
    return {
        "area": float(image["areas"][row]),
        "iscrowd": int(image["crowd"][row]),
        "left_out": int(image["ignored"][row]),
    }


def _of_detection(image, row):
    return {
        "area": float(box_areas(image["boxes"][row : row + 1])[0]),
        "iscrowd": 0,
        "score": float(image["scores"][row]),
    }
