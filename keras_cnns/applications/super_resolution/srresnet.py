"""SRResNet: SRGAN's generator, residual blocks with batch normalisation.

Ledig et al., "Photo-Realistic Single Image Super-Resolution Using a Generative
Adversarial Network", arXiv 1609.04802, section 2.1 and figure 4: a 9x9 convolution with
PReLU; 16 blocks of convolution, normalisation, PReLU, convolution, normalisation and
the input added; convolution, normalisation and the first maps added; two steps of a
convolution to 256 channels, depth to space and PReLU; a 9x9 convolution. A PReLU has a
slope for each channel. Normalisation is PyTorch's (momentum 0.9, epsilon 1e-5).

Deviations: pictures are in [0, 1] at both ends, the paper has the large ones in
[-1, 1] (unverified).
"""

from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns._checks import check_each_count
from keras_cnns.applications.frame.builder import network_builder
from keras_cnns.applications.frame.parts import head_dtype, normalised
from keras_cnns.applications.super_resolution._parts import (
    check_free,
    conv,
    enlarge,
    picture_input,
    prelu,
    register_scales,
    register_super_resolution,
    scale_steps,
)


@network_builder(free=("upsampling",))
def SRResNet(
    scale: int = 4,
    blocks: int = 16,
    filters: int = 64,
    image_shape: tuple = (None, None, 3),
    upsampling: str = "depth_to_space",
    name: str = "srresnet",
) -> keras.Model:
    """General builder of the SRResNets.

    Args:
        scale: 2, 3 or 4.
        blocks: number of residual blocks.
        filters: of all convolutions but the last.
        image_shape: ``(height, width, channels)``; height and width may be None.
        upsampling: ``"depth_to_space"``, ``"icnr"``, ``"deconvolution"`` or
            ``"nearest"``.

    Returns:
        A ``keras.Model`` from pictures ``(batch, height, width, channels)`` in [0, 1]
        to enlarged ones, float32 and not clipped.
    """
    check_each_count(blocks=blocks, filters=filters)
    steps = scale_steps(scale)
    check_free(upsampling)
    images = picture_input(image_shape)
    x = first = prelu(conv(images, filters, 9, "first_conv"), "first")
    for number in range(1, blocks + 1):
        x = _block(x, f"block{number}")
    x = normalised(conv(x, filters, 3, "body_conv"), "body")
    x = layers.Add(name="body_add")([x, first])
    x = enlarge(x, filters, steps, upsampling, activation=prelu)
    x = conv(x, image_shape[2], 9, "last_conv", dtype=head_dtype())
    return keras.Model(images, x, name=name)


def _block(x, name):
    filters = x.shape[-1]
    residual = normalised(conv(x, filters, 3, f"{name}_conv1"), f"{name}_1")
    residual = prelu(residual, name)
    residual = normalised(conv(residual, filters, 3, f"{name}_conv2"), f"{name}_2")
    return layers.Add(name=f"{name}_add")([x, residual])


SRResNetX4 = register_super_resolution(
    SRResNet,
    "SRResNetX4",
    name="srresnet_x4",
    paper="SRResNet, arXiv 1609.04802, figure 4",
    # 15_616; 16 * (2 * 36_928 + 2 * 128); 36_928 + 128; 2 * 147_712; 15_555; slopes
    # 19 * 64
    params=1_550_659,
    published="PSNR 32.05 on Set5, 28.49 on Set14 (unverified)",
)
# 7_808; 4 * (2 * 9_248 + 2 * 64); 9_248 + 64; steps of 36_992 (x3: 83_232); 7_779;
# slopes 32 * (5 and one for each step)
SRResNetSmallX2, SRResNetSmallX3, SRResNetSmallX4 = register_scales(
    SRResNet,
    "SRResNetSmall",
    {2: 136_579, 3: 182_819, 4: 173_603},
    name="srresnet_small",
    paper="not from a paper: SRResNet's layers, fewer and thinner",
    architecture={"blocks": 4, "filters": 32},
)

__all__ = [
    "SRResNet",
    "SRResNetX4",
    "SRResNetSmallX2",
    "SRResNetSmallX3",
    "SRResNetSmallX4",
]
