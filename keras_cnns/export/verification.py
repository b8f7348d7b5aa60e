"""Checks in a fresh process that an export reproduces its network's outputs."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

import keras_cnns
from keras_cnns import _files
from keras_cnns.export import forms

# Python's -I keeps the current folder off the path. The package is that of this
# process, its dependencies are looked for where this process finds them.
_PROGRAM = """
import importlib, json, os, sys
own = sys.path[:]
package, *folders = json.loads(sys.argv[1])
sys.path[:] = [package]
import keras_cnns
sys.path[:] = [*folders, *(folder for folder in own if folder not in folders)]
from keras_cnns.export import verification
verification.print_differences(*sys.argv[2:])
"""


@dataclasses.dataclass(frozen=True)
class Case:
    """A call of a signature, and its expected output.

    Attributes:
        signature: its name.
        inputs: NumPy arrays by argument name; encoded images as arrays of bytes.
        output: name of the output that is compared.
        expected: its value; for encoded images, uint8 pixels ``(batch, height, width,
            channels)``, of which any may differ by one level.
    """

    signature: str
    inputs: dict
    output: str
    expected: np.ndarray


def verify(path: str, cases: Sequence[Case], tolerance: float = 1e-5) -> float:
    """Calls an exported model in a fresh process and compares its outputs.

    What that process reads lies beside the model meanwhile.

    Args:
        path: folder of the version.
        cases: list of ``Case``.
        tolerance: allowed difference, relative to the largest expected value.

    Returns:
        Largest difference over all cases, relative to the largest expected value.

    Raises:
        ValueError: if it is above the tolerance or not a number, or the model cannot be
            loaded.
    """
    beside = os.path.dirname(os.path.abspath(path))
    with _files.scratch_folder(beside) as folder:
        stored = os.path.join(folder, "cases.npz")
        np.savez(stored, **_arrays(cases))
        arguments = [json.dumps(_module_folders()), os.path.abspath(path), stored]
        done = subprocess.run(
            [sys.executable, "-I", "-c", _PROGRAM, *arguments],
            cwd=folder,
            capture_output=True,
            text=True,
            errors="replace",
        )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ValueError(f"the exported model at {path} cannot be used: {last}")
    differences = json.loads(done.stdout.strip().splitlines()[-1])
    if not all(difference <= tolerance for difference in differences):
        names = [f"{case.signature}, {case.output}" for case in cases]
        named = dict(zip(names, differences))
        raise ValueError(
            f"the exported model at {path} differs from the network: {named}, "
            f"allowed {tolerance}"
        )
    return max(differences)


def rounded(path: str, cases: Sequence[Case]) -> tuple:
    """What a model in 8 bits makes of the cases here.

    Args:
        path: folder of the version.
        cases: list of ``Case``.

    Returns:
        (largest difference from what is expected, as of ``verify``; the cases with
        what was found as their expected values).
    """
    signatures = forms.open_signatures(path)
    found = [signatures[case.signature](**case.inputs)[case.output] for case in cases]
    differences = [_difference(x, case.expected) for x, case in zip(found, cases)]
    cases = [dataclasses.replace(case, expected=x) for x, case in zip(found, cases)]
    return max(differences), cases


def _module_folders() -> list:
    """The folder with this package, and where this process finds other modules.

    What lies in the current folder is left out: it may be anybody's.
    """
    here = os.path.realpath(os.curdir)
    package = os.path.dirname(os.path.dirname(os.path.abspath(keras_cnns.__file__)))
    folders = [os.path.abspath(folder) for folder in sys.path if folder]
    return [package, *(f for f in folders if os.path.realpath(f) != here)]


def _arrays(cases):
    """The cases as arrays that need no pickling; bytes must not end in zeros."""
    arrays = {}
    for i, case in enumerate(cases):
        arrays[f"{i}/call"] = np.array([case.signature, case.output])
        arrays[f"{i}/expected"] = case.expected
        for name, value in case.inputs.items():
            arrays[f"{i}/input/{name}"] = np.asarray(value)
    return arrays


def _differences(path, stored):
    arrays = np.load(stored, allow_pickle=False)
    signatures = forms.open_signatures(path)
    differences = []
    for i in range(sum(name.endswith("/call") for name in arrays.files)):
        signature, output = arrays[f"{i}/call"]
        expected = arrays[f"{i}/expected"]
        start = f"{i}/input/"
        inputs = {
            name[len(start) :]: arrays[name]
            for name in arrays.files
            if name.startswith(start)
        }
        given = signatures[str(signature)](**inputs)[str(output)]
        differences.append(_difference(given, expected))
    return differences


def _difference(given, expected):
    """Largest difference, relative to the largest expected value if that is not 0."""
    allowed = 0
    if given.dtype == object:
        given = np.stack([tf.io.decode_png(content) for content in given])
        given, expected = given.astype(np.float64), expected.astype(np.float64)
        allowed = 1  # values within a rounding error of a half go either way
    differences = np.abs(given - expected)
    scale = np.abs(expected).max(initial=0) or 1.0
    return float(np.maximum(differences - allowed, 0).max(initial=0) / scale)


def print_differences(path: str, stored: str) -> None:
    """Prints the largest difference of each stored case as a list in JSON.

    Args:
        path: folder of the version.
        stored: file of the cases.
    """
    print(json.dumps(_differences(path, stored)))
