"""GoogLeNet (Inception v1): each module looks at its input at several scales at once.

Szegedy et al., "Going Deeper with Convolutions", arXiv 1409.4842, table 1. Padding,
pooling that rounds up, normalisation across channels and the convolutions' initial
values are those of BVLC's Caffe model, the public replication; dense layers start from
Glorot's distribution.

Deviations:

- ``GoogLeNetTorch`` takes the form of torchvision, so that its files load: batch
  normalisation (epsilon 1e-3, momentum 0.9) in place of biases and of normalisation
  across channels, 3x3 convolutions where the paper has 5x5, a last pooling of 2x2/2,
  dropout 0.2, and auxiliary heads that average to 4x4 maps whatever the input. In
  torchvision's public file the auxiliary heads are untrained.
- The paper's auxiliary heads average 5x5/3, which gives 4x4 maps at 224x224 and other
  sizes elsewhere; their dense layers need an input of known size.
- ``stem="small"`` and ``depth_multiplier`` (TF-slim's) are not from the paper.
"""

from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns._checks import check_choice, check_flag, check_positive
from keras_cnns.applications.frame.builder import (
    Design,
    classification_builder,
    pooled_classifier,
)
from keras_cnns.applications.frame.parts import (
    IMAGENET,
    STEM_SHAPES,
    ceil_max_pooling,
    check_stem,
    classifier,
    conv_initializer,
    normalised,
    scaled_width,
    xavier_initializer,
)
from keras_cnns.applications.frame.public_files import torchvision_file
from keras_cnns.applications.frame.registry import register
from keras_cnns.layers import AdaptiveAveragePooling2D, LocalResponseNormalization

# module: filters of 1x1, 3x3 reduction, 3x3, 5x5 reduction, 5x5, pool projection.
_MODULES = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
_AUXILIARY = ("4a", "4d")  # modules whose output an auxiliary head sees
_AUXILIARY_WIDTHS = (128, 1024)  # of its convolution and its dense layer
# large: size of the largest kernel in a module; dropout_rate: before the classifier.
_FORMS = {
    "paper": {"batch_norm": False, "large": 5, "dropout_rate": 0.4},
    "torch": {"batch_norm": True, "large": 3, "dropout_rate": 0.2},
}
# Modules of torchvision's GoogLeNet; each ends in .conv or .bn.
_STATE_DICT_NAMES = (
    *(
        (rf"{theirs}\.{part}", rf"{ours}{suffix}")
        for theirs, ours in (
            ("conv1", "conv1_7x7_s2"),
            ("conv2", "conv2_3x3_reduce"),
            ("conv3", "conv2_3x3"),
            (r"inception(\d[a-e])\.branch1", r"inception_\1_1x1"),
            (r"inception(\d[a-e])\.branch2\.0", r"inception_\1_3x3_reduce"),
            (r"inception(\d[a-e])\.branch2\.1", r"inception_\1_3x3"),
            (r"inception(\d[a-e])\.branch3\.0", r"inception_\1_5x5_reduce"),
            (r"inception(\d[a-e])\.branch3\.1", r"inception_\1_5x5"),
            (r"inception(\d[a-e])\.branch4\.1", r"inception_\1_pool_proj"),
            (r"(aux\d)\.conv", r"\1_conv"),
        )
        for part, suffix in (("conv", ""), ("bn", "_bn"))
    ),
    (r"(aux\d)\.fc1", r"\1_dense"),
    (r"(aux\d)\.fc2", r"\1_predictions"),
    (r"fc", "predictions"),
)
_STAGE_ENDS = (
    "conv1_7x7_s2_relu",
    "conv2_3x3_relu",
    "inception_3b",
    "inception_4e",
    "inception_5b",
)


