"""DenseNet: every layer sees the maps of all layers before it in its block.

Huang, Liu, van der Maaten, Weinberger, "Densely Connected Convolutional Networks",
arXiv 1608.06993, tables 1 and 2. DenseNet-161 (k=48) is the authors' released net, and
BC-40 (k=12) the small BC net of the public ports; neither is in the tables. The
largest two are of the authors' report on memory, arXiv 1707.06990.

The ImageNet nets carry the layer names, epsilon (1.001e-5) and momentum (0.99) of
``keras.applications``, so that its files load. A CIFAR net starts with 16 channels
(basic) or 2k (BC): only 16 gives the published counts, although the authors' released
code always starts with 2k. Deviations: none known.
"""

from typing import NamedTuple

from tensorflow.keras import layers

from keras_cnns._checks import check_count, check_counts, check_flag, check_within
from keras_cnns.applications.frame.builder import Design, classification_builder
from keras_cnns.applications.frame.parts import (
    IMAGENET,
    SMALL_IMAGES,
    STEM_SHAPES,
    check_stem,
    conv_initializer,
    dropout,
)
from keras_cnns.applications.frame.public_files import hub_file, keras_file
from keras_cnns.applications.frame.registry import register
from keras_cnns.layers import (
    BatchNormalizationFromMoments,
    ChannelMoments,
    MatrixBatchNormalization,
    RecomputingConv2D,
)

# Dense layers per block, growth rate, params (trainable, at the paper's class count:
# timm / pytorchcv, the paper's tables), multiply-adds, the paper's error.
_IMAGENET = {
    "DenseNet121": ((6, 12, 24, 16), 32, 7_978_856, 2.834e9, "25.02/7.71"),
    "DenseNet161": ((6, 12, 36, 24), 48, 28_681_000, 7.728e9, "22.2"),
    "DenseNet169": ((6, 12, 32, 32), 32, 14_149_480, 3.360e9, "23.80/6.85"),
    "DenseNet201": ((6, 12, 48, 32), 32, 20_013_928, 4.291e9, "22.58/6.34"),
    "DenseNet264": ((6, 12, 64, 48), 32, 33_337_704, 5.752e9, "22.15/6.12"),
    "DenseNet232K48": ((6, 12, 48, 48), 48, 55_570_984, 10.119e9, "21.2"),
    "DenseNet264K48": ((6, 12, 64, 48), 48, 72_686_632, 12.851e9, "20.4"),
}
# Of growth rate 48, where the error is top-1 alone: source, and protocol of the error.
_K48 = {
    "DenseNet161": ("1608.06993, the authors' released net", "1-crop"),
    "DenseNet232K48": ("1707.06990, with k=48", "1-crop (unverified)"),
    "DenseNet264K48": ("1707.06990, with k=48", "1-crop, cosine rate (unverified)"),
}
# MD5 of Keras' files with and without the classifier, by depth.
_MD5 = {
    "121": ("9d60b8095a5708f2dcce2bca79d332c7", "30ee3e1110167f948a6b9946edeeb738"),
    "169": ("d699b8f76981ab1b30698df4c175e90b", "b8c4d4c20dd625c148057b9ff1c1176b"),
    "201": ("1ceb130c1ea1b78c3bf6114dbdfd8807", "c13680b51ded0fb44dff2d8f86ac8bb1"),
}
_ON_HUB = ("121", "161", "169", "201")
# depth, growth_rate, bottleneck and compression (BC), params with 10 classes,
# multiply-adds, the paper's error.
_CIFAR = {
    "CifarDenseNet40K12": (40, 12, False, 1_019_722, 264.8e6, 5.24),
    "CifarDenseNet100K12": (100, 12, False, 6_979_642, 1.770e9, 4.1),
    "CifarDenseNet100K24": (100, 24, False, 27_249_082, 6.889e9, 3.74),
    "CifarDenseNetBC40K12": (40, 12, True, 176_122, None, None),
    "CifarDenseNetBC100K12": (100, 12, True, 769_162, 287.9e6, 4.51),
    "CifarDenseNetBC250K24": (250, 24, True, 15_324_406, 5.419e9, 3.62),
    "CifarDenseNetBC190K40": (190, 40, True, 25_624_430, 9.302e9, 3.46),
}
# Of batch normalisation: as keras.applications has it, and as the authors' code has.
_NORM = {
    "imagenet": {"epsilon": 1.001e-5, "momentum": 0.99},
    "small": {"epsilon": 1e-5, "momentum": 0.9},
}
# Modules of timm's and torchvision's DenseNet; their older files say norm.1, conv.2.
_STATE_DICT_NAMES = (
    (r"features\.conv0", "conv1/conv"),
    (r"features\.norm0", "conv1/bn"),
    *(
        (
            rf"features\.denseblock(\d)\.denselayer(\d+)\.{theirs}",
            rf"conv{{\1+1}}_block\2_{ours}",
        )
        for theirs, ours in (
            (r"norm\.?1", "0_bn"),
            (r"conv\.?1", "1_conv"),
            (r"norm\.?2", "1_bn"),
            (r"conv\.?2", "2_conv"),
        )
    ),
    (r"features\.transition(\d)\.norm", r"pool{\1+1}_bn"),
    (r"features\.transition(\d)\.conv", r"pool{\1+1}_conv"),
    (r"features\.norm5", "bn"),
    (r"classifier", "predictions"),
)
_STAGE_ENDS = ("conv1/relu", "pool2_relu", "pool3_relu", "pool4_relu", "relu")


