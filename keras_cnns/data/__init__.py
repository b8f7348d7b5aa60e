"""Data sets and input pipelines: ``load(name, split, batch_size)``."""

from keras_cnns.data.box_checks import (
    BAD_BOXES,
    BoxProblem,
    BoxReport,
    check_boxes,
    told_counts,
)
from keras_cnns.data.box_sources import (
    name_of_example,
    open_detection_source,
    pixel_boxes,
)
from keras_cnns.data.decoding import encoded_size, read_encoded, read_image
from keras_cnns.data.detection import (
    LONG_SIDE,
    SHORT_SIDE,
    load_detection_evaluation,
    load_detection_training,
)
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
    balanced,
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
from keras_cnns.data.proposals import ProposalStore, write_proposals
from keras_cnns.data.resampling import resampling_weights, resize_bicubic
from keras_cnns.data.scaling import canvas_size, image_scale, on_canvas, scaled_image
from keras_cnns.data.sources import (
    Layout,
    Source,
    naming_bad_images,
    open_source,
)
from keras_cnns.data.stream import (
    WHOLE,
    Share,
    endless,
    evaluation_stream,
    split_batches,
    training_stream,
)
from keras_cnns.data.super_resolution import (
    PatchRecipe,
    load_super_resolution_evaluation,
    load_super_resolution_training,
    small_picture,
    whole_multiple,
)

__all__ = [
    "BAD_BOXES",
    "CONVENTIONS",
    "HOLE_RATIO_BINS",
    "LONG_SIDE",
    "SHORT_SIDE",
    "UNLABELLED",
    "VALUE_RANGES",
    "WHOLE",
    "Augmentation",
    "BoxProblem",
    "BoxReport",
    "Layout",
    "MaskRecipe",
    "PatchRecipe",
    "Preprocessing",
    "ProposalStore",
    "Share",
    "Source",
    "augmented_input",
    "balanced",
    "canvas_size",
    "check_boxes",
    "encoded_size",
    "endless",
    "evaluation_stream",
    "image_scale",
    "irregular_mask",
    "list_images",
    "load",
    "load_detection_evaluation",
    "load_detection_training",
    "load_evaluation",
    "load_inpainting_evaluation",
    "load_inpainting_training",
    "load_super_resolution_evaluation",
    "load_super_resolution_training",
    "load_training",
    "measure_statistics",
    "name_of_example",
    "naming_bad_images",
    "on_canvas",
    "open_detection_source",
    "open_source",
    "pixel_boxes",
    "read_encoded",
    "read_image",
    "read_images",
    "read_mask",
    "rectangle_mask",
    "resampling_weights",
    "resize_bicubic",
    "scaled_image",
    "small_picture",
    "split_batches",
    "spread",
    "to_bytes",
    "told_counts",
    "training_stream",
    "whole_multiple",
    "write_image",
    "write_mask",
    "write_proposals",
]