def _conv(x, filters, size, form, name, strides=1):
    """Convolution, batch normalisation in torchvision's form, ReLU."""
    if strides > 1:
        x = layers.ZeroPadding2D(size // 2, name=f"{name}_pad")(x)
    initial = {"kernel_initializer": conv_initializer()}
    if not form["batch_norm"]:
        initial = {
            "kernel_initializer": xavier_initializer(),
            "bias_initializer": keras.initializers.Constant(0.2),
        }
    x = layers.Conv2D(
        filters,
        size,
        strides=strides,
        padding="same" if strides == 1 else "valid",
        use_bias=not form["batch_norm"],
        name=name,
        **initial,
    )(x)
    if form["batch_norm"]:
        x = normalised(x, name, epsilon=1e-3)
    return layers.Activation("relu", name=f"{name}_relu")(x)


def _module(x, widths, form, name):
    """1x1, 3x3, 5x5 and max pooling side by side, reduced by 1x1 convolutions."""
    one, reduce_3, three, reduce_5, five, projection = widths
    first = _conv(x, one, 1, form, f"{name}_1x1")
    second = _conv(x, reduce_3, 1, form, f"{name}_3x3_reduce")
    second = _conv(second, three, 3, form, f"{name}_3x3")
    third = _conv(x, reduce_5, 1, form, f"{name}_5x5_reduce")
    third = _conv(third, five, form["large"], form, f"{name}_5x5")
    fourth = layers.MaxPooling2D(3, strides=1, padding="same", name=f"{name}_pool")(x)
    fourth = _conv(fourth, projection, 1, form, f"{name}_pool_proj")
    return layers.Concatenate(name=name)([first, second, third, fourth])


def _imagenet_stem(x, widths, form):
    """7x7/2, pooling, 1x1, 3x3, pooling, across channels normalised twice."""
    x = _conv(x, widths[0], 7, form, "conv1_7x7_s2", strides=2)
    x = ceil_max_pooling(x, "pool1_3x3_s2")
    if not form["batch_norm"]:
        x = LocalResponseNormalization(name="pool1_norm1")(x)
    x = _conv(x, widths[0], 1, form, "conv2_3x3_reduce")
    x = _conv(x, widths[1], 3, form, "conv2_3x3")
    if not form["batch_norm"]:
        x = LocalResponseNormalization(name="conv2_norm2")(x)
    return ceil_max_pooling(x, "pool2_3x3_s2")


def _last_pooling(x, form):
    """2x2/2 in torchvision's form, else as the others; both round up."""
    if not form["batch_norm"]:
        return ceil_max_pooling(x, "pool4_3x3_s2")
    return layers.MaxPooling2D(2, strides=2, padding="same", name="pool4_2x2_s2")(x)


def _auxiliary_head(number, form, depth_multiplier):
    """Average pooling, 1x1, dense, dropout 0.7, classifier.

    The map is flattened channel by channel, as Caffe and PyTorch do, so that kernels
    of theirs fit.
    """
    name = f"aux{number}"
    filters, units = (scaled_width(w, depth_multiplier) for w in _AUXILIARY_WIDTHS)

    def head(x, classes, activation):
        if form["batch_norm"]:
            x = AdaptiveAveragePooling2D(4, name=f"{name}_pool")(x)
        else:
            x = layers.AveragePooling2D(5, strides=3, name=f"{name}_pool")(x)
        x = _conv(x, filters, 1, form, f"{name}_conv")
        x = layers.Permute((3, 1, 2), name=f"{name}_channels_first")(x)
        x = layers.Flatten(name=f"{name}_flatten")(x)
        x = layers.Dense(units, activation="relu", name=f"{name}_dense")(x)
        x = layers.Dropout(0.7, name=f"{name}_dropout")(x)
        return classifier(x, classes, activation, name=f"{name}_predictions")

    return head


@classification_builder(head_options=("aux_heads", "dropout_rate"))
def _googlenet(
    form,
    *,
    aux_heads=False,
    stem="imagenet",
    stem_strides=1,
    depth_multiplier=1.0,
    dropout_rate=None,
):
    """General GoogLeNet builder.

    Args:
        form: ``"paper"`` or ``"torch"`` (batch normalisation, 3x3 for 5x5).
        aux_heads: whether two auxiliary classifiers, on modules 4a and 4d, give further
            outputs for the training loss; part of the classifier.
        stem: ``"imagenet"`` (7x7/2, 3x3 and two poolings) or ``"small"`` (one 3x3).
        stem_strides: stride of the small stem, 1 or 2.
        depth_multiplier: factor of all widths, which stay at least 16.
        dropout_rate: fraction of values dropped before the classifier, in [0, 1); None
            takes 0.4, or 0.2 in torchvision's form.
    """
    check_choice("form", form, _FORMS)
    check_stem(stem, stem_strides)
    check_positive("depth_multiplier", depth_multiplier)
    check_flag("aux_heads", aux_heads)
    reads_state_dicts = form == "torch" and stem == "imagenet"
    form = _FORMS[form]

    def scaled(widths):
        return [scaled_width(w, depth_multiplier) for w in widths]

    def features(x):
        if stem == "imagenet":
            x = _imagenet_stem(x, scaled((64, 192)), form)
        else:
            x = _conv(x, *scaled((192,)), 3, form, "conv1_3x3", strides=stem_strides)
        seen = []
        for module, widths in _MODULES.items():
            if module == "4a":
                x = ceil_max_pooling(x, "pool3_3x3_s2")
            elif module == "5a":
                x = _last_pooling(x, form)
            x = _module(x, scaled(widths), form, f"inception_{module}")
            if module in _AUXILIARY:
                seen.append(x)
        return x, seen

    rate = form["dropout_rate"] if dropout_rate is None else dropout_rate
    heads = [_auxiliary_head(i, form, depth_multiplier) for i in (1, 2)]
    needs_size = aux_heads and not form["batch_norm"]  # 5x5 windows, on 10x10 maps
    return Design(
        features,
        default_shape=STEM_SHAPES[stem],
        min_size=(10 if needs_size else 4)
        * (8 if stem == "imagenet" else stem_strides),
        head=pooled_classifier(rate),
        auxiliary_heads=tuple(heads) if aux_heads else (),
        fixed_size=needs_size,
        state_dict_names=_STATE_DICT_NAMES if reads_state_dicts else (),
        state_dict_hint="torchvision's files hold the form with batch normalisation; "
        "build GoogLeNetTorch for them",
    )


def _variant(function_name, form, **info):
    return register(
        _googlenet,
        function_name,
        architecture={"form": form},
        stage_ends=_STAGE_ENDS,
        **IMAGENET,
        **info,
    )


# Counted from Caffe's layers and by torchvision; 13,378,280 and 13,004,888 with the
# auxiliary heads.
GoogLeNet = _variant(
    "GoogLeNet",
    "paper",
    name="googlenet",
    paper="GoogLeNet, arXiv 1409.4842, table 1",
    params=6_998_552,
    macs=1.583e9,
    published="ImageNet top-5 error 10.07 %, 1-crop",
    preprocessing="caffe",
)
GoogLeNetTorch = _variant(
    "GoogLeNetTorch",
    "torch",
    name="googlenet_torch",
    paper="GoogLeNet, arXiv 1409.4842, table 1, in torchvision's form",
    params=6_624_904,
    macs=1.498e9,
    published="ImageNet error 30.22/10.47 %, 1-crop (torchvision's weights)",
    preprocessing="tf",
    note="batch normalisation in place of biases, 3x3 convolutions in place of 5x5",
    public_weights={
        "imagenet": torchvision_file("googlenet-1378be20", preprocessing="tf")
    },
)

__all__ = ["GoogLeNet", "GoogLeNetTorch"]
