"""The pieces that classification builders share: checks, input, classifier."""

from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns.applications import _weights


def conv_initializer():
    """N(0, sqrt(2 / (k * k * C_out))), the ResNet and DenseNet authors' choice."""
    return keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")


def check_choice(name, value, choices) -> None:
    """Refuses a value that is not among the choices."""
    if value not in choices:
        known = " or ".join(map(repr, choices))
        raise ValueError(f"{name} must be {known}, got {value!r}")


def check_counts(name, values) -> None:
    """Refuses anything but a list of positive whole numbers."""
    is_list = isinstance(values, (tuple, list)) and len(values) > 0
    if not is_list or not all(
        isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in values
    ):
        raise ValueError(f"{name} must be positive whole numbers, got {values!r}")


def check_rate(name, value) -> None:
    """Refuses a rate outside [0, 1)."""
    if not 0 <= value < 1:
        raise ValueError(f"{name} must be in [0, 1), got {value!r}")


def classifier(x, classes, activation):
    """Dense head; float32 even where the policy computes in 16 bits."""
    half = keras.mixed_precision.global_policy().compute_dtype != "float64"
    dtype = "float32" if half else None
    return layers.Dense(
        classes, activation=activation, dtype=dtype, name=_weights.HEAD_NAME
    )(x)


def image_input(input_tensor, input_shape, default_shape, min_size, fixed_size=False):
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


def check_shape(shape, min_size, fixed_size=False):
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
            f"input_shape={shape!r}: height and width must be known, because dense "
            "layers see the whole map"
        )
    if any(size is not None and size < min_size for size in shape[:2]):
        raise ValueError(
            f"input_shape={shape!r} is too small: height and width must be at least "
            f"{min_size}"
        )
