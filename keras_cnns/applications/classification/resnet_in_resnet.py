"""ResNet in ResNet (RiR): every convolution has a residual and a transient stream.

Targ, Almeida, Lyman, "Resnet in Resnet: Generalizing Residual Architectures", arXiv
1603.08029. With streams r and t, both with the same number of
filters, one generalised residual block is

    r' = relu(bn(conv(r) + conv(t) + shortcut(r))),  t' = relu(bn(conv(r) + conv(t))),

four different convolutions and a shortcut that projects by 1x1 where the shape changes.
The streams are kept side by side in one map, and a block is one convolution whose
kernel has the shortcut added to it (``DualStreamConv2D``); what is trained, and decayed
by a trainer's weight decay, is the difference, as the paper asks for.

Deviations: the net is the one that public ports agree on, without the shortcut around
two blocks of which the paper speaks. ``outer_shortcut=True`` adds it as in a ResNet
whose convolutions are replaced, to both streams before the last ReLU; where exactly the
authors attach it is unverified.
"""

from tensorflow.keras import layers

from keras_cnns._checks import check_counts, check_flag
from keras_cnns.applications.frame.builder import Design, classification_builder
from keras_cnns.applications.frame.parts import (
    SMALL_IMAGES,
    STEM_SHAPES,
    head_dtype,
    norm_relu,
    normalised,
)
from keras_cnns.applications.frame.registry import register
from keras_cnns.layers import DualStreamConv2D, MatrixBatchNormalization

_UNITS = (4, 6, 6)


def _projection(x, filters, strides, name):
    """1x1 convolution and batch normalisation where the shape changes."""
    if x.shape[-1] == filters and strides == 1:
        return x
    x = layers.Conv2D(
        filters,
        1,
        strides=strides,
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_0_conv",
    )(x)
    return normalised(x, f"{name}_0")


def _generalised_block(x, width, strides, outer, name):
    """Both streams through one layer; ``outer`` is added before the ReLU."""
    x = DualStreamConv2D(
        2 * width, strides=strides, kernel_initializer="he_normal", name=f"{name}_conv"
    )(x)
    if outer is None:
        return norm_relu(x, name)
    x = layers.Add(name=f"{name}_add")([normalised(x, name), outer])
    return layers.Activation("relu", name=f"{name}_relu")(x)


def _classifier(x, classes, activation):
    """1x1 convolution to the classes, batch normalisation, average pooling."""
    full = {"dtype": head_dtype()}
    x = layers.Conv2D(
        classes,
        1,
        use_bias=False,
        kernel_initializer="he_normal",
        name="predictions",
        **full,
    )(x)
    x = MatrixBatchNormalization(
        momentum=0.9, epsilon=1e-5, name="bn_predictions", **full
    )(x)
    x = layers.GlobalAveragePooling2D(name="avg_pool", **full)(x)
    return layers.Activation(activation, name="activation", **full)(x)


@classification_builder
def _resnet_in_resnet(widths=(48, 96, 192), units=_UNITS, *, outer_shortcut=False):
    """General ResNet in ResNet builder.

    Args:
        widths: filters of each stream in each stage; stages but the first start with
            stride 2.
        units: number of generalised residual blocks in each stage.
        outer_shortcut: whether a further shortcut leads around every two blocks; each
            stage then needs an even number of them.
    """
    check_counts("widths", widths)
    check_counts("units", units)
    if len(widths) != len(units):
        raise ValueError(f"widths={widths!r} and units={units!r} differ in length")
    check_flag("outer_shortcut", outer_shortcut)
    if outer_shortcut and any(count % 2 for count in units):
        raise ValueError(f"outer_shortcut=True needs even units, got {units!r}")

    def features(x):
        x = layers.Conv2D(
            2 * widths[0],
            3,
            padding="same",
            use_bias=False,
            kernel_initializer="he_normal",
            name="conv1_conv",
        )(x)
        x = norm_relu(x, "conv1")
        for stage, (width, count) in enumerate(zip(widths, units), start=2):
            outer = None
            for i in range(1, count + 1):
                strides = 2 if i == 1 and stage > 2 else 1
                name = f"conv{stage}_block{i}"
                if outer_shortcut and i % 2:
                    outer = _projection(x, 2 * width, strides, name)
                around = outer if i % 2 == 0 else None
                x = _generalised_block(x, width, strides, around, name)
        return x

    return Design(
        features,
        default_shape=STEM_SHAPES["small"],
        min_size=2 ** (len(widths) - 1),
        head=_classifier,
    )


_INFO = {
    **SMALL_IMAGES,
    "params": 9_492_980,  # of pytorchcv's network, as its multiply-adds
    "macs": 1.279e9,
    "min_size": 4,
    "stage_ends": tuple(f"conv{s}_block{n}_relu" for s, n in enumerate(_UNITS, 2)),
}
ResNetInResNet18 = register(
    _resnet_in_resnet,
    "ResNetInResNet18",
    architecture={},
    name="rir18",
    paper="ResNet in ResNet, arXiv 1603.08029, 18 layers, wide",
    published="CIFAR-10 accuracy 94.99 %, augmented (with the outer shortcut)",
    **_INFO,
)
ResNetInResNet = register(
    _resnet_in_resnet,
    "ResNetInResNet",
    name="rir",
    paper="ResNet in ResNet, arXiv 1603.08029, general builder (default: 18 layers, "
    "wide)",
    **_INFO,
)

__all__ = ["ResNetInResNet", "ResNetInResNet18"]
