"""The tab of all runs: what they are, how far they came, and their pictures."""

import csv
import os

import gradio as gr

from keras_cnns import data
from keras_cnns.studio.events import connect, warn
from keras_cnns.studio.shelf import Shelf

_COLUMNS = ["run", "task", "model", "data", "epochs", "score"]
# Measures that tell how good a run is, the first one that it has.
_SCORES = (
    *("val_accuracy", "accuracy", "val_mean_average_precision", "val_psnr", "psnr"),
    *("val_loss", "loss", "generator_loss"),
)
_CURVES = ("learning_curves.png", "training_curves.png")
_SAMPLES = "samples"
_MOST_PICTURES = 12


def make_runs_tab(shelf: Shelf, page: gr.Blocks) -> None:
    """Makes the content of the tab.

    Args:
        shelf: with the runs.
        page: when it is opened, runs are looked for.
    """
    again = gr.Button("look for runs again", size="sm")
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
            label="options that it was trained with", max_height=500,
        )  # fmt: skip

    def look():
        found = shelf.find()
        for message in found.unreadable.values():
            warn(message)
        return [_row(name, run) for name, run in found.runs.items()]

    def choose(event: gr.SelectData):
        run = shelf.run(event.row_value[0])
        given = [[name, str(value)] for name, value in run.options.items()]
        return _pictures_of(run.folder), given

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
