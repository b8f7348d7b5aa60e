"""Global&Local: completion, trained with a discriminator of the image and a patch.

Iizuka, Simo-Serra, Ishikawa, "Globally and Locally Consistent Image Completion", ACM
Transactions on Graphics 36(4), 2017. Dilated convolutions let the completion network
see far; two halvings only keep it sharp. Of the discriminator one column sees the whole
image, the other a patch of fixed size around the hole; both end in a vector, and one
dense layer makes one logit of the two.

Batch normalisation and ReLU follow every convolution but the last. The hole is filled
with one colour before the network sees it, the mean of the training images with the
authors; it also gets the hole's mask. Layers are checked against a public port
(github.com/otenim/GLCIC-PyTorch), which also has the ReLU after the discriminator's
dense layers.

The completion network takes images of any size, the discriminator of one size. It
takes ``[images, patches]``: whoever trains cuts the patches, from the same images.

Deviations: the hole is filled with mid-grey, 0.5, unless ``fill_value`` is given, not
with that mean colour, and images are in [0, 1], where the authors subtract it from
them, so that holes are 0. The discriminator gives logits, the published one ends in a
sigmoid. Where a stride of 2 leaves one row of padding too many, TensorFlow puts it at
the end, Torch at the start. Initial weights, which the authors do not name, are
Glorot's uniform ones.
"""

from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns._checks import (
    check_count,
    check_counts,
    check_image_shape,
    check_within,
)
from keras_cnns.applications.frame.builder import network_builder
from keras_cnns.applications.frame.parts import head_dtype, normalised
from keras_cnns.applications.generative._parts import logits
from keras_cnns.applications.inpainting._parts import (
    check_divisible,
    holes,
    masked_inputs,
    register_inpainting,
)


def _normalised_relu(x, name):
    return layers.ReLU(name=f"{name}_relu")(normalised(x, name))


