"""Gradients of units by images, plain and guided."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from tensorflow import keras

from keras_cnns._checks import check_count
from keras_cnns._graph import check_functional, output_of
from keras_cnns.inspection.backward_rules import guided_copy


def guided_backpropagation(
    model: keras.Model,
    images: np.ndarray,
    layer_name: str,
    units: Sequence[int],
    batch_size: int = 32,
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


def unit_gradients(
    model: keras.Model,
    images: np.ndarray,
    layer_name: str,
    units: Sequence[int],
    batch_size: int = 32,
) -> np.ndarray:
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
    model: keras.Model,
    images: np.ndarray,
    layer_name: str,
    units: Sequence[int],
    num_images: int,
    batch_size: int = 32,
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
