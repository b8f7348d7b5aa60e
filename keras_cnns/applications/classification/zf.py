"""ZF: AlexNet with smaller and denser first filters.

Zeiler, Fergus, "Visualizing and Understanding Convolutional Networks", arXiv 1311.2901,
figure 3. The layers are those of SPPnet's and Faster R-CNN's ZF-5, "fast" model: five
convolutions with ReLU, response normalisation over three channels after the first two,
then two dense layers of 4096 units.

Deviations: the paper's own normalises contrast where this has response normalisation,
over channels, where Faster R-CNN's released definition has it over places. By default
padding is that of SPPnet's definition, with 13x13 maps of 224x224 images; poolings
reach over the edge as Caffe's do.
"""

from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns._checks import check_choice, check_within
from keras_cnns.applications.frame.builder import Design, classification_builder
from keras_cnns.applications.frame.parts import (
    IMAGENET,
    STEM_SHAPES,
    ceil_max_pooling,
    classifier,
    dropout,
)
from keras_cnns.applications.frame.registry import register
from keras_cnns.layers import LocalResponseNormalization

_UNITS = 4096
_MIN_SIZE = 48
# Zeros on each side of the first two convolutions, and of the poolings after them.
_PADDINGS = {"valid": ((1, 0), (0, 0)), "same": ((3, 1), (2, 1))}


def _initializer():
    return keras.initializers.RandomNormal(0.0, 0.01)


def _conv(x, filters, size, name, strides=1, padding="same"):
    return layers.Conv2D(
        filters,
        size,
        strides=strides,
        padding=padding,
        activation="relu",
        kernel_initializer=_initializer(),
        name=name,
    )(x)


def _normalised_pooling(x, index, padding):
    """Response normalisation over three channels and 3x3/2 max pooling."""
    x = LocalResponseNormalization(1, alpha=5e-5, name=f"norm{index}")(x)
    if padding:
        x = layers.ZeroPadding2D(padding, name=f"norm{index}_pad")(x)
    return ceil_max_pooling(x, f"pool{index}")


def _features(x, paddings):
    """Convolutions; before the first two and their poolings, maps are padded."""
    for index, (filters, size) in enumerate(((96, 7), (256, 5)), start=1):
        before, within = paddings[index - 1]
        if before:
            x = layers.ZeroPadding2D(before, name=f"conv{index}_pad")(x)
        x = _conv(x, filters, size, f"conv{index}", strides=2, padding="valid")
        x = _normalised_pooling(x, index, within)
    for index, filters in ((3, 384), (4, 384), (5, 256)):
        x = _conv(x, filters, 3, f"conv{index}")
    return ceil_max_pooling(x, "pool5")


@classification_builder(head_options=("dropout_rate",))
def _zf(*, padding="valid", dropout_rate=0.5):
    """ZF builder.

    Args:
        padding: of the first two convolutions and poolings, ``"valid"`` (SPPnet's
            definition) or ``"same"`` (that of Faster R-CNN: maps begin at the image's
            corner).
        dropout_rate: fraction of values dropped after both dense layers, in [0, 1).
    """
    check_choice("padding", padding, tuple(_PADDINGS))
    check_within("dropout_rate", dropout_rate)

    def head(x, classes, activation):
        x = layers.Flatten(name="flatten")(x)
        for name in ("fc6", "fc7"):
            x = layers.Dense(
                _UNITS,
                activation="relu",
                kernel_initializer=keras.initializers.RandomNormal(0.0, 0.005),
                name=name,
            )(x)
            x = dropout(x, dropout_rate, f"{name}_dropout")
        return classifier(x, classes, activation, kernel_initializer=_initializer())

    return Design(
        lambda x: _features(x, _PADDINGS[padding]),
        default_shape=STEM_SHAPES["imagenet"],
        min_size=_MIN_SIZE,
        head=head,
        fixed_head=True,
    )


ZF = register(
    _zf,
    "ZF",
    name="zf",
    paper="ZF, arXiv 1311.2901, figure 3; SPPnet's ZF-5",
    # 96 * (7*7*3 + 1) + 256 * (5*5*96 + 1) + 384 * (3*3*256 + 1) + 384 * (3*3*384 + 1)
    # + 256 * (3*3*384 + 1) + 4096 * (6*6*256 + 1) + 4096 * 4097 + 1000 * 4097
    params=62_357_608,
    preprocessing="caffe",
    stage_ends=("conv1", "conv2", "conv5"),
    traits=("fixed_size",),
    **{**IMAGENET, "min_size": _MIN_SIZE},
)

__all__ = ["ZF"]