def _rows(filters, dilation_rates):
    """Filters, kernel size, stride and dilation of each layer but the last.

    A stride below 1 is that of a deconvolution.
    """
    first, deepest = filters[0], filters[-1]
    rows = [(first, 5, 1, 1)]
    for width in filters[1:]:
        rows += [(width, 3, 2, 1), (width, 3, 1, 1)]
    rows.append((deepest, 3, 1, 1))
    rows += [(deepest, 3, 1, rate) for rate in dilation_rates]
    rows += [(deepest, 3, 1, 1)] * 2
    for width in filters[-2:0:-1]:
        rows += [(width, 4, 1 / 2, 1), (width, 3, 1, 1)]
    return [*rows, (first, 4, 1 / 2, 1), (max(first // 2, 1), 3, 1, 1)]


def _convolution(x, filters, size, stride, dilation_rate, name):
    if stride < 1:
        return layers.Conv2DTranspose(
            filters, size, strides=round(1 / stride), padding="same", name=name
        )(x)
    return layers.Conv2D(
        filters,
        size,
        strides=stride,
        dilation_rate=dilation_rate,
        padding="same",
        name=name,
    )(x)


@network_builder(free=("fill_value",))
def CompletionNetwork(
    image_shape=(256, 256, 3),
    filters=(64, 128, 256),
    dilation_rates=(2, 4, 8, 16),
    fill_value=0.5,
    name="completion_network",
):
    """General builder of the completion networks.

    Args:
        image_shape: ``(height, width, channels)``; height and width may be None, and
            are multiples of 2 for every level after the first: of 4 for three levels.
        filters: of each level, finest first; two levels or more.
        dilation_rates: of the dilated convolutions at the coarsest level.
        fill_value: value of the hole's pixels at the input, in [0, 1]: a number, or one
            for each channel such as the mean colour of the training images.

    Returns:
        A ``keras.Model`` from images ``(batch, height, width, channels)`` in [0, 1]
        and masks ``(batch, height, width, 1)``, 1 at valid pixels, to images of the
        same shape in [0, 1], float32. What is under the holes has no effect.
    """
    check_counts("filters", filters)
    if len(filters) < 2:
        raise ValueError(f"filters must be of two levels or more, got {filters!r}")
    check_counts("dilation_rates", dilation_rates)
    check_divisible(image_shape, 2 ** (len(filters) - 1))
    fill = _fill(fill_value, image_shape[2])
    images, masks, valid = masked_inputs(image_shape)
    hole = holes(masks)
    filling = layers.Rescaling(fill, name="filling")(hole)
    x = layers.Add(name="prefilled")([valid, filling])
    x = layers.Concatenate(name="prefilled_and_holes")([x, hole])
    rows = _rows(filters, dilation_rates)
    for i, row in enumerate(rows, start=1):
        x = _normalised_relu(_convolution(x, *row, f"conv{i}"), f"conv{i}")
    x = _convolution(x, image_shape[2], 3, 1, 1, f"conv{len(rows) + 1}")
    x = layers.Activation("sigmoid", dtype=head_dtype(), name="filled")(x)
    return keras.Model([images, masks], x, name=name)


def _fill(fill_value, channels):
    """One number for each channel."""
    is_list = isinstance(fill_value, (tuple, list))
    values = list(fill_value) if is_list else [fill_value] * channels
    if len(values) != channels:
        raise ValueError(
            f"fill_value must be a number or one for each of {channels} channels, "
            f"got {fill_value!r}"
        )
    for value in values:
        check_within(f"fill_value={fill_value!r}: each", value, "[0, 1]")
    return [float(value) for value in values]


def _column(x, filters, units, name):
    """Strided convolutions and a dense layer: what one column sees, as a vector."""
    for i, width in enumerate(filters, start=1):
        x = _convolution(x, width, 5, 2, 1, f"{name}_conv{i}")
        x = _normalised_relu(x, f"{name}_conv{i}")
    x = layers.Flatten(name=f"{name}_flatten")(x)
    return layers.Dense(units, activation="relu", name=f"{name}_dense")(x)


@network_builder
def ContextDiscriminator(
    image_shape=(256, 256, 3),
    local_shape=None,
    global_filters=(64, 128, 256, 512, 512, 512),
    local_filters=(64, 128, 256, 512, 512),
    units=1024,
    name="context_discriminator",
):
    """General builder of the discriminators with a global and a local column.

    Args:
        image_shape: ``(height, width, channels)`` of the whole images.
        local_shape: the same of the patches around the hole, no larger and of as many
            channels; None: half as high and wide.
        global_filters: of the 5x5 convolutions of stride 2 on the image.
        local_filters: of those on the patch.
        units: of the dense layer that ends each column.

    Returns:
        A ``keras.Model`` from images ``(batch, height, width, channels)`` and patches
        ``(batch, local height, local width, channels)``, which the caller cuts from
        them around the hole, to logits ``(batch, 1)``, float32, high for real images.
    """
    check_image_shape(image_shape)
    local_shape = _local_shape(local_shape, image_shape)
    check_counts("global_filters", global_filters)
    check_counts("local_filters", local_filters)
    check_count("units", units)
    images = keras.Input(tuple(image_shape), name="images")
    patches = keras.Input(local_shape, name="patches")
    columns = [
        _column(images, global_filters, units, "global"),
        _column(patches, local_filters, units, "local"),
    ]
    x = layers.Concatenate(name="columns")(columns)
    return keras.Model([images, patches], logits(x), name=name)


def _local_shape(local_shape, image_shape):
    """The patches' shape, checked; half the image's where none is given."""
    if local_shape is None:
        height, width, channels = image_shape
        local_shape = (max(height // 2, 1), max(width // 2, 1), channels)
    check_image_shape(local_shape, name="local_shape")
    fits = all(part <= whole for part, whole in zip(local_shape[:2], image_shape[:2]))
    if not fits or local_shape[2] != image_shape[2]:
        raise ValueError(
            f"local_shape={local_shape!r} must be no larger than image_shape="
            f"{image_shape!r}, with as many channels"
        )
    return tuple(local_shape)


_PAPER = "Globally and Locally Consistent Image Completion, ACM TOG 36(4), 2017"

GlobalLocal = register_inpainting(
    CompletionNetwork,
    "GlobalLocal",
    name="global_local",
    paper=f"{_PAPER}, table 1",
    # 25*4*64 + 9*(64*128 + 128*128 + 128*256 + 8*256*256) + 16*256*128 + 9*128*128
    # + 16*128*64 + 9*(64*32 + 32*3) = 6_063_200, biases 2_979, gains and shifts 2*2_976
    params=6_072_131,
    min_size=4,
    stage_ends=("conv1_relu", "conv3_relu", "conv12_relu"),
    published="public retrainings on 256x256 with square holes: 23.15 dB, SSIM 0.862 "
    "on Places, 26.78 dB, 0.904 on CelebA-HQ",
)
GlobalLocalDiscriminator = register_inpainting(
    ContextDiscriminator,
    "GlobalLocalDiscriminator",
    name="global_local_discriminator",
    paper=f"{_PAPER}, table 2",
    condition_shape=(128, 128, 3),
    # both: 25*(3*64 + 64*128 + 128*256 + 256*512 + 512*512) + 1_472 biases
    # + 2*1_472 gains and shifts = 10_863_616; global: 25*512*512 + 3*512 more;
    # dense: 2*(16*512*1024 + 1024), then 2048 + 1
    params=45_063_681,
    min_size=2,
    output_shape=(1,),
)

__all__ = [
    "CompletionNetwork",
    "ContextDiscriminator",
    "GlobalLocal",
    "GlobalLocalDiscriminator",
]
