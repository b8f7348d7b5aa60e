"""R-CNN: a classifier sees every proposed region, cut out and warped.

Girshick, Donahue, Darrell, Malik, "Rich feature hierarchies for accurate object
detection and semantic segmentation", arXiv 1311.2524, section 2; details of its
appendices A and B. Each region is cut out with 16 pixels of context and warped to the
classifier's input; what is outside of the image is 0. The network is fine-tuned with
one class more, the background; support vector machines and box regressors are then
fitted to its features.

Deviation: regions of several images are warped in one batch here, while the authors
store features on disk. The backbones are those of this package; the authors' AlexNet is
not one.
"""

from __future__ import annotations

from tensorflow import keras

from keras_cnns._checks import check_count
from keras_cnns.applications.detection._parts import (
    REGION_SHAPE,
    RegionLayers,
    check_arguments,
    detectors,
    fold,
    region_input,
    region_outputs,
)
from keras_cnns.applications.frame.builder import network_builder
from keras_cnns.applications.frame.registry import model_info
from keras_cnns.layers import WarpedCrops


@network_builder(free=("image_shape", "classes"))
def RegionCNN(
    backbone: str = "vgg16",
    backbone_args: dict | None = None,
    crop_size: int | None = None,
    context: int = 16,
    image_shape: tuple = (None, None, 3),
    classes: int = 20,
    name: str = "region_cnn",
) -> keras.Model:
    """General builder of R-CNN's network.

    Args:
        backbone: registry name of a classifier that detectors can be made of.
        backbone_args: its builder's arguments by name; None: the defaults.
        crop_size: height and width of the warped regions; None: the classifier's.
        context: pixels around a region, in the warped image.
        image_shape: ``(height, width, channels)``; sizes may be None.
        classes: number of classes, the background not among them.

    Returns:
        A ``keras.Model`` from ``[images, rois (batch, regions, 4)]`` to logits
        ``(batch, regions, 1 + classes)``, the background's first.
    """
    check_arguments(backbone, backbone_args, crop_size, image_shape, classes)
    check_count("context", context, least=0)
    size = crop_size or model_info(backbone).input_shape[0]
    if 2 * context >= size:
        raise ValueError(
            f"context={context!r} must be less than half of the crops' {size} pixels"
        )
    images = keras.Input(tuple(image_shape), name="images")
    rois = region_input()
    crops = WarpedCrops(size, context, name="warped_crops")([images, rois])
    region = RegionLayers(backbone, backbone_args, size, image_shape[2], whole=True)
    vectors = region(fold(crops))
    outputs = region_outputs(vectors, rois, classes, has_boxes=False)
    return keras.Model([images, rois], outputs, name=name)


# Function name: registry name, changed arguments, params with 20 classes: the
# classifier without its head, and that of 21 outputs; result.
_VARIANTS = {
    "RCNNVGG16": (
        "rcnn_vgg16",
        {},
        138_357_544 - 4097 * 1000 + 4097 * 21,
        "VOC 2007 mAP 66.0 %, trained on it",
    ),
    "RCNNZF": ("rcnn_zf", {"backbone": "zf"}, 62_357_608 - 4097 * 1000 + 4097 * 21, ""),
    "RCNNSmall": (
        "rcnn_small",
        {"backbone": "small_convnet", "context": 4},
        193_002 - 129 * 10 + 129 * 21,
        "",
    ),
}


_variant = detectors(
    RegionCNN,
    _VARIANTS,
    paper="R-CNN, arXiv 1311.2524, section 2",
    condition_shape=REGION_SHAPE,
)
RCNNVGG16 = _variant("RCNNVGG16")
RCNNZF = _variant("RCNNZF")
RCNNSmall = _variant("RCNNSmall")

__all__ = ["RegionCNN", *_VARIANTS]
