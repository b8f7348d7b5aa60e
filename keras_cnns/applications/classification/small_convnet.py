"""A small network for two processor cores, laid out like VGG.

Convolutions of 3x3, two poolings between them, one dense layer. Not of a paper: it is
the backbone with which detectors of small images train within minutes.
"""

from tensorflow.keras import layers

from keras_cnns._checks import check_count, check_counts, check_within
from keras_cnns.applications.frame.builder import Design, classification_builder
from keras_cnns.applications.frame.parts import (
    SMALL_IMAGES,
    STEM_SHAPES,
    classifier,
    dropout,
)
from keras_cnns.applications.frame.registry import register


def _convolutions(x, filters):
    """Four 3x3 convolutions with ReLU; the first two halve the map after them."""
    for index, width in enumerate(filters, start=1):
        x = layers.Conv2D(
            width,
            3,
            padding="same",
            activation="relu",
            kernel_initializer="he_normal",
            name=f"conv{index}",
        )(x)
        if index <= 2 or index == len(filters):
            x = layers.MaxPooling2D(2, name=f"pool{index}")(x)
    return x


@classification_builder(head_options=("units", "dropout_rate"))
def _small_convnet(*, filters=(16, 32, 64, 64), units=128, dropout_rate=0.0):
    """Builder of the small network.

    Args:
        filters: of the four convolutions.
        units: of the dense layer.
        dropout_rate: fraction of values dropped after the dense layer, in [0, 1).
    """
    check_counts("filters", filters)
    check_count("units", units)
    check_within("dropout_rate", dropout_rate)
    if len(filters) != 4:
        raise ValueError(f"filters must have four entries, got {filters!r}")

    def head(x, classes, activation):
        x = layers.Flatten(name="flatten")(x)
        x = layers.Dense(
            units, activation="relu", kernel_initializer="he_normal", name="fc"
        )(x)
        x = dropout(x, dropout_rate, "fc_dropout")
        return classifier(x, classes, activation)

    return Design(
        lambda x: _convolutions(x, filters),
        default_shape=STEM_SHAPES["small"],
        min_size=8,
        head=head,
        fixed_head=True,
    )


SmallConvNet = register(
    _small_convnet,
    "SmallConvNet",
    name="small_convnet",
    paper="small convolutional network (not of a paper)",
    # 16 * (3*3*3 + 1) + 32 * (3*3*16 + 1) + 64 * (3*3*32 + 1) + 64 * (3*3*64 + 1)
    # + 128 * (4*4*64 + 1) + 10 * 129
    params=193_002,
    stage_ends=("conv1", "conv2", "conv4"),
    min_size=8,
    traits=("fixed_size",),
    **SMALL_IMAGES,
)

__all__ = ["SmallConvNet"]
