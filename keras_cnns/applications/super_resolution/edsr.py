"""EDSR: residual blocks without normalisation on the small picture.

Lim, Son, Kim, Nah, Lee, "Enhanced Deep Residual Networks for Single Image
Super-Resolution", arXiv 1707.02921, sections 3.2 and 4.2: the mean colour of DIV2K is
taken off grey levels of 0 to 255; a 3x3 convolution; residual blocks of two 3x3
convolutions with a ReLU between them; a convolution, and the first maps added;
enlarging by 2 (twice for 4) or by 3; a convolution; the mean put back. The baseline has
16 blocks of 64 channels, EDSR 32 of 256 with residuals times 0.1, without which it does
not train.

Reads the authors' PyTorch files (github.com/sanghyun-son/EDSR-PyTorch) and BasicSR's.
Weights start from PyTorch's uniform ones.

Deviations: pictures are in [0, 1], and scaled within; biases start from 0.
"""

from __future__ import annotations

from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns._checks import check_each_count, check_within
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
    torch_uniform,
)

# Mean colour of DIV2K's training pictures.
_MEAN = (0.4488, 0.4371, 0.4040)
# PyTorch's modules: the authors' names, then BasicSR's.
_STATE_DICT_NAMES = (
    (r"sub_mean|add_mean", None),
    (r"head\.0|conv_first", "first_conv"),
    (r"body\.(\d+)\.body\.0", r"block{\1+1}_conv1"),
    (r"body\.(\d+)\.conv1", r"block{\1+1}_conv1"),
    (r"body\.(\d+)\.body\.2", r"block{\1+1}_conv2"),
    (r"body\.(\d+)\.conv2", r"block{\1+1}_conv2"),
    (r"body\.\d+|conv_after_body", "body_conv"),
    (r"tail\.0\.0|upsample\.0", "upsample1_conv", from_pixel_shuffle),
    (r"tail\.0\.2|upsample\.2", "upsample2_conv", from_pixel_shuffle),
    (r"tail\.1|conv_last", "last_conv"),
)


@network_builder(free=("upsampling", "weights"))
def EDSR(
    scale: int = 2,
    blocks: int = 16,
    filters: int = 64,
    residual_scale: float = 1.0,
    image_shape: tuple = (None, None, 3),
    upsampling: str = "depth_to_space",
    weights: str | None = None,
    name: str = "edsr",
) -> keras.Model:
    """General builder of the EDSRs.

    Args:
        scale: 2, 3 or 4.
        blocks: number of residual blocks.
        filters: of all convolutions but the last.
        residual_scale: factor of a block's residual, in (0, 1].
        image_shape: ``(height, width, channels)``; height and width may be None. Of
            other pictures than colour ones no mean is taken off.
        upsampling: ``"depth_to_space"``, ``"icnr"``, ``"deconvolution"`` or
            ``"nearest"``.
        weights: None, or the path of an ``.h5`` file or of a PyTorch state dict of the
            authors or of BasicSR.

    Returns:
        A ``keras.Model`` from pictures ``(batch, height, width, channels)`` in [0, 1]
        to enlarged ones, float32 and not clipped.
    """
    check_each_count(blocks=blocks, filters=filters)
    check_within("residual_scale", residual_scale, "(0, 1]")
    steps = scale_steps(scale)
    check_free(upsampling, weights)
    images = picture_input(image_shape)
    channels = image_shape[2]
    mean = _MEAN if channels == 3 else (0.0,) * channels
    x = layers.Rescaling(255.0, [-255 * m for m in mean], name="without_mean")(images)
    x = first = _conv(x, filters, "first_conv")
    for number in range(1, blocks + 1):
        x = _block(x, residual_scale, f"block{number}")
    x = layers.Add(name="body")([_conv(x, filters, "body_conv"), first])
    x = enlarge(x, filters, steps, upsampling, initializer=torch_uniform)
    x = _conv(x, channels, "last_conv", dtype=head_dtype())
    x = layers.Rescaling(1 / 255, mean, dtype=head_dtype(), name="enlarged")(x)
    network = keras.Model(images, x, name=name)
    load_weights(
        network,
        weights,
        scale,
        scale_by_shuffles,
        state_dict_names=_STATE_DICT_NAMES,
    )
    return network


def _conv(x, filters, name, **kwargs):
    return conv(x, filters, 3, name, kernel_initializer=torch_uniform(), **kwargs)


def _block(x, residual_scale, name):
    """Convolution, ReLU, convolution, and the input added."""
    filters = x.shape[-1]
    residual = _conv(x, filters, f"{name}_conv1", activation="relu")
    residual = _conv(residual, filters, f"{name}_conv2")
    if residual_scale != 1:
        residual = layers.Rescaling(residual_scale, name=f"{name}_scaled")(residual)
    return layers.Add(name=f"{name}_add")([x, residual])


_PAPER = "EDSR, arXiv 1707.02921, table 1"
EDSRBaselineX2, EDSRBaselineX3, EDSRBaselineX4 = register_scales(
    EDSR,
    "EDSRBaseline",
    {2: 1_369_859, 3: 1_554_499, 4: 1_517_571},
    name="edsr_baseline",
    paper=_PAPER,
    published={
        2: "PSNR 37.99 on Set5 (Y), 35.7768 (RGB)",
        3: "PSNR 34.37 on Set5 (Y, unverified), 32.3597 (RGB)",
        4: "PSNR 32.09 on Set5 (Y, unverified), 30.1821 (RGB)",
    },
)
EDSRX2, EDSRX3, EDSRX4 = register_scales(
    EDSR,
    "EDSR",
    {2: 40_729_603, 3: 43_680_003, 4: 43_089_923},
    name="edsr",
    paper=_PAPER,
    published={
        2: "PSNR 38.11 on Set5 (Y), 35.9979 (RGB)",
        3: "PSNR 34.65 on Set5 (Y), 32.6430 (RGB)",
        4: "PSNR 32.46 on Set5 (Y), 30.5499 (RGB)",
    },
    architecture={"blocks": 32, "filters": 256, "residual_scale": 0.1},
)
# 896; 8 * 9_248; 9_248; steps of 36_992 (x3: 83_232); 867
EDSRSmallX2, EDSRSmallX3, EDSRSmallX4 = register_scales(
    EDSR,
    "EDSRSmall",
    {2: 121_987, 3: 168_227, 4: 158_979},
    name="edsr_small",
    paper="not from a paper: EDSR's layers, fewer and thinner",
    architecture={"blocks": 4, "filters": 32},
)

__all__ = [
    "EDSR",
    "EDSRBaselineX2",
    "EDSRBaselineX3",
    "EDSRBaselineX4",
    "EDSRSmallX2",
    "EDSRSmallX3",
    "EDSRSmallX4",
    "EDSRX2",
    "EDSRX3",
    "EDSRX4",
]
