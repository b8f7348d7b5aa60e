"""SRDenseNet: dense blocks on the small picture, all their levels joined.

Tong, Li, Liu, Gao, "Image Super-Resolution Using Dense Skip Connections", ICCV 2017,
section 3, SRDenseNet_All, 69 layers: a 3x3 convolution to 128 maps; eight dense blocks
of eight 3x3 convolutions of 16 maps; the first maps and the blocks' outputs, 1,152 maps
together, through a 1x1 convolution to 256; two 3x3 deconvolutions of stride 2; a 3x3
convolution. ReLU follows all layers but the last. Pictures are luma.

A block's output are the maps of its eight convolutions, of which each sees those before
it in the block, the first one the block before (unverified; public ports do so). The
paper gives no number of parameters: 2,143,489 is the arithmetic of these layers.
"""

from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns._checks import check_each_count
from keras_cnns.applications.frame.builder import network_builder
from keras_cnns.applications.frame.parts import head_dtype
from keras_cnns.applications.super_resolution._parts import (
    check_free,
    conv,
    enlarge,
    he_normal,
    picture_input,
    register_super_resolution,
    scale_steps,
)


@network_builder(free=("upsampling",))
def SRDenseNet(
    scale: int = 4,
    blocks: int = 8,
    convolutions: int = 8,
    growth_rate: int = 16,
    bottleneck_filters: int = 256,
    image_shape: tuple = (None, None, 1),
    upsampling: str = "deconvolution",
    name: str = "srdensenet",
) -> keras.Model:
    """General builder of the SRDenseNets.

    Args:
        scale: 2, 3 or 4.
        blocks: number of dense blocks.
        convolutions: of each block.
        growth_rate: filters of each of them; the first layer of the network has
            ``convolutions`` times as many.
        bottleneck_filters: of the 1x1 convolution and of the enlarging layers.
        image_shape: ``(height, width, channels)``; height and width may be None.
        upsampling: ``"deconvolution"``, ``"depth_to_space"``, ``"icnr"`` or
            ``"nearest"``.

    Returns:
        A ``keras.Model`` from pictures ``(batch, height, width, channels)`` in [0, 1]
        to enlarged ones, float32 and not clipped.
    """
    check_each_count(
        blocks=blocks,
        convolutions=convolutions,
        growth_rate=growth_rate,
        bottleneck_filters=bottleneck_filters,
    )
    steps = scale_steps(scale)
    check_free(upsampling)
    images = picture_input(image_shape)
    levels = [_conv(images, convolutions * growth_rate, 3, "first_conv")]
    for number in range(1, blocks + 1):
        levels.append(_dense_block(levels[-1], convolutions, growth_rate, number))
    x = layers.Concatenate(name="levels")(levels)
    x = _conv(x, bottleneck_filters, 1, "bottleneck_conv")
    x = enlarge(
        x,
        bottleneck_filters,
        steps,
        upsampling,
        activation=lambda x, name: layers.ReLU(name=f"{name}_relu")(x),
        initializer=he_normal,
    )
    last = {"kernel_initializer": he_normal(), "dtype": head_dtype()}
    x = conv(x, image_shape[2], 3, "last_conv", **last)
    return keras.Model(images, x, name=name)


def _conv(x, filters, size, name):
    """Convolution and ReLU."""
    given = {"activation": "relu", "kernel_initializer": he_normal()}
    return conv(x, filters, size, name, **given)


def _dense_block(x, convolutions, growth_rate, number):
    """The maps of a block's convolutions, each of which sees those before it."""
    name = f"block{number}"
    maps = [_conv(x, growth_rate, 3, f"{name}_conv1")]
    for i in range(2, convolutions + 1):
        seen = maps[0]
        if len(maps) > 1:
            seen = layers.Concatenate(name=f"{name}_join{i}")(maps)
        maps.append(_conv(seen, growth_rate, 3, f"{name}_conv{i}"))
    return layers.Concatenate(name=f"{name}_maps")(maps)


SRDenseNetX4 = register_super_resolution(
    SRDenseNet,
    "SRDenseNetX4",
    name="srdensenet_x4",
    paper="SRDenseNet_All, ICCV 2017, section 3",
    # 9*128 + 128; 8 * (9*16*(128 + 16 + 32 + ... + 112) + 8*16); 1152*256 + 256;
    # 2 * (9*256*256 + 256); 9*256 + 1
    params=2_143_489,
    published="PSNR 32.02 on Set5, 28.50 on Set14 (unverified)",
    note="the paper gives none; this is the arithmetic of its layers",
)

SRDenseNetSmallX4 = register_super_resolution(
    SRDenseNet,
    "SRDenseNetSmallX4",
    architecture={
        "blocks": 3,
        "convolutions": 4,
        "growth_rate": 8,
        "bottleneck_filters": 32,
    },
    name="srdensenet_small_x4",
    paper="not from a paper: SRDenseNet's layers, fewer and thinner",
    # 320; 3 * (2_312 + 584 + 1_160 + 1_736); 128*32 + 32; 2 * 9_248; 289
    params=40_609,
)

__all__ = ["SRDenseNet", "SRDenseNetX4", "SRDenseNetSmallX4"]
