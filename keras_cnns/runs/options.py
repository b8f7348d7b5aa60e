"""Options as data: flat frozen dataclasses, one field per flag.

A field knows its help and what it needs to have an effect. Flags, the refusal of idle
ones, ``run.json``, resume checks and ``docs/options.md`` are derived from that.
"""

import dataclasses
import json
import math
import os
import typing
from collections.abc import Collection, Sequence
from typing import Any

from keras_cnns._checks import check_choice, check_within, is_number, is_whole


@dataclasses.dataclass(frozen=True)
class Need:
    """What an option needs of others to have an effect.

    Attributes:
        names: of options, or of values derived from them; one is enough.
        values: that one must have; empty: any but an empty one and 0.
        shown: option to name in place of a derived value; empty: none is derived.
        hint: what that option must be, in words; empty: told by names and values.
    """

    names: tuple
    values: tuple = ()
    shown: str = ""
    hint: str = ""

    def is_met(self, values: dict) -> bool:
        """Whether the option has an effect under these values."""
        if self.values:
            return any(values[name] in self.values for name in self.names)
        return any(values[name] for name in self.names)

    def __str__(self):
        if self.hint:
            return f"--{self.shown}: {self.hint}"
        if not self.values:
            return " or ".join(f"--{name}" for name in self.names)
        return f"{' or '.join(self.names)}: {', '.join(map(str, self.values))}"


def any_of(*names: str, shown: str = "", hint: str = "") -> Need:
    """Needs one of these options, neither empty nor 0."""
    return Need(names, (), shown, hint)


def one_of(name: str, *values: Any, shown: str = "") -> Need:
    """Needs an option, or a value derived from options, to be one of these."""
    return Need((name,), values, shown)


def option(
    default: Any,
    text: str,
    *,
    needs: "Need | Sequence[Need]" = (),
    choices: Collection = (),
    within: str = "",
    writes: str = "",
    required: bool = False,
    free: bool = False,
) -> Any:
    """A field of an ``Options`` class.

    Args:
        default: its value unless given; its kind is that of the annotation.
        text: its help.
        needs: a ``Need`` or several, all of which must be met for an effect.
        choices: allowed values; empty: any.
        within: interval of numbers, such as "[0, 1)"; empty: any finite ones.
        writes: ``"folder"`` or ``"file"`` if that is written there; empty: nothing is.
        required: whether it must be given.
        free: whether a resumed run may have another value.
    """
    needs = (needs,) if isinstance(needs, Need) else tuple(needs)
    metadata = {
        "help": text,
        "needs": needs,
        "choices": tuple(choices),
        "within": within,
        "writes": writes,
        "required": required,
        "free": free,
    }
    return dataclasses.field(default=default, metadata=metadata)


def required(text: str, **traits: Any) -> Any:
    """A field that must be given."""
    return option(None, text, required=True, **traits)


def changed(options: "type[Options]", name: str, default: Any, **traits: Any) -> Any:
    """A field of another ``Options`` class with another default, or other traits."""
    known = {field.name: field for field in dataclasses.fields(options)}[name].metadata
    if isinstance(traits.get("needs"), Need):
        traits["needs"] = (traits["needs"],)
    return dataclasses.field(default=default, metadata={**known, **traits})


@dataclasses.dataclass(frozen=True)
class Options:
    """Checked values; classes derive from it.

    Raises:
        ValueError: if a value is of another type, none of the choices, out of range, or
            does not go with the others.
    """

    def __post_init__(self):
        kinds = self.kinds()
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is not None or field.default is not None:
                value = _typed(field.name, value, kinds[field.name])
                object.__setattr__(self, field.name, value)
            traits = field.metadata
            if traits["choices"]:
                check_choice(field.name, value, traits["choices"])
            if value is not None and kinds[field.name] in (int, float):
                check_within(field.name, value, traits["within"] or "(-inf, inf)")
        self.check()

    def check(self) -> None:
        """Checks of several values together; none unless overridden."""

    @classmethod
    def find_defaults(cls, given: dict) -> dict:
        """Values that take the place of the class's own, such as those of a paper."""
        return {}

    @classmethod
    def derive(cls, values: dict) -> dict:
        """Derived values that options need, by name; none unless overridden."""
        return {}

    @classmethod
    def resolve(cls, **given: Any) -> "Options":
        """The options of a command line or a call.

        Args:
            **given: values by name, of tuples also as text with commas. The others are
                those of ``find_defaults``, or else the class's.

        Raises:
            ValueError: if a name is unknown, a required one missing, a value bad, or
                one without effect.
        """
        fields = {field.name: field for field in dataclasses.fields(cls)}
        unknown = sorted(set(given) - set(fields))
        if unknown:
            raise ValueError(
                f"unknown option {unknown[0]!r}; there are {', '.join(fields)}"
            )
        kinds = cls.kinds()
        for name, value in given.items():  # before defaults are looked up by them
            if value is not None:
                _typed(name, value, kinds[name])
        values = {name: field.default for name, field in fields.items()}
        values.update(cls.find_defaults(given))
        values.update(given)
        for name, field in fields.items():
            if field.metadata["required"] and not values[name]:
                raise ValueError(f"--{name} is missing: {field.metadata['help']}")
        options = cls(**values)
        options._refuse_idle(given)
        for name, field in fields.items():
            if field.metadata["writes"] and values[name]:
                _check_target(name, values[name], field.metadata["writes"])
        return options

    def _refuse_idle(self, given):
        """Refuses given options that have no effect under the other values."""
        values = {**vars(self), **self.derive(vars(self))}
        for name in given:
            for need in self._unmet_needs(name, values):
                raise ValueError(_idle_message(name, need, values, vars(self)))

    def _unmet_needs(self, name, values):
        needs = type(self).__dataclass_fields__[name].metadata["needs"]
        return [need for need in needs if not need.is_met(values)]

    def effective(self, *names: str) -> dict:
        """Those of some options that have an effect, by name."""
        values = {**vars(self), **self.derive(vars(self))}
        return {n: values[n] for n in names if not self._unmet_needs(n, values)}

    def to_json(self) -> dict:
        """The values by name, as JSON values."""
        return json.loads(json.dumps(dataclasses.asdict(self)))

    @classmethod
    def default_json(cls) -> dict:
        """The class's own defaults by name, as JSON values."""
        defaults = {field.name: field.default for field in dataclasses.fields(cls)}
        return json.loads(json.dumps(defaults))

    @classmethod
    def kinds(cls) -> dict:
        """Type of each option by name: str, int, float, bool or tuple."""
        hints, kinds = typing.get_type_hints(cls), {}
        for field in dataclasses.fields(cls):
            kind = hints[field.name]
            parts = [part for part in typing.get_args(kind) if part is not type(None)]
            kinds[field.name] = parts[0] if parts else kind
        return kinds


