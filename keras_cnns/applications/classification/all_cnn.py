"""All-CNN: convolutions with stride take the place of pooling.

Springenberg, Dosovitskiy, Brox, Riedmiller, "Striving for Simplicity: The All
Convolutional Net", arXiv 1412.6806, tables 1 to 3. Three base nets (A, B, C), and of
each three derivatives that isolate what pooling does: the pool left out and the
convolution before it strided; a convolution more before the pool; the pool replaced by
a convolution with stride 2. ReLU follows every convolution, that to the classes too.

The paper averages class maps of 6x6, which 32x32 images give only if the head's
first convolution has no padding (8x8 to 6x6), as in the public Caffe definition of
All-CNN-C; many other ports pad it, which ``head_padding="same"`` does. Strided
convolutions pad both sides alike, as that definition does; of B, the strided
convolution is the 1x1 one before the pool. Deviations: the paper says nothing of
initial values; He's are used here, with which the unnormalised nets start at a useful
scale. Training is unstable all the same where the learning rate is high and the batch
small: it may stay at chance level.
"""

from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns._checks import check_choice, check_counts, check_flag, check_within
from keras_cnns.applications.frame.builder import Design, classification_builder
from keras_cnns.applications.frame.parts import (
    SMALL_IMAGES,
    STEM_SHAPES,
    class_map_classifier,
    dropout,
)
from keras_cnns.applications.frame.registry import register

# Kernel sizes of the convolutions of both blocks.
_BASES = {"A": (5,), "B": (5, 1), "C": (3, 3)}
_DOWNSAMPLING = ("pool", "strided", "conv_pool", "conv")
# base, downsampling, params with 10 classes, the paper's error without augmentation.
_VARIANTS = {
    "AllCNNABase": ("A", "pool", 839_242, 12.47),
    "AllCNNAStrided": ("A", "strided", 839_242, 13.46),
    "AllCNNAConvPool": ("A", "conv_pool", 1_254_250, 10.21),
    "AllCNNA": ("A", "conv", 1_254_250, 10.30),
    "AllCNNBBase": ("B", "pool", 885_610, 10.20),
    "AllCNNBStrided": ("B", "strided", 885_610, 10.98),
    "AllCNNBConvPool": ("B", "conv_pool", 1_300_618, 9.33),
    "AllCNNB": ("B", "conv", 1_300_618, 9.10),
    "AllCNNCBase": ("C", "pool", 954_730, 9.74),
    "AllCNNCStrided": ("C", "strided", 954_730, 10.19),
    "AllCNNCConvPool": ("C", "conv_pool", 1_369_738, 9.31),
    "AllCNNC": ("C", "conv", 1_369_738, 9.08),
}
# The paper's table 3, where it disagrees with the layers of its table 1.
_NOTES = dict.fromkeys(
    ("AllCNNCBase", "AllCNNCStrided"),
    "the paper says 1.3 million, which its own layers do not give",
)
# Multiply-adds of All-CNN-C, by hand: 32*32 * (3*3*3*96 + 3*3*96*96)
# + 16*16 * (3*3*96*96 + 3*3*96*192 + 3*3*192*192) + 8*8 * 3*3*192*192
# + 6*6 * (3*3*192*192 + 192*192 + 192*10); 281 million with padding in the head.
_ALL_CNN_C_MACS = 270_798_336


