"""VDSR: twenty 3x3 convolutions that give what the bicubic enlargement lacks.

Kim, Lee, Lee, "Accurate Image Super-Resolution Using Very Deep Convolutional Networks",
arXiv 1511.04587, section 3: the output is the input, a luma picture enlarged before,
plus the network's residual. One network serves all scales. Its receptive field is
41x41. Weights start from He's normal.

Deviations: none known.
"""

from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns._checks import check_count
from keras_cnns.applications.frame.builder import network_builder
from keras_cnns.applications.frame.parts import head_dtype
from keras_cnns.applications.super_resolution._parts import (
    conv,
    he_normal,
    picture_input,
    register_super_resolution,
)


@network_builder
def VeryDeepSuperResolution(
    image_shape: tuple = (None, None, 1),
    filters: int = 64,
    depth: int = 20,
    name: str = "very_deep_super_resolution",
) -> keras.Model:
    """General builder of VDSR and shallower ones.

    Args:
        image_shape: ``(height, width, channels)``; height and width may be None.
        filters: of all convolutions but the last.
        depth: number of convolutions, at least 2.

    Returns:
        A ``keras.Model`` from enlarged pictures ``(batch, height, width, channels)`` in
        [0, 1] to better ones, float32 and not clipped.
    """
    check_count("filters", filters)
    check_count("depth", depth, 2)
    images = x = picture_input(image_shape)
    for number in range(1, depth):
        x = conv(
            x,
            filters,
            3,
            f"conv{number}",
            activation="relu",
            kernel_initializer=he_normal(),
        )
    x = conv(
        x,
        image_shape[2],
        3,
        f"conv{depth}",
        kernel_initializer=he_normal(),
        dtype=head_dtype(),
    )
    x = layers.Add(dtype=head_dtype(), name="enlarged")([images, x])
    return keras.Model(images, x, name=name)


VDSR = register_super_resolution(
    VeryDeepSuperResolution,
    "VDSR",
    name="vdsr",
    paper="VDSR, arXiv 1511.04587, section 3.1",
    params=665_921,  # 9 * (64 + 18 * 64 * 64 + 64) weights, 19 * 64 + 1 biases
    published="PSNR 37.53 / 33.66 / 31.35 on Set5 x2 / x3 / x4",
)

VDSRSmall = register_super_resolution(
    VeryDeepSuperResolution,
    "VDSRSmall",
    architecture={"filters": 32, "depth": 6},
    name="vdsr_small",
    paper="not from a paper: VDSR's layers, fewer and thinner",
    params=37_601,  # 9 * (32 + 4 * 32 * 32 + 32) weights, 5 * 32 + 1 biases
)

__all__ = ["VeryDeepSuperResolution", "VDSR", "VDSRSmall"]
