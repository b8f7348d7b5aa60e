"""Shows the models, or the recipes of published hyper-parameters.

python apps/list_models.py --pattern='*densenet*'
python apps/list_models.py --recipes
python apps/list_models.py --markdown_file=docs/models.md

The last one builds every model to count its multiply-adds and takes some minutes; it
quotes the measurements that stand beside the file in ``fashion_mnist.json``.
"""

import json
import os

import flag_definitions
from tensorflow import keras

from keras_cnns import _files, applications
from keras_cnns.applications import _catalogue
from keras_cnns.trainers import RECIPES


def run(task="", pattern="*", recipes=False, markdown_file=""):
    """Lists; the parameters are the flags.

    Returns:
        The names shown.
    """
    if markdown_file and (task or recipes or pattern != "*"):
        raise ValueError(
            f"markdown_file={markdown_file!r} gets all models: leave task, pattern and "
            "recipes out"
        )
    if recipes:
        for name, (model, values, source) in RECIPES.items():
            print(f"{name}, for example for {model}\n    {source}")
            shown = " ".join(f"--{flag}={value!r}" for flag, value in values.items())
            print(f"    {shown}")
        return list(RECIPES)
    names = applications.list_models(task or None, pattern)
    if markdown_file:
        _write_catalogue(names, markdown_file)
        return names
    rows = [("model", "parameters", "input", "weights", "source")]
    for name in names:
        info = applications.model_info(name)
        size = _catalogue.input_size(info)
        weights = ",".join(info.weights) or "-"
        rows.append((name, f"{info.params:,}", size, weights, info.paper))
    name_width, size_width, weights_width = (
        max(len(row[i]) for row in rows) for i in (0, 2, 3)
    )
    for name, params, size, weights, paper in rows:
        print(
            f"{name:{name_width}} {params:>11}  {size:{size_width}}  "
            f"{weights:{weights_width}}  {paper}"
        )
    return names


def _write_catalogue(names, path):
    """The table of the models as Markdown."""
    measured = {}
    measurements = os.path.join(os.path.dirname(path), "fashion_mnist.json")
    if os.path.exists(measurements):
        with open(measurements, encoding="utf-8") as file:
            measured = json.load(file)
    rows = []
    for name in names:
        keras.backend.clear_session()
        macs = applications.count_macs(applications.create_model(name))
        info = applications.model_info(name)
        rows.append(_catalogue.markdown_row(info, macs, measured))
    _files.write_text(path, _catalogue.HEADER + "".join(rows))
    print(f"{len(rows)} models are in {path}")


if __name__ == "__main__":
    flag_definitions.start(run)
