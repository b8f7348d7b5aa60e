"""Shows the models, or the recipes of published hyper-parameters.

    list-models --task=generation
    list-models --pattern='*densenet*'
    list-models --recipes
    list-models --markdown_file=docs/models.md

First come the names that ``--model`` takes, by command; then their component networks
and others, with their role. The last command builds every network to count its
multiply-adds, which takes minutes, and quotes the measurements of
``fashion_mnist.json`` in the same folder.
"""

import dataclasses
import fnmatch
import json
import os

from tensorflow import keras

from keras_cnns import _files, _progress, applications, commands
from keras_cnns.applications.frame import catalogue
from keras_cnns.commands.groups import Quiet
from keras_cnns.runs import any_of, changed, option
from keras_cnns.tasks import TASKS
from keras_cnns.tasks.classification import RECIPES


@dataclasses.dataclass(frozen=True)
class OPTIONS(Quiet):
    """What ``list-models`` takes."""

    task: str = option("", "show models of this task only")
    pattern: str = option("*", "show models whose name matches, such as '*densenet*'")
    recipes: bool = option(False, "show the recipes instead of the models")
    markdown_file: str = option(
        "", "file that gets the models as a Markdown table", writes="file"
    )
    quiet: bool = changed(Quiet, "quiet", False, needs=any_of("markdown_file"))

    def check(self) -> None:
        super().check()
        shown = self.task or self.pattern != "*"
        if self.recipes and (shown or self.markdown_file):
            raise ValueError("recipes has no task, pattern or file: leave them out")
        if self.markdown_file and shown:
            raise ValueError(
                f"markdown_file={self.markdown_file!r} gets all models: leave task "
                "and pattern out"
            )


def run(options: OPTIONS) -> list:
    """Lists and returns the names shown."""
    if options.recipes:
        for name, (model, values, source) in RECIPES.items():
            print(f"{name}, for example for {model}\n    {source}")
            shown = " ".join(f"--{flag}={value!r}" for flag, value in values.items())
            print(f"    {shown}")
        return list(RECIPES)
    if options.markdown_file:
        names = applications.list_models()
        _write_catalogue(names, options.markdown_file)
        return names
    shown, parts = [], applications.list_models(options.task or None, options.pattern)
    for task in TASKS.values():
        rows = {
            name: roles
            for name, roles in task.models().items()
            if fnmatch.fnmatch(name, options.pattern)
            and options.task in ("", task.name)
        }
        if rows:
            print(f"{commands.verb_of(task)} --model=")
            _show([_row(name, roles) for name, roles in rows.items()])
        shown += rows
        parts = [name for name in parts if name not in rows]
    if parts:
        print("networks that are parts of these, and others")
        _show([_row(name, {"": name}) for name in parts])
    return [*shown, *parts]


def _row(name, roles):
    """Cells of one line; of several networks the first one's input and source."""
    infos = {role: applications.model_info(n) for role, n in roles.items()}
    first = next(iter(infos.values()))
    params = f"{first.params:,}"
    if len(infos) > 1:
        params = " + ".join(f"{role} {info.params:,}" for role, info in infos.items())
    return (
        name,
        first.role if len(infos) == 1 else "",
        params,
        catalogue.input_size(first),
        ",".join(first.weights) or "-",
        first.paper,
    )


def _show(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    for row in rows:
        cells = [f"{cell:{width}}" for cell, width in zip(row, widths) if width]
        print("  " + "  ".join([*cells, row[-1]]))


def _write_catalogue(names, path):
    """The table of the models as Markdown."""
    measured = {}
    measurements = os.path.join(os.path.dirname(path), "fashion_mnist.json")
    if os.path.exists(measurements):
        with open(measurements, encoding="utf-8") as file:
            measured = json.load(file)
    rows = []
    for name in _progress.track(names, "models"):
        keras.backend.clear_session()
        info, model = applications.model_info(name), applications.create_model(name)
        rows.append(catalogue.markdown_row(info, model, measured))
    _files.write_text(path, catalogue.HEADER + "".join(rows))
    print(f"{len(rows)} models are in {path}")
