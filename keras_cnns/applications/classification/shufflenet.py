"""ShuffleNet v1: grouped 1x1 convolutions, with channels shuffled between the groups.

Zhang, Zhou, Lin, Sun, "ShuffleNet: An Extremely Efficient Convolutional Neural Network
for Mobile Devices", arXiv 1707.01083, tables 1 and 2.

Where a unit strides, its branch comes before its pooled input in the concatenation, as
in pytorchcv, whose state dicts it reads; the paper leaves the order open. Epsilon 1e-5
and momentum 0.9 of the batch normalisation are pytorchcv's too. It reads those of the
authors' released code, too (``_shufflenet_files.py``), which take values of 0 to 255
as they are, ``--preprocessing=pixels``. Deviations: none known.
"""

from tensorflow.keras import layers

from keras_cnns._checks import check_count, check_counts, check_positive
from keras_cnns.applications.classification import _shufflenet_files
from keras_cnns.applications.frame.builder import Design, classification_builder
from keras_cnns.applications.frame.parts import (
    IMAGENET,
    STEM_SHAPES,
    check_stem,
    conv_initializer,
    norm_relu,
    normalised,
    stem_pooling,
)
from keras_cnns.applications.frame.registry import register
from keras_cnns.layers import ChannelShuffle, GroupedConv2D

# groups, filters of the first stage (doubled per stage), params (trainable) and
# multiply-adds as counted on pytorchcv's nets, the paper's top-1 error (unverified).
_VARIANTS = {
    "ShuffleNetG1": (1, 144, 1_531_936, 143.08e6, 33.6),
    "ShuffleNetG2": (2, 200, 1_733_848, 140.84e6, 32.7),
    "ShuffleNetG3": (3, 240, 1_865_728, 137.46e6, 32.6),
    "ShuffleNetG4": (4, 272, 1_968_344, 134.34e6, 32.8),
    "ShuffleNetG8": (8, 384, 2_434_768, 138.37e6, 32.4),
}
_UNITS = (4, 8, 4)
# Modules of pytorchcv's ShuffleNet.
_STATE_DICT_NAMES = (
    (r"features\.init_block\.(conv|bn)", r"conv1_\1"),
    *(
        (rf"features\.stage(\d)\.unit(\d+)\.{theirs}", rf"stage{{\1+1}}_unit\2_{ours}")
        for theirs, ours in (
            (r"compress_(conv|bn)1", r"1_\3"),
            (r"dw_(conv|bn)2", r"2_\3"),
            (r"expand_(conv|bn)3", r"3_\3"),
        )
    ),
    (r"output", "predictions"),
)


def _norm(x, name, rectified=False):
    return norm_relu(x, name) if rectified else normalised(x, name)


def _pointwise(x, filters, groups, name, rectified=False):
    """Grouped 1x1 convolution and batch normalisation."""
    x = GroupedConv2D(
        filters,
        1,
        groups=groups,
        use_bias=False,
        kernel_initializer=conv_initializer(),
        name=f"{name}_conv",
    )(x)
    return _norm(x, name, rectified)


def _depthwise(x, strides, name):
    """3x3 convolution of each channel and batch normalisation, no ReLU."""
    if strides > 1:
        x = layers.ZeroPadding2D(1, name=f"{name}_pad")(x)
    x = layers.DepthwiseConv2D(
        3,
        strides=strides,
        padding="same" if strides == 1 else "valid",
        use_bias=False,
        depthwise_initializer=conv_initializer(),
        name=f"{name}_conv",
    )(x)
    return _norm(x, name)


def _unit(x, filters, groups, first_groups, strides, name):
    """Figure 2b of the paper, or, where it strides, 2c."""
    shortcut = x
    compressed = filters // 4
    added = filters if strides == 1 else filters - x.shape[-1]
    x = _pointwise(x, compressed, first_groups, f"{name}_1", rectified=True)
    if groups > 1:
        x = ChannelShuffle(groups, name=f"{name}_shuffle")(x)
    x = _depthwise(x, strides, f"{name}_2")
    x = _pointwise(x, added, groups, f"{name}_3")
    if strides == 1:
        x = layers.Add(name=f"{name}_add")([x, shortcut])
    else:
        shortcut = layers.ZeroPadding2D(1, name=f"{name}_0_pad")(shortcut)
        shortcut = layers.AveragePooling2D(3, strides=2, name=f"{name}_0_pool")(
            shortcut
        )
        x = layers.Concatenate(name=f"{name}_concat")([x, shortcut])
    return layers.Activation("relu", name=f"{name}_out")(x)


