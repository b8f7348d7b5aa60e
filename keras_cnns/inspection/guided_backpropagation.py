"""Gradients of units by images, plain and guided."""

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns._checks import check_count
from keras_cnns._graph import check_functional, copy_network, copy_of, output_of

_RECTIFIERS = (layers.ReLU, layers.LeakyReLU, layers.PReLU)
_RECTIFIER_FUNCTIONS = (
    keras.activations.relu,
    tf.nn.relu,
    tf.nn.relu6,
    tf.nn.leaky_relu,
)
_RECTIFIER_OPERATIONS = ("nn.relu", "nn.relu6", "nn.leaky_relu")


@tf.custom_gradient
def _where_positive(x):
    """x; the gradient passes where x is positive."""

    def gradient(upstream):
        return tf.where(x > 0, upstream, tf.zeros_like(upstream))

    return tf.identity(x), gradient


@tf.custom_gradient
def _positive_part(x):
    """x; only positive values of the gradient pass."""
    return tf.identity(x), tf.nn.relu


def _guided(activation):
    """An activation function with the guided gradient."""
    return lambda x: _positive_part(activation(_where_positive(x)))


class _GuidedRectifier(layers.Wrapper):
    """An activation layer with the guided gradient."""

    def call(self, inputs):
        return _guided(self.layer)(inputs)


def guided_copy(model) -> keras.Model:
    """A copy that computes the same, but whose gradients are guided.

    At every ReLU the gradient passes where both what went in and the gradient that
    comes back are positive. LeakyReLU and PReLU keep their outputs, and are treated as
    ReLU in the backward pass (what the paper did with its leak is not known). Other
    activations keep their own gradient.

    Args:
        model: model of the functional API, or a built ``Sequential``; it is not
            changed. Its ReLUs are layers ``ReLU``, ``LeakyReLU``, ``PReLU`` or
            ``Activation``, or the ``activation`` of other layers, by name, as a
            function of ``tf.nn`` or as one of these layers; nested models may have
            them too.

    Returns:
        The copy, with weights of its own: what ``model`` learns later is not in it. It
        is for gradients alone and cannot be saved.

    Raises:
        ValueError: if the model is of another kind, or a ReLU is where it cannot be
            replaced: within another layer, or an operation of TensorFlow.

    Source: Springenberg et al., arXiv 1412.6806, section 3.4.
    """
    return copy_network(model, _guided_layer)


def _guided_layer(layer):
    if isinstance(layer, _RECTIFIERS):
        return _GuidedRectifier(
            copy_of(layer), name=layer.name, dtype=layer.dtype_policy
        )
    if _is_rectifier(getattr(layer, "activation", None)):
        guided = copy_of(layer)
        guided.activation = _guided(layer.activation)
        return guided
    if type(layer).__name__ == "TFOpLambda":
        if layer.get_config()["function"] in _RECTIFIER_OPERATIONS:
            raise ValueError(
                f"{layer.name!r} is an operation of TensorFlow, whose gradient cannot "
                "be exchanged; build the model with layers.ReLU"
            )
        return None
    for part in layer.submodules:
        if isinstance(part, _RECTIFIERS) or _is_rectifier(
            getattr(part, "activation", None)
        ):
            raise ValueError(
                f"layer {layer.name!r} holds a ReLU ({part.name!r}), whose gradient "
                "cannot be exchanged; build the model with layers.ReLU"
            )
    return None


def _is_rectifier(activation):
    return isinstance(activation, _RECTIFIERS) or any(
        activation is function for function in _RECTIFIER_FUNCTIONS
    )


