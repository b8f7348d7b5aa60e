"""LBAM's discriminator: one column for the valid pixels, one for the filled ones.

Xie, Liu, Li, Cheng, Zuo, Liu, Wen, Ding, "Image Inpainting with Learnable Bidirectional
Attention Maps", arXiv 1909.00968. Layers are those of the author's code
(github.com/Vious/LBAM_Pytorch): six 4x4 convolutions of stride 2 in each column, with
biases and LeakyReLU of 0.2; the two maps side by side under one window of their size.

The author's PyTorch files are read with ``batch_norm=True``.

Deviations: it gives logits, no sigmoids; it has no batch normalisation unless asked
for, as that couples the samples of a gradient penalty; weights start from N(0, 0.02),
the code leaves them to PyTorch.
"""

from collections.abc import Sequence

from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns._checks import check_counts, check_flag
from keras_cnns.applications.frame.builder import network_builder
from keras_cnns.applications.frame.parts import head_dtype, normalised
from keras_cnns.applications.generative._dcgan import LEAK, small_normal
from keras_cnns.applications.inpainting._parts import (
    check_divisible,
    holes,
    register_inpainting,
)
from keras_cnns.layers import MatrixConv2D


def _state_dict_names(network):
    """The code's modules, which count a column's layers, activations too."""
    levels = sum("hole" in x.name for x in network.layers if "lrelu" in x.name)
    rules = [(r"fusionLayer\.0", "score")]
    for theirs, ours in (("globalConv", "known"), ("localConv", "hole")):
        rules.append((rf"{theirs}\.0", f"{ours}1_conv"))
        for level in range(2, levels + 1):
            first = 2 + 3 * (level - 2)
            rules.append((rf"{theirs}\.{first}", f"{ours}{level}_conv"))
            rules.append((rf"{theirs}\.{first + 1}", f"{ours}{level}_bn"))
    return rules


@network_builder(free=("batch_norm",), state_dict_names=_state_dict_names)
def TwoColumnDiscriminator(
    image_shape: tuple = (256, 256, 3),
    filters: Sequence[int] = (64, 128, 256, 512, 512, 512),
    batch_norm: bool = False,
    name: str = "two_column_discriminator",
) -> keras.Model:
    """General builder of the discriminators.

    Args:
        image_shape: ``(height, width, channels)``; height and width are multiples of 2
            to the power of the number of filters.
        filters: of the 4x4 convolutions of stride 2 in each column.
        batch_norm: whether all of them but the first are normalised.

    Returns:
        A ``keras.Model`` from images ``(batch, height, width, channels)`` and masks
        ``(batch, height, width, 1)``, 1 at valid pixels, to logits ``(batch, 1)``,
        float32, high for real images.
    """
    check_counts("filters", filters)
    check_flag("batch_norm", batch_norm)
    check_divisible(image_shape, 2 ** len(filters), fixed_size=True)
    images = keras.Input(tuple(image_shape), name="images")
    masks = keras.Input((*image_shape[:2], 1), name="masks")
    columns = []
    for column, seen in (("known", masks), ("hole", holes(masks))):
        x = layers.Multiply(name=f"{column}_pixels")([images, seen])
        for level, width in enumerate(filters, start=1):
            step = f"{column}{level}"
            x = MatrixConv2D(
                width,
                4,
                strides=2,
                padding="same",
                kernel_initializer=small_normal(),
                name=f"{step}_conv",
            )(x)
            if batch_norm and level > 1:
                x = normalised(x, step)
            x = layers.LeakyReLU(LEAK, name=f"{step}_lrelu")(x)
        columns.append(x)
    x = layers.Concatenate(name="columns")(columns)
    # one window as large as the map
    x = layers.Conv2D(
        1,
        x.shape[1:3],
        kernel_initializer=small_normal(),
        dtype=head_dtype(),
        name="score",
    )(x)
    x = layers.Flatten(dtype=head_dtype(), name="logits")(x)
    return keras.Model([images, masks], x, name=name)


LBAMDiscriminator = register_inpainting(
    TwoColumnDiscriminator,
    "LBAMDiscriminator",
    name="lbam_discriminator",
    paper="LBAM, arXiv 1909.00968, section 3; layers of the author's code",
    # 2*(16*(3*64 + 64*128 + 128*256 + 256*512 + 2*512*512) + 1984) + 16*1024 + 1
    params=22_308_737,
    min_size=64,
    output_shape=(1,),
)

__all__ = ["TwoColumnDiscriminator", "LBAMDiscriminator"]
