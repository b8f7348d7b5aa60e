"""Faster R-CNN: a network proposes the regions from the maps that the detector uses.

Ren, He, Girshick, Sun, "Faster R-CNN: Towards Real-Time Object Detection with Region
Proposal Networks", arXiv 1506.01497, section 3. At each place of the maps, a 3x3
convolution and two of 1x1 give each anchor the logits of background and object, and the
deltas of a box. The best boxes, those that overlap a better one left out, are the
regions of a Fast R-CNN on the same maps. ``RegionProposalNetwork`` is the first half
alone.

Deviations: proposals have a least side in pixels of the scaled image, where the
released code scales that, too. Of ``resnet50``, "C4" as in ``fast_rcnn``, the
head's 512 channels are those of VGG16. Anchors of the small networks are for 128x128
images.
"""

from __future__ import annotations

from collections.abc import Sequence

from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns._checks import check_choice, check_count
from keras_cnns.applications.detection._parts import (
    RPN,
    check_arguments,
    detectors,
    find_cut,
    make_backbone,
)
from keras_cnns.applications.detection.fast_rcnn import POOLINGS, make_regions
from keras_cnns.applications.frame.builder import network_builder
from keras_cnns.applications.frame.parts import head_dtype
from keras_cnns.layers import Anchors, RegionProposals

_SIZES, _RATIOS = (128, 256, 512), (0.5, 1.0, 2.0)


def _make_rpn(maps_shape, channels, num_anchors):
    """Maps to logits ``(batch, anchors, 2)`` and deltas ``(batch, anchors, 4)``."""

    def convolution(x, filters, size, name, **kwargs):
        initializer = keras.initializers.RandomNormal(0.0, 0.01)
        return layers.Conv2D(
            filters,
            size,
            padding="same",
            kernel_initializer=initializer,
            name=name,
            **kwargs,
        )(x)

    dtype = head_dtype()
    maps = keras.Input(maps_shape, name="maps")
    x = convolution(maps, channels, 3, "rpn_conv", activation="relu")
    outputs = []
    for name, count in (("objectness", 2), ("anchor_deltas", 4)):
        y = convolution(x, count * num_anchors, 1, f"rpn_{name}", dtype=dtype)
        outputs.append(layers.Reshape((-1, count), dtype=dtype, name=name)(y))
    return keras.Model(maps, outputs, name=RPN)


def _propose(maps, sizes, stride, channels, anchor_sizes, anchor_ratios, proposals):
    """Proposals of maps: regions, their scores, the anchors' logits and deltas."""
    count = len(anchor_sizes) * len(anchor_ratios)
    rpn = _make_rpn(tuple(maps.shape[1:]), channels, count)
    objectness, deltas = rpn(maps)
    anchors = Anchors(
        stride, anchor_sizes, anchor_ratios, dtype=head_dtype(), name="anchors"
    )(maps)
    layer = RegionProposals(
        dtype=head_dtype(), name="region_proposals", **(proposals or {})
    )
    rois, scores = layer([objectness, deltas, anchors, sizes])
    return rois, scores, objectness, deltas


def _inputs(image_shape):
    images = keras.Input(tuple(image_shape), name="images")
    sizes = keras.Input((2,), name="sizes", dtype=head_dtype())
    return images, sizes


def _check_anchors(rpn_channels, anchor_sizes, anchor_ratios, proposals):
    check_count("rpn_channels", rpn_channels)
    for option, values in (
        ("anchor_sizes", anchor_sizes),
        ("anchor_ratios", anchor_ratios),
    ):
        is_list = isinstance(values, (tuple, list)) and values
        if not is_list or not all(
            isinstance(v, (int, float)) and not isinstance(v, bool) and 0 < v < 1e5
            for v in values
        ):
            raise ValueError(f"{option} must be positive numbers, got {values!r:.200}")
    if not isinstance(proposals, (dict, type(None))):
        raise ValueError(f"proposals must be None or a dict, got {proposals!r:.200}")


