"""Models of tasks with several networks, and changes of their architectures."""

import dataclasses
import json

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
    "local_shape",
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


def parse_builder_args(text: str, example: dict, roles=()) -> dict:
    """Parses changes of the networks' architectures.

    Args:
        text: JSON object of arguments, or with roles one of such objects by role;
            empty for no changes.
        example: such a value, for the error message.
        roles: names of the networks, where there are several.

    Raises:
        ValueError: if it is not such an object, or sets what data and options set.
    """
    try:
        arguments = json.loads(text or "{}")
    except ValueError:
        arguments = None
    is_fine = isinstance(arguments, dict) and all(
        role in roles and isinstance(changes, dict)
        for role, changes in arguments.items()
        if roles
    )
    if not is_fine:
        raise ValueError(
            f"builder_args must be a JSON object such as {json.dumps(example)}, got "
            f"{text!r}"
        )
    for role, changes in arguments.items() if roles else [("", arguments)]:
        decided = sorted(_DECIDED & set(changes))
        if decided:
            raise ValueError(
                f"builder_args{f' of the {role}' if role else ''} cannot set "
                f"{', '.join(decided)}: data and options decide that"
            )
    return arguments
