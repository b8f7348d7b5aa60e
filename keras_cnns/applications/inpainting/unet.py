"""U-Net: a contracting path, an expanding one, and skips between equal sizes.

Ronneberger, Fischer, Brox, "U-Net: Convolutional Networks for Biomedical Image
Segmentation", arXiv 1505.04597, figure 1. It labels every pixel, and so can say where
the holes of an image are; the inpainting networks here are U-Nets of other layers. It
takes images alone and gives logits of classes.

- ``unet``: convolutions without padding, skips cropped to the middle; 572x572 images
  give 388x388 labels.
- ``unet_same``: a popular Keras port (github.com/zhixuhao/unet): padded convolutions,
  nearest upsampling and 2x2 convolutions, a further 3x3 convolution to 2 channels.

Weights start from N(0, sqrt(2 / fan-in)). Dropout of 0.5 ends the last two contracting
levels and a ReLU follows the 2x2 deconvolutions: the paper has dropout without a rate
or place, these are of the authors' released network and of the port.

Deviations: the port ends in a sigmoid, here are logits; its weights are cut off at two
standard deviations. The authors' released network has 128 channels after the last
deconvolution, here it is 64, as the paper's figure and halving have it.
"""

from collections.abc import Sequence

from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns._checks import (
    check_choice,
    check_count,
    check_counts,
    check_flag,
    check_image_shape,
    check_within,
)
from keras_cnns.applications.frame.builder import network_builder
from keras_cnns.applications.frame.parts import head_dtype
from keras_cnns.applications.inpainting._parts import (
    check_divisible,
    he_normal,
    register_inpainting,
)
from keras_cnns.layers import NearestUpsampling2D


def _conv(x, filters, size, padding, name):
    """Convolution and ReLU."""
    return layers.Conv2D(
        filters,
        size,
        padding=padding,
        activation="relu",
        kernel_initializer=he_normal(),
        name=name,
    )(x)


def _two_convs(x, filters, padding, name):
    x = _conv(x, filters, 3, padding, f"{name}_conv1")
    return _conv(x, filters, 3, padding, f"{name}_conv2")


def _double(x, filters, upsampling, name):
    """Twice the size."""
    if upsampling == "nearest":
        x = NearestUpsampling2D(name=f"{name}_upsample")(x)
        return _conv(x, filters, 2, "same", f"{name}_up")
    return layers.Conv2DTranspose(
        filters,
        2,
        strides=2,
        activation="relu",
        kernel_initializer=he_normal(),
        name=f"{name}_up",
    )(x)


def _crops(levels):
    """Pixels that each skip loses on every side, finest first; the coarsest has none.

    Two convolutions take 4 pixels of a map, so what comes back up from the level below
    is smaller by twice its own loss there and 8 pixels on either way.
    """
    crops = [4] if levels > 1 else []
    while len(crops) < levels - 1:
        crops.insert(0, 8 + 2 * crops[0])
    return crops


def _check_valid_size(image_shape, levels):
    """Refuses images that leave an odd map before a pooling, or no output."""
    check_image_shape(image_shape, fixed_size=False)
    step = 2 ** (levels - 1)
    lost = 4 * (2**levels - 1)  # down to the coarsest map
    crops = _crops(levels)
    smallest = lost + step
    while smallest <= 8 + 2 * (crops[0] if crops else -2):
        smallest += step
    for size in image_shape[:2]:
        if size is not None and (size < smallest or (size - lost) % step):
            raise ValueError(
                f"image_shape={image_shape!r}: without padding, height and width must "
                f"be {smallest} plus a multiple of {step}; resize or mirror the border"
            )


