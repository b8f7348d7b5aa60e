"""The table of models: who is in it, how to build one by name, what is known of it."""

from __future__ import annotations

import dataclasses
import difflib
import fnmatch
import inspect
import os
from collections.abc import Mapping
from typing import Any, Callable

from tensorflow import keras

from keras_cnns.applications.frame import weight_files
from keras_cnns.applications.frame.builder import named_constructor_doc
from keras_cnns.applications.frame.state_dicts import is_state_dict


@dataclasses.dataclass(frozen=True)
class ModelInfo:
    """What the registry knows of one model.

    Attributes:
        name: registry name, snake_case.
        constructor: the public function that builds it.
        task: what it is for, such as ``"classification"``.
        paper: title, arXiv id and the table that has the variant.
        params: trainable parameters at ``classes`` outputs and ``input_shape``,
            from the paper or a reference implementation.
        input_shape: default ``(height, width, channels)``; of a generator
            ``(latents,)``.
        preprocessing: name of the input convention (``keras_cnns.data``); of
            generative networks the range of the images: ``"signed"`` ([-1, 1]),
            ``"unit"`` ([0, 1]) or ``"unbounded"``.
        classes: the number of classes of the paper; None where it classifies nothing.
        min_size: smallest height and width that the network accepts; None where its
            input has one shape only.
        stage_ends: layer names where the stages end, finest map first.
        condition_shape: of a second input, such as one-hot labels or masks; empty
            where there is none.
        output_shape: of generative and inpainting networks, without the batch.
        weights: public checkpoints by name.
        note: why ``params`` differs from the published figure, where it does.
        macs: multiply-adds of convolutions and dense layers for one image at
            ``input_shape``, from a reference; None where there is none.
        published: the paper's error or accuracy, with data set and protocol.
        traits: exceptions to what every model promises: ``"vector_features"`` (no
            feature maps), ``"fixed_size"`` (with the classifier, height and width must
            be known), ``"fixed_features"`` (without it, too), ``"slow_xla"`` and
            ``"slow_build"`` (XLA takes long to compile it, Keras to build it: short
            tests leave that out).
        builder, architecture: of networks that are no classifiers, the family's general
            builder and the arguments that make this variant of it.
    """

    name: str
    constructor: Callable[..., keras.Model]
    task: str
    paper: str
    params: int
    input_shape: tuple
    preprocessing: str
    classes: int | None = None
    min_size: int | None = None
    stage_ends: tuple = ()
    condition_shape: tuple = ()
    output_shape: tuple = ()
    weights: Mapping = dataclasses.field(default_factory=dict)
    note: str = ""
    macs: float | None = None
    published: str = ""
    traits: tuple = ()
    builder: Callable[..., keras.Model] | None = None
    architecture: Mapping = dataclasses.field(default_factory=dict)

    @property
    def role(self) -> str:
        """What a network that is a part is to the whole; empty for a whole one."""
        last = self.name.rpartition("_")[2]
        return last if last in _ROLES else ""

    def preprocessing_of(self, weights: str) -> str:
        """Name of the input convention that first weights expect.

        Args:
            weights: name of a public checkpoint, or the path of a file, which is taken
                to be like the public one of its format.
        """
        file = self.weights.get(weights)
        if file is None and is_state_dict(os.fspath(weights)):
            files = self.weights.values()
            file = next((f for f in files if is_state_dict(f.url)), None)
        return (file.preprocessing if file else "") or self.preprocessing


# Last words of the names of networks that train against others or serve them.
_ROLES = ("generator", "discriminator", "critic", "refiner", "autoencoder")
_MODELS: dict = {}


def register(
    builder: Callable[..., keras.Model],
    function_name: str,
    *,
    architecture: dict | None = None,
    public_weights: Mapping | None = None,
    **info: Any,
) -> Callable[..., keras.Model]:
    """Makes the named constructor of one classifier and enters it into the table.

    Args:
        builder: the family's general builder; takes the architecture's arguments and
            the standard ones of a classification builder.
        function_name: public name such as ``"DenseNet121"``.
        architecture: the arguments that make the variant what it is, where they are
            not the builder's defaults; None leaves all of them to the caller.
        public_weights: public checkpoints by name, passed on to the builder.
        **info: the remaining fields of ``ModelInfo``; ``task`` is classification.

    Returns:
        The constructor, with the signature of a ``keras.applications`` function
        followed by the family's keyword-only options.

    Raises:
        ValueError: if the name is taken.
    """
    _refuse_taken(info["name"])
    fixed = {"public_weights": public_weights or {}}
    if architecture is not None:
        fixed |= {**builder.architecture, **architecture}
    defaults = {"name": info["name"], "classes": info["classes"]}
    signature = _public_signature(builder, fixed, defaults)

    def constructor(*args, **kwargs):
        given = signature.bind(*args, **kwargs)
        given.apply_defaults()
        if given.arguments["include_top"] is False:
            _refuse_head_options(builder.head_options, given.arguments, signature)
        return builder(**fixed, **given.arguments)

    _describe(constructor, builder, function_name, info["paper"], signature)
    _MODELS[info["name"]] = ModelInfo(
        constructor=constructor,
        task="classification",
        weights=fixed["public_weights"],
        **info,
    )
    return constructor