def _conv_relu(x, filters, size, name, strides=1, padding="same"):
    """Convolution and ReLU; where it strides, padded alike on both sides."""
    if strides > 1:
        x = layers.ZeroPadding2D(size // 2, name=f"{name}_pad")(x)
        padding = "valid"
    x = layers.Conv2D(
        filters,
        size,
        strides=strides,
        padding=padding,
        kernel_initializer=_initializer(),
        name=f"{name}_conv",
    )(x)
    return layers.Activation("relu", name=f"{name}_relu")(x)


def _initializer():
    return keras.initializers.HeNormal()


def _block(x, filters, kernel_sizes, downsampling, name):
    """The base net's convolutions, then one of the four ways to halve the map."""
    for i, size in enumerate(kernel_sizes, start=1):
        is_strided = downsampling == "strided" and i == len(kernel_sizes)
        x = _conv_relu(x, filters, size, f"{name}_{i}", 2 if is_strided else 1)
    further = f"{name}_{len(kernel_sizes) + 1}"
    if downsampling == "conv":
        x = _conv_relu(x, filters, 3, further, strides=2)
    if downsampling == "conv_pool":
        x = _conv_relu(x, filters, 3, further)
    if downsampling in ("pool", "conv_pool"):
        x = layers.MaxPooling2D(3, strides=2, padding="same", name=f"{name}_pool")(x)
    return x


@classification_builder(head_options=("rectified_class_maps",))
def _all_cnn(
    base="C",
    downsampling="conv",
    filters=(96, 192),
    *,
    input_dropout_rate=0.2,
    dropout_rate=0.5,
    head_padding="valid",
    rectified_class_maps=True,
):
    """General builder of the base nets and their derivatives.

    Args:
        base: ``"A"`` (one 5x5 convolution in each block), ``"B"`` (5x5 and 1x1) or
            ``"C"`` (two 3x3).
        downsampling: what ends a block: ``"pool"``, ``"strided"`` (its last
            convolution strides), ``"conv_pool"`` (one more 3x3 convolution and the
            pool) or ``"conv"`` (a 3x3 convolution with stride 2, All-CNN).
        filters: filters of the blocks; the last count is also the head's.
        input_dropout_rate: fraction of the input values dropped, in [0, 1).
        dropout_rate: fraction of values dropped at the end of each block, in [0, 1).
        head_padding: of the 3x3 convolution after the blocks, ``"valid"`` (the
            paper's class maps of 6x6) or ``"same"`` (8x8).
        rectified_class_maps: whether ReLU follows the last convolution too, as in the
            paper; scores are not negative then.
    """
    check_choice("base", base, _BASES)
    check_choice("downsampling", downsampling, _DOWNSAMPLING)
    check_counts("filters", filters)
    check_within("input_dropout_rate", input_dropout_rate)
    check_within("dropout_rate", dropout_rate)
    check_choice("head_padding", head_padding, ("valid", "same"))
    check_flag("rectified_class_maps", rectified_class_maps)

    def features(x):
        x = dropout(x, input_dropout_rate, "input_dropout")
        for i, width in enumerate(filters, start=1):
            x = _block(x, width, _BASES[base], downsampling, f"block{i}")
            x = dropout(x, dropout_rate, f"block{i}_dropout")
        x = _conv_relu(x, filters[-1], 3, "head_1", padding=head_padding)
        return _conv_relu(x, filters[-1], 1, "head_2")

    def head(x, classes, activation):
        return class_map_classifier(
            x, classes, activation, rectified_class_maps, _initializer()
        )

    smallest_map = 3 if head_padding == "valid" else 1
    return Design(
        features,
        default_shape=STEM_SHAPES["small"],
        min_size=(smallest_map - 1) * 2 ** len(filters) + 1,
        head=head,
    )


def _stage_ends(base, downsampling):
    last = len(_BASES[base]) + (downsampling in ("conv_pool", "conv"))
    before_pool = downsampling in ("pool", "conv_pool")
    blocks = ("block1_pool", "block2_pool")
    if not before_pool:
        blocks = (f"block1_{last}_relu", f"block2_{last}_relu")
    return (*blocks, "head_2_relu")


_INFO = {**SMALL_IMAGES, "min_size": 9}


def _variant(function_name):
    base, downsampling, params, error = _VARIANTS[function_name]
    suffix = {"pool": "_base", "conv": ""}.get(downsampling, f"_{downsampling}")
    return register(
        _all_cnn,
        function_name,
        architecture={"base": base, "downsampling": downsampling},
        name=f"all_cnn_{base.lower()}{suffix}",
        paper="All-CNN, arXiv 1412.6806, tables 1 and 3",
        params=params,
        macs=_ALL_CNN_C_MACS if function_name == "AllCNNC" else None,
        published=f"CIFAR-10 error {error:.2f} %, not augmented",
        stage_ends=_stage_ends(base, downsampling),
        note=_NOTES.get(function_name, ""),
        **_INFO,
    )


AllCNNABase = _variant("AllCNNABase")
AllCNNAStrided = _variant("AllCNNAStrided")
AllCNNAConvPool = _variant("AllCNNAConvPool")
AllCNNA = _variant("AllCNNA")
AllCNNBBase = _variant("AllCNNBBase")
AllCNNBStrided = _variant("AllCNNBStrided")
AllCNNBConvPool = _variant("AllCNNBConvPool")
AllCNNB = _variant("AllCNNB")
AllCNNCBase = _variant("AllCNNCBase")
AllCNNCStrided = _variant("AllCNNCStrided")
AllCNNCConvPool = _variant("AllCNNCConvPool")
AllCNNC = _variant("AllCNNC")
AllCNN = register(
    _all_cnn,
    "AllCNN",
    name="all_cnn",
    paper="All-CNN, arXiv 1412.6806, general builder (default: All-CNN-C)",
    params=_VARIANTS["AllCNNC"][2],
    macs=_ALL_CNN_C_MACS,
    stage_ends=_stage_ends("C", "conv"),
    **_INFO,
)

__all__ = ["AllCNN", *_VARIANTS]
