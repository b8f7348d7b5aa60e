"""What detectors share: classifiers cut in two, region heads, registration."""

import dataclasses
import gc

from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns import _graph
from keras_cnns._checks import check_choice, check_count, check_image_shape
from keras_cnns.applications.frame.builder import STANDARD
from keras_cnns.applications.frame.parts import head_dtype
from keras_cnns.applications.frame.registry import (
    create_model,
    model_info,
    register_network,
)
from keras_cnns.applications.frame.weight_files import HEAD_NAME
from keras_cnns.layers import FoldRegions, UnfoldRegions

# Names of the parts of a detector, themselves networks.
BACKBONE, RPN, REGIONS = "backbone", "rpn", "regions"
POOLING = "region_pooling"  # the layer that pools regions of the maps
REGION_SHAPE = (None, 4)  # of any number of boxes


@dataclasses.dataclass(frozen=True)
class Cut:
    """Where a classifier is cut: what sees the whole image, and what each region.

    Attributes:
        maps: layer whose maps regions are pooled from.
        resumed: layer after which a region's own layers begin; pooled regions have the
            size of its output. It differs from ``maps`` where the pooling of regions
            takes the place of a pooling layer.
        stride: pixels between values of the maps.
        top_args: the builder's arguments that act on the classifier's top alone.
        map_args: arguments for the part that sees the whole image, unless given others.
    """

    maps: str
    resumed: str
    stride: int
    top_args: tuple = ()
    map_args: tuple = ()


_DROPOUT = ("dropout_rate",)
_RESNET = {
    name: Cut(f"conv4_block{units}_out", f"conv4_block{units}_out", 16)
    for names, units in (
        (("resnet50", "resnet50v1_5"), 6),
        (("resnet101", "resnet101v1_5"), 23),
        (("resnet152", "resnet152v1_5"), 36),
    )
    for name in names
}
# Classifiers that detectors are made of, by registry name.
CUTS = {
    "vgg16": Cut("block5_conv3", "block5_pool", 16, _DROPOUT),
    "vgg19": Cut("block5_conv4", "block5_pool", 16, _DROPOUT),
    "zf": Cut("conv5", "pool5", 16, _DROPOUT, (("padding", "same"),)),
    **_RESNET,
    "densenet121": Cut("pool4_conv", "pool4_conv", 16),
    "densenet169": Cut("pool4_conv", "pool4_conv", 16),
    "densenet201": Cut("pool4_conv", "pool4_conv", 16),
    "all_cnn_c": Cut("block2_3_relu", "block2_3_relu", 4, ("rectified_class_maps",)),
    "small_convnet": Cut("conv4", "pool4", 4, ("units", *_DROPOUT)),
}


# Those of many layers, whose detectors take long to build.
_DEEP = ("resnet50", "densenet121")


def find_cut(backbone) -> Cut:
    """Where a backbone is cut.

    Raises:
        ValueError: if it is none of ``CUTS``.
    """
    check_choice("backbone", backbone, tuple(CUTS))
    return CUTS[backbone]


def check_arguments(
    backbone, backbone_args, crop_size, image_shape, classes, has_top=True
) -> None:
    """Refuses arguments that no detector can be made of.

    Args:
        backbone, backbone_args, crop_size, image_shape, classes: as builders take them.
        has_top: whether the classifier's top is part of the detector.

    Raises:
        ValueError: if one is bad, or has no effect.
    """
    find_cut(backbone)
    if not isinstance(backbone_args, (dict, type(None))):
        raise ValueError(
            f"backbone_args must be None or a dict, got {backbone_args!r:.200}"
        )
    idle = set(STANDARD) if has_top else {*STANDARD, *find_cut(backbone).top_args}
    for name in sorted(idle & set(backbone_args or {})):
        raise ValueError(
            f"backbone_args cannot set {name}: the detector decides that, or has no "
            "use for it; leave it out"
        )
    if crop_size is not None:
        check_count("crop_size", crop_size)
    check_image_shape(image_shape, fixed_size=False)
    check_count("classes", classes)


def without_top(backbone, backbone_args) -> dict:
    """Those of a backbone's arguments that do not act on the classifier's top."""
    top_args = find_cut(backbone).top_args
    return {k: v for k, v in (backbone_args or {}).items() if k not in top_args}


