"""Training of image classifiers.

    train-classifier --model=cifar_densenet_bc40_k12 --dataset=digits --epochs=15 \\
        --batch_size=64 --augmentation=pad_crop:1 --run_dir=runs/digits

``--model`` takes a registry name, ``--recipe`` published hyper-parameters; explicit
flags win. The folder then holds ``best.h5`` and ``last.h5`` (weights), ``metrics.csv``,
``learning_curves.png``, ``confusion_matrix.png``, ``run.json``, ``logs/`` for
TensorBoard and ``checkpoints/``, from which ``--resume`` continues;
``spatial_transformers.png`` shows what spatial transformers look at, where there are
some.
"""

from keras_cnns.tasks.classification.options import ClassificationOptions
from keras_cnns.tasks.classification.pruning import PruningTask
from keras_cnns.tasks.classification.pruning_options import PruningOptions
from keras_cnns.tasks.classification.recipes import RECIPES
from keras_cnns.tasks.classification.task import ClassificationTask

__all__ = [
    "RECIPES",
    "ClassificationOptions",
    "ClassificationTask",
    "PruningOptions",
    "PruningTask",
]
