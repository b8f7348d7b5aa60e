"""SRGAN's discriminator of large pictures.

Ledig et al., "Photo-Realistic Single Image Super-Resolution Using a Generative
Adversarial Network", arXiv 1609.04802, section 2.1.1 and figure 4: eight 3x3
convolutions, every second one of stride 2, with LeakyReLU of 0.2 and, from the second
on, batch normalisation; a dense layer of 1,024 units; one logit. The dense layer fixes
the size of the pictures, 96x96. The generator is ``srresnet_x4``.

Deviations: a logit, no sigmoid, since the loss takes it.
"""

from collections.abc import Sequence

from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns._checks import check_count, check_counts, check_image_shape
from keras_cnns.applications.frame.builder import network_builder
from keras_cnns.applications.frame.parts import head_dtype, normalised
from keras_cnns.applications.super_resolution._parts import (
    conv,
    register_super_resolution,
)

_LEAK = 0.2


@network_builder
def SuperResolutionDiscriminator(
    image_shape: tuple = (96, 96, 3),
    filters: Sequence[int] = (64, 128, 256, 512),
    units: int = 1024,
    name: str = "super_resolution_discriminator",
) -> keras.Model:
    """General builder of the discriminators.

    Args:
        image_shape: ``(height, width, channels)`` of the pictures.
        filters: of pairs of convolutions, the second of stride 2.
        units: of the dense layer.

    Returns:
        A ``keras.Model`` from pictures ``(batch, height, width, channels)`` to logits
        ``(batch, 1)``, float32, high for real pictures.
    """
    check_image_shape(image_shape)
    check_counts("filters", filters)
    check_count("units", units)
    images = x = keras.Input(tuple(image_shape), name="images")
    for number, width in enumerate(filters, start=1):
        for strides in (1, 2):
            step = f"level{number}_{strides}"
            x = conv(x, width, 3, f"{step}_conv", strides=strides)
            if (number, strides) != (1, 1):
                x = normalised(x, step)
            x = layers.LeakyReLU(_LEAK, name=f"{step}_lrelu")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(units, name="dense")(x)
    x = layers.LeakyReLU(_LEAK, name="dense_lrelu")(x)
    x = layers.Dense(1, dtype=head_dtype(), name="logits")(x)
    return keras.Model(images, x, name=name)


SRGANDiscriminator = register_super_resolution(
    SuperResolutionDiscriminator,
    "SRGANDiscriminator",
    name="srgan_discriminator",
    paper="SRGAN, arXiv 1609.04802, figure 4",
    # 1_792 + 36_928 + 73_856 + 147_584 + 295_168 + 590_080 + 1_180_160 + 2_359_808;
    # normalisation 2 * (64 + 2 * (128 + 256 + 512)); 18_432 * 1024 + 1024, 1024 + 1
    params=23_565_505,
    min_size=None,
    output_shape=(1,),
)

__all__ = ["SuperResolutionDiscriminator", "SRGANDiscriminator"]
