"""What comes back through a ReLU: the gradient, or a rule that takes its place.

With z what goes in and g what comes back, the gradient passes g where z > 0, guided
back-propagation where z > 0 and g > 0, the deconvnet where g > 0. At z = 0 nothing
passes but in the deconvnet. Max pooling sends back to the largest value of a window
(the first one of equal ones), which are the deconvnet's switches.
"""

import dataclasses

import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns._checks import check_choice
from keras_cnns._graph import copy_of
from keras_cnns.inspection.flat_copy import (
    copy_named,
    flat_copy,
    is_identity,
    is_operation,
)

_RECTIFIERS = (layers.ReLU, layers.LeakyReLU, layers.PReLU, layers.ThresholdedReLU)
_RECTIFIER_FUNCTIONS = (
    keras.activations.relu,
    tf.nn.relu,
    tf.nn.relu6,
    tf.nn.leaky_relu,
)
# Operations by the name that Keras gives their function.
_RECTIFIER_OPERATIONS = ("nn.relu", "nn.relu6", "nn.leaky_relu")
_NORMALISING_OPERATIONS = ("nn.softmax", "math.sigmoid")
_OTHER_OPERATIONS = (
    *("nn.elu", "nn.selu", "nn.silu", "nn.gelu", "nn.crelu", "math.softplus"),
    *("math.tanh", "math.maximum", *_NORMALISING_OPERATIONS),
)
_LINEAR = (None, keras.activations.linear)
_SIGMOIDS = (keras.activations.sigmoid, tf.nn.sigmoid)
_NORMALISERS = (keras.activations.softmax, tf.nn.softmax, *_SIGMOIDS)


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


@tf.custom_gradient
def _second(x, value):
    """The second argument; all of the gradient goes to the first."""
    return tf.identity(value), lambda upstream: (upstream, tf.zeros_like(upstream))


def _guided(activation, x):
    return _positive_part(activation(_where_positive(x)))


def _deconvnet(activation, x):
    return _positive_part(_second(x, tf.stop_gradient(activation(x))))


# What takes an activation's place, by the name of the rule; None: nothing does.
RULES = {"gradient": None, "guided": _guided, "deconvnet": _deconvnet}


class _RuledActivation(layers.Layer):
    """An activation, function or layer, with another backward rule."""

    def __init__(self, activation, rule, **kwargs):
        super().__init__(**kwargs)
        self.activation = activation
        self._rule = rule

    def call(self, inputs):
        return self._rule(self.activation, inputs)


def _ruled_operation(function, rule):
    """A rectifier of ``tf.nn`` with another backward rule."""

    def operation(features, *args, **kwargs):
        return rule(lambda x: function(x, *args, **kwargs), features)

    return operation


@dataclasses.dataclass(frozen=True)
class RuledCopy:
    """A flat copy of a network under a backward rule.

    Attributes:
        model: the copy, with weights of its own; it computes what the network does, is
            for gradients alone, and cannot be saved.
        rule: key of ``RULES``.
        replaced: names of the layers whose activation follows the rule.
        kept: names of the layers with a nonlinear activation of another kind, whose
            own gradient stays, and of ``Lambda`` layers, which cannot be looked into.
        removed: name of the layer whose softmax or sigmoid was left out at the end;
            empty if none was.
        is_sigmoid: whether it was a sigmoid, of classes that do not exclude each other.
    """

    model: keras.Model
    rule: str
    replaced: tuple
    kept: tuple
    removed: str = ""
    is_sigmoid: bool = False


def guided_copy(model: keras.Model) -> keras.Model:
    """A copy that computes the same, but whose gradients are guided.

    At every ReLU the gradient passes where both what went in and the gradient that
    comes back are positive. ``ruled_copy`` tells more of it.

    Source: Springenberg et al., arXiv 1412.6806, section 3.4.
    """
    return ruled_copy(model, "guided").model


