"""The tab that trains: a form made from a task's options, and a training's curves."""

import dataclasses
import os
from typing import TYPE_CHECKING, Optional

import gradio as gr

from keras_cnns import applications, figures
from keras_cnns.runs.options import Options, field_help
from keras_cnns.studio.events import connect
from keras_cnns.studio.pictures import drawn, picture_output
from keras_cnns.studio.runs_tab import read_history
from keras_cnns.studio.trainings import Trainings
from keras_cnns.tasks import TASKS

if TYPE_CHECKING:
    import numpy as np

_FIRST = ("model", "dataset", "epochs", "batch_size", "learning_rate", "image_size")
_SECONDS = 3  # between looks at a training
_TO_THE_LAST_LINE = """() => {
    const lines = document.querySelector("#printed textarea");
    lines.scrollTop = lines.scrollHeight;
}"""
_YES_NO = {"": None, "yes": True, "no": False}


def make_train_tab(trainings: Trainings, tab: gr.Tab) -> None:
    """Makes the content of the tab.

    Args:
        trainings: that it starts, stops and resumes.
        tab: which it is the content of.
    """
    with gr.Row():
        with gr.Column():
            task = gr.Dropdown(list(TASKS), value="classification", label="task")
            name = gr.Textbox(label="name of the run", placeholder="digits")
            place = gr.Column()
        with gr.Column():
            choices, outputs = _make_watched(trainings, tab)

    def start(run, kind, given):
        trainings.start(run, kind, given)
        return choices(run)

    with place:
        _make_form(task, trainings, name, start, outputs)


def _make_watched(trainings, tab):
    """The training that is watched: (function of its name to outputs, those)."""
    timer = gr.Timer(_SECONDS, active=False)
    chosen = gr.Dropdown([], label="training")
    with gr.Row():
        stop, resume = gr.Button("stop"), gr.Button("resume")
    printed = gr.Textbox(
        label="what it prints", lines=12, max_lines=12, elem_id="printed"
    )
    curve = picture_output("curves")

    def choices(current):
        names = trainings.names()
        value = current if current in names else next(iter(names), None)
        return gr.Dropdown(names, value=value), gr.Timer(active=bool(names))

    def look(current):
        if not current:
            return "", None, gr.Timer(active=False)
        found = trainings.look(current)
        curves = draw_curves(found.folder)
        return found.printed, curves, gr.Timer(active=found.is_running)

    def go_on(current):
        trainings.resume(current)
        return choices(current)

    shown, outputs = [printed, curve, timer], [chosen, timer]
    connect(tab.select, choices, chosen, outputs)
    connect(timer.tick, look, chosen, shown)
    connect(chosen.change, look, chosen, shown)
    connect(stop.click, trainings.stop, chosen)
    connect(resume.click, go_on, chosen, outputs)
    printed.change(None, js=_TO_THE_LAST_LINE)
    return choices, outputs


def _make_form(task, trainings, name, start, outputs):
    """Places for the options of the task that is chosen, and the button."""

    @gr.render(inputs=task)
    def form(kind):
        options = TASKS[kind].options_class
        boxes = _make_boxes(options)
        button = gr.Button("train", variant="primary")

        def check_and_start(run, *texts):
            given = read_form(options, dict(zip(boxes, texts)))
            options.resolve(run_dir=trainings.folder_of(run), **given)
            return start(run, kind, given)

        connect(button.click, check_and_start, [name, *boxes.values()], outputs)


def form_fields(options_class: type[Options]) -> list:
    """Fields of a task's options that a form has, the usual ones first.

    Left out are those that write elsewhere, what resumes, and what is silent.
    """
    fields = [
        field
        for field in dataclasses.fields(options_class)
        if not field.metadata["writes"] and field.name not in ("resume", "quiet")
    ]
    usual = {name: place for place, name in enumerate(_FIRST)}
    return sorted(fields, key=lambda field: usual.get(field.name, len(usual)))


def read_form(options_class: type[Options], texts: dict) -> dict:
    """Values of options from a form.

    Args:
        options_class: of the task.
        texts: of its fields by name; empty: not given.

    Raises:
        ValueError: if a text is no number where one is needed.
    """
    kinds, given = options_class.kinds(), {}
    for name, text in texts.items():
        text = (text or "").strip()
        if not text:
            continue
        kind = kinds[name]
        if kind is bool:
            given[name] = _YES_NO[text]
        elif kind in (int, float):
            given[name] = _number(name, text, kind)
        else:
            given[name] = tuple(text.split(",")) if kind is tuple else text
    return given


def _number(name, text, kind):
    try:
        return kind(text)
    except ValueError as error:
        wanted = "a whole number" if kind is int else "a number"
        raise ValueError(f"{name} must be {wanted}, got {text!r:.100}") from error


def _make_boxes(options_class):
    """A place for the text of each option, by name; empty takes the default."""
    fields = form_fields(options_class)
    count = sum(field.name in _FIRST for field in fields)
    boxes = {field.name: _box(options_class, field) for field in fields[:count]}
    with gr.Accordion("all options", open=False):
        for field in fields[count:]:
            boxes[field.name] = _box(options_class, field)
    return boxes


def _box(options_class, field):
    label, info = field.name, field_help(field)
    if field.name == "model":
        models = list(options_class.models)
        models = models or applications.list_models(options_class.task)
        return gr.Dropdown(models, value=None, label=label, info=info)
    if options_class.kinds()[field.name] is bool:
        usual = "yes" if field.default else "no"
        return gr.Dropdown(list(_YES_NO), label=label, info=f"{info} (usually {usual})")
    if field.metadata["choices"]:
        choices = [str(one) for one in field.metadata["choices"] if one != ""]
        info = f"{info} (usually {field.default})" if field.default != "" else info
        return gr.Dropdown(["", *choices], label=label, info=info)
    usual = "" if field.default in (None, ()) else str(field.default)
    return gr.Textbox(label=label, info=info, placeholder=usual)


def draw_curves(folder: str) -> "Optional[np.ndarray]":
    """The curves of a run so far; None before its first epoch."""
    history = read_history(folder) if os.path.isdir(folder) else []
    if not history:
        return None
    return drawn(lambda path: figures.plot_training_curves(history, path))
