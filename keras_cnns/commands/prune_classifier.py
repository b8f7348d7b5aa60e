"""Prunes a trained classifier by patterns and connectivity, and trains what is left.

    prune-classifier --run_dir=runs/digits --output_dir=runs/pruned

keeps four of nine weights of each 3x3 kernel, and one of 3.6 kernels: 8.1 times fewer.
``--output_dir`` is a run like any other then: ``evaluate-classifier``, ``predict``,
``inspect-classifier`` and ``export-model`` take it. Beside what a classifier's training
leaves, it holds ``masks.npz`` (which weights are left), ``pruning.csv`` and
``pruning.json`` (what is left of each layer; accuracy before, right after pruning, and
trained) and ``kernels.png`` (some kernels before and after). ``--resume`` goes on.
Data, augmentation and optimizer are the run's, unless others are given.

``--admm_rounds=6`` first pulls the weights towards what pruning would leave, which
costs less accuracy where there is little time to train afterwards. ``docs/pruning.md``
tells more, and what this has to do with partial convolution: nothing but the name.
"""

from keras_cnns.runs import train
from keras_cnns.tasks.classification import PruningOptions as OPTIONS
from keras_cnns.tasks.classification import PruningTask

__all__ = ["OPTIONS", "run"]


def run(options: OPTIONS) -> dict:
    """Prunes, trains, and returns the run's progress with ``history``, ``report`` and
    ``pruning`` (``layers`` and ``accuracy``)."""
    return train(PruningTask, options)