@network_builder(free=("image_shape",))
def RegionProposalNetwork(
    backbone: str = "vgg16",
    backbone_args: dict | None = None,
    rpn_channels: int = 512,
    anchor_sizes: Sequence[float] = _SIZES,
    anchor_ratios: Sequence[float] = _RATIOS,
    proposals: dict | None = None,
    image_shape: tuple = (None, None, 3),
    name: str = "rpn",
) -> keras.Model:
    """General builder of the network that proposes regions.

    Args:
        backbone: registry name of a classifier that detectors can be made of.
        backbone_args: its builder's arguments by name; None: the defaults.
        rpn_channels: of the 3x3 convolution.
        anchor_sizes: square roots of the anchors' areas, in pixels.
        anchor_ratios: heights of anchors by their widths.
        proposals: arguments of ``layers.RegionProposals`` by name; None: the defaults.
        image_shape: ``(height, width, channels)``; sizes may be None.

    Returns:
        A ``keras.Model`` from ``[images, sizes (batch, 2)]``, height and width of each
        image within the batch, to regions ``(batch, proposals, 4)``, their scores,
        and of all anchors logits ``(batch, anchors, 2)``, the background's first, and
        deltas ``(batch, anchors, 4)``.
    """
    check_arguments(backbone, backbone_args, None, image_shape, 1, False)
    _check_anchors(rpn_channels, anchor_sizes, anchor_ratios, proposals)
    images, sizes = _inputs(image_shape)
    maps = make_backbone(backbone, backbone_args, image_shape)(images)
    stride = find_cut(backbone).stride
    outputs = _propose(
        maps, sizes, stride, rpn_channels, anchor_sizes, anchor_ratios, proposals
    )
    return keras.Model([images, sizes], list(outputs), name=name)


@network_builder(free=("image_shape", "classes"))
def FasterRCNN(
    backbone: str = "vgg16",
    backbone_args: dict | None = None,
    crop_size: int | None = None,
    pooling: str = "max",
    rpn_channels: int = 512,
    anchor_sizes: Sequence[float] = _SIZES,
    anchor_ratios: Sequence[float] = _RATIOS,
    proposals: dict | None = None,
    image_shape: tuple = (None, None, 3),
    classes: int = 20,
    name: str = "faster_rcnn",
) -> keras.Model:
    """General builder of Faster R-CNN's network.

    Args:
        backbone: registry name of a classifier that detectors can be made of.
        backbone_args: its builder's arguments by name; None: the defaults.
        crop_size: height and width of the images whose maps a pooled region is like;
            None: the classifier's.
        pooling: ``"max"`` (RoI pooling, the paper's) or ``"align"`` (RoIAlign).
        rpn_channels: of the 3x3 convolution of the proposing part.
        anchor_sizes: square roots of the anchors' areas, in pixels.
        anchor_ratios: heights of anchors by their widths.
        proposals: arguments of ``layers.RegionProposals`` by name; None: the defaults.
        image_shape: ``(height, width, channels)``; sizes may be None.
        classes: number of classes, the background not among them.

    Returns:
        A ``keras.Model`` from ``[images, sizes (batch, 2)]``, height and width of each
        image within the batch, to logits of regions ``(batch, proposals, 1 +
        classes)``, the background's first, deltas ``(batch, proposals, 1 + classes,
        4)``, regions ``(batch, proposals, 4)``, their scores ``(batch, proposals)``,
        and of all anchors logits ``(batch, anchors, 2)`` and deltas ``(batch, anchors,
        4)``. Its layers ``backbone``, ``rpn`` and ``regions`` are networks themselves.
    """
    check_arguments(backbone, backbone_args, crop_size, image_shape, classes)
    check_choice("pooling", pooling, tuple(POOLINGS))
    _check_anchors(rpn_channels, anchor_sizes, anchor_ratios, proposals)
    images, sizes = _inputs(image_shape)
    maps = make_backbone(backbone, backbone_args, image_shape)(images)
    stride = find_cut(backbone).stride
    rois, *others = _propose(
        maps, sizes, stride, rpn_channels, anchor_sizes, anchor_ratios, proposals
    )
    shapes = tuple(image_shape), tuple(maps.shape[1:])
    regions = make_regions(backbone, backbone_args, crop_size, pooling, shapes, classes)
    outputs = [*regions([maps, rois]), rois, *others]
    return keras.Model([images, sizes], outputs, name=name)


