"""The pieces that generators and discriminators share: layers, registration."""

from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns import _addons
from keras_cnns.applications.frame.parts import dropout, head_dtype
from keras_cnns.applications.frame.registry import register_network

# The range of the images, as the registry names it, by the last activation.
RANGES = {"tanh": "signed", "sigmoid": "unit", "linear": "unbounded"}
# Initial weights of the first GANs are uniform in +-these.
GENERATOR_LIMIT = 0.05
DISCRIMINATOR_LIMIT = 0.005


def uniform(limit):
    """Weights between -limit and limit."""
    return keras.initializers.RandomUniform(-limit, limit)


def torch_weights(inputs):
    """Initial weights and biases in +-1 / sqrt(inputs), PyTorch's default."""
    limit = inputs**-0.5
    return {"kernel_initializer": uniform(limit), "bias_initializer": uniform(limit)}


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
    """Dense layer to all pixels, as images; float32 under a 16-bit policy too.

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


def variants_of(table, **common):
    """Function that enters the constructor of one row of a family's table.

    Shapes that are not given follow from the builder's arguments ``latent_size``,
    ``image_shape`` and ``classes``.

    Args:
        table: by public name of the constructor: registry name, general builder, the
            arguments that are not the builder's defaults, trainable parameters and,
            where there are any, further fields of ``ModelInfo``.
        **common: fields of all rows; ``task`` is generation and ``preprocessing``
            signed unless given.
    """

    def variant(function_name):
        name, builder, architecture, params, *further = table[function_name]
        info = _shapes({**builder.architecture, **architecture})
        info |= {"task": "generation", "preprocessing": "signed", **common}
        for fields in further:
            info |= fields
        return register_network(
            builder,
            function_name,
            architecture=architecture,
            name=name,
            params=params,
            **info,
        )

    return variant


def _shapes(arguments):
    """Of what a network takes and gives, by the arguments that it is built with."""
    images, classes = arguments.get("image_shape", ()), arguments.get("classes")
    latents = (arguments["latent_size"],) if "latent_size" in arguments else ()
    return {
        "input_shape": latents or images,
        "condition_shape": (classes,) if classes else (),
        "output_shape": images if latents else (1,),
    }
