"""Dual path networks: each block adds to one path of channels and appends to another.

Chen, Li, Xiao, Jin, Yan, Feng, "Dual Path Networks", arXiv 1707.01629, table 1
(92 and 98). The others are the authors' released nets, as timm has them.

Batch normalisation and ReLU precede every convolution but the first; none has a bias.
The last activation is ReLU: timm declares ELU, but resolves it to ReLU, as the authors'
network has it. Deviations: none known.
"""

from tensorflow.keras import layers

from keras_cnns._checks import check_choice, check_count, check_counts, check_flag
from keras_cnns.applications.frame.builder import (
    Design,
    classification_builder,
    pooled_classifier,
)
from keras_cnns.applications.frame.parts import (
    IMAGENET,
    STEM_SHAPES,
    check_stem,
    classifier,
    conv_initializer,
    stem_pooling,
)
from keras_cnns.applications.frame.public_files import hub_file
from keras_cnns.applications.frame.registry import register
from keras_cnns.layers import GroupedConv2D, MatrixBatchNormalization

# The builder's first arguments: units, increments, filters and groups of the 3x3
# convolutions, channels of the residual path, filters and size of the first one. Then
# params (trainable) and multiply-adds as counted on timm's nets, the ImageNet error.
_68 = ((3, 4, 12, 3), (16, 32, 32, 64), 128, 32, 64, 10, 3, 12_611_602, 2.3262e9)
_92 = ((3, 4, 20, 3), (16, 32, 24, 128), 96, 32, 256, 64, 7, 37_668_392, 6.5017e9)
_98 = ((3, 6, 20, 3), (16, 32, 32, 128), 160, 40, 256, 96, 7, 61_570_728, 11.671e9)
_107 = ((4, 8, 20, 3), (20, 64, 64, 128), 200, 50, 256, 128, 7, 86_917_800, 18.299e9)
_131 = ((4, 8, 28, 3), (16, 32, 32, 128), 160, 40, 256, 128, 7, 79_254_504, 16.014e9)
_VARIANTS = {
    "DPN68": (*_68, "23.57/6.93 %, 1-crop"),
    "DPN68b": (*_68, "22.45 % top-1, 1-crop, pretrained on ImageNet-5k"),
    "DPN92": (*_92, "20.73/5.37 %, 1-crop"),
    "DPN98": (*_98, "20.15/5.15 %, 1-crop"),
    "DPN107": (*_107, "19.75 % top-1, 1-crop, pretrained on ImageNet-5k"),
    "DPN131": (*_131, "19.93/5.12 %, 1-crop"),
}
_PRETRAINED = (
    "published error and file mx_in1k come from pretraining on ImageNet-5k; not to be "
    "compared with training from scratch"
)
_NOTES = {
    "DPN68b": _PRETRAINED,
    "DPN92": "the file mx_in1k was pretrained on ImageNet-5k (19.98 % top-1 error), "
    "the published error is that of training from scratch",
    "DPN107": _PRETRAINED,
}
_NORM = {"epsilon": 1e-3, "momentum": 0.9}
# Modules of timm's DPN.
_STATE_DICT_NAMES = (
    (r"features\.conv1_1\.(conv|bn)", r"conv1_\1"),
    *(
        (rf"features\.conv(\d)_(\d+)\.{theirs}", rf"conv\1_block\2_{ours}")
        for theirs, ours in (
            (r"c1x1_w_s[12]\.(conv|bn)", r"0_\3"),
            (r"c1x1_a\.(conv|bn)", r"1_\3"),
            (r"c3x3_b\.(conv|bn)", r"2_\3"),
            (r"c1x1_c\.(conv|bn)", r"3_\3"),
            (r"c1x1_c1", "3_residual_conv"),
            (r"c1x1_c2", "3_dense_conv"),
        )
    ),
    (r"features\.conv5_bn_ac\.bn", "bn"),
    (r"classifier", "predictions"),
)
# Side of the windows whose classes the authors' mean-max pooling compares.
_WINDOW = 7


