"""Says what is on pictures.

    python apps/predict.py --checkpoint=runs/digits --images=picture.png,folder

prints the most probable classes of every picture as a table, from a training run or,
with ``--saved_model=savedmodels/<model>``, from an exported model; ``--json_file`` gets
them as JSON. Takes a few seconds to start.
"""

import json
import os

import flag_definitions
import numpy as np
import tensorflow as tf

from keras_cnns import _files, export
from keras_cnns.data import sources


def run(
    images,
    checkpoint="",
    saved_model="",
    which="last",
    top_k=3,
    batch_size=64,
    json_file="",
):
    """Predicts; the parameters are the flags.

    Returns:
        List of dicts with ``image`` and ``predictions`` (``label``, ``probability``).
    """
    if top_k < 1 or batch_size < 1:
        raise ValueError(
            f"top_k={top_k} and batch_size={batch_size} must be at least 1"
        )
    predict, class_names = export.load_predictor(checkpoint, saved_model, which)
    paths = _paths(images)
    results = []
    for start in range(0, len(paths), batch_size):
        chunk = paths[start : start + batch_size]
        contents = [tf.io.read_file(path).numpy() for path in chunk]
        for path, row in zip(chunk, predict(contents)):
            best = np.argsort(-row, kind="stable")[:top_k]
            results.append(
                {
                    "image": path,
                    "predictions": [
                        {"label": class_names[i], "probability": float(row[i])}
                        for i in best
                    ],
                }
            )
    _show(results)
    if json_file:
        _files.write_text(json_file, json.dumps(results, indent=2))
    return results


def _paths(images):
    """All pictures named, folders opened; every one is decoded once to be sure."""
    paths = []
    for name in images:
        if os.path.isdir(name):
            found = sources.list_images(name)
            if not found:
                raise ValueError(f"the folder {name} holds no images")
            paths += found
        elif os.path.isfile(name):
            paths.append(name)
        else:
            raise ValueError(f"{name!r} is neither a file nor a folder")
    if not paths:
        raise ValueError("--images names no file")
    sources.check_image_contents(paths)
    return paths


def _show(results):
    width = max(len(result["image"]) for result in results)
    for result in results:
        ranked = "   ".join(
            f"{p['label']} {p['probability']:.4f}" for p in result["predictions"]
        )
        print(f"{result['image']:{width}}   {ranked}")


if __name__ == "__main__":
    flag_definitions.start(run)
