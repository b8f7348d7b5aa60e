"""Fast R-CNN: one pass over the image, regions pooled from its maps, two outputs.

Girshick, "Fast R-CNN", arXiv 1504.08083, section 2. The pooling of regions takes the
place of the classifier's last pooling layer; its dense layers follow, then the classes'
logits and, for each class, the deltas of a box. "C4" ResNets pool 14x14 maps of the
fourth stage and take the fifth as a region's own layers (He et al., arXiv 1512.03385,
appendix A).

Deltas are learned in units of ``DELTA_STDDEVS``, which belong to the decoding of boxes
and not to the weights, so that nothing has to be folded into these.
As in the authors' definition the background has deltas too, which nothing trains.
"""

from __future__ import annotations

from collections.abc import Sequence

from tensorflow import keras

from keras_cnns._checks import check_choice
from keras_cnns.applications.detection._parts import (
    POOLING,
    REGION_SHAPE,
    REGIONS,
    RegionLayers,
    check_arguments,
    detectors,
    find_cut,
    fold,
    make_backbone,
    region_input,
    region_outputs,
)
from keras_cnns.applications.frame.builder import network_builder
from keras_cnns.layers import RoIAlign, RoIPooling

POOLINGS = {"max": RoIPooling, "align": RoIAlign}


def make_regions(
    backbone: str,
    backbone_args: dict | None,
    crop_size: int | None,
    pooling: str,
    shapes: Sequence[tuple],
    classes: int,
) -> keras.Model:
    """The part of a detector that sees each region.

    Args:
        backbone, backbone_args, crop_size, pooling, classes: as ``FastRCNN`` has them.
        shapes: of the images and of the maps, without the batch.

    Returns:
        A ``keras.Model`` from ``[maps, rois]`` to logits and deltas.
    """
    maps, rois = keras.Input(shapes[1], name="maps"), region_input()
    region = RegionLayers(backbone, backbone_args, crop_size, shapes[0][2])
    size, scale = region.input_shape[:2], 1 / find_cut(backbone).stride
    pooled = POOLINGS[pooling](size, scale, name=POOLING)([maps, rois])
    outputs = region_outputs(region(fold(pooled)), rois, classes)
    return keras.Model([maps, rois], outputs, name=REGIONS)


@network_builder(free=("image_shape", "classes"))
def FastRCNN(
    backbone: str = "vgg16",
    backbone_args: dict | None = None,
    crop_size: int | None = None,
    pooling: str = "max",
    image_shape: tuple = (None, None, 3),
    classes: int = 20,
    name: str = "fast_rcnn",
) -> keras.Model:
    """General builder of Fast R-CNN's network.

    Args:
        backbone: registry name of a classifier that detectors can be made of.
        backbone_args: its builder's arguments by name; None: the defaults.
        crop_size: height and width of the images whose maps a pooled region is like;
            None: the classifier's.
        pooling: ``"max"`` (RoI pooling, the paper's) or ``"align"`` (RoIAlign).
        image_shape: ``(height, width, channels)``; sizes may be None.
        classes: number of classes, the background not among them.

    Returns:
        A ``keras.Model`` from ``[images, rois (batch, regions, 4)]`` to logits
        ``(batch, regions, 1 + classes)``, the background's first, and deltas ``(batch,
        regions, 1 + classes, 4)``. Its layers ``backbone`` and ``regions`` are networks
        themselves.
    """
    check_arguments(backbone, backbone_args, crop_size, image_shape, classes)
    check_choice("pooling", pooling, tuple(POOLINGS))
    images, rois = keras.Input(tuple(image_shape), name="images"), region_input()
    maps = make_backbone(backbone, backbone_args, image_shape)(images)
    shapes = tuple(image_shape), tuple(maps.shape[1:])
    regions = make_regions(backbone, backbone_args, crop_size, pooling, shapes, classes)
    return keras.Model([images, rois], regions([maps, rois]), name=name)


# Function name: registry name, changed arguments, params with 20 classes, result.
_VARIANTS = {
    "FastRCNNVGG16": (
        "fast_rcnn_vgg16",
        {},
        134_690_729,
        "VOC 2007 mAP 66.9 %, trained on it",
    ),
    "FastRCNNZF": (
        "fast_rcnn_zf",
        {"backbone": "zf"},
        58_690_793,
        "VOC 2007 mAP 58.7 %, trained on it (arXiv 1506.01497)",
    ),
    # the classifier without its head, and 21 + 84 outputs
    "FastRCNNResNet50": (
        "fast_rcnn_resnet50",
        {"backbone": "resnet50"},
        25_583_592 - 1000 * 2049 + 105 * 2049,
        "",
    ),
    "FastRCNNDenseNet121": (
        "fast_rcnn_densenet121",
        {"backbone": "densenet121"},
        7_978_856 - 1000 * 1025 + 105 * 1025,
        "",
    ),
    "FastRCNNAllCNN": (
        "fast_rcnn_all_cnn",
        {"backbone": "all_cnn_c"},
        1_369_738 - 10 * 193 + 105 * 193,
        "",
    ),
    "FastRCNNSmall": (
        "fast_rcnn_small",
        {"backbone": "small_convnet"},
        193_002 - 10 * 129 + 105 * 129,
        "",
    ),
}


_variant = detectors(
    FastRCNN,
    _VARIANTS,
    paper="Fast R-CNN, arXiv 1504.08083, section 2",
    condition_shape=REGION_SHAPE,
)
FastRCNNVGG16 = _variant("FastRCNNVGG16")
FastRCNNZF = _variant("FastRCNNZF")
FastRCNNResNet50 = _variant("FastRCNNResNet50")
FastRCNNDenseNet121 = _variant("FastRCNNDenseNet121")
FastRCNNAllCNN = _variant("FastRCNNAllCNN")
FastRCNNSmall = _variant("FastRCNNSmall")

__all__ = ["FastRCNN", *_VARIANTS]
