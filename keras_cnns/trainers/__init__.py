"""Trainers: ``keras.Model`` subclasses that receive networks and train them."""

from keras_cnns.trainers.checkpoints import CheckpointStore, list_steps
from keras_cnns.trainers.classification import ClassificationTrainer
from keras_cnns.trainers.distribution import make_strategy
from keras_cnns.trainers.freezing import freeze_up_to
from keras_cnns.trainers.optimizers import OPTIMIZERS, SCHEDULES, make_optimizer
from keras_cnns.trainers.recipes import RECIPES
from keras_cnns.trainers.runs import load_run

__all__ = [
    "OPTIMIZERS",
    "RECIPES",
    "SCHEDULES",
    "CheckpointStore",
    "ClassificationTrainer",
    "freeze_up_to",
    "list_steps",
    "load_run",
    "make_optimizer",
    "make_strategy",
]
