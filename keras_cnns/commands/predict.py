"""Classifies images.

    predict --run_dir=runs/digits --images=image.png,folder

prints the most probable classes of every image, by a training run, by several, whose
probabilities are averaged, or, with ``--saved_model=savedmodels/<model>``, by an
exported model; ``--json_file`` gets them as JSON. The graph of an exported model
executes: one that could do more than compute is refused without ``--trust_graph``.
"""

import dataclasses

import numpy as np

from keras_cnns import _files, _progress, data, inference
from keras_cnns.commands.groups import Epoch, Exported, Quiet, SomeRuns, named_images
from keras_cnns.runs import DataOptions, changed, option, required


@dataclasses.dataclass(frozen=True)
class OPTIONS(Quiet, SomeRuns, Epoch, Exported):
    """What ``predict`` takes."""

    images: tuple = required("image files or folders, comma-separated")
    top_k: int = option(3, "number of classes shown per image", within="[1, inf)")
    batch_size: int = changed(DataOptions, "batch_size", 64, help="images per step")
    json_file: str = option(
        "", "file that gets the result as JSON; empty for none", writes="file"
    )


def run(options: OPTIONS) -> list:
    """Returns dicts of ``image`` and ``predictions`` (label, probability)."""
    predictor = inference.load_predictor(
        options.run_dir,
        options.saved_model,
        options.which,
        trust_graph=options.trust_graph,
    )
    paths = named_images(options.images)
    results = []
    starts = range(0, len(paths), options.batch_size)
    for start in _progress.track(starts, "batches of images"):
        chunk = paths[start : start + options.batch_size]
        contents = [data.read_encoded(path) for path in chunk]
        for path, row in zip(chunk, predictor(contents)):
            best = np.argsort(-row, kind="stable")[: options.top_k]
            predictions = [
                {"label": predictor.class_names[i], "probability": float(row[i])}
                for i in best
            ]
            results.append({"image": path, "predictions": predictions})
    _show(results)
    if options.json_file:
        _files.write_json(options.json_file, results, indent=2)
    return results


def _show(results):
    width = max(len(result["image"]) for result in results)
    for result in results:
        ranked = "   ".join(
            f"{p['label']} {p['probability']:.4f}" for p in result["predictions"]
        )
        print(f"{result['image']:{width}}   {ranked}")
