"""From a family's design to its public builder: standard arguments, head, weights."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns._checks import check_choice, check_count, check_flag, check_within
from keras_cnns.applications.frame import public_files, weight_files
from keras_cnns.applications.frame.parts import classifier, dropout, image_input

# The arguments of every keras.applications function, in its order.
STANDARD = {
    "include_top": True,
    "weights": None,
    "input_tensor": None,
    "input_shape": None,
    "pooling": None,
    "classes": 1000,
    "classifier_activation": "softmax",
    "name": None,
}
_STANDARD_TEXT = """\
    include_top: whether the classifier is part of the network.
    weights: None (random), the name of a public checkpoint, or the path of a ``.h5``
        file or, where the family reads them, of a PyTorch state dict
        (``.safetensors``, ``.pth``, ``.pt``, ``.bin``).
    input_tensor: Keras tensor ``(batch, height, width, channels)`` to build on.
    input_shape: ``(height, width, channels)``; None takes the default with the
        classifier and ``(None, None, channels)`` without.
    pooling: without the classifier, None, ``"avg"`` or ``"max"``.
    classes: number of classes.
    classifier_activation: activation of the classifier; None gives logits.
    name: model name.
    public_weights: public checkpoints by name.

Returns:
    A ``keras.Model`` from images to ``(batch, classes)`` float32, or without the
    classifier to maps ``(batch, height, width, channels)`` or pooled vectors."""
_WEIGHTS_TEXT = """\
    weights: None (random), or the path of an ``.h5`` file or of a PyTorch state dict
        (``.safetensors``, ``.pth``, ``.pt``, ``.bin``, ``.tar``)."""
_RAISES_TEXT = """

Raises:
    ValueError: if an argument is bad; the message quotes it."""


@dataclasses.dataclass(frozen=True)
class Design:
    """One network of a family, before the standard arguments.

    Attributes:
        features: function from an image tensor to the last feature map; or, where
            there are auxiliary heads, to (last map, list of the maps they look at).
        default_shape: ``(height, width, channels)`` used when none is given.
        min_size: smallest height and width that the network accepts.
        head: function of (map, classes, activation) to the output; None is global
            average pooling and one dense layer.
        auxiliary_heads: functions of (map, classes, activation), one for each further
            map; their outputs follow the main one.
        fixed_size: whether height and width must be known.
        fixed_head: whether they must be known for the classifier alone, whose dense
            layers see the whole map.
        state_dict_names: rules from module names of PyTorch state dicts to layer
            names (``state_dicts``); empty where such files are not read.
        state_dict_hint: what to use instead, where they are not.
    """

    features: Callable
    default_shape: tuple
    min_size: int
    head: Callable | None = None
    auxiliary_heads: tuple = ()
    fixed_size: bool = False
    fixed_head: bool = False
    state_dict_names: tuple = ()
    state_dict_hint: str = ""


def pooled_classifier(dropout_rate: float = 0.0) -> Callable:
    """The usual head: global average pooling, dropout where asked for, one dense."""
    check_within("dropout_rate", dropout_rate)

    def head(x, classes, activation):
        x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
        x = dropout(x, dropout_rate, "dropout")
        return classifier(x, classes, activation)

    return head


def classification_builder(
    design: Callable[..., Design] | None = None, *, head_options: Sequence[str] = ()
) -> Callable:
    """Decorator: a function of the architecture's arguments becomes the builder.

    The builder takes the function's positional arguments, which variants fix (their
    defaults are its ``architecture``), the standard ones of ``keras.applications``,
    then the function's keyword-only arguments and ``public_weights``; its docstring
    gets the standard arguments' text.

    Args:
        design: function of the architecture's arguments that returns a ``Design``.
        head_options: names of those that act on the classifier alone; public
            constructors refuse them where there is none.
    """
    if design is None:
        return functools.partial(classification_builder, head_options=head_options)
    signature = _builder_signature(design)

    def builder(*args, **kwargs):
        given = signature.bind(*args, **kwargs)
        given.apply_defaults()
        arguments = given.arguments
        standard = {name: arguments.pop(name) for name in STANDARD}
        public_weights = arguments.pop("public_weights") or {}
        return _classification_model(design(**arguments), public_weights, **standard)

    builder.__name__ = builder.__qualname__ = design.__name__
    builder.__module__ = design.__module__
    builder.__signature__ = signature
    builder.__doc__ = _documentation(design)
    builder.head_options = head_options
    builder.architecture = {
        p.name: p.default
        for p in inspect.signature(design).parameters.values()
        if p.kind is not p.KEYWORD_ONLY and p.default is not p.empty
    }
    return builder


def _builder_signature(design):
    """The design's positional arguments, the standard ones, the keyword-only ones."""
    own = list(inspect.signature(design).parameters.values())
    key = inspect.Parameter.KEYWORD_ONLY
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    defaults = {**STANDARD, "name": design.__name__.lower()}
    return inspect.Signature(
        [
            *(p for p in own if p.kind is not key),
            *(inspect.Parameter(n, kind, default=d) for n, d in defaults.items()),
            *(p for p in own if p.kind is key),
            inspect.Parameter("public_weights", key, default=None),
        ]
    )


