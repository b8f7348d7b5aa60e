"""The pieces that generators and discriminators share."""

from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns import _addons
from keras_cnns.applications._parts import check_count, head_dtype

# The range of the pictures, as the registry names it, by the last activation.
RANGES = {"tanh": "signed", "sigmoid": "unit", "linear": "unbounded"}
# Initial weights of the first GANs are uniform in +-these.
GENERATOR_LIMIT = 0.05
DISCRIMINATOR_LIMIT = 0.005


def check_image_shape(shape, fixed_size=True, name="image_shape") -> None:
    """Refuses anything but (height, width, channels); sizes may be open if not fixed.

    Raises:
        ValueError: if ``shape`` is something else; quotes it.
    """
    whole = isinstance(shape, (tuple, list)) and len(shape) == 3
    open_sizes = () if fixed_size else (0, 1)
    if not whole or not all(
        _is_positive_count(size) or (size is None and i in open_sizes)
        for i, size in enumerate(shape)
    ):
        raise ValueError(f"{name} must be (height, width, channels), got {shape!r}")


def _is_positive_count(value):
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def check_same_length(**lists) -> None:
    """Refuses lists of which one is longer than another, and what is no list.

    Raises:
        ValueError: if the lengths differ; quotes all of them.
    """
    are_lists = all(isinstance(values, (tuple, list)) for values in lists.values())
    if not are_lists or len({len(values) for values in lists.values()}) > 1:
        shown = ", ".join(f"{name}={values!r}" for name, values in lists.items())
        raise ValueError(f"must be lists of one length: {shown}")


def check_each_count(**counts) -> None:
    """Refuses anything but positive whole numbers; the error names the argument.

    Raises:
        ValueError: if one is something else; quotes it.
    """
    for name, value in counts.items():
        check_count(name, value)


def uniform(limit):
    """Weights between -limit and limit."""
    return keras.initializers.RandomUniform(-limit, limit)


def maxout(x, units, pieces, limit, name, largest_norm=None):
    """Dense layer of units * pieces outputs, then the largest of each unit's pieces."""
    x = layers.Dense(
        units * pieces,
        kernel_initializer=uniform(limit),
        kernel_constraint=_norm_limit(largest_norm),
        name=name,
    )(x)
    return _addons.Maxout(units, name=f"{name}_maxout")(x)


def limited_dense(x, units, activation, limit, name, largest_norm=None, bias=0.0):
    """Dense layer with uniform weights, a constant bias and perhaps limited norms."""
    return layers.Dense(
        units,
        activation=activation,
        kernel_initializer=uniform(limit),
        kernel_constraint=_norm_limit(largest_norm),
        bias_initializer=keras.initializers.Constant(bias),
        name=name,
    )(x)


def _norm_limit(largest_norm):
    return None if largest_norm is None else keras.constraints.MaxNorm(largest_norm)


def dropout(x, rate, name):
    """Dropout that scales what it leaves by 1 / (1 - rate); nothing at rate 0."""
    return layers.Dropout(rate, name=name)(x) if rate else x


def relu_and_dropout(x, units, limit, rate, name):
    """Dense ReLU layer with uniform weights, then dropout."""
    x = limited_dense(x, units, "relu", limit, name)
    return dropout(x, rate, f"{name}_dropout")


def maxout_and_dropout(x, units, pieces, rate, name, largest_norm=None):
    """Dense maxout layer of a discriminator, then dropout."""
    x = maxout(x, units, pieces, DISCRIMINATOR_LIMIT, name, largest_norm)
    return dropout(x, rate, f"{name}_dropout")


def logits(x, name="logits", **kwargs):
    """One output per example, without activation; float32 under a 16-bit policy too.

    Further arguments are those of ``Dense``.
    """
    return layers.Dense(1, dtype=head_dtype(), name=name, **kwargs)(x)


def flat_images(x, image_shape, activation, **kwargs):
    """Dense layer to all pixels, as pictures; float32 under a 16-bit policy too.

    Further arguments are those of ``Dense``.
    """
    height, width, channels = image_shape
    x = layers.Dense(
        height * width * channels,
        activation=activation,
        dtype=head_dtype(),
        name="pixels",
        **kwargs,
    )(x)
    return layers.Reshape(image_shape, dtype=head_dtype(), name="images")(x)


def output_images(x, activation):
    """Last activation; float32 under a 16-bit policy too."""
    return layers.Activation(activation, dtype=head_dtype(), name="images")(x)


def with_labels(x, labels, name):
    """Vectors or maps with one channel more for each class; as they are without."""
    if labels is None:
        return x
    if len(x.shape) == 4:
        height, width = x.shape[1:3]
        labels = layers.RepeatVector(height * width, name=f"{name}_repeat")(labels)
        labels = layers.Reshape(
            (height, width, labels.shape[-1]), name=f"{name}_label_maps"
        )(labels)
    return layers.Concatenate(name=f"{name}_labels")([x, labels])
