"""Copies of functional networks without nesting: every layer can be reached by name."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns._graph import check_functional, copy_of

_OPERATION = "TFOpLambda"  # the layer that Keras makes of an operation of TensorFlow


def flat_copy(
    network: keras.Model, replace: Callable | None = None, open_size: bool = False
) -> keras.Model:
    """A copy whose nested models are dissolved into their layers.

    The layer ``conv`` of a nested model ``base`` is named ``base/conv``, and an
    identity named ``base`` stands where a nested model of one output ends. A layer or
    a model that is used several times has as many output nodes here.

    Args:
        network: model of the functional API, or a built ``Sequential``; neither it nor
            its layers are changed, not even by further nodes.
        replace: function of (layer, name) that returns a layer to use instead, with
            weights of the same shapes, or None to copy it.
        open_size: whether height and width of the images are left open.

    Returns:
        A model with weights of its own, of the same values, inputs and outputs.

    Raises:
        ValueError: if ``network`` is another kind of model, or a layer cannot be
            copied.
    """
    check_functional(network)
    copying = _Copying(replace)
    inputs = [_input_like(x, open_size) for x in network.inputs]
    outputs = copying.apply(network, inputs, "")
    copying.copy_weights()
    return keras.Model(inputs, outputs, name=network.name)


def _input_like(tensor, open_size):
    shape = tuple(tensor.shape)
    if open_size and len(shape) == 4:
        shape = (shape[0], None, None, shape[3])
    return keras.Input(
        shape[1:], shape[0], dtype=tensor.dtype, name=tensor.node.layer.name
    )


class _Copying:
    """One copying: which layer became which."""

    def __init__(self, replace):
        self._replace = replace
        self._copies = {}  # original and copy by the original's id

    def apply(self, network, tensors, prefix):
        """The outputs of a network, nested or not, on new tensors."""
        known = dict(zip(map(id, network.inputs), tensors))
        for node in _nodes_between(network.inputs, network.outputs):
            args, kwargs = tf.nest.map_structure(
                lambda x: known.get(id(x), x), (tuple(node.call_args), node.call_kwargs)
            )
            outputs = self._call(node.layer, args, kwargs, prefix + node.layer.name)
            originals = tf.nest.flatten(node.outputs)
            known.update(zip(map(id, originals), tf.nest.flatten(outputs)))
        return [known[id(x)] for x in network.outputs]

    def _call(self, layer, args, kwargs, name):
        if not (isinstance(layer, keras.Model) and getattr(layer, "inputs", None)):
            return self._copy(layer, name)(*args, **kwargs)
        outputs = self.apply(layer, tf.nest.flatten(args[0]), f"{name}/")
        if len(outputs) > 1:
            return outputs
        return self._once(
            layer,
            lambda: layers.Activation("linear", name=name, dtype=outputs[0].dtype),
        )(outputs[0])

    def _copy(self, layer, name):
        def make():
            replacement = self._replace and self._replace(layer, name)
            return replacement or copy_named(layer, name)

        return self._once(layer, make)

    def _once(self, layer, make):
        if id(layer) not in self._copies:
            self._copies[id(layer)] = (layer, make())
        return self._copies[id(layer)][1]

    def copy_weights(self):
        """The values of all weights."""
        for layer, copy in self._copies.values():
            if not isinstance(layer, keras.Model) or copy.weights:
                copy.set_weights(layer.get_weights())


def _nodes_between(inputs, outputs):
    """The nodes that the outputs depend on, each after those that it depends on."""
    known, nodes = set(map(id, inputs)), []
    pending = [x.node for x in reversed(outputs) if id(x) not in known]
    entered, done = set(), set()
    while pending:
        node = pending[-1]
        if id(node) not in entered:
            entered.add(id(node))
            needed = [x.node for x in node.keras_inputs if id(x) not in known]
            pending += [one for one in reversed(needed) if id(one) not in done]
            continue
        pending.pop()
        if id(node) not in done:
            done.add(id(node))
            nodes.append(node)
    return nodes


def copy_named(layer: keras.layers.Layer, name: str) -> keras.layers.Layer:
    """A layer of the same config and another name, with fresh weights.

    The activation is handed over as it is: a function that is not registered with
    Keras cannot be made of a config. The name is set afterwards: classes need not take
    one.

    Raises:
        ValueError: if the layer's class cannot be made of its config.
    """
    if is_operation(layer):
        return type(layer)(layer.function, name=name)
    if isinstance(layer, layers.Lambda):
        return layers.Lambda(
            layer.function,
            arguments=layer.arguments,
            name=name,
            dtype=layer.dtype_policy,
        )
    try:
        config = layer.get_config()
        activation = vars(layer).get("activation")
        has_own = callable(activation) and "activation" in config
        if has_own:
            config = {**config, "activation": None}
        copy = type(layer).from_config(config)
        if has_own:
            is_layer = isinstance(activation, layers.Layer)
            copy.activation = copy_of(activation) if is_layer else activation
    except (NotImplementedError, TypeError, ValueError) as error:
        # The last line: Keras quotes the whole config before it.
        reason = str(error).strip().splitlines()
        raise ValueError(
            f"layer {layer.name!r} of {type(layer).__name__} cannot be copied"
            f"{': ' + reason[-1] if reason else ''}; its get_config must give all "
            "arguments"
        ) from error
    copy._name = name
    return copy


def is_identity(layer: keras.layers.Layer) -> bool:
    """Whether a layer hands on what it gets, in another precision perhaps."""
    is_activation = isinstance(layer, layers.Activation)
    return is_activation and layer.activation is keras.activations.linear


def is_operation(layer: keras.layers.Layer) -> bool:
    """Whether a layer stands for an operation of TensorFlow."""
    return type(layer).__name__ == _OPERATION