def _documentation(design):
    text = inspect.getdoc(design)
    if "Args:\n" not in text:
        text += "\n\nArgs:"
    return f"{text.rstrip()}\n{_STANDARD_TEXT}{_RAISES_TEXT}\n"


def network_builder(
    build: Callable[..., keras.Model] | None = None,
    *,
    free: Sequence[str] = (),
    state_dict_names: Callable[[keras.Model], Any] | None = None,
) -> Callable:
    """Decorator of the general builders of networks that are no classifiers.

    The builder's docstring gets the text of its last argument, ``name``, and of what
    it raises; variants fix the arguments of its ``architecture``.

    Args:
        build: function of the architecture's arguments and ``name`` to a network.
        free: names of the arguments that variants leave to their callers.
        state_dict_names: where PyTorch state dicts are read, function of the network to
            the names of their modules, as ``weight_files.load`` takes them; the builder
            then takes ``weights``, too.
    """
    if build is None:
        return functools.partial(
            network_builder, free=free, state_dict_names=state_dict_names
        )
    if state_dict_names is not None:
        build = _with_weights(build, state_dict_names)
        free = (*free, "weights")
    arguments, returns, text = inspect.getdoc(build).partition("\n\nReturns:")
    build.__doc__ = f"{arguments}\n    name: model name.{returns}{text}{_RAISES_TEXT}"
    build.architecture = {
        p.name: p.default
        for p in inspect.signature(build).parameters.values()
        if p.name not in ("name", *free)
    }
    return build


def _with_weights(build, state_dict_names):
    """The builder with the argument ``weights`` before its last one, ``name``."""
    *own, name = inspect.signature(build).parameters.values()
    weights = inspect.Parameter("weights", name.kind, default=None)
    signature = inspect.Signature([*own, weights, name])

    @functools.wraps(build)
    def builder(*args, **kwargs):
        given = signature.bind(*args, **kwargs)
        given.apply_defaults()
        weights = given.arguments.pop("weights")
        public_files.check(weights, {})
        network = build(**given.arguments)
        if weights is not None:
            names = state_dict_names(network)
            weight_files.load(network, weights, adapt=False, state_dict_names=names)
        return network

    builder.__signature__ = signature
    arguments, returns, text = inspect.getdoc(build).partition("\n\nReturns:")
    builder.__doc__ = f"{arguments}\n{_WEIGHTS_TEXT}{returns}{text}"
    return builder


def named_constructor_doc(
    builder: Callable[..., keras.Model],
    function_name: str,
    paper: str,
    parameters: Collection[str],
) -> str:
    """The builder's docstring, without the arguments that a variant fixes."""
    _, _, text = inspect.getdoc(builder).partition("Args:\n")
    arguments, returns, rest = text.partition("\nReturns:")
    kept = [
        argument
        for argument in re.split(r"^(?=    \w+: )", arguments, flags=re.MULTILINE)
        if argument.strip().partition(":")[0] in parameters
    ]
    head = f"Builds {function_name}: {paper}.\n\nArgs:\n"
    return head + "".join(kept).rstrip() + "\n" + returns + rest


def _classification_model(
    design: Design,
    public_weights: Mapping,
    *,
    include_top,
    weights,
    input_tensor,
    input_shape,
    pooling,
    classes,
    classifier_activation,
    name,
) -> keras.Model:
    """Input check, features, classifier head and weights, in that order."""
    _check(include_top, pooling, classes)
    public_files.check(weights, public_weights)
    default_shape = design.default_shape
    is_fixed = design.fixed_size or (include_top and design.fixed_head)
    if not include_top and not is_fixed:
        default_shape = (None, None, default_shape[-1])
    image = image_input(
        input_tensor, input_shape, default_shape, design.min_size, is_fixed
    )
    x, *sides = _as_list(design.features(image))
    if include_top:
        head = design.head or pooled_classifier()
        x = [head(x, classes, classifier_activation)]
        for auxiliary_head, side in zip(design.auxiliary_heads, *sides or [()]):
            x.append(auxiliary_head(side, classes, classifier_activation))
        x = x if len(x) > 1 else x[0]
    elif pooling and len(x.shape) == 2:
        raise ValueError(
            f"pooling={pooling!r} has no effect on {name}, which ends in a vector; "
            "leave it out"
        )
    elif pooling == "avg":
        x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
    elif pooling == "max":
        x = layers.GlobalMaxPooling2D(name="max_pool")(x)
    inputs = image
    if input_tensor is not None:
        inputs = keras.utils.get_source_inputs(input_tensor)
    model = keras.Model(inputs, x, name=name)
    if weights is not None:
        path = public_files.resolve(weights, public_weights, include_top)
        weight_files.load(
            model,
            path,
            state_dict_names=design.state_dict_names,
            state_dict_hint=design.state_dict_hint,
        )
    return model


def _as_list(value):
    return list(value) if isinstance(value, tuple) else [value]


def _check(include_top, pooling, classes):
    check_flag("include_top", include_top)
    check_choice("pooling", pooling, (None, "avg", "max"))
    check_count("classes", classes)
    if include_top and pooling is not None:
        raise ValueError(
            f"pooling={pooling!r} has no effect with include_top=True; leave it out"
        )
