"""BN-Inception (Inception v2): Inception with batch normalisation and 3x3 kernels only.

Ioffe, Szegedy, "Batch Normalization: Accelerating Deep Network Training by Reducing
Internal Covariate Shift", arXiv 1502.03167, figure 5.

The net is the one of the public Caffe model and its PyTorch copy, so that its file
loads: convolutions keep biases before batch normalisation, average pooling counts the
padding, epsilon is 1e-5, momentum 0.9. Deviations from the paper:

- Modules 4c and 4d have 608 channels, the sum of what the paper lists for them; the
  paper states 576, which TF-slim reaches by projecting their pooling to 96, not 128.
- The paper's first convolution is separable; here it is an ordinary one.
- ``batch_norm=False``, ``stem="small"`` and ``depth_multiplier`` (TF-slim's) are
  options of ours, for the paper's comparison with the same net without normalisation.
"""

from tensorflow.keras import layers

from keras_cnns._checks import check_flag, check_positive
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
    normalised,
    scaled_width,
)
from keras_cnns.applications.frame.public_files import PublicFile
from keras_cnns.applications.frame.registry import register

# module: filters of 1x1; of 3x3 (reduction, itself); of double 3x3 (reduction, each);
# the pooling and filters of its projection. Without 1x1 and projection it strides.
_MODULES = {
    "3a": (64, (64, 64), (64, 96), ("avg", 32)),
    "3b": (64, (64, 96), (64, 96), ("avg", 64)),
    "3c": (None, (128, 160), (64, 96), ("max", None)),
    "4a": (224, (64, 96), (96, 128), ("avg", 128)),
    "4b": (192, (96, 128), (96, 128), ("avg", 128)),
    "4c": (160, (128, 160), (128, 160), ("avg", 128)),
    "4d": (96, (128, 192), (160, 192), ("avg", 128)),
    "4e": (None, (128, 192), (192, 256), ("max", None)),
    "5a": (352, (192, 320), (160, 224), ("avg", 128)),
    "5b": (352, (192, 320), (192, 224), ("max", 128)),
}
# The PyTorch copy names its modules as the layers here are named.
_STATE_DICT_NAMES = (
    (r"(conv\d_\w+|inception_\d[a-e]_\w+)", r"\1"),
    (r"last_linear", "predictions"),
)
_STAGE_ENDS = (
    "conv1_7x7_s2_relu",
    "conv2_3x3_relu",
    "inception_3b",
    "inception_4d",
    "inception_5b",
)
_FILE = PublicFile(
    "http://data.lip6.fr/cadene/pretrainedmodels/bn_inception-52deb4733.pth",
    "sha256:52deb4733",
    "unknown",
)


class _Convolution:
    """Convolution, batch normalisation where asked for, ReLU; widths are scaled."""

    def __init__(self, batch_norm, depth_multiplier):
        self._batch_norm = batch_norm
        self._depth_multiplier = depth_multiplier

    def __call__(self, x, filters, size, name, strides=1):
        if strides > 1:
            x = layers.ZeroPadding2D(size // 2, name=f"{name}_pad")(x)
        x = layers.Conv2D(
            scaled_width(filters, self._depth_multiplier),
            size,
            strides=strides,
            padding="same" if strides == 1 else "valid",
            kernel_initializer="he_normal",
            name=name,
        )(x)
        if self._batch_norm:
            x = normalised(x, name)
        return layers.Activation("relu", name=f"{name}_relu")(x)


def _pooling(x, kind, strides, name):
    """3x3 pooling; an average counts the zeros around the map."""
    if kind == "max":
        return layers.MaxPooling2D(3, strides=strides, padding="same", name=name)(x)
    x = layers.ZeroPadding2D(1, name=f"{name}_pad")(x)
    return layers.AveragePooling2D(3, strides=1, name=name)(x)


def _module(x, widths, conv, name):
    """1x1, 3x3, double 3x3 and pooling side by side; 3x3s and pooling may stride."""
    one, (reduce_3, three), (reduce_double, double), (kind, projection) = widths
    strides = 1 if one else 2
    branches = [conv(x, one, 1, f"{name}_1x1")] if one else []
    second = conv(x, reduce_3, 1, f"{name}_3x3_reduce")
    branches.append(conv(second, three, 3, f"{name}_3x3", strides))
    third = conv(x, reduce_double, 1, f"{name}_double_3x3_reduce")
    third = conv(third, double, 3, f"{name}_double_3x3_1")
    branches.append(conv(third, double, 3, f"{name}_double_3x3_2", strides))
    last = _pooling(x, kind, strides, f"{name}_pool")
    branches.append(
        conv(last, projection, 1, f"{name}_pool_proj") if projection else last
    )
    return layers.Concatenate(name=name)(branches)


def _imagenet_stem(x, conv):
    """7x7/2, pooling, 1x1, 3x3, pooling; the poolings round up."""
    x = conv(x, 64, 7, "conv1_7x7_s2", strides=2)
    x = ceil_max_pooling(x, "pool1_3x3_s2")
    x = conv(x, 64, 1, "conv2_3x3_reduce")
    x = conv(x, 192, 3, "conv2_3x3")
    return ceil_max_pooling(x, "pool2_3x3_s2")


@classification_builder(head_options=("dropout_rate",))
def _bn_inception(
    *,
    batch_norm=True,
    stem="imagenet",
    stem_strides=1,
    depth_multiplier=1.0,
    dropout_rate=0.0,
):
    """General BN-Inception builder.

    Args:
        batch_norm: whether batch normalisation follows each convolution; False gives
            the same net without it.
        stem: ``"imagenet"`` (7x7/2, 3x3 and two poolings) or ``"small"`` (one 3x3).
        stem_strides: stride of the small stem, 1 or 2.
        depth_multiplier: factor of all widths, which stay at least 16.
        dropout_rate: fraction of values dropped before the classifier, in [0, 1).
    """
    check_flag("batch_norm", batch_norm)
    check_stem(stem, stem_strides)
    check_positive("depth_multiplier", depth_multiplier)
    conv = _Convolution(batch_norm, depth_multiplier)

    def features(x):
        if stem == "imagenet":
            x = _imagenet_stem(x, conv)
        else:
            x = conv(x, 192, 3, "conv1_3x3", strides=stem_strides)
        for module, widths in _MODULES.items():
            x = _module(x, widths, conv, f"inception_{module}")
        return x

    return Design(
        features,
        default_shape=STEM_SHAPES[stem],
        min_size=4 * (8 if stem == "imagenet" else stem_strides),
        head=pooled_classifier(dropout_rate),
        state_dict_names=_STATE_DICT_NAMES if stem == "imagenet" else (),
    )


BNInception = register(
    _bn_inception,
    "BNInception",
    public_weights={"imagenet": _FILE},
    name="bn_inception",
    paper="BN-Inception, arXiv 1502.03167, figure 5",
    params=11_295_240,
    macs=2.033e9,
    published="ImageNet error 25.2/7.8 %, 1-crop",
    preprocessing="bn_inception",
    stage_ends=_STAGE_ENDS,
    note="convolutions have biases and the first is not separable, as in the public "
    "Caffe model",
    **IMAGENET,
)

__all__ = ["BNInception"]
