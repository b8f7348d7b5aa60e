"""VGG: nothing but 3x3 convolutions, deeper than any network before it.

Simonyan, Zisserman, "Very Deep Convolutional Networks for Large-Scale Image
Recognition", arXiv 1409.1556, table 1, configurations D and E. Layer names are those of
``keras.applications``, whose networks have no dropout; in inference they are the same.

Deviations: kernels start from Glorot's distribution, which the paper names in a
footnote (section 3.1) as found to work after its submission; its own nets start from a
shallower one that was trained before. The paper turns dense layers into convolutions
for images of other sizes than 224x224, where here they are as large as the last map.
"""

from tensorflow.keras import layers

from keras_cnns._checks import check_counts, check_within
from keras_cnns.applications.frame.builder import Design, classification_builder
from keras_cnns.applications.frame.parts import (
    IMAGENET,
    STEM_SHAPES,
    classifier,
    dropout,
)
from keras_cnns.applications.frame.public_files import keras_file, torchvision_file
from keras_cnns.applications.frame.registry import register

_FILTERS = (64, 128, 256, 512, 512)
_UNITS = 4096
# configuration, convolutions of each block; torchvision's params, multiply-adds, error
# and file; MD5 of Keras' files with and without the classifier.
# fmt: off
_VARIANTS = {
    "VGG16": (
        "D", (2, 2, 3, 3, 3), 138_357_544, 15.47e9, "28.41/9.62", "vgg16-397923af",
        "64373286793e3c8b2b4e3219cbf3544b", "6d6bbae143d832006294945121d1f1fc",
    ),
    "VGG19": (
        "E", (2, 2, 4, 4, 4), 143_667_240, 19.63e9, "27.62/9.12", "vgg19-dcbb9e9d",
        "cbe5617147190e668d6c5d5026f83318", "253f8cb515780f3b799900260a226db6",
    ),
}
# fmt: on


def _block(x, filters, convolutions, name):
    """3x3 convolutions with ReLU, then 2x2 max pooling."""
    for i in range(1, convolutions + 1):
        x = layers.Conv2D(
            filters, 3, padding="same", activation="relu", name=f"{name}_conv{i}"
        )(x)
    return layers.MaxPooling2D(2, name=f"{name}_pool")(x)


def _dense_classifier(dropout_rate):
    """Two dense layers with ReLU and dropout, then the classifier."""

    def head(x, classes, activation):
        x = layers.Flatten(name="flatten")(x)
        for name in ("fc1", "fc2"):
            x = layers.Dense(_UNITS, activation="relu", name=name)(x)
            x = dropout(x, dropout_rate, f"{name}_dropout")
        return classifier(x, classes, activation)

    return head


def _state_dict_names(convolutions):
    """Of torchvision's modules; in ``features`` ReLUs and poolings count, too."""
    names, number = [], 0
    for block, count in enumerate(convolutions, start=1):
        for i in range(1, count + 1):
            names.append((rf"features\.{number}", f"block{block}_conv{i}"))
            number += 2
        number += 1
    dense = (
        (r"classifier\.0", "fc1", _FILTERS[-1]),
        (r"classifier\.3", "fc2"),
        (r"classifier\.6", "predictions"),
    )
    return (*names, *dense)


@classification_builder(head_options=("dropout_rate",))
def _vgg(convolutions, *, dropout_rate=0.5):
    """General VGG builder.

    Args:
        convolutions: number of convolutions in each of the five blocks.
        dropout_rate: fraction of values dropped after both dense layers, in [0, 1).
    """
    check_counts("convolutions", convolutions)
    check_within("dropout_rate", dropout_rate)
    if len(convolutions) != len(_FILTERS):
        raise ValueError(f"convolutions must have five entries, got {convolutions!r}")

    def features(x):
        for i, (filters, count) in enumerate(zip(_FILTERS, convolutions), start=1):
            x = _block(x, filters, count, f"block{i}")
        return x

    return Design(
        features,
        default_shape=STEM_SHAPES["imagenet"],
        min_size=2 ** len(_FILTERS),
        head=_dense_classifier(dropout_rate),
        fixed_head=True,
        state_dict_names=_state_dict_names(convolutions),
    )


def _variant(function_name):
    row, name = _VARIANTS[function_name], function_name.lower()
    configuration, convolutions, params, macs, error, file, *md5 = row
    return register(
        _vgg,
        function_name,
        architecture={"convolutions": convolutions},
        public_weights={
            "imagenet": keras_file(name, name, *md5),
            "torchvision": torchvision_file(file, preprocessing="torch"),
        },
        name=name,
        paper=f"VGG, arXiv 1409.1556, table 1, {configuration}",
        params=params,
        macs=macs,
        published=f"ImageNet error {error} %, 1-crop (torchvision's weights)",
        preprocessing="caffe",
        stage_ends=tuple(f"block{i}_pool" for i in range(1, 6)),
        traits=("fixed_size",),
        **IMAGENET,
    )


VGG16 = _variant("VGG16")
VGG19 = _variant("VGG19")

__all__ = [*_VARIANTS]
