"""Data sets and input pipelines: ``load(name, split, batch_size)``."""

from keras_cnns.data.pipeline import Augmentation, load, load_training
from keras_cnns.data.preprocessing import (
    CONVENTIONS,
    Preprocessing,
    measure_statistics,
)
from keras_cnns.data.sources import Source, open_source

__all__ = [
    "CONVENTIONS",
    "Augmentation",
    "Preprocessing",
    "Source",
    "load",
    "load_training",
    "measure_statistics",
    "open_source",
]