class _Maps(NamedTuple):
    """Maps of a block, and where they are recomputed what they are recomputed from."""

    tensor: object
    parts: tuple = ()
    moments: object = None


def _one_part(x, memory_efficient):
    """Maps that are no concatenation."""
    if not memory_efficient:
        return _Maps(x)
    moments = ChannelMoments(name=f"{x.node.layer.name}_moments")(x)
    return _Maps(x, (x,), moments)


def _concatenate(maps, new, name):
    x = layers.Concatenate(name=name)([maps.tensor, new.tensor])
    if not maps.parts:
        return _Maps(x)
    joined = layers.Concatenate(dtype=maps.moments.dtype.name, name=f"{name}_moments")
    return _Maps(x, maps.parts + new.parts, joined([maps.moments, new.moments]))


def _convolution(x, filters, size, dropout_rate, name, kind=layers.Conv2D, **kwargs):
    """Convolution without bias, then dropout where there is any."""
    x = kind(
        filters,
        size,
        use_bias=False,
        kernel_initializer=conv_initializer(),
        name=name,
        **kwargs,
    )(x)
    return dropout(x, dropout_rate, f"{name}_dropout")


def _norm_relu(x, norm, name):
    x = MatrixBatchNormalization(**norm, name=f"{name}bn")(x)
    return layers.Activation("relu", name=f"{name}relu")(x)


def _norm_relu_convolution(maps, filters, size, dropout_rate, norm, names, **kwargs):
    """BN-ReLU-convolution; ``names`` are the prefix of the first two, and the last."""
    prefix, name = names
    if not maps.parts:
        x = _norm_relu(maps.tensor, norm, prefix)
        return _convolution(x, filters, size, dropout_rate, name, **kwargs)
    norm_layer = BatchNormalizationFromMoments(**norm, name=f"{prefix}bn")
    x, *coefficients = norm_layer([maps.tensor, maps.moments])
    x = layers.Activation("relu", name=f"{prefix}relu")(x)
    inputs = [x, maps.tensor, *coefficients, *maps.parts]
    kwargs["kind"] = RecomputingConv2D
    return _convolution(inputs, filters, size, dropout_rate, name, **kwargs)


def _dense_layer(maps, growth_rate, bottleneck, dropout_rate, norm, name):
    """BN-ReLU-[1x1 (4k)-BN-ReLU-]3x3 (k), appended to its own input."""
    memory_efficient = bool(maps.parts)
    new, unit = maps, 0
    if bottleneck:
        names = f"{name}_0_", f"{name}_1_conv"
        x = _norm_relu_convolution(new, 4 * growth_rate, 1, dropout_rate, norm, names)
        new, unit = _one_part(x, memory_efficient), 1
    names = f"{name}_{unit}_", f"{name}_2_conv"
    x = _norm_relu_convolution(
        new, growth_rate, 3, dropout_rate, norm, names, padding="same"
    )
    return _concatenate(maps, _one_part(x, memory_efficient), f"{name}_concat")


