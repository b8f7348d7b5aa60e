"""SPPnet: convolutions see the image once, a pyramid of maxima sees each region.

He, Zhang, Ren, Sun, "Spatial Pyramid Pooling in Deep Convolutional Networks for Visual
Recognition", arXiv 1406.4729, section 4. Of the last maps, every region gives the
maxima over 6x6, 3x3, 2x2 and 1x1 bins; two dense layers follow, which alone are
fine-tuned. Support vector machines and box regressors are then fitted as R-CNN's are.

Deviation: one scale of images in place of the best of five (the paper's single-scale
form); regions become windows of the maps by the paper's formula.
"""

from __future__ import annotations

from collections.abc import Sequence

from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns._checks import check_counts, check_within
from keras_cnns.applications.detection._parts import (
    POOLING,
    REGION_SHAPE,
    check_arguments,
    detectors,
    find_cut,
    fold,
    make_backbone,
    region_input,
    region_outputs,
)
from keras_cnns.applications.frame.builder import network_builder
from keras_cnns.applications.frame.parts import dropout
from keras_cnns.layers import RoIPyramidPooling


@network_builder(free=("image_shape", "classes"))
def SPPNet(
    backbone: str = "zf",
    backbone_args: dict | None = None,
    levels: Sequence[int] = (6, 3, 2, 1),
    units: Sequence[int] = (4096, 4096),
    dropout_rate: float = 0.5,
    image_shape: tuple = (None, None, 3),
    classes: int = 20,
    name: str = "sppnet",
) -> keras.Model:
    """General builder of SPPnet's network.

    Args:
        backbone: registry name of a classifier that detectors can be made of.
        backbone_args: its builder's arguments by name; None: the defaults.
        levels: bins of each level of the pyramid, along one side.
        units: of the dense layers.
        dropout_rate: fraction of values dropped after each, in [0, 1).
        image_shape: ``(height, width, channels)``; sizes may be None.
        classes: number of classes, the background not among them.

    Returns:
        A ``keras.Model`` from ``[images, rois (batch, regions, 4)]`` to logits
        ``(batch, regions, 1 + classes)``, the background's first. Its layer
        ``backbone`` is the network of the maps.
    """
    check_arguments(backbone, backbone_args, None, image_shape, classes, False)
    check_counts("levels", levels)
    check_counts("units", units)
    check_within("dropout_rate", dropout_rate)
    images = keras.Input(tuple(image_shape), name="images")
    rois = region_input()
    maps = make_backbone(backbone, backbone_args, image_shape)(images)
    stride = find_cut(backbone).stride
    pooling = RoIPyramidPooling(levels, scale=1 / stride, name=POOLING)
    x = layers.Flatten(name="flatten")(fold(pooling([maps, rois])))
    for index, count in enumerate(units, start=6):
        x = layers.Dense(
            count,
            activation="relu",
            kernel_initializer="he_normal",
            name=f"fc{index}",
        )(x)
        x = dropout(x, dropout_rate, f"fc{index}_dropout")
    outputs = region_outputs(x, rois, classes, has_boxes=False)
    return keras.Model([images, rois], outputs, name=name)


_DENSE = 4096 * (50 * 256 + 1) + 4096 * 4097 + 21 * 4097  # of ZF, 20 classes
# Function name: registry name, changed arguments, params with 20 classes, result.
_VARIANTS = {
    # the five convolutions of ZF
    "SPPNetZF": (
        "sppnet_zf",
        {},
        3_726_464 + _DENSE,
        "VOC 2007 mAP 58.0 %, trained on it, one scale",
    ),
    # the thirteen of VGG16, 512 maps
    "SPPNetVGG16": (
        "sppnet_vgg16",
        {"backbone": "vgg16"},
        14_714_688 + 4096 * 50 * 256 + _DENSE,
        "VOC 2007 mAP 63.1 %, trained on it, several scales",
    ),
    # 60,512 of the convolutions
    "SPPNetSmall": (
        "sppnet_small",
        {"backbone": "small_convnet", "units": (128,), "dropout_rate": 0.0},
        60_512 + 128 * (50 * 64 + 1) + 21 * 129,
        "",
    ),
}


_variant = detectors(
    SPPNet,
    _VARIANTS,
    paper="SPPnet, arXiv 1406.4729, section 4",
    condition_shape=REGION_SHAPE,
)
SPPNetZF = _variant("SPPNetZF")
SPPNetVGG16 = _variant("SPPNetVGG16")
SPPNetSmall = _variant("SPPNetSmall")

__all__ = ["SPPNet", *_VARIANTS]