def make_backbone(backbone, backbone_args, image_shape) -> keras.Model:
    """The part of a classifier that sees the whole image: images to maps."""
    cut, args = find_cut(backbone), without_top(backbone, backbone_args)
    args, shape = {**dict(cut.map_args), **args}, tuple(image_shape)
    whole = create_model(backbone, include_top=False, input_shape=shape, **args)
    maps = whole.get_layer(cut.maps).output
    return keras.Model(whole.input, maps, name=BACKBONE)


class RegionLayers:
    """The layers of a classifier that see one region, from pooled maps to a vector.

    Args:
        backbone, backbone_args: the classifier.
        crop_size: height and width of the images that it is made for; None: its own.
        channels: of these images.
        whole: whether they are all its layers, from the image on, and not those after
            ``Cut.resumed`` alone.

    Attributes:
        input_shape: ``(height, width, channels)`` of what they take.
    """

    def __init__(self, backbone, backbone_args, crop_size, channels, whole=False):
        size = crop_size or model_info(backbone).input_shape[0]
        network = create_model(
            backbone,
            input_shape=(size, size, channels),
            classes=1,
            **(backbone_args or {}),
        )
        first = network.input
        if not whole:
            first = _graph.output_of(network, find_cut(backbone).resumed)
        last = network.get_layer(HEAD_NAME).input
        self._layers = _graph.LayersBetween(network, first, last)
        self.input_shape = tuple(first.shape[1:])
        del network, first, last
        gc.collect()  # of VGG16 half a gigabyte, before the layers get their weights

    def __call__(self, x):
        """New layers of the same names on another tensor."""
        x = self._layers(x)
        if len(x.shape) == 4:
            x = layers.GlobalAveragePooling2D(name="region_average")(x)
        return x


def region_outputs(vectors, rois, classes, has_boxes=True):
    """Logits, and box deltas where wanted, of vectors of regions.

    Args:
        vectors: ``(batch * regions, channels)``.
        rois: ``(batch, regions, 4)``.
        classes: number of classes without the background.
        has_boxes: whether boxes are regressed.

    Returns:
        List of logits ``(batch, regions, 1 + classes)``, background first, and of
        deltas ``(batch, regions, 1 + classes, 4)``.
    """
    x = layers.Dense(
        1 + classes,
        kernel_initializer=keras.initializers.RandomNormal(0.0, 0.01),
        dtype=head_dtype(),
        name="class_logits",
    )(vectors)
    outputs = [UnfoldRegions(dtype=head_dtype(), name="region_logits")([x, rois])]
    if has_boxes:
        x = layers.Dense(
            4 * (1 + classes),
            kernel_initializer=keras.initializers.RandomNormal(0.0, 0.001),
            dtype=head_dtype(),
            name="box_deltas",
        )(vectors)
        x = layers.Reshape(
            (1 + classes, 4), dtype=head_dtype(), name="deltas_by_class"
        )(x)
        outputs.append(
            UnfoldRegions(dtype=head_dtype(), name="region_deltas")([x, rois])
        )
    return outputs


def region_input():
    """Boxes of regions ``(batch, regions, 4)``, of which any number may be given."""
    return keras.Input(REGION_SHAPE, name="rois", dtype=head_dtype())


def fold(x):
    """``(batch, regions, ...)`` to ``(batch * regions, ...)``."""
    return FoldRegions(name="fold_regions")(x)


def detectors(builder, rows, *, paper, condition_shape, output_shape=(None, 21)):
    """Enters the detectors of a table.

    Args:
        builder: the family's general builder.
        rows: by function name, (registry name, arguments that are not the builder's
            defaults, params with 20 classes, the paper's result or "").
        paper: of ``ModelInfo``.
        condition_shape: of the second input.
        output_shape: of the first output, with 20 classes.

    Returns:
        Function of a function name to its constructor.
    """

    def enter(function_name):
        name, architecture, params, published = rows[function_name]
        backbone = {**builder.architecture, **architecture}["backbone"]
        return register_network(
            builder,
            function_name,
            architecture=architecture,
            name=name,
            task="detection",
            paper=paper,
            params=params,
            published=published,
            input_shape=(None, None, 3),
            condition_shape=condition_shape,
            output_shape=output_shape,
            preprocessing=model_info(backbone).preprocessing,
            traits=("slow_build",) if backbone in _DEEP else (),
        )

    return enter
