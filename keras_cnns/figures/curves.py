"""Plots of training and evaluation, as PNG files."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import LogFormatter, MaxNLocator

from keras_cnns import _files

if TYPE_CHECKING:
    from keras_cnns.metrics import ClassificationReport, DetectionReport

_BLUE, _ORANGE = "#1f5f99", "#d9730d"


def _save(figure, path):
    _show_dollars(figure)
    FigureCanvasAgg(figure)
    with _files.atomic_file(path) as file:
        figure.savefig(file, format="png", dpi=110, bbox_inches="tight")


def _show_dollars(figure):
    """Draws names as they are: a $ does not begin a formula of Matplotlib's.

    Formulas of its own, powers at logarithmic axes, stay.
    """
    kept = {
        text
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        if isinstance(axis.get_major_formatter(), LogFormatter)
        for text in axis.get_ticklabels(which="both")
    }
    for text in figure.findobj(Text):
        if text not in kept:
            text.set_parse_math(False)


def plot_learning_curves(history: Sequence[dict], path: str) -> None:
    """Loss and accuracy by epoch, training beside validation.

    Args:
        history: dicts with ``epoch``, ``loss``, ``accuracy`` and perhaps their ``val_``
            forms.
        path: PNG file to write.
    """
    figure = Figure(figsize=(9, 3.6))
    for axes, name in zip(figure.subplots(1, 2), ("loss", "accuracy")):
        _draw_measure(axes, history, name)
        axes.set_xlabel("epoch")
    _save(figure, path)


def _draw_measure(axes, history, name):
    """Values by epoch, of the training and of the validation, as far as known."""
    epochs = [row["epoch"] for row in history]
    for key, label, colour in (
        (name, "training", _BLUE),
        (f"{_VALIDATION}{name}", "validation", _ORANGE),
    ):
        values = [row.get(key, np.nan) for row in history]
        if not np.isnan(values).all():
            axes.plot(epochs, values, marker=".", label=label, color=colour)
    axes.set_ylabel(name.replace("_", " "))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.legend()


# What an epoch's row holds besides losses and metrics.
_NOT_MEASURED = ("epoch", "step", "learning_rate", "seconds")
_VALIDATION = "val_"
_MOST_IN_A_COLUMN = 5


def measures_of(row: dict) -> dict:
    """Losses and metrics of an epoch's row, without its number, rate and seconds."""
    return {name: value for name, value in row.items() if name not in _NOT_MEASURED}


def plot_training_curves(history: Sequence[dict], path: str) -> None:
    """Every loss and metric by epoch, training beside validation.

    Args:
        history: dicts with ``epoch`` and further names; not every row need have all.
        path: PNG file to write.
    """
    names = (name for row in history for name in measures_of(row))
    names = list(dict.fromkeys(name.removeprefix(_VALIDATION) for name in names))
    columns = 1 if len(names) <= _MOST_IN_A_COLUMN else 2
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(7 * columns, 2.2 * rows), layout="constrained")
    places = figure.subplots(rows, columns, sharex=True, squeeze=False).ravel()
    for axes, name in zip(places, names):
        _draw_measure(axes, history, name)
    for axes in places[len(names) :]:
        axes.axis("off")
    for axes in places[: len(names)][-columns:]:  # the last of each column
        axes.tick_params(labelbottom=True)
        axes.set_xlabel("epoch")
    _save(figure, path)


@dataclasses.dataclass(frozen=True)
class Panel:
    """Curves in one pair of axes.

    Attributes:
        title, x_label, y_label: texts.
        curves: by name, (values across, values up); a name that starts with "exact" is
            drawn as a dashed line.
        log_x, log_y: whether an axis is logarithmic; values of 0 and less are left out.
    """

    title: str
    x_label: str
    curves: dict
    y_label: str = ""
    log_x: bool = False
    log_y: bool = False


def plot_panels(panels: Sequence[Panel], path: str, columns: int = 2) -> None:
    """Several panels, row by row.

    Args:
        panels: list of ``Panel``.
        path: PNG file to write.
        columns: panels in a row.
    """
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(5 * columns, 3.2 * rows), layout="constrained")
    places = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, panel in zip(places, panels):
        for name, (across, up) in panel.curves.items():
            is_exact = name.startswith("exact")
            style = (
                {"linestyle": "--", "color": "grey"} if is_exact else {"marker": "."}
            )
            axes.plot(across, up, label=name, **style)
        if panel.log_x:
            axes.set_xscale("log", nonpositive="mask")
        if panel.log_y:
            axes.set_yscale("log", nonpositive="mask")
        axes.set_title(panel.title)
        axes.set_xlabel(panel.x_label)
        axes.set_ylabel(panel.y_label)
        axes.grid(alpha=0.3)
        axes.legend()
    for axes in places[len(panels) :]:
        axes.set_visible(False)
    _save(figure, path)


def plot_confusion_matrix(report: ClassificationReport, path: str) -> None:
    """Counts of predicted by true classes; numbers are shown up to 30 classes."""
    count = len(report.class_names)
    side = min(14, 3 + 0.45 * count)
    figure = Figure(figsize=(side, side))
    axes = figure.subplots()
    fractions = report.confusion / np.maximum(1, report.confusion.sum(1, keepdims=True))
    axes.imshow(fractions, cmap="Blues", vmin=0, vmax=1)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title(f"{report.top_1:.2%} of {report.num_examples} correct")
    if count <= 30:
        axes.set_xticks(range(count), report.class_names, rotation=90)
        axes.set_yticks(range(count), report.class_names)
        for (row, column), number in np.ndenumerate(report.confusion):
            if number:
                colour = "white" if fractions[row, column] > 0.5 else "black"
                axes.text(
                    column, row, number, ha="center", va="center", color=colour, size=7
                )
    _save(figure, path)


def plot_precision_recall(report: DetectionReport, path: str) -> None:
    """Precision by recall of every class that has objects, best detections at the left.

    Args:
        report: a ``metrics.DetectionReport``.
        path: PNG file to write.
    """
    curves = report.curves()
    figure = Figure(figsize=(7.5, 4.5))
    axes = figure.subplots()
    rows = [row for row in report.rows if row.class_name in curves]
    colours = colormaps["tab20"].colors
    for index, row in enumerate(rows):
        recall, precision = curves[row.class_name]
        axes.plot(
            np.append(0, recall),
            np.append(precision[:1], precision) if len(precision) else [0],
            label=f"{row.class_name}: {row.average_precision:.1%}",
            color=colours[index % len(colours)],
            linestyle=("-", "--", ":")[index // len(colours) % 3],
        )
    axes.set_xlim(0, 1.01)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("recall")
    axes.set_ylabel("precision")
    axes.grid(alpha=0.3)
    if rows:
        low, high = report.interval
        axes.set_title(
            f"mean average precision {report.mean_average_precision:.1%} "
            f"({low:.1%} to {high:.1%})"
        )
        axes.legend(
            title="average precision",
            loc="upper left",
            bbox_to_anchor=(1.01, 1),
            ncols=-(-len(rows) // 20),
            fontsize=8,
        )
    _save(figure, path)
