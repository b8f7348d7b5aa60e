"""Data sets and input pipelines: ``load(name, split, batch_size)``."""

from keras_cnns.data.inpainting import (
    MaskRecipe,
    load_inpainting_evaluation,
    load_inpainting_training,
)
from keras_cnns.data.masks import (
    HOLE_RATIO_BINS,
    irregular_mask,
    read_mask,
    rectangle_mask,
    write_mask,
)
from keras_cnns.data.pictures import read_picture, write_picture
from keras_cnns.data.pipeline import Augmentation, load, load_training
from keras_cnns.data.preprocessing import (
    CONVENTIONS,
    VALUE_RANGES,
    Preprocessing,
    measure_statistics,
)
from keras_cnns.data.sources import Source, open_source

__all__ = [
    "CONVENTIONS",
    "HOLE_RATIO_BINS",
    "VALUE_RANGES",
    "Augmentation",
    "MaskRecipe",
    "Preprocessing",
    "Source",
    "irregular_mask",
    "load",
    "load_inpainting_evaluation",
    "load_inpainting_training",
    "load_training",
    "measure_statistics",
    "open_source",
    "read_mask",
    "read_picture",
    "rectangle_mask",
    "write_mask",
    "write_picture",
]