def _norm_relu(x, name):
    x = MatrixBatchNormalization(**_NORM, name=f"{name}bn")(x)
    return layers.Activation("relu", name=f"{name}relu")(x)


def _conv(x, filters, size, strides, name, groups=1):
    """Convolution without bias, symmetric padding."""
    padding = "same" if strides == 1 else "valid"
    if size > 1 and strides > 1:
        x = layers.ZeroPadding2D(size // 2, name=f"{name[:-4]}pad")(x)
    return GroupedConv2D(
        filters,
        size,
        strides=strides,
        padding=padding,
        groups=groups,
        use_bias=False,
        kernel_initializer=conv_initializer(),
        name=name,
    )(x)


def _norm_conv(x, filters, size, strides, name, groups=1):
    x = _norm_relu(x, f"{name}_")
    return _conv(x, filters, size, strides, f"{name}_conv", groups)


def _stem(x, filters, size, is_small):
    """Convolution; for ImageNet both it and a max pooling stride."""
    x = _conv(x, filters, size, 1 if is_small else 2, "conv1_conv")
    x = _norm_relu(x, "conv1_")
    return x if is_small else stem_pooling(x)


def _transform(x, filters, width, increment, strides, groups, separate, name):
    """1x1, grouped 3x3 and 1x1; what it gives to the residual and the dense path."""
    x = _norm_conv(x, filters, 1, 1, f"{name}_1")
    x = _norm_conv(x, filters, 3, strides, f"{name}_2", groups)
    if separate:
        x = _norm_relu(x, f"{name}_3_")
        residual = _conv(x, width, 1, 1, f"{name}_3_residual_conv")
        return residual, _conv(x, increment, 1, 1, f"{name}_3_dense_conv")
    x = _norm_conv(x, width + increment, 1, 1, f"{name}_3")
    return x[..., :width], x[..., width:]


def _stage(x, units, filters, width, increment, strides, groups, separate, name):
    """Blocks over two paths, which a strided projection starts."""
    paths = _norm_conv(x, width + 2 * increment, 1, strides, f"{name}_block1_0")
    residual, dense = paths[..., :width], paths[..., width:]
    for i in range(1, units + 1):
        block = f"{name}_block{i}"
        added, appended = _transform(
            x, filters, width, increment, strides, groups, separate, block
        )
        residual = layers.Add(name=f"{block}_add")([residual, added])
        dense = layers.Concatenate(name=f"{block}_concat")([dense, appended])
        x = layers.Concatenate(name=f"{block}_out")([residual, dense])
        strides = 1
    return x


def _mean_max_classifier(x, classes, activation):
    """Mean of the average and the maximum of the logits of all 7x7 windows."""
    if any(size is not None and size < _WINDOW for size in x.shape[1:3]):
        raise ValueError(
            "mean_max_pooling=True needs larger inputs: the last map must be at least "
            f"{_WINDOW}x{_WINDOW}, got {x.shape[1]}x{x.shape[2]}"
        )
    x = layers.AveragePooling2D(_WINDOW, strides=1, name="window_pool")(x)
    logits = classifier(x, classes, None)
    full = {"dtype": logits.dtype.name}
    mean = layers.GlobalAveragePooling2D(name="avg_pool", **full)(logits)
    largest = layers.GlobalMaxPooling2D(name="max_pool", **full)(logits)
    x = layers.Average(name="mean_max", **full)([mean, largest])
    return layers.Activation(activation, name="scores", **full)(x)


@classification_builder(head_options=("mean_max_pooling",))
def _dpn(
    units=(3, 4, 12, 3),
    increments=(16, 32, 32, 64),
    filters=128,
    groups=32,
    width=64,
    initial_filters=10,
    initial_size=3,
    separate_outputs=False,
    stem="imagenet",
    *,
    mean_max_pooling=False,
):
    """General dual path network builder.

    Args:
        units: number of blocks in each stage.
        increments: for each stage, channels that a block appends to the dense path.
        filters: of the 1x1 and 3x3 convolutions of the first stage; doubles per stage.
        groups: of the 3x3 convolutions; divides ``filters``.
        width: channels of the first stage's residual path; doubles per stage.
        initial_filters: channels of the first convolution.
        initial_size: kernel size of the first convolution, odd.
        separate_outputs: whether two 1x1 convolutions feed the two paths (68b), not two
            slices of one.
        stem: ``"imagenet"`` (stride 2, then max pooling) or ``"small"`` (neither; not
            from the paper).
        mean_max_pooling: whether the classifier looks at every 7x7 window of the last
            map and gives half the mean plus half the maximum of the logits; for tests
            on images larger than those of training. Same weights.
    """
    check_counts("units", units)
    check_counts("increments", increments)
    if len(increments) != len(units):
        raise ValueError(
            f"increments must have one number per stage ({len(units)}), "
            f"got {increments!r}"
        )
    check_count("filters", filters)
    check_count("groups", groups)
    if filters % groups:
        raise ValueError(f"groups={groups!r} must divide filters={filters!r}")
    check_count("width", width)
    check_count("initial_filters", initial_filters)
    check_choice("initial_size", initial_size, (1, 3, 5, 7))
    check_flag("separate_outputs", separate_outputs)
    check_stem(stem)
    check_flag("mean_max_pooling", mean_max_pooling)

    def features(x):
        x = _stem(x, initial_filters, initial_size, stem == "small")
        for stage, (length, increment) in enumerate(zip(units, increments)):
            x = _stage(
                x,
                length,
                filters * 2**stage,
                width * 2**stage,
                increment,
                2 if stage else 1,
                groups,
                separate_outputs,
                f"conv{stage + 2}",
            )
        return _norm_relu(x, "")

    return Design(
        features,
        default_shape=STEM_SHAPES[stem],
        min_size=(4 if stem == "imagenet" else 1) * 2 ** (len(units) - 1),
        head=_mean_max_classifier if mean_max_pooling else pooled_classifier(),
        state_dict_names=_STATE_DICT_NAMES if stem == "imagenet" else (),
    )


def _info(function_name):
    """What the registry's row of a variant takes from the table."""
    units, *_, params, macs, error = _VARIANTS[function_name]
    ends = (f"conv{s}_block{n}_out" for s, n in enumerate(units[:-1], start=2))
    return {
        **IMAGENET,
        "params": params,
        "macs": macs,
        "published": f"ImageNet error {error}",
        "note": _NOTES.get(function_name, ""),
        "preprocessing": "dpn",
        "stage_ends": ("conv1_relu", *ends, "relu"),
    }


def _variant(function_name):
    name = function_name.lower()
    public = {"mx_in1k": hub_file(f"{name}.mx_in1k")}
    if name == "dpn68b":
        public["ra_in1k"] = hub_file("dpn68b.ra_in1k", preprocessing="torch")
    source = "table 1" if name in ("dpn92", "dpn98") else "the authors' released net"
    return register(
        _dpn,
        function_name,
        architecture={
            **dict(zip(_dpn.architecture, _VARIANTS[function_name][:7])),
            "separate_outputs": name == "dpn68b",
        },
        public_weights={"imagenet": public["mx_in1k"], **public},
        name=name,
        paper=f"Dual Path Networks, arXiv 1707.01629, {source}",
        **_info(function_name),
    )


DPN68 = _variant("DPN68")
DPN68b = _variant("DPN68b")
DPN92 = _variant("DPN92")
DPN98 = _variant("DPN98")
DPN107 = _variant("DPN107")
DPN131 = _variant("DPN131")
DPN = register(
    _dpn,
    "DPN",
    name="dpn",
    paper="Dual Path Networks, arXiv 1707.01629, general builder (default: DPN-68)",
    **_info("DPN68"),
)

__all__ = ["DPN", *_VARIANTS]
