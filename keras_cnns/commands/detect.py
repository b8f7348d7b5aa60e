"""Finds objects in images.

    detect --run_dir=runs/scenes --images=image.png,folder --output_dir=found

writes ``found/<name>.png``, each image with the boxes, labels and scores of what was
found, ``detections.json`` and ``detections.csv``. Boxes are (y1, x1, y2, x2) in pixels,
continuous: the upper left corner of an image is (0, 0), its lower right one (height,
width). Runs of R-CNN, SPPnet and Fast R-CNN propose regions by selective search first,
which takes most of their time.
"""

import csv
import dataclasses
import io
import os

from keras_cnns import _files, _progress, data, figures, inference
from keras_cnns.commands.groups import (
    Detecting,
    Epoch,
    OneRun,
    Quiet,
    Written,
    named_images,
    picture_files,
)
from keras_cnns.runs import required

_COLUMNS = ("image", "class", "score", "y1", "x1", "y2", "x2")


@dataclasses.dataclass(frozen=True)
class OPTIONS(Quiet, OneRun, Epoch, Detecting, Written):
    """What ``detect`` takes."""

    images: tuple = required("image files or folders, comma-separated")


def run(options: OPTIONS) -> list:
    """Returns dicts of ``image``, ``height``, ``width`` and ``detections``."""
    detector = inference.Detector(
        options.run_dir, options.which, **options.detector_options()
    )
    paths = named_images(options.images)
    targets = picture_files(paths, options.output_dir)
    results = []
    for path, target in zip(_progress.track(paths, "images"), targets):
        image = data.read_image(path, channels=detector.preprocessing.channels)
        found = detector(image)
        drawn = figures.draw_boxes(
            image,
            found["boxes"],
            found["classes"],
            found["scores"],
            detector.class_names,
        )
        data.write_image(target, drawn)
        results.append(_result(path, image, found, detector.class_names))
    folder = options.output_dir
    _files.write_json(os.path.join(folder, "detections.json"), results, indent=1)
    _write_csv(os.path.join(folder, "detections.csv"), results)
    total = sum(len(result["detections"]) for result in results)
    print(f"{total} objects in {len(results)} images; {folder} has them")
    return results


def _result(path, image, found, class_names):
    return {
        "image": path,
        "height": image.shape[0],
        "width": image.shape[1],
        "detections": [
            {"class": class_names[k], "score": float(score), "box": box.tolist()}
            for k, score, box in zip(found["classes"], found["scores"], found["boxes"])
        ],
    }


def _write_csv(path, results):
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for result in results:
        for one in result["detections"]:
            writer.writerow([result["image"], one["class"], one["score"], *one["box"]])
    _files.write_text(path, text.getvalue())
