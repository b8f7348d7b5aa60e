"""The tab of all runs and exports: what they are, how good, and their pictures."""

import csv
import os

import gradio as gr

from keras_cnns import data
from keras_cnns.studio.events import connect, warn
from keras_cnns.studio.shelf import Export, Shelf

_COLUMNS = ["run or export", "task", "model", "data", "epochs", "score"]
# Measures that tell how good a run is, the first one that it has.
_SCORES = (
    *("val_accuracy", "accuracy", "val_mean_average_precision", "val_psnr", "psnr"),
    *("val_loss", "loss", "generator_loss"),
)
_CURVES = ("learning_curves.png", "training_curves.png")
_SAMPLES = "samples"
_MOST_PICTURES = 12
_UNTOLD = {
    "model.json": "missing: not an export of keras-cnns, or of an earlier one; export "
    "the run again"
}


def make_runs_tab(shelf: Shelf, page: gr.Blocks) -> None:
    """Makes the content of the tab.

    Args:
        shelf: with the runs.
        page: when it is opened, runs are looked for.
    """
    again = gr.Button("look for runs and exports again", size="sm")
    table = gr.Dataframe(
        headers=_COLUMNS, datatype="str", interactive=False, label="choose a row"
    )
    with gr.Row():
        pictures = gr.Gallery(
            label="pictures of the run",
            format="png",
            columns=1,
            object_fit="contain",
            height=500,
        )
        options = gr.Dataframe(
            headers=["option", "value"], datatype="str", interactive=False,
            label="options that it was trained with; of an export what it tells",
            max_height=500,
        )  # fmt: skip

    def look():
        found = shelf.find()
        for message in found.unreadable.values():
            warn(message)
        runs = [_row(name, run) for name, run in found.runs.items()]
        return runs + [_export_row(*item) for item in found.exports.items()]

    def choose(event: gr.SelectData):
        one = shelf.item(event.row_value[0])
        is_export = isinstance(one, Export)
        told = one.card or _UNTOLD if is_export else one.options
        given = [[name, str(value)] for name, value in told.items()]
        return [] if is_export else _pictures_of(one.folder), given

    connect(page.load, look, None, table)
    connect(again.click, look, None, table)
    connect(table.select, choose, None, [pictures, options])


def _row(name, run):
    options, history = run.options, read_history(run.folder)
    models = {row["model"] for row in run.config.networks.values()}
    model = options.get("model") or ", ".join(sorted(models))
    epochs = f"{len(history)} of {options.get('epochs') or '?'}"
    dataset = str(options.get("dataset", ""))
    return [name, run.task, str(model), dataset, epochs, score_of(history)]


def _export_row(name, one):
    model, dataset, epoch = (
        str(one.card.get(k, "")) for k in ("model", "data", "epoch")
    )
    measures = one.card.get("measures", {})
    numbers = {k: v for k, v in measures.items() if isinstance(v, (int, float))}
    return [name, one.task, model, dataset, epoch, score_of([numbers])]


def read_history(folder: str) -> list:
    """Rows of a run's ``metrics.csv`` as dicts of numbers; none before an epoch."""
    path = os.path.join(folder, "metrics.csv")
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8", newline="") as file:
        return [
            {name: float(value) for name, value in row.items() if name and value}
            for row in csv.DictReader(file)
        ]


def score_of(history: list) -> str:
    """The score of the last epoch, with its name; empty without any."""
    last = history[-1] if history else {}
    for name in _SCORES:
        if name in last:
            return f"{name.replace('_', ' ')} {last[name]:.4g}"
    return ""


def _pictures_of(folder):
    """(pixels, name) of a run's pictures, the curves first, with the last samples."""
    names = sorted(name for name in os.listdir(folder) if name.endswith(".png"))
    names.sort(key=lambda name: name not in _CURVES)
    samples = os.path.join(folder, _SAMPLES)
    if os.path.isdir(samples):
        epochs = sorted(name for name in os.listdir(samples) if name.endswith(".png"))
        names += [os.path.join(_SAMPLES, name) for name in epochs[-1:]]
    return [
        (data.read_image(os.path.join(folder, name)), name)
        for name in names[:_MOST_PICTURES]
    ]
