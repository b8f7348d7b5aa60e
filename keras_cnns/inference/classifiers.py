"""The trained classifier of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tensorflow import keras

from keras_cnns.runs import read_run

if TYPE_CHECKING:
    from keras_cnns.runs.record import Run


def load_classifier(
    run_dir: str | Run, which: str = "best", size: tuple | None = None
) -> tuple:
    """The trained network of a run of ``classification``.

    Args:
        run_dir: folder of the run, or the ``Run``.
        which: ``"best"`` or ``"last"`` epoch.
        size: (height, width) of the input other than the run's; ``(None, None)`` leaves
            them open.

    Returns:
        (``keras.Model`` that ends in probabilities, without auxiliary heads; the
        ``Run``).

    Raises:
        ValueError: if ``which`` is neither, the folder holds no such run, its weights
            cannot be read, or the network does not take that size.
    """
    run = read_run(run_dir, "classification")
    network = run.load("network", which, size)
    if len(network.outputs) > 1:
        network = keras.Model(network.inputs, network.outputs[0], name=network.name)
    return network, run


def describe_classifier(run: Run, which: str) -> str:
    """Name of the network of a ``Run``: model, epoch and data."""
    trained_on = f"{run.options['dataset']} {run.options['train_split']}"
    model = run.config.networks["network"]["model"]
    return f"{model}, {which} epoch on {trained_on}"