# What the small networks have for 128x128 images.
_SMALL = {
    "backbone": "small_convnet",
    "rpn_channels": 64,
    "anchor_sizes": (16, 28, 48),
    "proposals": {"pre_nms": (600, 300), "post_nms": (100, 50), "min_size": 4.0},
}
_ZF = {"backbone": "zf", "rpn_channels": 256}
_C4 = {
    "backbone": "resnet50",
    "anchor_sizes": (32, 64, 128, 256, 512),
    "pooling": "align",
}
# Function name: registry name, changed arguments, params with 20 classes, result.
_VARIANTS = {
    "FasterRCNNVGG16": (
        "faster_rcnn_vgg16",
        {},
        134_690_729 + 2_387_510,
        "VOC 2007 mAP 69.9 %, trained on it",
    ),
    "FasterRCNNZF": (
        "faster_rcnn_zf",
        _ZF,
        58_690_793 + 603_958,
        "VOC 2007 mAP 59.9 %, trained on it",
    ),
    # Fast R-CNN's, a 3x3 convolution of 1024 to 512 channels, 6 outputs of 15 anchors
    "FasterRCNNResNet50": (
        "faster_rcnn_resnet50",
        _C4,
        25_583_592 - 1000 * 2049 + 105 * 2049 + 512 * (9 * 1024 + 1) + 6 * 15 * 513,
        "",
    ),
    "FasterRCNNDenseNet121": (
        "faster_rcnn_densenet121",
        {"backbone": "densenet121"},
        7_978_856 - 1000 * 1025 + 105 * 1025 + 512 * (9 * 512 + 1) + 6 * 9 * 513,
        "",
    ),
    "FasterRCNNSmall": (
        "faster_rcnn_small",
        _SMALL,
        193_002 - 10 * 129 + 105 * 129 + 64 * (9 * 64 + 1) + 6 * 9 * 65,
        "",
    ),
}
_RPN_VARIANTS = {
    "RPNVGG16": ("rpn_vgg16", {}, 14_714_688 + 2_387_510, ""),
    "RPNZF": ("rpn_zf", _ZF, 3_726_464 + 603_958, ""),
    "RPNSmall": ("rpn_small", _SMALL, 60_512 + 64 * (9 * 64 + 1) + 6 * 9 * 65, ""),
}


_PAPER = "Faster R-CNN, arXiv 1506.01497, section 3"
_variant = detectors(FasterRCNN, _VARIANTS, paper=_PAPER, condition_shape=(2,))
_rpn_variant = detectors(
    RegionProposalNetwork,
    _RPN_VARIANTS,
    paper=_PAPER,
    condition_shape=(2,),
    output_shape=(None, 4),
)
FasterRCNNVGG16 = _variant("FasterRCNNVGG16")
FasterRCNNZF = _variant("FasterRCNNZF")
FasterRCNNResNet50 = _variant("FasterRCNNResNet50")
FasterRCNNDenseNet121 = _variant("FasterRCNNDenseNet121")
FasterRCNNSmall = _variant("FasterRCNNSmall")
RPNVGG16 = _rpn_variant("RPNVGG16")
RPNZF = _rpn_variant("RPNZF")
RPNSmall = _rpn_variant("RPNSmall")

__all__ = ["FasterRCNN", "RegionProposalNetwork", *_VARIANTS, *_RPN_VARIANTS]