def register_network(
    builder: Callable[..., keras.Model],
    function_name: str,
    *,
    architecture: dict | None = None,
    **info: Any,
) -> Callable[..., keras.Model]:
    """Makes the named constructor of a network that is no classifier, and enters it.

    Args:
        builder: the family's general builder, a ``network_builder``.
        function_name: public name such as ``"DCGAN64Generator"``.
        architecture: the arguments that make the variant what it is, where they are
            not the builder's defaults.
        **info: the remaining fields of ``ModelInfo``.

    Returns:
        The constructor, which takes the builder's free arguments that are not in
        ``architecture``.

    Raises:
        ValueError: if the name is taken.
    """
    _refuse_taken(info["name"])
    architecture = {**builder.architecture, **(architecture or {})}
    signature = _public_signature(builder, architecture, {"name": info["name"]})

    def constructor(*args, **kwargs):
        given = signature.bind(*args, **kwargs)
        given.apply_defaults()
        return builder(**architecture, **given.arguments)

    _describe(constructor, builder, function_name, info["paper"], signature)
    _MODELS[info["name"]] = ModelInfo(
        constructor=constructor, builder=builder, architecture=architecture, **info
    )
    return constructor


def _refuse_taken(name):
    if name in _MODELS:
        raise ValueError(f"a model named {name!r} is registered already")


def _describe(constructor, builder, function_name, paper, signature):
    """Name, signature and documentation of a named constructor."""
    constructor.__name__ = constructor.__qualname__ = function_name
    constructor.__module__ = builder.__module__
    constructor.__signature__ = signature
    constructor.__doc__ = named_constructor_doc(
        builder, function_name, paper, signature.parameters
    )


def _refuse_head_options(head_options, arguments, signature):
    """Refuses what would act on the classifier, where there is none."""
    for option in set(head_options) & set(arguments):
        value = arguments[option]
        if value != signature.parameters[option].default:
            raise ValueError(
                f"{option}={value!r} has no effect with include_top=False; leave it out"
            )


def _public_signature(builder, fixed, defaults):
    """The builder's signature without the fixed arguments, defaults filled in."""
    parameters = [
        parameter.replace(default=defaults.get(parameter.name, parameter.default))
        for parameter in inspect.signature(builder).parameters.values()
        if parameter.name not in fixed
    ]
    first_option = 1 + [p.name for p in parameters].index("name")
    return inspect.Signature(
        [
            p.replace(
                kind=p.POSITIONAL_OR_KEYWORD if i < first_option else p.KEYWORD_ONLY
            )
            for i, p in enumerate(parameters)
        ]
    )


def list_models(task: str | None = None, pattern: str = "*") -> list:
    """Names of the registered models, sorted.

    Args:
        task: keep one task only, such as ``"classification"``.
        pattern: shell-style pattern, such as ``"*densenet*"``.

    Raises:
        ValueError: if no model has that task.
    """
    tasks = sorted({info.task for info in _MODELS.values()})
    if task is not None and task not in tasks:
        raise ValueError(f"unknown task {task!r}; there are {', '.join(tasks)}")
    return sorted(
        name
        for name, info in _MODELS.items()
        if task in (None, info.task) and fnmatch.fnmatch(name, pattern)
    )


def model_info(name: str) -> ModelInfo:
    """What is known of one model.

    Raises:
        ValueError: if the name is not registered; names the nearest ones.
    """
    if name not in _MODELS:
        near = difflib.get_close_matches(name, _MODELS, n=3, cutoff=0.4)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise ValueError(
            f"unknown model {name!r}{hint} (list_models() names all {len(_MODELS)})"
        )
    return _MODELS[name]


def create_model(name: str, /, **builder_args: Any) -> keras.Model:
    """Builds a registered model by name.

    Args:
        name: registry name, such as ``"densenet121"`` or ``"dcgan64_generator"``.
        **builder_args: of a classifier, arguments of its constructor; of any other
            network all of the family's general builder, which change its architecture.

    Raises:
        ValueError: if the name is unknown or an argument is bad.
    """
    info = model_info(name)
    build, args = info.constructor, builder_args
    if info.builder is not None:
        build, args = info.builder, {"name": name, **info.architecture, **builder_args}
    try:
        inspect.signature(build).bind(**args)
    except TypeError as error:
        accepted = ", ".join(inspect.signature(build).parameters)
        raise ValueError(f"{name}: {error}; it takes {accepted}") from None
    return build(**args)


def create_with_weights(name: str, path: str, /, **builder_args: Any) -> keras.Model:
    """Builds a registered model with the weights of a file.

    Args:
        name: registry name.
        path: of an ``.h5`` file or, where the family reads them, of a PyTorch state
            dict.
        **builder_args: as ``create_model`` takes them.

    Raises:
        ValueError: as ``create_model``, or if the file is of another network.
        OSError: if it cannot be read.
    """
    info = model_info(name)
    if "weights" in inspect.signature(info.builder or info.constructor).parameters:
        return create_model(name, weights=path, **builder_args)
    network = create_model(name, **builder_args)
    weight_files.load(network, path, adapt=False, state_dict_names=())
    return network
