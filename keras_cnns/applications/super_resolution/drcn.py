"""DRCN: one convolution applied sixteen times, each of its results an answer.

Kim, Lee, Lee, "Deeply-Recursive Convolutional Network for Image Super-Resolution",
arXiv 1511.04491, section 3: two convolutions embed the luma picture, which was enlarged
before; one and the same convolution is applied again and again; two convolutions,
shared too, make of each result a picture, to which the input is added. The output is
the sum of these pictures with trained weights. Its receptive field is 41x41.

With ``supervised`` the network gives those pictures as well, which training compares
with the truth (recursive supervision).

Weights start from He's normal, those of the recursion from the identity (unverified).
The paper counts 1,774,080 weights; with biases and the weights of the sum there are
1,775,121.

Deviations: none known.
"""

from __future__ import annotations

import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns._checks import check_count, check_flag
from keras_cnns.applications.frame.builder import network_builder
from keras_cnns.applications.frame.parts import head_dtype
from keras_cnns.applications.super_resolution._parts import (
    conv,
    he_normal,
    picture_input,
    register_super_resolution,
)
from keras_cnns.layers import WeightedSum


@keras.saving.register_keras_serializable("keras_cnns")
class IdentityKernel(keras.initializers.Initializer):
    """A convolution that gives what it is given."""

    def __call__(
        self, shape: tuple, dtype: str | tf.DType | None = None, **kwargs
    ) -> tf.Tensor:
        height, width, channels, filters = shape
        middle = tf.eye(channels, filters, dtype=dtype or tf.float32)
        rows, columns = ((size - 1) // 2 for size in (height, width))
        margins = [
            [rows, height - 1 - rows],
            [columns, width - 1 - columns],
            [0, 0],
            [0, 0],
        ]
        return tf.pad(middle[tf.newaxis, tf.newaxis], margins)


@network_builder(free=("supervised",))
def DeeplyRecursiveNetwork(
    image_shape: tuple = (None, None, 1),
    filters: int = 256,
    recursions: int = 16,
    supervised: bool = False,
    name: str = "deeply_recursive_network",
) -> keras.Model:
    """General builder of DRCN and smaller ones.

    Args:
        image_shape: ``(height, width, channels)``; height and width may be None.
        filters: of all convolutions but the last.
        recursions: how often the recursive convolution is applied, at least 2.
        supervised: whether the recursions' pictures are outputs, too.

    Returns:
        A ``keras.Model`` from enlarged pictures ``(batch, height, width, channels)`` in
        [0, 1] to better ones, float32 and not clipped; if ``supervised`` to a list of
        them, the final one first, then one of each recursion.
    """
    check_count("filters", filters)
    check_count("recursions", recursions, 2)
    check_flag("supervised", supervised)
    images = picture_input(image_shape)
    x = _conv(images, filters, "embed1")
    x = _conv(x, filters, "embed2")
    recursion = _shared(filters, "recursion", "relu", IdentityKernel())
    reconstruct1 = _shared(filters, "reconstruct1", "relu", he_normal())
    reconstruct2 = _shared(
        image_shape[2], "reconstruct2", None, he_normal(), dtype=head_dtype()
    )
    pictures = []
    for number in range(1, recursions + 1):
        x = recursion(x)
        residual = reconstruct2(reconstruct1(x))
        add = layers.Add(dtype=head_dtype(), name=f"picture{number}")
        pictures.append(add([images, residual]))
    output = WeightedSum(dtype=head_dtype(), name="enlarged")(pictures)
    return keras.Model(images, [output, *pictures] if supervised else output, name=name)


def _shared(filters, name, activation, initializer, dtype=None):
    """A 3x3 convolution that is applied several times."""
    return layers.Conv2D(
        filters,
        3,
        padding="same",
        activation=activation,
        kernel_initializer=initializer,
        dtype=dtype,
        name=name,
    )


def _conv(x, filters, name):
    """Convolution and ReLU."""
    given = {"activation": "relu", "kernel_initializer": he_normal()}
    return conv(x, filters, 3, name, **given)


DRCN = register_super_resolution(
    DeeplyRecursiveNetwork,
    "DRCN",
    name="drcn",
    paper="DRCN, arXiv 1511.04491, section 3",
    # 9 * (256 + 3 * 256 * 256 + 256) weights, 4 * 256 + 1 biases, 16 of the sum
    params=1_774_080 + 1_025 + 16,
    published="PSNR 37.63 / 33.82 / 31.53 on Set5 x2 / x3 / x4",
    note="the paper counts convolution weights alone, 1,774K",
)

DRCNSmall = register_super_resolution(
    DeeplyRecursiveNetwork,
    "DRCNSmall",
    architecture={"filters": 32, "recursions": 6},
    name="drcn_small",
    paper="not from a paper: DRCN's layers, thinner, of fewer recursions",
    # 9 * (32 + 3 * 32 * 32 + 32) weights, 4 * 32 + 1 biases, 6 of the sum
    params=28_224 + 129 + 6,
)

__all__ = ["DeeplyRecursiveNetwork", "DRCN", "DRCNSmall"]
