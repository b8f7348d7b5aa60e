"""The pieces that every classification builder shares: input, head, whole model."""

from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns.applications import _weights


def conv_initializer():
    """N(0, sqrt(2 / (k * k * C_out))), the ResNet and DenseNet authors' choice."""
    return keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")


def classification_model(
    features,
    *,
    include_top,
    weights,
    input_tensor,
    input_shape,
    pooling,
    classes,
    classifier_activation,
    name,
    default_shape,
    min_size,
    public_weights,
) -> keras.Model:
    """Input check, features, classifier head and weights, in that order.

    Args:
        features: function from an image tensor ``(batch, height, width, channels)``
            to the last feature map.
        default_shape: ``(height, width, channels)`` used when none is given.
        min_size: smallest height and width that the network accepts.
        public_weights: public checkpoints by name.
        include_top, weights, input_tensor, input_shape, pooling, classes,
        classifier_activation, name: as in every classification builder.

    Returns:
        The ``keras.Model``.

    Raises:
        ValueError: if an argument is bad; the message quotes it.
    """
    if pooling not in (None, "avg", "max"):
        raise ValueError(f"pooling must be None, 'avg' or 'max', got {pooling!r}")
    if include_top and pooling is not None:
        raise ValueError(
            f"pooling={pooling!r} has no effect with include_top=True; leave it out"
        )
    if isinstance(classes, bool) or not isinstance(classes, int) or classes < 1:
        raise ValueError(f"classes must be a positive integer, got {classes!r}")
    _weights.check(weights, public_weights)
    image = image_input(input_tensor, input_shape, include_top, default_shape, min_size)
    x = features(image)
    if include_top:
        x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
        x = classifier(x, classes, classifier_activation)
    elif pooling == "avg":
        x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
    elif pooling == "max":
        x = layers.GlobalMaxPooling2D(name="max_pool")(x)
    inputs = image
    if input_tensor is not None:
        inputs = keras.utils.get_source_inputs(input_tensor)
    model = keras.Model(inputs, x, name=name)
    if weights is not None:
        path = _weights.resolve(weights, public_weights, include_top)
        _weights.load(model, path)
    return model


def classifier(x, classes, activation):
    """Dense head; float32 even where the policy computes in 16 bits."""
    half = keras.mixed_precision.global_policy().compute_dtype != "float64"
    dtype = "float32" if half else None
    return layers.Dense(
        classes, activation=activation, dtype=dtype, name=_weights.HEAD_NAME
    )(x)


def image_input(input_tensor, input_shape, include_top, default_shape, min_size):
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
        check_shape(tuple(input_tensor.shape[1:]), min_size)
        return input_tensor
    if input_shape is None:
        input_shape = default_shape if include_top else (None, None, default_shape[-1])
    check_shape(input_shape, min_size)
    return keras.Input(tuple(input_shape))


def _is_keras_tensor(value):
    try:
        return keras.backend.is_keras_tensor(value)
    except ValueError:  # Keras refuses to tell of anything that is no tensor at all
        return False


def check_shape(shape, min_size):
    """Refuses anything but (height, width, channels) of at least ``min_size``."""
    whole = isinstance(shape, (tuple, list)) and len(shape) == 3
    if not whole or not all(s is None or (isinstance(s, int) and s > 0) for s in shape):
        raise ValueError(
            f"input_shape must be (height, width, channels), got {shape!r}"
        )
    if shape[2] is None:
        raise ValueError(f"input_shape={shape!r}: the number of channels must be known")
    if any(size is not None and size < min_size for size in shape[:2]):
        raise ValueError(
            f"input_shape={shape!r} is too small: height and width must be at least "
            f"{min_size}"
        )