def _stem(x, filters, is_small):
    """3x3 convolution; for ImageNet both it and a max pooling stride."""
    if not is_small:
        x = layers.ZeroPadding2D(1, name="conv1_pad")(x)
    x = layers.Conv2D(
        filters,
        3,
        strides=1 if is_small else 2,
        padding="same" if is_small else "valid",
        use_bias=False,
        kernel_initializer=conv_initializer(),
        name="conv1_conv",
    )(x)
    x = _norm(x, "conv1", rectified=True)
    return x if is_small else stem_pooling(x)


def _scaled(filters, initial_filters, groups, stages, width_multiplier):
    """Channels of the first convolution and of every stage.

    Raises:
        ValueError: if a grouped convolution would not get whole groups.
    """
    check_positive("width_multiplier", width_multiplier)
    widths = [int(initial_filters * width_multiplier)]
    widths += [int(filters * width_multiplier) * 2**stage for stage in range(stages)]
    for before, after in zip(widths, widths[1:]):
        grouped = (after // 4, after - before)
        if (
            before < 1
            or after % 4
            or min(grouped) < 1
            or any(n % groups for n in grouped)
        ):
            raise ValueError(
                f"filters={filters!r} and initial_filters={initial_filters!r} with "
                f"width_multiplier={width_multiplier!r} give widths {widths}: a "
                "quarter of each stage's, and its excess over the one before, must be "
                f"multiples of groups={groups!r}"
            )
    return widths


@classification_builder
def _shufflenet(
    units=_UNITS,
    filters=240,
    groups=3,
    initial_filters=24,
    stem="imagenet",
    *,
    width_multiplier=1.0,
):
    """General ShuffleNet v1 builder.

    Args:
        units: number of units in each stage; the first of each strides.
        filters: channels of the first stage; double from stage to stage.
        groups: of the 1x1 convolutions, but for the very first one.
        initial_filters: channels of the first convolution.
        stem: ``"imagenet"`` (3x3/2 and max pooling) or ``"small"`` (3x3, nothing
            strides; not from the paper).
        width_multiplier: factor of all numbers of channels, as in "ShuffleNet 0.5x".
    """
    check_counts("units", units)
    check_count("filters", filters)
    check_count("groups", groups)
    check_count("initial_filters", initial_filters)
    check_stem(stem)
    first, *widths = _scaled(
        filters, initial_filters, groups, len(units), width_multiplier
    )

    def features(x):
        x = _stem(x, first, stem == "small")
        for stage, (length, width) in enumerate(zip(units, widths), start=2):
            for i in range(1, length + 1):
                x = _unit(
                    x,
                    width,
                    groups,
                    1 if (stage, i) == (2, 1) else groups,
                    2 if i == 1 else 1,
                    f"stage{stage}_unit{i}",
                )
        return x

    names = (*_STATE_DICT_NAMES, *_shufflenet_files.state_dict_names(units, groups))
    return Design(
        features,
        default_shape=STEM_SHAPES[stem],
        min_size=(4 if stem == "imagenet" else 1) * 2 ** len(units),
        state_dict_names=names if stem == "imagenet" else (),
    )


def _info(function_name):
    """What the registry's row of a variant takes from the table."""
    _, _, params, macs, error = _VARIANTS[function_name]
    ends = (f"stage{s}_unit{n}_out" for s, n in enumerate(_UNITS, start=2))
    return {
        **IMAGENET,
        "params": params,
        "macs": macs,
        "published": f"ImageNet top-1 error {error} %, 1-crop (unverified)",
        "preprocessing": "torch",
        "stage_ends": ("conv1_relu", "pool1_pool", *ends),
    }


def _variant(function_name):
    groups, filters, *_ = _VARIANTS[function_name]
    return register(
        _shufflenet,
        function_name,
        architecture={"filters": filters, "groups": groups},
        name=f"shufflenet_g{groups}",
        paper="ShuffleNet, arXiv 1707.01083, table 1",
        **_info(function_name),
    )


ShuffleNetG1 = _variant("ShuffleNetG1")
ShuffleNetG2 = _variant("ShuffleNetG2")
ShuffleNetG3 = _variant("ShuffleNetG3")
ShuffleNetG4 = _variant("ShuffleNetG4")
ShuffleNetG8 = _variant("ShuffleNetG8")
ShuffleNet = register(
    _shufflenet,
    "ShuffleNet",
    name="shufflenet",
    paper="ShuffleNet, arXiv 1707.01083, general builder (default: 1x, 3 groups)",
    **_info("ShuffleNetG3"),
)

__all__ = ["ShuffleNet", *_VARIANTS]