@network_builder(free=("dropout_rate",))
def UNet(
    image_shape: tuple = (572, 572, 1),
    filters: Sequence[int] = (64, 128, 256, 512, 1024),
    classes: int = 2,
    padding: str = "valid",
    upsampling: str = "deconvolution",
    head_filters: int = 0,
    dropout_rate: float = 0.5,
    skips: bool = True,
    name: str = "unet",
) -> keras.Model:
    """General builder of the U-Nets that label pixels.

    Args:
        image_shape: ``(height, width, channels)``; height and width may be None.
        filters: of each level, finest first.
        classes: channels of the logits; 1 is a yes or no.
        padding: ``"valid"`` or ``"same"``, of the levels' 3x3 convolutions.
        upsampling: ``"deconvolution"``, 2x2, or ``"nearest"`` and a 2x2 convolution.
        head_filters: of a padded 3x3 convolution before the last; 0 for none.
        dropout_rate: fraction dropped at the ends of the last two levels, in [0, 1).
        skips: whether the expanding path sees the contracting one's maps.

    Returns:
        A ``keras.Model`` from images ``(batch, height, width, channels)`` to logits
        ``(batch, height', width', classes)``, float32; height' is the height with
        ``"same"`` and 184 less with ``"valid"`` and five levels.
    """
    _check(image_shape, filters, padding, dropout_rate)
    check_count("classes", classes)
    check_choice("upsampling", upsampling, ("deconvolution", "nearest"))
    if head_filters != 0 or isinstance(head_filters, bool):
        check_count("head_filters", head_filters)
    check_flag("skips", skips)
    images = keras.Input(tuple(image_shape), name="images")
    *maps, x = _contracting_path(images, filters, padding, dropout_rate)
    crops = _crops(len(filters)) if padding == "valid" else [0] * len(maps)
    for level in range(len(maps), 0, -1):
        width = filters[level - 1]
        x = _double(x, width, upsampling, f"decoder{level}")
        if skips:
            skip, crop = maps[level - 1], crops[level - 1]
            if crop:
                skip = layers.Cropping2D(crop, name=f"decoder{level}_crop")(skip)
            x = layers.Concatenate(name=f"decoder{level}_join")([skip, x])
        x = _two_convs(x, width, padding, f"decoder{level}")
    if head_filters:
        x = _conv(x, head_filters, 3, "same", "head")
    x = layers.Conv2D(
        classes,
        1,
        kernel_initializer=he_normal(),
        dtype=head_dtype(),
        name="logits",
    )(x)
    return keras.Model(images, x, name=name)


def _check(image_shape, filters, padding, dropout_rate):
    check_counts("filters", filters)
    check_choice("padding", padding, ("valid", "same"))
    check_within("dropout_rate", dropout_rate)
    if padding == "valid":
        _check_valid_size(image_shape, len(filters))
    else:
        check_divisible(image_shape, 2 ** (len(filters) - 1))


def _contracting_path(x, filters, padding, dropout_rate):
    """The maps at the ends of the levels, finest first."""
    maps = []
    for level, width in enumerate(filters, start=1):
        if maps:
            x = layers.MaxPooling2D(name=f"encoder{level}_pool")(maps[-1])
        x = _two_convs(x, width, padding, f"encoder{level}")
        if dropout_rate and level > len(filters) - 2:
            x = layers.Dropout(dropout_rate, name=f"encoder{level}_dropout")(x)
        maps.append(x)
    return maps


_PAPER = "U-Net, arXiv 1505.04597, figure 1"
_STAGE_ENDS = tuple(f"encoder{level}_conv2" for level in range(1, 6))

UNetValid = register_inpainting(
    UNet,
    "UNetValid",
    name="unet",
    paper=_PAPER,
    masked=False,
    # 3x3: 9*(64 + 64*64 + 64*128 + 128*128 + 128*256 + 256*256 + 256*512 + 512*512
    # + 512*1024 + 1024*1024 + 1024*512 + 512*512 + 512*256 + 256*256 + 256*128
    # + 128*128 + 128*64 + 64*64), 2x2: 4*(1024*512 + 512*256 + 256*128 + 128*64),
    # 1x1: 64*2, biases: 2*1984 + 3*960 + 2
    params=31_030_658,
    min_size=188,
    output_shape=(388, 388, 2),
    stage_ends=_STAGE_ENDS,
    published="IoU 0.9203 on PhC-U373, 0.7756 on DIC-HeLa (unverified)",
)
UNetSame = register_inpainting(
    UNet,
    "UNetSame",
    architecture={
        "image_shape": (256, 256, 1),
        "classes": 1,
        "padding": "same",
        "upsampling": "nearest",
        "head_filters": 2,
    },
    name="unet_same",
    paper=f"{_PAPER}; layers of github.com/zhixuhao/unet",
    masked=False,
    # those of the paper's network but for its last layer, 31_030_658 - 130, and of
    # two more: 9*64*2 + 2 + 2 + 1
    params=31_031_685,
    min_size=16,
    stage_ends=_STAGE_ENDS,
)

__all__ = ["UNet", "UNetValid", "UNetSame"]
