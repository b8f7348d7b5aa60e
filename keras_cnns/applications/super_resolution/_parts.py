"""What super-resolution networks share: layers, upsampling, initial weights, rows.

Networks are fully convolutional. Those with a ``scale`` take small pictures and give
enlarged ones; the others take pictures that were enlarged before, by bicubic
interpolation, and serve any scale.
"""

import math
import os
import re

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns._checks import check_choice, check_image_shape
from keras_cnns.applications.frame import weight_files
from keras_cnns.applications.frame.registry import register_network
from keras_cnns.layers import DepthToSpace, NearestUpsampling2D

SCALES = (2, 3, 4)
UPSAMPLINGS = ("depth_to_space", "icnr", "deconvolution", "nearest")
# Of a network's last layer: "nearest" would end in squares of one colour.
LAST_UPSAMPLINGS = UPSAMPLINGS[:3]
PRELU_SLOPE = 0.25  # at first


def picture_input(image_shape):
    """Input of pictures in [0, 1]; height and width may be None."""
    check_image_shape(image_shape, fixed_size=False)
    return keras.Input(tuple(image_shape), name="images")


def conv(x, filters, size, name, **kwargs):
    """Convolution of a map padded to keep its size; arguments are ``Conv2D``'s."""
    kwargs = {"padding": "same", **kwargs}
    return layers.Conv2D(filters, size, name=name, **kwargs)(x)


def prelu(x, name):
    """PReLU with a trained slope for each channel, ``PRELU_SLOPE`` at first."""
    return layers.PReLU(
        alpha_initializer=keras.initializers.Constant(PRELU_SLOPE),
        shared_axes=[1, 2],
        name=f"{name}_prelu",
    )(x)


def check_scale(scale) -> None:
    """Refuses factors that no network has."""
    check_choice("scale", scale, SCALES)


def scale_steps(scale) -> tuple:
    """Factors whose product is the scale: 4 is twice 2, 3 has no such path."""
    check_scale(scale)
    return (2, 2) if scale == 4 else (scale,)


def check_free(upsampling, weights=None, allowed=UPSAMPLINGS) -> None:
    """Checks what any variant takes, before a network is built, which may take long."""
    check_choice("upsampling", upsampling, allowed)
    is_file = isinstance(weights, str) and os.path.isfile(weights)
    if weights is not None and not is_file:
        raise ValueError(f"weights must be None or an existing file, got {weights!r}")


def enlarge(
    x,
    filters,
    steps,
    upsampling,
    *,
    size=3,
    activation=None,
    initializer=keras.initializers.GlorotUniform,
    **last,
):
    """Larger maps, by trained layers ``upsample1_conv``, ``upsample2_conv``, ...

    Args:
        x: maps.
        filters: channels of the result.
        steps: factors of height and width, one after the other.
        upsampling: ``"depth_to_space"``, a convolution to as many channels as a square
            has pixels; ``"icnr"``, the same with equal first weights for all pixels of
            a square; ``"deconvolution"``, a transposed convolution of that stride;
            ``"nearest"``, a convolution and its pixels repeated.
        size: of the kernels.
        activation: function of a map and a name, after each step.
        initializer: function that makes the one of a kernel.
        **last: arguments of the last step's layers, such as ``dtype``.
    """
    for number, step in enumerate(steps, start=1):
        given = last if number == len(steps) else {}
        given = {"kernel_initializer": initializer(), **given}
        x = _step(x, filters, step, upsampling, size, f"upsample{number}", given)
        if activation:
            x = activation(x, f"upsample{number}")
    return x


def _step(x, filters, step, upsampling, size, name, given):
    """One step of ``enlarge``."""
    if upsampling == "deconvolution":
        return layers.Conv2DTranspose(
            filters, size, strides=step, padding="same", name=f"{name}_conv", **given
        )(x)
    kind = given.get("dtype")
    if upsampling == "nearest":
        x = conv(x, filters, size, f"{name}_conv", **given)
        return NearestUpsampling2D(step, name=f"{name}_repeat", dtype=kind)(x)
    if upsampling == "icnr":
        given = {**given, "kernel_initializer": ICNR(step, given["kernel_initializer"])}
    x = conv(x, filters * step**2, size, f"{name}_conv", **given)
    return DepthToSpace(step, name=f"{name}_shuffle", dtype=kind)(x)