def _dense_block(maps, length, growth_rate, bottleneck, dropout_rate, norm, name):
    for i in range(1, length + 1):
        maps = _dense_layer(
            maps, growth_rate, bottleneck, dropout_rate, norm, f"{name}_block{i}"
        )
    return maps


def _transition(maps, compression, dropout_rate, norm, name):
    """BN-ReLU-1x1 with compression, then 2x2 average pooling."""
    channels = maps.tensor.shape[-1]
    filters = int(channels * compression)
    if not filters:
        raise ValueError(
            f"compression={compression!r} leaves none of {channels} channels"
        )
    names = f"{name}_", f"{name}_conv"
    x = _norm_relu_convolution(maps, filters, 1, dropout_rate, norm, names)
    return layers.AveragePooling2D(2, strides=2, name=f"{name}_pool")(x)


def _stem(x, kind, filters, strides, norm):
    if kind == "imagenet":
        return _imagenet_stem(x, filters, norm)
    return _small_image_stem(x, filters, strides)


def _imagenet_stem(x, filters, norm):
    """7x7/2 and 3x3/2 max pooling, both with symmetric padding."""
    x = layers.ZeroPadding2D(3)(x)
    x = _convolution(x, filters, 7, 0.0, "conv1/conv", strides=2)
    x = _norm_relu(x, norm, "conv1/")
    x = layers.ZeroPadding2D(1)(x)
    return layers.MaxPooling2D(3, strides=2, name="pool1")(x)


def _small_image_stem(x, filters, strides):
    """One 3x3 convolution; the first dense layer normalises it."""
    if strides == 1:
        return _convolution(x, filters, 3, 0.0, "conv1/conv", padding="same")
    x = layers.ZeroPadding2D(1)(x)
    return _convolution(x, filters, 3, 0.0, "conv1/conv", strides=strides)


@classification_builder
def _densenet(
    blocks=(6, 12, 24, 16),
    growth_rate=32,
    initial_filters=64,
    compression=0.5,
    bottleneck=True,
    stem="imagenet",
    *,
    dropout_rate=0.0,
    memory_efficient=False,
    stem_strides=1,
):
    """General DenseNet builder.

    Args:
        blocks: number of dense layers in each block.
        growth_rate: channels that each dense layer adds (k).
        initial_filters: channels of the first convolution.
        compression: fraction of the channels that a transition keeps (theta), in (0,
            1].
        bottleneck: whether a 1x1 convolution to 4k channels precedes each 3x3 one.
        stem: ``"imagenet"`` (7x7/2 and max pooling) or ``"small"`` (one 3x3).
        dropout_rate: fraction of values dropped after every convolution but the first,
            in [0, 1); the paper uses 0.2 where it does not augment.
        memory_efficient: whether training recomputes concatenated and normalised maps
            in the backward pass, so that memory grows linearly with depth.
        stem_strides: stride of the first convolution of a CIFAR net; 2 is for larger
            or cheaper inputs, not from the paper.
    """
    check_counts("blocks", blocks)
    check_count("growth_rate", growth_rate)
    check_count("initial_filters", initial_filters)
    check_within("compression", compression, "(0, 1]")
    check_flag("bottleneck", bottleneck)
    check_within("dropout_rate", dropout_rate)
    check_flag("memory_efficient", memory_efficient)
    check_stem(stem, stem_strides)
    norm = _NORM[stem]

    def features(x):
        x = _stem(x, stem, initial_filters, stem_strides, norm)
        for stage, length in enumerate(blocks, start=2):
            maps = _one_part(x, memory_efficient)
            options = growth_rate, bottleneck, dropout_rate, norm
            maps = _dense_block(maps, length, *options, f"conv{stage}")
            x = maps.tensor
            if stage <= len(blocks):
                x = _transition(maps, compression, dropout_rate, norm, f"pool{stage}")
        return _norm_relu(x, norm, "")

    smallest_map = 4 if stem == "imagenet" else stem_strides
    return Design(
        features,
        default_shape=STEM_SHAPES[stem],
        min_size=smallest_map * 2 ** (len(blocks) - 1),
        state_dict_names=_STATE_DICT_NAMES if stem == "imagenet" else (),
    )


