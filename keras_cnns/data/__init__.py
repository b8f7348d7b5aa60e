"""Data sets and input pipelines: ``load(name, split, batch_size)``."""

from keras_cnns.data.decoding import read_encoded, read_image
from keras_cnns.data.folders import UNLABELLED, list_images
from keras_cnns.data.images import to_bytes, write_image
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
from keras_cnns.data.pipeline import (
    Augmentation,
    augmented_input,
    load,
    load_evaluation,
    load_training,
    read_images,
    spread,
)
from keras_cnns.data.preprocessing import (
    CONVENTIONS,
    VALUE_RANGES,
    Preprocessing,
    measure_statistics,
)
from keras_cnns.data.sources import (
    Layout,
    Source,
    naming_bad_images,
    open_source,
)
from keras_cnns.data.stream import evaluation_stream, training_stream

__all__ = [
    "CONVENTIONS",
    "HOLE_RATIO_BINS",
    "UNLABELLED",
    "VALUE_RANGES",
    "Augmentation",
    "Layout",
    "MaskRecipe",
    "Preprocessing",
    "Source",
    "augmented_input",
    "evaluation_stream",
    "irregular_mask",
    "list_images",
    "load",
    "load_evaluation",
    "load_inpainting_evaluation",
    "load_inpainting_training",
    "load_training",
    "measure_statistics",
    "naming_bad_images",
    "open_source",
    "read_encoded",
    "read_image",
    "read_images",
    "read_mask",
    "rectangle_mask",
    "spread",
    "to_bytes",
    "training_stream",
    "write_image",
    "write_mask",
]
