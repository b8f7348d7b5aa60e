"""ESPCN: convolutions on the small picture, and a shuffle of their channels.

Shi et al., "Real-Time Single Image and Video Super-Resolution Using an Efficient
Sub-Pixel Convolutional Neural Network", arXiv 1609.05158, section 3.1: 5x5 and 3x3
convolutions with tanh, then a 3x3 convolution to a channel for each pixel of the
square that one pixel becomes. Pictures are luma.

Deviations: none known.
"""

from collections.abc import Sequence

from tensorflow import keras

from keras_cnns._checks import check_counts
from keras_cnns.applications.frame.builder import network_builder
from keras_cnns.applications.frame.parts import head_dtype
from keras_cnns.applications.super_resolution._parts import (
    LAST_UPSAMPLINGS,
    check_free,
    check_scale,
    conv,
    enlarge,
    picture_input,
    register_scales,
)


@network_builder(free=("upsampling",))
def ESPCN(
    scale: int = 3,
    filters: Sequence[int] = (64, 32),
    image_shape: tuple = (None, None, 1),
    upsampling: str = "depth_to_space",
    name: str = "espcn",
) -> keras.Model:
    """General builder of the ESPCNs.

    Args:
        scale: 2, 3 or 4.
        filters: of the 5x5 convolution and of the 3x3 ones after it.
        image_shape: ``(height, width, channels)``; height and width may be None.
        upsampling: ``"depth_to_space"``, ``"icnr"`` or ``"deconvolution"``.

    Returns:
        A ``keras.Model`` from pictures ``(batch, height, width, channels)`` in [0, 1]
        to enlarged ones, float32 and not clipped.
    """
    check_scale(scale)
    check_counts("filters", filters)
    check_free(upsampling, allowed=LAST_UPSAMPLINGS)
    images = x = picture_input(image_shape)
    for number, width in enumerate(filters, start=1):
        size = 5 if number == 1 else 3
        x = conv(x, width, size, f"conv{number}", activation="tanh")
    x = enlarge(x, image_shape[2], (scale,), upsampling, dtype=head_dtype())
    return keras.Model(images, x, name=name)


# 25*64 + 64 + 9*64*32 + 32 = 20_128, and 289 for each channel of the last layer
ESPCNX2, ESPCNX3, ESPCNX4 = register_scales(
    ESPCN,
    "ESPCN",
    {2: 21_284, 3: 22_729, 4: 24_752},
    name="espcn",
    paper="ESPCN, arXiv 1609.05158, section 3.1",
    published={
        3: "PSNR 33.13 on Set5, 29.49 on Set14",
        4: "PSNR 30.90 on Set5, 27.73 on Set14",
    },
)

__all__ = ["ESPCN", "ESPCNX2", "ESPCNX3", "ESPCNX4"]
