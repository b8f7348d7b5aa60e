"""Trainings by ``apps/``, each in a process of its own, and statistics over seeds."""

import csv
import os
import statistics
import subprocess
import sys

_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def run_app(name, values, **options) -> subprocess.CompletedProcess:
    """Runs ``apps/<name>.py`` with flags of these values.

    Args:
        name: of the script.
        values: flags, without dashes, to what they are set to.
        options: of ``subprocess.run``.
    """
    command = [f"--{flag}={value}" for flag, value in values.items()]
    script = os.path.join(_ROOT, "apps", f"{name}.py")
    return subprocess.run([sys.executable, script, *command], **options)


def last_epoch(run_dir) -> dict:
    """The last row of a run's ``metrics.csv``, numbers as text."""
    with open(os.path.join(run_dir, "metrics.csv"), encoding="utf-8") as file:
        *_, last = csv.DictReader(file)
    return last


def over_seeds(name, values) -> dict:
    """A quantity's entries in a table of results.

    Args:
        name: of the quantity.
        values: a list, by seed from 0.

    Returns:
        The mean under ``name``, the sample standard deviation (None for one seed) under
        ``<name>_std``, and all values under ``<name>_by_seed``.
    """
    return {
        name: statistics.fmean(values),
        f"{name}_std": statistics.stdev(values) if len(values) > 1 else None,
        f"{name}_by_seed": list(values),
    }


def shown(row, name, form=".2%") -> str:
    """What ``over_seeds`` made of ``name``, as text: mean and standard deviation."""
    spread = row[f"{name}_std"]
    return f"{row[name]:{form}}" + ("" if spread is None else f" +- {spread:{form}}")
