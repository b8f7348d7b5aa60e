"""What Inception v3, v4 and the Inception-ResNets share: tables turned into layers.

A block is a dict of branches by name. A branch is a tuple of steps: a ``Conv``,
``AVERAGE``, ``MAX``, or, as its last one, a list of ``Conv`` that all see the same map.
"""

import collections
import dataclasses
from typing import Union

from tensorflow.keras import layers

from keras_cnns.applications.frame.parts import classifier, scaled_width
from keras_cnns.applications.frame.weight_files import HEAD_NAME
from keras_cnns.layers import MatrixBatchNormalization

AVERAGE, MAX = "average", "max"
DEFAULT_SHAPE = (299, 299, 3)
MIN_SIZE = 75
# What the registry says of these networks, but for those of faces.
INFO = {
    "classes": 1000,
    "input_shape": DEFAULT_SHAPE,
    "min_size": MIN_SIZE,
    "preprocessing": "tf",
}

# What tells one form of these networks from another; scale: whether batch
# normalisation has a gamma; numbered: whether layers have Keras' automatic names.
FORMS = {
    "keras": {
        "scale": False,
        "momentum": 0.99,
        "initializer": "glorot_uniform",
        "numbered": True,
    },
    "torch": {
        "scale": True,
        "momentum": 0.9,
        "initializer": "he_normal",
        "numbered": False,
    },
}


@dataclasses.dataclass(frozen=True)
class Conv:
    """One convolution of a table, followed by batch normalisation and ReLU."""

    filters: int
    size: Union[int, tuple] = 1
    strides: int = 1
    padding: str = "same"


def reduced(filters):
    """The 3x3 convolution with stride 2 and no padding that ends a reduction."""
    return Conv(filters, 3, 2, "valid")


# The stem of Inception v3 and the Inception-ResNets, up to the second pooling.
_STEM = {
    "conv2d_1a": reduced(32),
    "conv2d_2a": Conv(32, 3, padding="valid"),
    "conv2d_2b": Conv(64, 3),
    "max_pool_3a": MAX,
    "conv2d_3b": Conv(80, 1, padding="valid"),
    "conv2d_4a": Conv(192, 3, padding="valid"),
}


class Cells:
    """Makes the layers of one network.

    Args:
        form: key of ``FORMS``.
        depth_multiplier: factor of every convolution's width, which stays at least 16.
        keras_names: names that ``keras.applications`` gives some layers, by our own.
        padding_counts: whether average pooling counts the padding in its divisor.
        numbered: whether layers have Keras' automatic names; None: as the form says.
    """

    def __init__(
        self,
        form,
        depth_multiplier=1.0,
        *,
        keras_names=(),
        padding_counts=False,
        numbered=None,
    ):
        self._form = FORMS[form]
        self._depth_multiplier = depth_multiplier
        self._numbered = self._form["numbered"] if numbered is None else numbered
        self._keras_names = dict(keras_names)
        self._padding_counts = padding_counts
        self._counts = collections.Counter()

    def name(self, kind, own) -> str:
        """A layer's own name, or Keras' automatic one for its kind."""
        if not self._numbered:
            return own
        if own in self._keras_names:
            return self._keras_names[own]
        number = self._counts[kind]
        self._counts[kind] += 1
        return f"{kind}_{number}" if number else kind

    def conv(self, x, step, name):
        """Convolution, batch normalisation, ReLU."""
        x = layers.Conv2D(
            scaled_width(step.filters, self._depth_multiplier),
            step.size,
            strides=step.strides,
            padding=step.padding,
            use_bias=False,
            kernel_initializer=self._form["initializer"],
            name=self.name("conv2d", f"{name}_conv"),
        )(x)
        x = MatrixBatchNormalization(
            scale=self._form["scale"],
            momentum=self._form["momentum"],
            epsilon=1e-3,
            name=self.name("batch_normalization", f"{name}_bn"),
        )(x)
        return layers.Activation("relu", name=self.name("activation", f"{name}_relu"))(
            x
        )

    def projection(self, x, filters, name):
        """1x1 convolution with a bias, neither normalised nor rectified."""
        initializer = self._form["initializer"]
        return layers.Conv2D(filters, 1, kernel_initializer=initializer, name=name)(x)

    def max_pool(self, x, name):
        """3x3 with stride 2, no padding."""
        name = self.name("max_pooling2d", name)
        return layers.MaxPooling2D(3, strides=2, name=name)(x)

    def average_pool(self, x, name):
        """3x3 with stride 1, the size kept."""
        own, name = name, self.name("average_pooling2d", name)
        if self._padding_counts:
            x = layers.ZeroPadding2D(1, name=f"{own}_pad")(x)
            return layers.AveragePooling2D(3, strides=1, name=name)(x)
        return layers.AveragePooling2D(3, strides=1, padding="same", name=name)(x)

    def branch(self, x, steps, name):
        """A branch's steps one after the other; convolutions are counted from 1."""
        number = 0
        for step in steps:
            if step == AVERAGE:
                x = self.average_pool(x, f"{name}_pool")
            elif step == MAX:
                x = self.max_pool(x, f"{name}_pool")
            elif isinstance(step, Conv):
                number += 1
                x = self.conv(x, step, f"{name}_{number}")
            else:
                number += 1
                ends = [
                    self.conv(x, end, f"{name}_{number}{letter}")
                    for end, letter in zip(step, "ab")
                ]
                concat = self.name("concatenate", f"{name}_concat")
                x = layers.Concatenate(name=concat)(ends)
        return x

    def block(self, x, branches, name, output=""):
        """Branches side by side, then their concatenation, called ``output``."""
        outputs = [
            self.branch(x, steps, f"{name}_{branch}")
            for branch, steps in branches.items()
        ]
        return layers.Concatenate(name=output or name)(outputs)

    def stem(self, x):
        """299x299 to 71x71 with 192 channels."""
        for name, step in _STEM.items():
            is_conv = isinstance(step, Conv)
            x = self.conv(x, step, name) if is_conv else self.max_pool(x, name)
        return x


def auxiliary_head(form, depth_multiplier):
    """Classifier on a 17x17 map: 5x5/3 average pooling, 1x1, 5x5, one dense layer.

    On maps below 17x17 pooling and kernel shrink to what is there, as TF-slim's do;
    hence their size must be known.
    """

    def head(x, classes, activation):
        cells = Cells(form, depth_multiplier, numbered=False)
        x = layers.AveragePooling2D(_at_most_5(x), strides=3, name="aux1_pool")(x)
        x = cells.conv(x, Conv(128), "aux1_conv0")
        x = cells.conv(x, Conv(768, _at_most_5(x), padding="valid"), "aux1_conv1")
        x = layers.GlobalAveragePooling2D(name="aux1_avg_pool")(x)
        return classifier(x, classes, activation, name=f"aux1_{HEAD_NAME}")

    return head


def _at_most_5(x):
    return tuple(min(5, size) for size in x.shape[1:3])
