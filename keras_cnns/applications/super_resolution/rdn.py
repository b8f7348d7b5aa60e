"""RDN: residual dense blocks on the small picture.

Zhang, Tian, Kong, Zhong, Fu, "Residual Dense Network for Image Super-Resolution", arXiv
1802.08797, section 3: two 3x3 convolutions; D blocks, each of C dense 3x3 convolutions
of growth rate G with ReLU, a 1x1 convolution of all its maps, and its input added; the
blocks' outputs through a 1x1 and a 3x3 convolution, the first maps added; enlarging; a
3x3 convolution to the picture, in colour. The large network has D = 16, C = 8, G = 64.

- ``rdn_x2`` and its kin enlarge as EDSR does, whose code the authors build on.
- ``rdn_c3_d10_x2`` is the small network of a public Keras port
  (github.com/idealo/image-super-resolution, "psnr-small"), and reads its ``.h5`` files:
  5x5 and 3x3 convolutions with ReLU before the enlarging, which repeats pixels. The
  builder makes others of its networks, with ``upsampling="depth_to_space"`` those whose
  enlarging is a shuffle.

Weights start from PyTorch's uniform ones.

Deviations: biases start from 0.
"""

from __future__ import annotations

from collections.abc import Sequence

from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns._checks import check_count, check_counts, check_each_count
from keras_cnns.applications.frame.builder import network_builder
from keras_cnns.applications.frame.parts import head_dtype
from keras_cnns.applications.super_resolution._parts import (
    check_free,
    conv,
    enlarge,
    load_weights,
    picture_input,
    register_scales,
    register_super_resolution,
    scale_by_shuffles,
    scale_steps,
    torch_uniform,
    whole_root,
)

# Layer names of the Keras port.
_KERAS_NAMES = (
    (r"F_m1", "first_conv"),
    (r"F_0", "second_conv"),
    (r"F_(\d+)_(\d+)", r"block\1_conv\2"),
    (r"LFF_(\d+)", r"block\1_fusion"),
    (r"GFF_(\d)", r"fusion\1_conv"),
    (r"UPN3", "upsample1_conv"),
    (r"UPN(\d)", r"tail\1_conv"),
    (r"SR", "last_conv"),
)


@network_builder(free=("upsampling", "weights"))
def RDN(
    scale: int = 2,
    blocks: int = 16,
    convolutions: int = 8,
    growth_rate: int = 64,
    filters: int = 64,
    tail_filters: Sequence[int] | None = None,
    image_shape: tuple = (None, None, 3),
    upsampling: str = "depth_to_space",
    weights: str | None = None,
    name: str = "rdn",
) -> keras.Model:
    """General builder of the RDNs.

    Args:
        scale: 2, 3 or 4.
        blocks: D, number of residual dense blocks.
        convolutions: C, of each block.
        growth_rate: G, filters of each of them.
        filters: of all other layers.
        tail_filters: of ReLU convolutions before the enlarging, 5x5 and then 3x3, which
            then is one step to as many channels as pictures have; None for none, and
            steps of ``filters`` channels.
        image_shape: ``(height, width, channels)``; height and width may be None.
        upsampling: ``"depth_to_space"``, ``"icnr"``, ``"deconvolution"`` or
            ``"nearest"``; with tail filters the latter has ``scale ** 2`` times the
            channels, as the port has them.
        weights: None, or the path of an ``.h5`` file, of this package or the port.

    Returns:
        A ``keras.Model`` from pictures ``(batch, height, width, channels)`` in [0, 1]
        to enlarged ones, float32 and not clipped.
    """
    check_each_count(blocks=blocks, convolutions=convolutions, filters=filters)
    check_count("growth_rate", growth_rate)
    if tail_filters is not None:
        check_counts("tail_filters", tail_filters)
    steps = scale_steps(scale)
    check_free(upsampling, weights)
    images = picture_input(image_shape)
    x = _features(images, blocks, convolutions, growth_rate, filters)
    for number, width in enumerate(tail_filters or (), start=1):
        size = 5 if number == 1 else 3
        x = _conv(x, width, size, f"tail{number}_conv", activation="relu")
    channels = image_shape[2]
    if tail_filters:
        filters = channels * scale**2 if upsampling == "nearest" else channels
        steps = (scale,)
    x = enlarge(x, filters, steps, upsampling, initializer=torch_uniform)
    x = _conv(x, channels, 3, "last_conv", dtype=head_dtype())
    network = keras.Model(images, x, name=name)
    stored_scale = _scale_of_port if tail_filters else scale_by_shuffles
    load_weights(network, weights, scale, stored_scale, keras_names=_KERAS_NAMES)
    return network


