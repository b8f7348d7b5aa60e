"""What builders share: layers, checks, input, classifier, registry fields."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns._checks import check_choice
from keras_cnns.applications.frame import weight_files
from keras_cnns.layers import MatrixBatchNormalization

if TYPE_CHECKING:
    import tensorflow as tf

# Of batch normalisation, the fraction of running statistics that Torch keeps in a step.
MOMENTUM = 0.9
# Stems that most families have: for ImageNet's images, and for small ones; with the
# input shape that goes with each.
STEM_SHAPES = {"imagenet": (224, 224, 3), "small": (32, 32, 3)}
# What the registry says of most classifiers for these images.
IMAGENET = {"classes": 1000, "input_shape": STEM_SHAPES["imagenet"], "min_size": 32}
SMALL_IMAGES = {
    "classes": 10,
    "input_shape": STEM_SHAPES["small"],
    "preprocessing": "dataset",
}


def conv_initializer() -> keras.initializers.Initializer:
    """N(0, sqrt(2 / (k * k * C_out))), the ResNet and DenseNet authors' choice."""
    return keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")


def xavier_initializer() -> keras.initializers.Initializer:
    """Caffe's "xavier": uniform, of variance 1 / fan-in."""
    return keras.initializers.VarianceScaling(1.0, "fan_in", "uniform")


def normalised(
    x: tf.Tensor, name: str, momentum: float = MOMENTUM, epsilon: float = 1e-5, **kwargs
) -> tf.Tensor:
    """Batch normalisation, with Torch's momentum and epsilon unless given others."""
    return MatrixBatchNormalization(
        momentum=momentum, epsilon=epsilon, name=f"{name}_bn", **kwargs
    )(x)


def norm_relu(x: tf.Tensor, name: str) -> tf.Tensor:
    """Batch normalisation and ReLU."""
    return layers.Activation("relu", name=f"{name}_relu")(normalised(x, name))


def dropout(x: tf.Tensor, rate: float, name: str) -> tf.Tensor:
    """Dropout that scales what it leaves by 1 / (1 - rate); nothing at rate 0."""
    return layers.Dropout(rate, name=name)(x) if rate else x


def check_stem(stem: str, stem_strides: int = 1) -> None:
    """Refuses stems that do not exist, and strides that they do not have."""
    check_choice("stem", stem, STEM_SHAPES)
    check_choice("stem_strides", stem_strides, (1, 2))
    if stem == "imagenet" and stem_strides != 1:
        raise ValueError(
            f"stem_strides={stem_strides!r} has no effect with stem='imagenet', "
            "whose strides are fixed; leave it out"
        )


def head_dtype() -> str:
    """Of the layers that make the outputs: float32 where the policy has 16 bits."""
    policy = keras.mixed_precision.global_policy()
    return "float64" if policy.compute_dtype == "float64" else "float32"


def classifier(
    x: tf.Tensor,
    classes: int,
    activation: str | None,
    name: str = weight_files.HEAD_NAME,
    **kwargs,
) -> tf.Tensor:
    """Dense head; float32 even where the policy computes in 16 bits.

    Further arguments are those of ``Dense``.
    """
    return layers.Dense(
        classes, activation=activation, dtype=head_dtype(), name=name, **kwargs
    )(x)


def scaled_width(filters: int, depth_multiplier: float) -> int:
    """Filters of a layer in a thinner or wider net, at least 16: TF-slim's rule."""
    return max(int(filters * depth_multiplier), 16)


def ceil_max_pooling(x: tf.Tensor, name: str) -> tf.Tensor:
    """3x3/2 max pooling of a map >= 0 whose last window may reach over the edge.

    Caffe and ``ceil_mode`` of PyTorch have it so; of n rows it keeps n // 2.
    """
    x = layers.ZeroPadding2D(((0, 1), (0, 1)), name=f"{name}_pad")(x)
    return layers.MaxPooling2D(3, strides=2, name=name)(x)


def stem_pooling(x: tf.Tensor) -> tf.Tensor:
    """3x3/2 max pooling of a map >= 0, padded alike on all sides."""
    x = layers.ZeroPadding2D(1, name="pool1_pad")(x)
    return layers.MaxPooling2D(3, strides=2, name="pool1_pool")(x)


def class_map_classifier(
    x: tf.Tensor,
    classes: int,
    activation: str | None,
    rectified: bool,
    initializer: str | keras.initializers.Initializer,
) -> tf.Tensor:
    """One map per class by a 1x1 convolution, then the mean of each map.

    Args:
        x: maps ``(batch, height, width, channels)``.
        classes: number of classes.
        activation: of the means; None gives logits.
        rectified: whether a ReLU follows the convolution.
        initializer: of the kernel.

    Returns:
        ``(batch, classes)``; float32 even where the policy computes in 16 bits.
    """
    dtype = head_dtype()
    x = layers.Conv2D(
        classes,
        1,
        kernel_initializer=initializer,
        dtype=dtype,
        name=weight_files.HEAD_NAME,
    )(x)
    if rectified:
        x = layers.Activation("relu", dtype=dtype, name="class_maps")(x)
    x = layers.GlobalAveragePooling2D(dtype=dtype, name="avg_pool")(x)
    return layers.Activation(activation, dtype=dtype, name="scores")(x)


def image_input(
    input_tensor: tf.Tensor | None,
    input_shape: tuple | None,
    default_shape: tuple,
    min_size: int,
    fixed_size: bool = False,
) -> tf.Tensor:
    """The image tensor a network starts from, checked."""
    if input_tensor is not None:
        if not _is_keras_tensor(input_tensor):
            raise ValueError(
                "input_tensor must come from keras.Input or a Keras layer, "
                f"got {input_tensor!r}"
            )
        if input_shape is not None and tuple(input_shape) != input_tensor.shape[1:]:
            raise ValueError(
                f"input_shape={input_shape!r} contradicts input_tensor of shape "
                f"{tuple(input_tensor.shape)}; give one of them"
            )
        check_shape(tuple(input_tensor.shape[1:]), min_size, fixed_size)
        return input_tensor
    shape = default_shape if input_shape is None else input_shape
    check_shape(shape, min_size, fixed_size)
    return keras.Input(tuple(shape))


def _is_keras_tensor(value):
    try:
        return keras.backend.is_keras_tensor(value)
    except ValueError:  # Keras refuses to tell of anything that is no tensor at all
        return False


def check_shape(shape: tuple, min_size: int, fixed_size: bool = False) -> None:
    """Refuses anything but (height, width, channels) of at least ``min_size``."""
    whole = isinstance(shape, (tuple, list)) and len(shape) == 3
    if not whole or not all(s is None or (isinstance(s, int) and s > 0) for s in shape):
        raise ValueError(
            f"input_shape must be (height, width, channels), got {shape!r}"
        )
    if shape[2] is None:
        raise ValueError(f"input_shape={shape!r}: the number of channels must be known")
    if fixed_size and None in shape[:2]:
        raise ValueError(
            f"input_shape={shape!r}: height and width must be known, because layers "
            "of the network depend on them"
        )
    if any(size is not None and size < min_size for size in shape[:2]):
        raise ValueError(
            f"input_shape={shape!r} is too small: height and width must be at least "
            f"{min_size}"
        )
