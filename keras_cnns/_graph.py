"""Networks as graphs of layers: copies, activations, and the sizes they accept."""

import fractions
import math

import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns.layers import ContextualAttention, DepthToSpace, NearestUpsampling2D

_CONVOLUTIONS = (layers.Conv2D, layers.SeparableConv2D, layers.DepthwiseConv2D)
_ACTIVATIONS = (
    layers.Activation,
    layers.ReLU,
    layers.LeakyReLU,
    layers.PReLU,
    layers.ELU,
)
# Layers allowed between a convolution and its activation.
_BETWEEN = (
    layers.BatchNormalization,
    layers.LayerNormalization,
    layers.GroupNormalization,
    layers.Dropout,
    layers.GaussianNoise,
)


def check_functional(network) -> None:
    """Refuses anything but a functional network.

    Raises:
        ValueError: if ``network`` is neither a model of the functional API nor a built
            ``Sequential``.
    """
    if not isinstance(network, keras.Model) or not getattr(network, "inputs", None):
        raise ValueError(
            "network must be a keras.Model of the functional API or a built "
            f"Sequential, got {network!r}"
        )


def copy_network(network, replace=None) -> keras.Model:
    """A copy with its own layers, whose weights start at the same values.

    Args:
        network: model of the functional API, or a built ``Sequential``.
        replace: function of a layer that returns its replacement, with weights of the
            same shapes, or None to copy it; nested models are included. None copies
            all.

    Raises:
        ValueError: if ``network`` is another kind of model.
    """
    check_functional(network)

    def copy_layer(layer):
        if isinstance(layer, keras.Model):
            return keras.models.clone_model(layer, clone_function=copy_layer)
        replacement = replace(layer) if replace else None
        return copy_of(layer) if replacement is None else replacement

    copy = keras.models.clone_model(network, clone_function=copy_layer)
    copy.set_weights(network.get_weights())
    return copy


def copy_of(layer):
    """A layer of the same config with fresh weights."""
    return type(layer).from_config(layer.get_config())


def tensor_before(layer):
    """The input of a layer.

    Raises:
        ValueError: if it is not used exactly once.
    """
    _check_single_use(layer)
    return layer.input


class LayersBetween:
    """The layers between two tensors of a network, without their weights.

    They are kept as configs: the network itself, which may be large, can go before
    they are applied.

    Args:
        network: model of the functional API that uses every layer once.
        start: tensor of it.
        end: tensor of it that depends on ``start``, and on no other input.

    Raises:
        ValueError: if ``end`` depends on something else, or a layer is used in several
            places.
    """

    def __init__(self, network, start, end):
        self._start, self._end, self._steps = id(start), id(end), []
        known = {self._start}
        for layer in network.layers:  # in topological order
            if isinstance(layer, layers.InputLayer) or self._end in known:
                continue
            given, made = (
                tf.nest.map_structure(id, part)
                for part in (tensor_before(layer), layer.output)
            )
            if known.issuperset(tf.nest.flatten(given)):
                self._steps.append((type(layer), layer.get_config(), given, made))
                known.update(tf.nest.flatten(made))
        if self._end not in known:
            raise ValueError(f"{end.name} of {network.name} depends on other inputs")

    def __call__(self, x):
        """Applies new layers of the same names to a Keras tensor in place of the first.

        Returns:
            What the last tensor becomes.
        """
        tensors = {self._start: x}
        for kind, config, given, made in self._steps:
            taken = tf.nest.map_structure(tensors.get, given)
            outputs = tf.nest.flatten(kind.from_config(config)(taken))
            tensors.update(zip(tf.nest.flatten(made), outputs))
        return tensors[self._end]


def output_of(network, layer_name):
    """The output of a layer.

    Raises:
        ValueError: if there is no such layer, or it is not used exactly once.
    """
    layer = network.get_layer(layer_name)
    _check_single_use(layer)
    return layer.get_output_at(0)


def _check_single_use(layer):
    if len(layer.inbound_nodes) != 1:
        raise ValueError(
            f"layer {layer.name!r} is used in {len(layer.inbound_nodes)} places; a "
            "network that uses every layer once is needed"
        )


