"""Network in Network: a small perceptron slides over the image instead of a filter.

Lin, Chen, Yan, "Network In Network", arXiv 1312.4400, section 4 and figure 2. Each
block is one convolution and 1x1 convolutions after it, every one with ReLU; the last
1x1 convolution makes one map per class, whose mean is the class's score.

Layer sizes are those of the authors' CIFAR definition; as there, the last window of a
pooling may reach over the edge. Caffe's model zoo and other ports average in the second
pooling (unverified); the paper takes the maximum, as here. Kernels start from
N(0, 0.05), the CIFAR-10 setting, whatever the number of classes; the CIFAR-100
definition starts the first three from smaller values. Deviations: none known.
"""

from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns._checks import check_choice, check_counts, check_flag, check_within
from keras_cnns.applications.frame.builder import Design, classification_builder
from keras_cnns.applications.frame.parts import (
    SMALL_IMAGES,
    STEM_SHAPES,
    ceil_max_pooling,
    class_map_classifier,
    dropout,
)
from keras_cnns.applications.frame.registry import register


def _initializer(name):
    if name == "he_normal":
        return keras.initializers.HeNormal()
    return keras.initializers.RandomNormal(stddev=0.05)


def _conv_relu(x, filters, size, initializer, name):
    x = layers.Conv2D(
        filters,
        size,
        padding="same",
        kernel_initializer=_initializer(initializer),
        name=f"{name}_conv",
    )(x)
    return layers.Activation("relu", name=f"{name}_relu")(x)


def _perceptron_block(x, filters, size, initializer, name):
    """One convolution that sees neighbours, then 1x1 ones."""
    for i, width in enumerate(filters, start=1):
        size = size if i == 1 else 1
        x = _conv_relu(x, width, size, initializer, f"{name}_{i}")
    return x


def _pool(x, dropout_rate, name):
    """Between blocks: half the size, then dropout where there is any."""
    x = ceil_max_pooling(x, f"{name}_pool")
    return dropout(x, dropout_rate, f"{name}_dropout")


@classification_builder(head_options=("rectified_class_maps",))
def _network_in_network(
    filters=((192, 160, 96), (192, 192, 192), (192, 192)),
    kernel_sizes=(5, 5, 3),
    *,
    dropout_rate=0.5,
    rectified_class_maps=True,
    initializer="normal",
):
    """General Network in Network builder.

    Args:
        filters: for each block, the filters of its convolutions, the 1x1 ones after
            the first; the 1x1 convolution to the classes comes on top.
        kernel_sizes: for each block, the kernel size of its first convolution.
        dropout_rate: fraction of values dropped after each pooling, in [0, 1).
        rectified_class_maps: whether ReLU follows the last convolution too, as in
            the authors' definition; scores are not negative then.
        initializer: of the kernels, ``"normal"``, N(0, 0.05), as in the authors'
            definition for the paper's widths, or ``"he_normal"``, which goes by the
            number of inputs.
    """
    check_choice("initializer", initializer, ("normal", "he_normal"))
    check_within("dropout_rate", dropout_rate)
    check_flag("rectified_class_maps", rectified_class_maps)
    check_counts("kernel_sizes", kernel_sizes)
    if not isinstance(filters, (tuple, list)) or len(filters) != len(kernel_sizes):
        raise ValueError(
            "filters must have one entry for each of kernel_sizes="
            f"{kernel_sizes!r}, got {filters!r}"
        )
    for widths in filters:
        check_counts("filters", widths)

    def features(x):
        for i, (widths, size) in enumerate(zip(filters, kernel_sizes), start=1):
            if i > 1:
                x = _pool(x, dropout_rate, f"block{i - 1}")
            x = _perceptron_block(x, widths, size, initializer, f"block{i}")
        return x

    def head(x, classes, activation):
        return class_map_classifier(
            x, classes, activation, rectified_class_maps, _initializer(initializer)
        )

    return Design(
        features,
        default_shape=STEM_SHAPES["small"],
        min_size=2 ** (len(filters) - 1),
        head=head,
    )


NetworkInNetwork = register(
    _network_in_network,
    "NetworkInNetwork",
    name="network_in_network",
    paper="Network in Network, arXiv 1312.4400, section 4, CIFAR",
    params=966_986,  # with 10 classes (100: 984,356); from the layer table, as macs
    macs=222.5e6,
    published="CIFAR-10 error 10.41 %, augmented 8.81 %",
    min_size=4,
    stage_ends=("block1_3_relu", "block2_3_relu", "block3_2_relu"),
    **SMALL_IMAGES,
)

__all__ = ["NetworkInNetwork"]
