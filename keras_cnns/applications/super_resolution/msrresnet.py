"""MSRResNet: BasicSR's SRResNet, without normalisation, over a bilinear enlargement.

The network that BasicSR (github.com/XPixelGroup/BasicSR, ``MSRResNet``) trains as
SRResNet and SRGAN: a 3x3 convolution with LeakyReLU of 0.1; 16 blocks of two
convolutions with a ReLU between them; one or two steps of convolution, depth to space
and LeakyReLU; a convolution with LeakyReLU and one without; the bilinear enlargement of
the input added. Reads its PyTorch files. Of SRResNet, arXiv 1609.04802, it lacks batch
normalisation, 9x9 kernels, PReLU and the addition of the first maps.

Weights start from a tenth of He's normal ones, as there.

Deviations: none known.
"""

from __future__ import annotations

from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns._checks import check_each_count
from keras_cnns.applications.frame.builder import network_builder
from keras_cnns.applications.frame.parts import head_dtype
from keras_cnns.applications.super_resolution._parts import (
    check_free,
    conv,
    enlarge,
    from_pixel_shuffle,
    load_weights,
    picture_input,
    register_scales,
    scale_by_shuffles,
    scale_steps,
)

_LEAK = 0.1
_STATE_DICT_NAMES = (
    (r"conv_first", "first_conv"),
    (r"body\.(\d+)\.conv(\d)", r"block{\1+1}_conv\2"),
    (r"upconv(\d)", r"upsample\1_conv", from_pixel_shuffle),
    (r"conv_hr", "hr_conv"),
    (r"conv_last", "last_conv"),
)


@network_builder(free=("upsampling", "weights"))
def MSRResNet(
    scale: int = 4,
    blocks: int = 16,
    filters: int = 64,
    image_shape: tuple = (None, None, 3),
    upsampling: str = "depth_to_space",
    weights: str | None = None,
    name: str = "msrresnet",
) -> keras.Model:
    """General builder of the MSRResNets.

    Args:
        scale: 2, 3 or 4.
        blocks: number of residual blocks.
        filters: of all convolutions but the last.
        image_shape: ``(height, width, channels)``; height and width may be None.
        upsampling: ``"depth_to_space"``, ``"icnr"``, ``"deconvolution"`` or
            ``"nearest"``.
        weights: None, or the path of an ``.h5`` file or of BasicSR's state dict.

    Returns:
        A ``keras.Model`` from pictures ``(batch, height, width, channels)`` in [0, 1]
        to enlarged ones, float32 and not clipped.
    """
    check_each_count(blocks=blocks, filters=filters)
    steps = scale_steps(scale)
    check_free(upsampling, weights)
    images = picture_input(image_shape)
    x = _leaky(_conv(images, filters, "first_conv"), "first")
    for number in range(1, blocks + 1):
        x = _block(x, f"block{number}")
    x = enlarge(x, filters, steps, upsampling, activation=_leaky, initializer=_small_he)
    x = _leaky(_conv(x, filters, "hr_conv"), "hr")
    x = _conv(x, image_shape[2], "last_conv", dtype=head_dtype())
    x = layers.Add(dtype=head_dtype(), name="enlarged")([_bilinear(images, scale), x])
    network = keras.Model(images, x, name=name)
    load_weights(
        network,
        weights,
        scale,
        lambda stored: scale_by_shuffles(stored, "hr_conv"),
        state_dict_names=_STATE_DICT_NAMES,
    )
    return network


def _small_he():
    """He's normal times 0.1."""
    return keras.initializers.VarianceScaling(0.02, "fan_in", "untruncated_normal")


def _conv(x, filters, name, **kwargs):
    return conv(x, filters, 3, name, kernel_initializer=_small_he(), **kwargs)


def _block(x, name):
    """Convolution, ReLU, convolution, and the input added."""
    filters = x.shape[-1]
    residual = _conv(x, filters, f"{name}_conv1", activation="relu")
    residual = _conv(residual, filters, f"{name}_conv2")
    return layers.Add(name=f"{name}_add")([x, residual])


def _bilinear(images, scale):
    """The bilinear enlargement, in float32."""
    return layers.UpSampling2D(
        scale, interpolation="bilinear", dtype=head_dtype(), name="bilinear"
    )(images)


def _leaky(x, name):
    return layers.LeakyReLU(_LEAK, name=f"{name}_lrelu")(x)


# 1_792; 32 * 36_928; steps of 147_712 (x3: 332_352); 36_928 + 1_731
MSRResNetX2, MSRResNetX3, MSRResNetX4 = register_scales(
    MSRResNet,
    "MSRResNet",
    {2: 1_369_859, 3: 1_554_499, 4: 1_517_571},
    name="msrresnet",
    paper="SRResNet, arXiv 1609.04802; layers of github.com/XPixelGroup/BasicSR",
    published={4: "PSNR 30.2468 on Set5 (RGB), as SRGAN 28.0158"},
)

__all__ = ["MSRResNet", "MSRResNetX2", "MSRResNetX3", "MSRResNetX4"]