def _check_target(name, path, kind):
    """Refuses a path that cannot be written."""
    if os.path.exists(path) and os.path.isdir(path) != (kind == "folder"):
        raise ValueError(f"{name}={path} must be a {kind}, there is something else")
    place = os.path.abspath(path)
    while not os.path.exists(place):
        place = os.path.dirname(place)
    if os.path.abspath(path) != place and not os.path.isdir(place):
        raise ValueError(f"{name}={path} cannot be made: {place} is no folder")
    if not os.access(place, os.W_OK):
        raise ValueError(f"{name}={path}: there is no permission to write to {place}")


_KINDS = {
    str: ("text", lambda value: isinstance(value, str) and "\0" not in value),
    int: ("a whole number", is_whole),
    float: ("a number", lambda value: is_number(value) or is_whole(value)),
    bool: ("True or False", lambda value: isinstance(value, bool)),
    tuple: ("a list", lambda value: isinstance(value, (list, tuple))),
}


def _typed(name, value, kind):
    """A value as its option has it; of a list also text with commas, as of a flag."""
    if kind is tuple and isinstance(value, str):
        value = value.split(",")
    wanted, fits = _KINDS[kind]
    if not fits(value):
        raise ValueError(f"{name} must be {wanted}, got {value!r:.200}")
    if kind is tuple:
        parts = (part.strip() if isinstance(part, str) else part for part in value)
        return tuple(part for part in parts if part != "")
    return value


def _idle_message(name, need, values, options):
    """One line that says why an option is idle, and what to do."""
    causes = [f"--{key}={_shown(values[key])}" for key in need.names if key in options]
    if need.shown:
        causes = [f"--{need.shown}={_shown(values[need.shown])}"]
    if need.shown and not need.hint:
        (key,) = need.names
        causes[0] += f", whose {key} is {_shown(values[key])}"
    hint = f"set {' or '.join(need.names)}"
    if need.values:
        hint = f"take one of {', '.join(map(str, need.values))}"
    if need.hint:
        hint = f"give --{need.shown} {need.hint}"
    return (
        f"--{name}={_shown(values[name])} has no effect with {' and '.join(causes)}; "
        f"leave it out, or {hint}"
    )


def _shown(value):
    text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return text[:200]


def parse_numbers(
    name: str, text: "str | Sequence[str]", count: int = 0, kind: type = float
) -> tuple:
    """The numbers of an option.

    Args:
        name: of the option.
        text: comma-separated, or a list of such texts.
        count: how many there must be, if any; 0: any number.
        kind: float or int.

    Raises:
        ValueError: if it is anything else.
    """
    parts = text.split(",") if isinstance(text, str) else text
    try:
        numbers = tuple(kind(part) for part in parts) if text else ()
    except ValueError:
        numbers = None
    if numbers is not None and not all(map(math.isfinite, numbers)):
        numbers = None
    if numbers is None or (numbers and count and len(numbers) != count):
        wanted = f"{count or ''} {'whole ' if kind is int else ''}numbers".strip()
        raise ValueError(f"{name} must be {wanted}, comma-separated, got {text!r}")
    return numbers


def parse_factors(name: str, text: str) -> dict:
    """Positive numbers by pattern, of an option such as ``"conv3/*:0.1,*/bias:2"``.

    Args:
        name: of the option.
        text: its value; empty: none.

    Raises:
        ValueError: if it is anything else, or a pattern is there twice.
    """
    factors = {}
    for part in filter(None, text.split(",")):
        pattern, _, number = part.rpartition(":")
        try:
            factor = float(number)
        except ValueError:
            factor = 0.0
        if not pattern or pattern in factors or not 0 < factor < math.inf:
            raise ValueError(
                f"{name} must be different patterns of weights with positive factors, "
                f"such as 'conv3/*:0.1,*/bias:2', got {part!r} in {text!r}"
            )
        factors[pattern] = factor
    return factors


def field_help(field: dataclasses.Field) -> str:
    """An option's help, with its choices, range and needs to have an effect."""
    traits = field.metadata
    choices = [str(choice) for choice in traits["choices"] if choice not in ("", None)]
    text = traits["help"] + (f": {', '.join(choices)}" if choices else "")
    text += f"; in {traits['within']}" if traits["within"] else ""
    needs = "; ".join(map(str, traits["needs"]))
    return f"{text} [with {needs}]" if needs else text
