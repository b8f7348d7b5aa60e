"""FSRCNN: an hourglass of thin convolutions, enlarged by the last layer.

Dong, Loy, Tang, "Accelerating the Super-Resolution Convolutional Neural Network", arXiv
1608.00367, section 3: feature extraction 5x5, shrinking 1x1, mapping by 3x3
convolutions, expanding 1x1, all with a PReLU slope per channel, then a 9x9
deconvolution whose stride is the scale. Everything but that layer can be kept for
another scale. FSRCNN(56, 12, 4) is the paper's, (32, 5, 1) its real-time FSRCNN-s.
Pictures are luma.

The deconvolution starts from N(0, 0.001), the others from He's normal for PReLU. The
paper counts weights alone: 12,464 and 3,937.

Deviations: none known.
"""

import math

from tensorflow import keras

from keras_cnns._checks import check_each_count
from keras_cnns.applications.frame.builder import network_builder
from keras_cnns.applications.frame.parts import head_dtype
from keras_cnns.applications.super_resolution._parts import (
    LAST_UPSAMPLINGS,
    PRELU_SLOPE,
    SCALES,
    check_free,
    check_scale,
    conv,
    enlarge,
    picture_input,
    prelu,
    register_scales,
)


@network_builder(free=("upsampling",))
def FSRCNN(
    scale: int = 3,
    filters: int = 56,
    shrunk_filters: int = 12,
    mapping_layers: int = 4,
    image_shape: tuple = (None, None, 1),
    upsampling: str = "deconvolution",
    name: str = "fsrcnn",
) -> keras.Model:
    """General builder of the FSRCNNs.

    Args:
        scale: 2, 3 or 4.
        filters: d, of the first layers' maps.
        shrunk_filters: s, of the mapping layers.
        mapping_layers: m, their number.
        image_shape: ``(height, width, channels)``; height and width may be None.
        upsampling: ``"deconvolution"``, ``"depth_to_space"`` or ``"icnr"``.

    Returns:
        A ``keras.Model`` from pictures ``(batch, height, width, channels)`` in [0, 1]
        to enlarged ones, float32 and not clipped.
    """
    check_scale(scale)
    check_each_count(
        filters=filters, shrunk_filters=shrunk_filters, mapping_layers=mapping_layers
    )
    check_free(upsampling, allowed=LAST_UPSAMPLINGS)
    images = picture_input(image_shape)
    x = _layer(images, filters, 5, "extract")
    x = _layer(x, shrunk_filters, 1, "shrink")
    for number in range(1, mapping_layers + 1):
        x = _layer(x, shrunk_filters, 3, f"map{number}")
    x = _layer(x, filters, 1, "expand")
    x = enlarge(
        x,
        image_shape[2],
        (scale,),
        upsampling,
        size=9,
        initializer=lambda: keras.initializers.RandomNormal(0.0, 0.001),
        dtype=head_dtype(),
    )
    return keras.Model(images, x, name=name)


def _layer(x, filters, size, name):
    """Convolution and PReLU."""
    variance = 2 / (1 + PRELU_SLOPE**2) / (size * size * x.shape[-1])
    normal = keras.initializers.RandomNormal(0.0, math.sqrt(variance))
    return prelu(conv(x, filters, size, name, kernel_initializer=normal), name)


_PAPER = "FSRCNN, arXiv 1608.00367, sections 3 and 4"
# 106d + 2ds + 9ms^2 weights; biases and slopes 2 (2d + s + ms) + 1, at every scale
FSRCNNX2, FSRCNNX3, FSRCNNX4 = register_scales(
    FSRCNN,
    "FSRCNN",
    dict.fromkeys(SCALES, 12_809),
    name="fsrcnn",
    paper=_PAPER,
    published={
        2: "PSNR 37.00 on Set5, 32.63 on Set14",
        3: "PSNR 33.16 on Set5, 29.43 on Set14",
        4: "PSNR 30.71 on Set5, 27.59 on Set14",
    },
)
FSRCNNSX2, FSRCNNSX3, FSRCNNSX4 = register_scales(
    FSRCNN,
    "FSRCNNS",
    dict.fromkeys(SCALES, 4_086),
    name="fsrcnn_s",
    paper=_PAPER,
    architecture={"filters": 32, "shrunk_filters": 5, "mapping_layers": 1},
)

__all__ = [
    "FSRCNN",
    "FSRCNNX2",
    "FSRCNNX3",
    "FSRCNNX4",
    "FSRCNNSX2",
    "FSRCNNSX3",
    "FSRCNNSX4",
]
