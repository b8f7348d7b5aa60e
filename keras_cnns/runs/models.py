"""Models of tasks with several networks, and changes of their architectures."""

import dataclasses
import json
from collections.abc import Collection

# Builder arguments that data and options set.
_DECIDED = {
    "include_top",
    "weights",
    "input_shape",
    "classes",
    "classifier_activation",
    "image_shape",
    "name",
    "output_activation",
}


@dataclasses.dataclass(frozen=True)
class PaperModel:
    """Networks, and how their source trains them.

    Attributes:
        networks: registry names by role, in the order of the trainer's arguments.
        options: values of the task's options that the source gives.
        source: paper or code, and what differs from it here.
        trainer: name of the algorithm; empty where a task has one.
        details: further values by name.
    """

    networks: dict
    options: dict
    source: str
    trainer: str = ""
    details: dict = dataclasses.field(default_factory=dict)


def find_model(models: dict, name: str) -> PaperModel:
    """The ``PaperModel`` of a name.

    Raises:
        ValueError: if the name is unknown.
    """
    if name not in models:
        raise ValueError(f"unknown model {name!r}; there are {', '.join(models)}")
    return models[name]


def parse_builder_args(text: str, example: dict, decided: dict) -> dict:
    """Parses changes of the networks' architectures.

    Args:
        text: JSON object of such objects by role; empty for no changes.
        example: such a value, for the error message.
        decided: by role, the arguments that data and other options set.

    Raises:
        ValueError: if it is not such an object, or sets what is decided.
    """
    arguments = _parse_object(text, example)
    for role, changes in arguments.items():
        if role not in decided or not isinstance(changes, dict):
            raise _not_such_as(example, text)
        _check_undecided(changes, decided[role], f"builder_args of the {role}")
    return arguments


def parse_arguments(text: str, example: dict, decided: Collection[str] = ()) -> dict:
    """``parse_builder_args`` where there is one network, and no role."""
    arguments = _parse_object(text, example)
    _check_undecided(arguments, decided)
    return arguments


def _check_undecided(arguments, decided, name="builder_args") -> None:
    """Refuses builder arguments that data and other options set."""
    wrong = sorted({*_DECIDED, *decided} & set(arguments))
    if wrong:
        raise ValueError(
            f"{name} cannot set {', '.join(wrong)}: data and options decide that"
        )


def _parse_object(text, example):
    try:
        value = json.loads(text or "{}")
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise _not_such_as(example, text)
    return value


def _not_such_as(example, text):
    return ValueError(
        f"builder_args must be a JSON object such as {json.dumps(example)}, got "
        f"{text!r}"
    )