def _public_weights(depth):
    public = {}
    if depth in _MD5:
        public["imagenet"] = keras_file("densenet", f"densenet{depth}", *_MD5[depth])
    if depth in _ON_HUB:
        public["tv_in1k"] = hub_file(f"densenet{depth}.tv_in1k")
        public.setdefault("imagenet", public["tv_in1k"])
    return public


_IMAGENET_INFO = {**IMAGENET, "preprocessing": "torch", "stage_ends": _STAGE_ENDS}


def _imagenet_variant(function_name):
    blocks, growth_rate, params, macs, error = _IMAGENET[function_name]
    name = function_name.lower().replace("k48", "_k48")
    published = f"ImageNet error {error} %, 1-crop (unverified)"
    source = "1608.06993, table 1"
    if function_name in _K48:
        source, protocol = _K48[function_name]
        published = f"ImageNet top-1 error {error} %, {protocol}"
    return register(
        _densenet,
        function_name,
        architecture={
            "blocks": blocks,
            "growth_rate": growth_rate,
            "initial_filters": 2 * growth_rate,
            "stem_strides": 1,
        },
        public_weights=_public_weights(name.removeprefix("densenet")),
        name=name,
        paper=f"DenseNet, arXiv {source}",
        params=params,
        macs=macs,
        published=published,
        **_IMAGENET_INFO,
    )


def _cifar_variant(function_name):
    depth, growth_rate, is_bc, params, macs, error = _CIFAR[function_name]
    layers_per_block = (depth - 4) // (6 if is_bc else 3)
    return register(
        _densenet,
        function_name,
        architecture={
            "blocks": (layers_per_block,) * 3,
            "growth_rate": growth_rate,
            "initial_filters": 2 * growth_rate if is_bc else 16,
            "compression": 0.5 if is_bc else 1.0,
            "bottleneck": is_bc,
            "stem": "small",
        },
        name=f"cifar_densenet{'_bc' if is_bc else ''}{depth}_k{growth_rate}",
        paper="DenseNet, arXiv 1608.06993, "
        + ("small net of public ports" if (depth, is_bc) == (40, True) else "table 2"),
        params=params,
        macs=macs,
        published=f"CIFAR-10 error {error:.2f} %, augmented" if error else "",
        min_size=4,
        stage_ends=("pool2_relu", "pool3_relu", "relu"),
        **SMALL_IMAGES,
    )


DenseNet121 = _imagenet_variant("DenseNet121")
DenseNet161 = _imagenet_variant("DenseNet161")
DenseNet169 = _imagenet_variant("DenseNet169")
DenseNet201 = _imagenet_variant("DenseNet201")
DenseNet264 = _imagenet_variant("DenseNet264")
DenseNet232K48 = _imagenet_variant("DenseNet232K48")
DenseNet264K48 = _imagenet_variant("DenseNet264K48")
CifarDenseNet40K12 = _cifar_variant("CifarDenseNet40K12")
CifarDenseNet100K12 = _cifar_variant("CifarDenseNet100K12")
CifarDenseNet100K24 = _cifar_variant("CifarDenseNet100K24")
CifarDenseNetBC40K12 = _cifar_variant("CifarDenseNetBC40K12")
CifarDenseNetBC100K12 = _cifar_variant("CifarDenseNetBC100K12")
CifarDenseNetBC250K24 = _cifar_variant("CifarDenseNetBC250K24")
CifarDenseNetBC190K40 = _cifar_variant("CifarDenseNetBC190K40")
DenseNet = register(
    _densenet,
    "DenseNet",
    name="densenet",
    paper="DenseNet, arXiv 1608.06993, general builder (default: DenseNet-121)",
    params=_IMAGENET["DenseNet121"][2],
    **_IMAGENET_INFO,
)

__all__ = ["DenseNet", *_IMAGENET, *_CIFAR]