@keras.saving.register_keras_serializable("keras_cnns")
class ICNR(keras.initializers.Initializer):
    """Equal kernels for all pixels of a square that ``DepthToSpace`` lays out.

    The enlarged map is at first the one of nearest-neighbour upsampling, without the
    checkerboard that independent kernels draw.

    Args:
        size: of the squares.
        initializer: of one pixel's kernels.

    Source: Aitken et al., arXiv 1707.02937, section 3.1.
    """

    def __init__(self, size, initializer):
        self.size = size
        self.initializer = keras.initializers.get(initializer)

    def __call__(self, shape, dtype=None, **kwargs):
        one = (*shape[:-1], shape[-1] // self.size**2)
        kernel = self.initializer(one, dtype=dtype, **kwargs)
        return tf.tile(kernel, [1] * (len(shape) - 1) + [self.size**2])

    def get_config(self):
        inner = keras.initializers.serialize(self.initializer)
        return {"size": self.size, "initializer": inner}


def he_normal():
    """N(0, sqrt(2 / fan-in)), not truncated."""
    return keras.initializers.VarianceScaling(2.0, "fan_in", "untruncated_normal")


def torch_uniform():
    """PyTorch's default, uniform within 1 / sqrt(fan-in)."""
    return keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")


def load_weights(network, weights, scale, stored_scale, **names) -> None:
    """Sets a network's weights from a file, unless it is None.

    Args:
        network: with layers as ``enlarge`` names them.
        weights: path of a ``.h5`` file or a PyTorch state dict, or None.
        scale: what the network enlarges by.
        stored_scale: function of the file's arrays by layer name to what its network
            enlarges by, None where that cannot be told.
        **names: ``state_dict_names`` and ``keras_names`` of ``weight_files.load``.

    Raises:
        ValueError: if the file is of another network, or of another scale.
    """

    def check(stored):
        found = stored_scale(stored)
        if found not in (None, scale):
            raise ValueError(
                f"{weights} enlarges x{found}, {network.name} x{scale}; give a file of "
                f"x{scale}, or build the network of x{found}"
            )

    if weights is not None:
        weight_files.load(network, weights, adapt=False, check=check, **names)


def scale_by_shuffles(stored, after="last_conv"):
    """What the steps of depth to space in a file enlarge by; None if not whole.

    Args:
        stored: arrays by layer name.
        after: layer that follows the last step. A step's convolution has as many times
            the channels that the next layer takes as it makes pixels of one.
    """
    steps = sorted(n for n in stored if re.fullmatch(r"upsample\d+_conv", n))
    kernels = [stored[name][0] for name in (*steps, after) if name in stored]
    if not steps or len(kernels) == len(steps) or any(k.ndim != 4 for k in kernels):
        return None
    factors = (k.shape[3] // n.shape[2] for k, n in zip(kernels, kernels[1:]))
    return whole_root(math.prod(factors))


def whole_root(pixels):
    """The side of a square of as many pixels; None of one pixel or of no square.

    Upsamplings without depth to space have the same channels before and after.
    """
    root = math.isqrt(pixels)
    return root if root > 1 and root**2 == pixels else None


def from_pixel_shuffle(arrays) -> list:
    """Kernel and bias before PyTorch's ``PixelShuffle`` for ``DepthToSpace``.

    The maps keep their number, so that the kernel tells the square's size.
    """
    kernel, *bias = arrays
    pixels = max(1, kernel.shape[3] // kernel.shape[2])
    if kernel.shape[3] % pixels:
        return arrays  # of another network; shapes will be told
    order = np.arange(kernel.shape[3]).reshape(-1, pixels).T.ravel()
    return [array[..., order] for array in (kernel, *bias)]


def register_super_resolution(builder, function_name, *, architecture=None, **info):
    """Enters a network of pictures in [0, 1].

    Args:
        builder: the family's general builder.
        function_name: public name of its constructor.
        architecture: the arguments that are not the builder's defaults.
        **info: the remaining fields of ``ModelInfo``; without others, any size of
            picture is taken, and a picture of as many channels given.

    Returns:
        The constructor.
    """
    shape = {**builder.architecture, **(architecture or {})}["image_shape"]
    usual = {
        "task": "super_resolution",
        "preprocessing": "unit",
        "input_shape": shape,
        "output_shape": shape,
        "min_size": 1,
    }
    return register_network(
        builder, function_name, architecture=architecture, **{**usual, **info}
    )


def register_scales(
    builder, function_name, params, *, name, published=None, architecture=None, **info
) -> list:
    """Enters one network for each scale.

    Args:
        builder: as ``register_super_resolution`` takes it; ``scale`` is an argument.
        function_name: public name, to which ``X`` and the scale are added.
        params: number of trainable parameters by scale.
        name: in the registry, to which ``_x`` and the scale are added.
        published: what the source reports, by scale; none where it is missing.
        architecture, **info: what all have in common.

    Returns:
        The constructors, in the order of ``params``.
    """
    published = published or {}
    return [
        register_super_resolution(
            builder,
            f"{function_name}X{scale}",
            architecture={"scale": scale, **(architecture or {})},
            name=f"{name}_x{scale}",
            params=count,
            published=published.get(scale, ""),
            **info,
        )
        for scale, count in params.items()
    ]
