"""Evaluates an auto-encoder on a split of a data set.

    evaluate-autoencoder --run_dir=runs/swwae --dataset=fashion_mnist

prints the mean squared error of the reconstructions in [0, 1], their peak signal-to-
noise ratio, and if it has a classifier the accuracy with its 95 % interval.
``--output_dir`` gets ``evaluation.json`` and ``reconstructions.png``, images of the
split above their reconstructions.
"""

import dataclasses
import os

from keras_cnns import _files, data, figures, inference
from keras_cnns.commands.groups import Epoch, OneRun, Quiet, Split, Written
from keras_cnns.runs import any_of, changed
from keras_cnns.tasks.autoencoding import AutoencodingOptions

_GRID_ROWS = 4


@dataclasses.dataclass(frozen=True)
class OPTIONS(Quiet, OneRun, Epoch, Split):
    """What ``evaluate-autoencoder`` takes."""

    output_dir: str = changed(Written, "output_dir", "", required=False)
    grid_columns: int = changed(
        AutoencodingOptions, "grid_columns", 8, needs=any_of("output_dir")
    )


def run(options: OPTIONS) -> inference.AutoencoderEvaluation:
    """Evaluates and returns an ``inference.AutoencoderEvaluation``."""
    autoencoder = inference.Autoencoder(options.run_dir, options.which)
    labelled = bool(autoencoder.class_names)
    source = data.open_source(
        options.dataset, options.split, options.data_dir, labelled=labelled
    )
    evaluation = inference.evaluate_autoencoder(autoencoder, source)
    print(evaluation.summary())
    if options.output_dir:
        _write(options, autoencoder, source, evaluation)
    return evaluation


def _write(options, autoencoder, source, evaluation):
    """The numbers, and some images."""
    count = min(options.grid_columns * _GRID_ROWS, source.num_examples)
    images, _ = data.read_images(data.spread(source, count), autoencoder.preprocessing)
    made = inference.reconstruct(autoencoder.network, images)
    path = os.path.join(options.output_dir, "evaluation.json")
    _files.write_json(path, evaluation.to_json(), indent=2)
    grid = os.path.join(options.output_dir, "reconstructions.png")
    figures.reconstruction_grid(images, made, grid, options.grid_columns)
    print(f"everything is in {options.output_dir}")
