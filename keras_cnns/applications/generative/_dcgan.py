"""The layers of DCGAN's networks: initial weights, normalisation, sizes, names."""

import math

from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns._checks import (
    check_count,
    check_counts,
    check_flag,
    check_image_shape,
    check_same_length,
    check_within,
)
from keras_cnns.applications.frame.parts import MOMENTUM, normalised
from keras_cnns.layers import MatrixConv2DTranspose

LEAK = 0.2


def small_normal():
    """Initial weights, N(0, 0.02)."""
    return keras.initializers.RandomNormal(0.0, 0.02)


def normalisation(batch_norm, affine, momentum):
    """Function of (tensor, name) that normalises, or leaves it as it is."""
    if not batch_norm:
        return lambda x, name: x

    def normalise(x, name):
        gains = keras.initializers.RandomNormal(1.0, 0.02)
        return normalised(
            x, name, momentum, center=affine, scale=affine, gamma_initializer=gains
        )

    return normalise


def all_strides(filters, strides):
    """The strides, or 2 for each layer where none are given."""
    check_counts("filters", filters)
    return (2,) * len(filters) if strides is None else strides


def check_layers(filters, image_shape, kernel_size, strides, classes, dense_units):
    """Refuses arguments of the layers that make no network."""
    check_image_shape(image_shape)
    check_count("kernel_size", kernel_size)
    check_counts("strides", strides)
    check_same_length(filters=filters, strides=strides)
    for option, value in (("classes", classes), ("dense_units", dense_units)):
        if value != 0 or isinstance(value, bool):
            check_count(option, value)


def check_batch_norm(batch_norm, affine, momentum):
    """Refuses arguments of batch normalisation that make no sense."""
    check_flag("batch_norm", batch_norm)
    check_flag("batch_norm_affine", affine)
    if not batch_norm and not affine:
        raise ValueError(
            "batch_norm_affine=False has no effect with batch_norm=False; leave it out"
        )
    check_momentum(batch_norm, momentum)


def check_momentum(batch_norm, momentum):
    """Refuses what is no momentum; where nothing is normalised all but the default."""
    check_within("batch_norm_momentum", momentum)
    if not batch_norm and momentum != MOMENTUM:
        raise ValueError(
            f"batch_norm_momentum={momentum!r} has no effect with "
            f"batch_norm={batch_norm!r}; leave it out"
        )


def map_sizes(size, strides):
    """Heights and widths from the first map to the image, each a stride larger."""
    sizes = [tuple(size)]
    for stride in reversed(strides):
        sizes.insert(0, tuple(math.ceil(length / stride) for length in sizes[0]))
    return sizes


def dense(x, units, name):
    """Dense layer without biases."""
    return layers.Dense(
        units, use_bias=False, kernel_initializer=small_normal(), name=name
    )(x)


def deconvolution(x, filters, kernel_size, stride, size, name):
    """Deconvolution to a map of the given size."""
    x = MatrixConv2DTranspose(
        filters,
        kernel_size,
        strides=stride,
        padding="same",
        use_bias=False,
        kernel_initializer=small_normal(),
        name=name,
    )(x)
    return cropped(x, size, f"{name}_crop")


def cropped(x, size, name):
    """A map without what is too much for the given size at the ends of its sides."""
    too_much = [(0, now - later) for now, later in zip(x.shape[1:3], size)]
    if too_much == [(0, 0), (0, 0)]:
        return x
    return layers.Cropping2D(too_much, name=name)(x)


def generator_ends(steps) -> tuple:
    """The layers in which a generator's maps of each size end, finest first."""
    return (*(f"deconv{i}_relu" for i in range(steps - 1, 0, -1)), "maps_relu")


def discriminator_ends(steps) -> tuple:
    """The layers in which a discriminator's maps of each size end, finest first."""
    return tuple(f"conv{i}_lrelu" for i in range(1, steps + 1))