def size_divisor(network) -> int:
    """The number that height and width of a network's images must be multiples of.

    Strided layers halve maps, and upsampled maps must match those that they are joined
    with. Attention needs multiples of its rate.

    Args:
        network: model of the functional API that uses every layer once.

    Raises:
        ValueError: if ``network`` is another kind of model, or a layer is used in
            several places.
    """
    check_functional(network)
    shrunk, divisor = {}, 1  # downsampling factor by the id of the tensor
    for layer in network.layers:  # in topological order
        given = [shrunk.get(id(x), 1) for x in tf.nest.flatten(tensor_before(layer))]
        factor = max(given) * _shrinking(layer)
        shrunk.update((id(x), factor) for x in tf.nest.flatten(layer.output))
        rate = layer.rate if isinstance(layer, ContextualAttention) else 1
        divisor = math.lcm(divisor, fractions.Fraction(factor * rate).numerator)
    return divisor


def _shrinking(layer):
    """How many times smaller a layer makes the height of its maps; below 1: larger."""
    if isinstance(layer, (NearestUpsampling2D, DepthToSpace)):
        return fractions.Fraction(1, layer.size)
    if isinstance(layer, layers.UpSampling2D):
        return fractions.Fraction(1, layer.size[0])
    strides = getattr(_innermost(layer), "strides", 1)  # an int in our own layers
    stride = strides if isinstance(strides, int) else strides[0]
    is_transposed = isinstance(_innermost(layer), layers.Conv2DTranspose)
    return fractions.Fraction(1, stride) if is_transposed else stride


def receptive_radius(network) -> int:
    """Input pixels to each side that an output pixel depends on, at most.

    Args:
        network: model of the functional API of convolutions, transposed ones and
            upsampling, with one input; layers may be used in several places.

    Raises:
        ValueError: if ``network`` is another kind of model, or has nested models or
            poolings.
    """
    check_functional(network)
    for layer in network.layers:
        kind = type(layer).__name__
        if isinstance(layer, keras.Model) or "Pooling" in kind:
            raise ValueError(
                f"{network.name} has {layer.name!r} ({kind}): what its pixels depend "
                "on is known of convolutions and upsampling alone"
            )
    known = {}  # by id of the node: (radius in input pixels, input pixels of a pixel)

    def reach(tensor):
        node = tensor.node
        if id(node) not in known:
            given = [reach(x) for x in node.keras_inputs]
            radius = max((r for r, _ in given), default=fractions.Fraction(0))
            size = max((s for _, s in given), default=fractions.Fraction(1))
            layer = _innermost(node.layer)
            radius += size * _extent(layer)
            known[id(node)] = radius, size * _shrinking(layer)
        return known[id(node)]

    radius, size = reach(network.outputs[0])
    return math.ceil(radius) + (size < 1)  # a fine pixel may stand beside the middle


def _extent(layer):
    """Pixels of its input to each side that a pixel of a layer's output depends on."""
    if isinstance(layer, layers.Conv2DTranspose):
        return -(-layer.kernel_size[0] // (2 * layer.strides[0]))
    if isinstance(layer, _CONVOLUTIONS):
        return max(
            rate * (size // 2)
            for rate, size in zip(layer.dilation_rate, layer.kernel_size)
        )
    return int(isinstance(layer, layers.UpSampling2D))


def convolution_activations(network) -> list:
    """Names of the layers that end in the activation of a convolution, in order.

    A convolution counts if it has an activation of its own, or if an activation layer
    follows it, with at most normalisation, dropout or noise between. Nested models
    are not searched.

    Args:
        network: model of the functional API, or a built ``Sequential``.

    Raises:
        ValueError: if ``network`` is another kind of model, or uses such a layer in
            several places.
    """
    check_functional(network)
    pending, names = set(), []  # ids of the tensors that wait for an activation
    for layer in network.layers:
        if isinstance(_innermost(layer), _CONVOLUTIONS):
            tensor_before(layer)
            if _is_linear(_innermost(layer)):
                pending.add(id(layer.output))
            else:
                names.append(layer.name)
        elif isinstance(layer, (*_ACTIVATIONS, *_BETWEEN)):
            if id(tensor_before(layer)) not in pending:
                continue
            if isinstance(layer, _BETWEEN) or _is_linear(layer):
                pending.add(id(layer.output))
            else:
                names.append(layer.name)
    return names


def _innermost(layer):
    """The layer within wrappers, such as one that normalises its weights."""
    while isinstance(layer, layers.Wrapper):
        layer = layer.layer
    return layer


def _is_linear(layer):
    activation = getattr(layer, "activation", None)
    has_own = isinstance(layer, (layers.Activation, *_CONVOLUTIONS))
    return has_own and activation in (None, keras.activations.linear)