def guided_backpropagation(
    model, images, layer_name, units, batch_size=32
) -> np.ndarray:
    """Guided gradients of the largest responses of units with respect to images.

    For several layers or many calls, make the ``guided_copy`` once and pass it to
    ``unit_gradients``.

    Args:
        model, images, layer_name, units, batch_size: as of ``guided_copy`` and
            ``unit_gradients``.

    Returns:
        ``(units, images, height, width, channels)`` float32.

    Raises:
        ValueError: as these.

    Source: Springenberg et al., arXiv 1412.6806, section 3.4; for discriminators
    Radford et al., arXiv 1511.06434, section 6.2 and figure 5 (the first 6 maps of the
    last convolution).
    """
    return unit_gradients(guided_copy(model), images, layer_name, units, batch_size)


def unit_gradients(model, images, layer_name, units, batch_size=32) -> np.ndarray:
    """Gradients of the largest responses of units with respect to images.

    The response of a map is its maximum over the positions (equal maxima share the
    gradient), that of a unit of a vector is its value; the network is in inference
    mode.

    Args:
        model: functional model, or a guided copy of one.
        images: ``(count, height, width, channels)`` in the range that the model takes;
            a list of them and further inputs if it takes several.
        layer_name: layer with maps ``(batch, rows, columns, units)`` or vectors
            ``(batch, units)``.
        units: indices of maps or units.
        batch_size: images at a time.

    Returns:
        ``(units, count, height, width, channels)`` float32.

    Raises:
        ValueError: if a layer or unit does not exist.
    """
    part = _part(model, layer_name, units)
    check_count("batch_size", batch_size)
    gradients = []
    for batch in _batches(images, batch_size):
        inputs = [tf.constant(array, tf.float32) for array in batch]
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(inputs[0])
            responses = _responses(part, inputs)
            chosen = [responses[:, unit] for unit in units]
        found = (
            tape.gradient(x, inputs[0], unconnected_gradients="zero") for x in chosen
        )
        gradients.append([gradient.numpy() for gradient in found])
    return np.concatenate(gradients, axis=1)


def maximal_responses(
    model, images, layer_name, units, num_images, batch_size=32
) -> tuple:
    """The images that excite units most.

    Args:
        model, images, layer_name, units, batch_size: as of ``unit_gradients``.
        num_images: images per unit.

    Returns:
        Indices of images ``(units, num_images)``, strongest first, and the responses
        ``(units, num_images)`` float32.

    Raises:
        ValueError: if a layer or unit does not exist, or there are fewer images.
    """
    part = _part(model, layer_name, units)
    check_count("batch_size", batch_size)
    check_count("num_images", num_images)
    responses = np.concatenate(
        [_responses(part, batch).numpy() for batch in _batches(images, batch_size)]
    )
    if num_images > len(responses):
        raise ValueError(f"num_images={num_images}, but there are {len(responses)}")
    responses = responses[:, list(units)].T
    order = np.argsort(-responses, axis=1, kind="stable")[:, :num_images]
    return order, np.take_along_axis(responses, order, axis=1)


def _part(model, layer_name, units):
    """The model up to a layer; refuses units that it does not have."""
    check_functional(model)
    output = output_of(model, layer_name)
    if len(output.shape) not in (2, 4):
        raise ValueError(
            f"layer {layer_name!r} gives neither maps nor vectors, but "
            f"{tuple(output.shape)}"
        )
    for unit in units:
        if not 0 <= unit < output.shape[-1]:
            raise ValueError(
                f"unit {unit!r} does not exist: layer {layer_name!r} has "
                f"{output.shape[-1]}"
            )
    return keras.Model(model.inputs, output)


def _batches(images, batch_size):
    several = images if isinstance(images, (list, tuple)) else [images]
    arrays = [np.asarray(array, np.float32) for array in several]
    if not len(arrays[0]):
        raise ValueError("there are no images")
    for start in range(0, len(arrays[0]), batch_size):
        yield [array[start : start + batch_size] for array in arrays]


def _responses(part, inputs):
    """Largest value of each map, or the values of a vector: ``(batch, units)``."""
    outputs = part(inputs if len(inputs) > 1 else inputs[0], training=False)
    outputs = tf.cast(outputs, tf.float32)
    return tf.reduce_max(outputs, [1, 2]) if outputs.shape.rank == 4 else outputs
