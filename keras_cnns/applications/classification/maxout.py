"""Maxout network: each unit is the maximum of a few linear ones.

Goodfellow, Warde-Farley, Mirza, Courville, Bengio, "Maxout Networks", arXiv 1302.4389,
section 5.3. Layer sizes, initial values, norm limits and dropout rates are those of the
authors' CIFAR-10 definition (pylearn2, ``scripts/papers/maxout/cifar10.yaml``).

Deviation: what dropout leaves of the input is scaled by 1 / 0.8 here; the authors do
not scale it. The learning rate of their convolutions is 0.05 times that of the dense
layers, which is a matter of training and not done here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns import _addons
from keras_cnns._checks import check_count, check_counts, check_within
from keras_cnns.applications.frame.builder import Design, classification_builder
from keras_cnns.applications.frame.parts import (
    SMALL_IMAGES,
    STEM_SHAPES,
    classifier,
    dropout,
)
from keras_cnns.applications.frame.registry import register

if TYPE_CHECKING:
    import tensorflow as tf

# kernel size, padding on each side, size of the pooling (its stride is 2), and the
# largest norm of a kernel.
_CONVOLUTIONS = ((8, 4, 4, 0.9), (8, 3, 4, 1.9365), (5, 3, 2, 1.9365))
_PIECES = 2
_DENSE_PIECES = 5
# Weights and biases of the definition's layers:
#   8*8*3*192 + 192         =     37,056   33x33 maps, pooled to 16x16
#   8*8*96*384 + 384        =  2,359,680   15x15 maps, pooled to 7x7
#   5*5*192*384 + 384       =  1,843,584   9x9 maps, pooled to 5x5
#   5*5*192*2500 + 2500     = 12,002,500
#   500*10 + 10             =      5,010
_PARAMS = 16_247_830
# 33*33*36,864 + 15*15*2,359,296 + 9*9*1,843,200 + 12,000,000 + 5,000
_MACS = 732_290_696


def _initializer():
    return keras.initializers.RandomUniform(-0.005, 0.005)


def _pool(x, size, name):
    """Maximum over windows from the first pixel on, the last one perhaps cut off.

    That is every second value of a pooling with stride 1: Keras's padding with
    stride 2 would start the first window before the image.
    """
    if size == 2:
        return layers.MaxPooling2D(2, padding="same", name=name)(x)
    height, width = x.shape[1:3]
    x = layers.MaxPooling2D(size, strides=1, padding="same", name=f"{name}_all")(x)
    x = layers.Cropping2D(
        ((1, 1 - height % 2), (1, 1 - width % 2)), name=f"{name}_crop"
    )(x)
    return layers.MaxPooling2D(1, strides=2, name=name)(x)


def maxout_block(
    x: tf.Tensor,
    filters: int,
    size: int,
    padding: str,
    pool_size: int | None,
    largest_norm: float | None,
    name: str,
    conv_name: str,
) -> tf.Tensor:
    """Convolution, maximum over pieces, then over windows; a norm of None is any."""
    limit = None
    if largest_norm is not None:
        limit = keras.constraints.MaxNorm(largest_norm, axis=[0, 1, 2])
    x = layers.ZeroPadding2D(padding, name=f"{name}_pad")(x)
    x = layers.Conv2D(
        filters * _PIECES,
        size,
        kernel_initializer=_initializer(),
        kernel_constraint=limit,
        name=conv_name,
    )(x)
    x = _addons.Maxout(filters, name=f"{name}_maxout")(x)
    return _pool(x, pool_size, f"{name}_pool")


@classification_builder(head_options=("units",))
def _maxout(
    filters=(96, 192, 192),
    units=500,
    *,
    input_dropout_rate=0.2,
    dropout_rate=0.5,
):
    """General builder of the convolutional maxout network.

    Args:
        filters: maps after the maximum over two pieces, of each of the three
            convolutions.
        units: units after the maximum over five pieces, of the dense layer.
        input_dropout_rate: fraction of the input values dropped, in [0, 1).
        dropout_rate: fraction of values dropped before each further layer, in [0, 1).
    """
    check_counts("filters", filters)
    check_count("units", units)
    check_within("input_dropout_rate", input_dropout_rate)
    check_within("dropout_rate", dropout_rate)
    if len(filters) != len(_CONVOLUTIONS):
        raise ValueError(f"filters must have three entries, got {filters!r}")

    def features(x):
        rate = input_dropout_rate
        for i, (width, row) in enumerate(zip(filters, _CONVOLUTIONS), start=1):
            x = dropout(x, rate, f"block{i}_dropout")
            x = maxout_block(x, width, *row, f"block{i}", f"block{i}_conv")
            rate = dropout_rate
        return x

    def head(x, classes, activation):
        x = layers.Flatten(name="flatten")(x)
        x = dropout(x, dropout_rate, "dense_dropout")
        x = layers.Dense(
            units * _DENSE_PIECES,
            kernel_initializer=_initializer(),
            kernel_constraint=keras.constraints.MaxNorm(1.9),
            name="dense",
        )(x)
        x = _addons.Maxout(units, name="dense_maxout")(x)
        x = dropout(x, dropout_rate, "units_dropout")
        return classifier(
            x,
            classes,
            activation,
            kernel_initializer=_initializer(),
            kernel_constraint=keras.constraints.MaxNorm(1.9365),
        )

    return Design(
        features,
        default_shape=STEM_SHAPES["small"],
        min_size=10,
        head=head,
        fixed_size=True,
    )


MaxoutNetwork = register(
    _maxout,
    "MaxoutNetwork",
    name="maxout_network",
    paper="Maxout Networks, arXiv 1302.4389, section 5.3, CIFAR-10",
    params=_PARAMS,
    macs=_MACS,
    published="CIFAR-10 error 11.68 %, augmented 9.38 %",
    min_size=10,
    stage_ends=("block1_pool", "block2_pool", "block3_pool"),
    traits=("fixed_size", "fixed_features"),
    **SMALL_IMAGES,
)

__all__ = ["MaxoutNetwork"]
