"""Runs notebooks from top to bottom, and stores what their cells print and show.

    python notebooks/execute.py notebooks/*.ipynb

A stand-in for Jupyter, so that tests need none: cells are plain Python, and what the
last line of a cell gives is shown, pictures of Pillow as PNG. Each notebook starts with
no names. A cell that fails ends the program with its error, and the file is left alone.
"""

import ast
import base64
import contextlib
import io
import json
import pathlib
import sys

import keras_cnns  # noqa: F401  sets TensorFlow's log level before it is loaded
from keras_cnns import _files


def run_cell(source, names) -> list:
    """Runs a cell's code in the namespace ``names``; its outputs, as of nbformat 4."""
    body = ast.parse(source).body
    last = body.pop() if body and isinstance(body[-1], ast.Expr) else None
    printed, shown = io.StringIO(), None
    with contextlib.redirect_stdout(printed):
        exec(compile(ast.Module(body, []), "<cell>", "exec"), names)
        if last is not None:
            shown = eval(compile(ast.Expression(last.value), "<cell>", "eval"), names)
    outputs = []
    if printed.getvalue():
        text = printed.getvalue().splitlines(keepends=True)
        outputs.append({"output_type": "stream", "name": "stdout", "text": text})
    if shown is not None:
        outputs.append(
            {"output_type": "display_data", "metadata": {}, "data": _data(shown)}
        )
    return outputs


def _data(value):
    """A value by MIME type."""
    data = {"text/plain": repr(value).splitlines(keepends=True)}
    if hasattr(value, "_repr_png_"):
        data["text/plain"] = [f"a picture of {value.width} x {value.height} pixels"]
        data["image/png"] = base64.b64encode(value._repr_png_()).decode()
    return data


def execute(path) -> dict:
    """The notebook in a file, with new outputs."""
    notebook = json.loads(pathlib.Path(path).read_text())
    names = {"__name__": "__main__"}
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for number, cell in enumerate(code, 1):
        cell["execution_count"] = number
        cell["outputs"] = run_cell("".join(cell["source"]), names)
    return notebook


if __name__ == "__main__":
    # Made absolute first: notebooks change the working folder.
    for path in [pathlib.Path(name).resolve() for name in sys.argv[1:]]:
        _files.write_json(str(path), execute(path), indent=1)
        print(path.name)
