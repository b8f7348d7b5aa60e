"""House numbers of up to five digits, behind or among spatial transformers.

Jaderberg, Simonyan, Zisserman, Kavukcuoglu, "Spatial Transformer Networks", arXiv
1506.02025, section 4.2 and appendix: eight 5x5 convolutions, two dense layers of 3072
units, and for each of five places a classifier of ten digits and "none". One affine
transformer warps the image (``single``), or one each what the first four convolutions
get (``multi``).

The network gives a class to every place, not to the image, so ``train-classifier`` does
not take it. Deviations: the five classifiers are one dense layer with as many
parameters; the padding of the localisation networks' convolutions, ``same``, is ours
(unverified).
"""

from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns._checks import (
    check_choice,
    check_count,
    check_counts,
    check_image_shape,
    check_within,
)
from keras_cnns.applications.frame.builder import network_builder
from keras_cnns.applications.frame.parts import dropout, head_dtype
from keras_cnns.applications.frame.registry import register_network
from keras_cnns.applications.frame.spatial_transformer import spatial_transformer

_LOCALISATION_WIDTH = 32
_WARPED_CONVOLUTIONS = 4  # of the multi form
# 5x5 convolutions of 48, 64, 128, 160 and four times 192: 4,331,168
# 4*4*192 = 3072 to 3072, and again: 18,880,512; 5*11*3073 = 169,015
_PARAMS = 23_380_695
# name: (transformers, their parameters, error in % at 64 and at 128 pixels)
_VARIANTS = {
    "STNSVHN": (None, 0, "4.0 (64 px), 5.6 (128 px)"),
    # 75*32 + 32 + 800*32 + 32 + 32*32*32*32 + 32 + 6*33
    "STNSVHNSingle": ("single", 1_076_870, "3.7 (64 px), 3.9 (128 px)"),
    # (64*64*3 + 32*32*48 + 32*32*64 + 16*16*128)*32 + 4*(32 + 32*33 + 6*33)
    "STNSVHNMulti": ("multi", 5_116_952, "3.6 (64 px), 3.9 (128 px)"),
}


def _conv(x, filters, name):
    return layers.Conv2D(
        filters,
        5,
        padding="same",
        activation="relu",
        kernel_initializer="he_normal",
        name=name,
    )(x)


def _dense(x, units, name):
    return layers.Dense(
        units, activation="relu", kernel_initializer="he_normal", name=name
    )(x)


def _warped_image(x):
    """The image, warped as two convolutions and a dense layer tell."""
    features, width = x, _LOCALISATION_WIDTH
    features = _conv(features, width, "localisation_conv1")
    features = layers.MaxPooling2D(2, name="localisation_pool1")(features)
    features = _conv(features, width, "localisation_conv2")
    features = layers.Flatten(name="localisation_flatten")(features)
    features = _dense(features, width, "localisation_fc")
    return spatial_transformer(x, features)


def _warped_maps(x, index):
    """Maps, warped as two dense layers tell."""
    features = layers.Flatten(name=f"localisation{index}_flatten")(x)
    for layer in (1, 2):
        name = f"localisation{index}_fc{layer}"
        features = _dense(features, _LOCALISATION_WIDTH, name)
    return spatial_transformer(x, features, name=f"transformer{index}")


def _convolutions(x, stage_filters, are_warped, dropout_rate):
    """Stages of convolutions, the first of which may get warped maps."""
    index = 0
    for stage, filters in enumerate(stage_filters):
        if stage:
            x = layers.MaxPooling2D(2, name=f"pool{stage}")(x)
        for width in filters:
            index += 1
            if are_warped and index <= _WARPED_CONVOLUTIONS:
                x = _warped_maps(x, index)
            x = _conv(x, width, f"conv{index}")
            x = dropout(x, dropout_rate if index > 1 else 0, f"conv{index}_dropout")
    return x


def _check_stages(stage_filters, image_shape):
    if not isinstance(stage_filters, (list, tuple)) or not stage_filters:
        raise ValueError(
            f"stage_filters must be a list of lists of filters, got {stage_filters!r}"
        )
    for filters in stage_filters:
        check_counts(f"each of stage_filters={stage_filters!r}", filters)
    least = 2 ** (len(stage_filters) - 1)
    if min(image_shape[:2]) < least:
        raise ValueError(
            f"image_shape={image_shape!r}: height and width must be at least {least}"
        )


@network_builder(free=("image_shape", "classes", "dropout_rate"))
def _svhn_network(
    image_shape=(64, 64, 3),
    transformers=None,
    stage_filters=((48,), (64, 128), (160, 192), (192, 192), (192,)),
    units=(3072, 3072),
    places=5,
    classes=11,
    dropout_rate=0.5,
    name="stn_svhn",
):
    """General builder of networks that read sequences.

    Args:
        image_shape: ``(height, width, channels)``.
        transformers: None, ``"single"`` (of the image) or ``"multi"`` (of what each of
            the first four convolutions gets).
        stage_filters: filters of the 5x5 convolutions; 2x2 maximum pooling is between
            the tuples.
        units: of the dense layers.
        places: length of the sequence.
        classes: of each place, with one for none.
        dropout_rate: fraction dropped after all hidden layers but the first
            convolution and the localisation networks', in [0, 1).

    Returns:
        A ``keras.Model`` from images ``(batch, height, width, channels)`` to logits
        ``(batch, places, classes)``, float32.
    """
    check_image_shape(image_shape)
    check_choice("transformers", transformers, (None, "single", "multi"))
    _check_stages(stage_filters, image_shape)
    check_counts("units", units)
    check_count("places", places)
    check_count("classes", classes)
    check_within("dropout_rate", dropout_rate)
    image = keras.Input(tuple(image_shape), name="images")
    x = _warped_image(image) if transformers == "single" else image
    x = _convolutions(x, stage_filters, transformers == "multi", dropout_rate)
    x = layers.Flatten(name="flatten")(x)
    for index, width in enumerate(units, start=1):
        x = _dense(x, width, f"fc{index}")
        x = dropout(x, dropout_rate, f"fc{index}_dropout")
    x = layers.Dense(places * classes, dtype=head_dtype(), name="predictions")(x)
    x = layers.Reshape((places, classes), dtype=head_dtype(), name="places")(x)
    return keras.Model(image, x, name=name)


def _variant(function_name):
    transformers, params, error = _VARIANTS[function_name]
    return register_network(
        _svhn_network,
        function_name,
        architecture={"transformers": transformers},
        name="_".join(["stn_svhn", *([transformers] if transformers else [])]),
        task="sequence_classification",
        paper="Spatial Transformer Networks, arXiv 1506.02025, section 4.2, SVHN",
        params=_PARAMS + params,
        published=f"SVHN sequences: error {error} %",
        input_shape=(64, 64, 3),
        preprocessing="unbounded",
        min_size=16,
        output_shape=(5, 11),
        note="to be trained by code of one's own: a class for each of five places",
    )


STNSVHN = _variant("STNSVHN")
STNSVHNSingle = _variant("STNSVHNSingle")
STNSVHNMulti = _variant("STNSVHNMulti")

__all__ = list(_VARIANTS)
