"""All plots: grids of images, boxes, curves and matrices, as PNG files."""

from keras_cnns.figures.curves import (
    Panel,
    measures_of,
    plot_confusion_matrix,
    plot_learning_curves,
    plot_panels,
    plot_precision_recall,
    plot_training_curves,
)
from keras_cnns.figures.detection import detection_grid, draw_boxes
from keras_cnns.figures.enlargements import enlargement_grid
from keras_cnns.figures.explanations import explanation_grid, map_colours, over_image
from keras_cnns.figures.grids import around_grey, image_grid, signed_heat
from keras_cnns.figures.inpainting import inpainting_grid
from keras_cnns.figures.reconstruction import reconstruction_grid
from keras_cnns.figures.refinement import refinement_grid
from keras_cnns.figures.spatial_transformers import transformer_grid

__all__ = [
    "Panel",
    "around_grey",
    "detection_grid",
    "draw_boxes",
    "enlargement_grid",
    "explanation_grid",
    "image_grid",
    "inpainting_grid",
    "map_colours",
    "measures_of",
    "over_image",
    "plot_confusion_matrix",
    "plot_learning_curves",
    "plot_panels",
    "plot_precision_recall",
    "plot_training_curves",
    "reconstruction_grid",
    "refinement_grid",
    "signed_heat",
    "transformer_grid",
]