def ruled_copy(model: keras.Model, rule: str, logits: bool = False) -> RuledCopy:
    """A flat copy that computes the same, whose ReLUs follow another backward rule.

    LeakyReLU and PReLU keep their outputs, and are treated as ReLU in the backward
    pass (what papers did with a leak is not known). Other activations keep their own
    gradient: there is no rule for them.

    Args:
        model: model of the functional API, or a built ``Sequential``; it is not
            changed. Its ReLUs are layers ``ReLU``, ``LeakyReLU``, ``PReLU``,
            ``ThresholdedReLU`` or ``Activation``, the ``activation`` of other layers,
            by name, as a function of ``tf.nn`` or as one of these layers, or operations
            of ``tf.nn``; nested models may have them too, and layers be shared.
        rule: key of ``RULES``.
        logits: whether the softmax or sigmoid that the first output ends in is left
            out, and further outputs with it.

    Raises:
        ValueError: if the model is of another kind, a layer cannot be copied, a ReLU
            is within another layer, or there is no ReLU to replace.

    Source: Zeiler and Fergus, arXiv 1311.2901, section 2.1 (deconvnet); Springenberg et
    al., arXiv 1412.6806, section 3.4 (guided).
    """
    check_choice("rule", rule, RULES)
    change = RULES[rule]
    last = _last_layer(model) if logits else None
    replaced, kept, removed = [], [], []

    def replace(layer, name):
        if layer is last and _normalises(layer):
            removed.append(name)
            return _linear(layer, name)
        kind = _kind_of(layer)
        if kind == "kept" or (kind == "within" and not change):
            kept.append(name)
        elif kind and change:
            replacement = _ruled(layer, name, change)
            replaced.append(name)
            return replacement
        return None

    copy = flat_copy(model, replace)
    if change and not replaced:
        raise ValueError(
            f"nothing was replaced: {model.name} has no ReLU that {rule} could "
            f"act on{f' (other activations: {_few(kept)})' if kept else ''}"
        )
    if logits and len(copy.outputs) > 1:
        copy = keras.Model(copy.inputs, copy.outputs[0], name=copy.name)
    names = tuple(replaced), tuple(kept), "".join(removed)
    return RuledCopy(copy, rule, *names, bool(removed) and _is_sigmoid(last))


def _few(names):
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")


def _last_layer(model):
    """The layer that makes the first output, within nested models too."""
    node = model.outputs[0].node
    while True:
        layer = node.layer
        if isinstance(layer, keras.Model) and getattr(layer, "inputs", None):
            node = layer.outputs[0].node
        elif is_identity(layer):
            node = node.keras_inputs[0].node
        else:
            return layer


def _normalises(layer):
    """Whether a layer ends in softmax or sigmoid."""
    if is_operation(layer):
        return _operation(layer) in _NORMALISING_OPERATIONS
    activation = getattr(layer, "activation", None)
    is_layer = isinstance(layer, layers.Softmax) or isinstance(
        activation, layers.Softmax
    )
    return is_layer or activation in _NORMALISERS


def _is_sigmoid(layer):
    if is_operation(layer):
        return _operation(layer) == "math.sigmoid"
    return getattr(layer, "activation", None) in _SIGMOIDS


def _operation(layer):
    return layer.get_config()["function"]


def _linear(layer, name):
    """The layer without its activation."""
    if isinstance(layer, layers.Softmax) or is_operation(layer):
        return layers.Activation("linear", name=name)
    copy = copy_named(layer, name)
    copy.activation = keras.activations.linear
    return copy


def _kind_of(layer):
    """``"rectifier"``, ``"own"`` (a rectifier as its activation), ``"kept"`` or ``""``.

    ``"within"`` is a rectifier that cannot be reached.
    """
    if is_operation(layer):
        name = _operation(layer)
        if name in _RECTIFIER_OPERATIONS:
            return "rectifier"
        return "kept" if name in _OTHER_OPERATIONS else ""
    if isinstance(layer, _RECTIFIERS):
        return "rectifier"
    activation = getattr(layer, "activation", None)
    if _rectifies(activation):
        return "own"
    if any(_holds_rectifier(part) for part in layer.submodules):
        return "within"
    other = isinstance(layer, (layers.ELU, layers.Softmax, layers.Lambda))
    return "kept" if other or activation not in _LINEAR else ""


def _rectifies(activation):
    function = getattr(activation, "func", activation)  # of a functools.partial
    return isinstance(function, _RECTIFIERS) or any(
        function is known for known in _RECTIFIER_FUNCTIONS
    )


def _holds_rectifier(part):
    return isinstance(part, _RECTIFIERS) or _rectifies(
        getattr(part, "activation", None)
    )


def _ruled(layer, name, rule):
    """The layer under a rule."""
    kind = _kind_of(layer)
    if kind == "within":
        raise ValueError(
            f"layer {layer.name!r} holds a ReLU, whose gradient cannot be exchanged; "
            "build the model with layers.ReLU"
        )
    if kind == "rectifier":
        if is_operation(layer):
            return type(layer)(_ruled_operation(layer.function, rule), name=name)
        return _RuledActivation(
            copy_of(layer), rule, name=name, dtype=layer.dtype_policy
        )
    copy = copy_named(layer, name)
    copy.activation = _RuledActivation(copy.activation, rule, dtype=layer.dtype_policy)
    return copy