def _features(images, blocks, convolutions, growth_rate, filters):
    """The fused maps of all blocks, the first maps added."""
    first = _conv(images, filters, 3, "first_conv")
    x = _conv(first, filters, 3, "second_conv")
    levels = []
    for number in range(1, blocks + 1):
        x = _block(x, convolutions, growth_rate, f"block{number}")
        levels.append(x)
    if blocks > 1:
        x = layers.Concatenate(name="levels")(levels)
    x = _conv(x, filters, 1, "fusion1_conv")
    x = _conv(x, filters, 3, "fusion2_conv")
    return layers.Add(name="fusion")([x, first])


def _conv(x, filters, size, name, **kwargs):
    return conv(x, filters, size, name, kernel_initializer=torch_uniform(), **kwargs)


def _block(x, convolutions, growth_rate, name):
    """Dense convolutions, their maps fused, the input added."""
    seen = x
    for i in range(1, convolutions + 1):
        new = _conv(seen, growth_rate, 3, f"{name}_conv{i}", activation="relu")
        seen = layers.Concatenate(name=f"{name}_join{i}")([seen, new])
    fused = _conv(seen, x.shape[-1], 1, f"{name}_fusion")
    return layers.Add(name=f"{name}_add")([fused, x])


def _scale_of_port(stored):
    """What a file of the port enlarges by: a channel of a picture for each pixel."""
    kernels = [stored.get(name, [None])[0] for name in ("upsample1_conv", "last_conv")]
    if any(kernel is None or kernel.ndim != 4 for kernel in kernels):
        return None
    return whole_root(kernels[0].shape[3] // kernels[1].shape[3])


# 1_792 + 36_928; 16 * (36_928 + 73_792 + ... + 294_976 + 36_928); 65_600 + 36_928;
# steps of 147_712 (x3: 332_352); 1_731
RDNX2, RDNX3, RDNX4 = register_scales(
    RDN,
    "RDN",
    {2: 22_123_395, 3: 22_308_035, 4: 22_271_107},
    name="rdn",
    paper="RDN, arXiv 1802.08797, section 3",
    published={
        2: "PSNR 38.24 on Set5 (Y), 35.9883 (RGB)",
        3: "PSNR 34.71 on Set5 (Y), 32.6051 (RGB)",
        4: "PSNR 32.47 on Set5 (Y), 30.4922 (RGB)",
    },
)
RDNC3D10X2 = register_super_resolution(
    RDN,
    "RDNC3D10X2",
    architecture={
        "blocks": 10,
        "convolutions": 3,
        "tail_filters": (64, 32),
        "upsampling": "nearest",
    },
    name="rdn_c3_d10_x2",
    paper="RDN, arXiv 1802.08797; layers of github.com/idealo/image-super-resolution",
    # 1_792 + 36_928; 10 * (36_928 + 73_792 + 110_656 + 16_448); 41_024 + 36_928;
    # 102_464 + 18_464 + 3_468 + 327
    params=2_619_635,
)
# 896 + 9_248; 4 * (4_624 + 6_928 + 9_232 + 2_592); 4_128 + 9_248; steps of 36_992 (x3:
# 83_232); 867
RDNSmallX2, RDNSmallX3, RDNSmallX4 = register_scales(
    RDN,
    "RDNSmall",
    {2: 154_883, 3: 201_123, 4: 191_875},
    name="rdn_small",
    paper="not from a paper: RDN's layers, fewer and thinner",
    architecture={"blocks": 4, "convolutions": 3, "growth_rate": 16, "filters": 32},
)

__all__ = [
    "RDN",
    "RDNX2",
    "RDNX3",
    "RDNX4",
    "RDNC3D10X2",
    "RDNSmallX2",
    "RDNSmallX3",
    "RDNSmallX4",
]
