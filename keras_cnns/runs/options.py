"""Options as data: flat frozen dataclasses, one field per flag.

A field knows its help and what it needs to have an effect. Flags, the refusal of idle
ones, ``run.json``, resume checks and ``docs/options.md`` are derived from that.
"""

import dataclasses
import json
import typing

from keras_cnns._checks import check_choice


@dataclasses.dataclass(frozen=True)
class Need:
    """What an option needs of others to have an effect.

    Attributes:
        names: of options, or of values derived from them; one is enough.
        values: that one must have; empty: any but an empty one and 0.
        shown: option to name in place of a derived value; empty: ``model``.
        hint: what to do about it, in words; empty: derived from names and values.
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
            return self.hint
        if not self.values:
            return " or ".join(f"--{name}" for name in self.names)
        return f"{' or '.join(self.names)}: {', '.join(map(str, self.values))}"


def any_of(*names, shown="", hint="") -> Need:
    """Needs one of these options, neither empty nor 0."""
    return Need(names, (), shown, hint)


def one_of(name, *values, shown="") -> Need:
    """Needs an option, or a value derived from options, to be one of these."""
    return Need((name,), values, shown)


def option(
    default, text, *, needs=(), choices=(), least=None, required=False, free=False
):
    """A field of an ``Options`` class.

    Args:
        default: its value unless given; its kind is that of the annotation.
        text: its help.
        needs: a ``Need`` or several, all of which must be met for an effect.
        choices: allowed values; empty: any.
        least: smallest number; None: any.
        required: whether it must be given.
        free: whether a resumed run may have another value.
    """
    needs = (needs,) if isinstance(needs, Need) else tuple(needs)
    metadata = {
        "help": text,
        "needs": needs,
        "choices": tuple(choices),
        "least": least,
        "required": required,
        "free": free,
    }
    return dataclasses.field(default=default, metadata=metadata)


def required(text, **traits):
    """A field that must be given."""
    return option(None, text, required=True, **traits)


def changed(options, name, default, **traits):
    """A field of another ``Options`` class with another default, or other traits."""
    known = {field.name: field for field in dataclasses.fields(options)}[name].metadata
    return dataclasses.field(default=default, metadata={**known, **traits})


@dataclasses.dataclass(frozen=True)
class Options:
    """Checked values; classes derive from it.

    Raises:
        ValueError: if a value is none of the choices, too small, or does not go with
            the others.
    """

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value, traits = getattr(self, field.name), field.metadata
            if traits["choices"]:
                check_choice(field.name, value, traits["choices"])
            least = traits["least"]
            if least is not None and value is not None and not value >= least:
                raise ValueError(
                    f"{field.name} must be at least {least}, got {value!r}"
                )
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
    def resolve(cls, **given) -> "Options":
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
        for name, value in given.items():
            given[name] = _as_tuple(value) if kinds[name] is tuple else value
        values = {name: field.default for name, field in fields.items()}
        values.update(cls.find_defaults(given))
        values.update(given)
        for name, field in fields.items():
            if field.metadata["required"] and not values[name]:
                raise ValueError(f"--{name} is missing: {field.metadata['help']}")
        options = cls(**values)
        options._refuse_idle(given)
        return options

    def _refuse_idle(self, given):
        """Refuses given options that have no effect under the other values."""
        for name in given:
            need, values = self._unmet_need(name)
            if need:
                raise ValueError(_idle_message(name, need, values, vars(self)))

    def _unmet_need(self, name):
        """(first unmet need of an option or None, all values)."""
        values = {**vars(self), **self.derive(vars(self))}
        needs = type(self).__dataclass_fields__[name].metadata["needs"]
        return next((n for n in needs if not n.is_met(values)), None), values

    def effective(self, *names) -> dict:
        """The given options that have an effect, by name."""
        return {
            name: getattr(self, name)
            for name in names
            if self._unmet_need(name)[0] is None
        }

    def to_json(self) -> dict:
        """The values by name, as JSON values."""
        return json.loads(json.dumps(dataclasses.asdict(self)))

    @classmethod
    def kinds(cls) -> dict:
        """Type of each option by name: str, int, float, bool or tuple."""
        hints, kinds = typing.get_type_hints(cls), {}
        for field in dataclasses.fields(cls):
            kind = hints[field.name]
            parts = [part for part in typing.get_args(kind) if part is not type(None)]
            kinds[field.name] = parts[0] if parts else kind
        return kinds


def _as_tuple(value):
    """Several values, or text with commas as on the command line."""
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    return tuple(value)


def _idle_message(name, need, values, options):
    """One line that says why an option is idle, and what to do."""
    causes = []
    for key in need.names:
        if key in options:
            causes.append(f"--{key}={_shown(values[key])}")
            continue
        shown = need.shown or "model"
        causes.append(f"--{shown}={_shown(values[shown])}")
        if not need.hint:
            causes[-1] += f", whose {key} is {_shown(values[key])}"
    hint = need.hint or f"set {' or '.join(need.names)}"
    if need.values:
        hint = f"take one of {', '.join(map(str, need.values))}"
    return (
        f"--{name}={_shown(values[name])} has no effect with {' and '.join(causes)}; "
        f"leave it out, or {hint}"
    )


def _shown(value):
    return ",".join(map(str, value)) if isinstance(value, tuple) else value


def parse_numbers(name: str, text, count: int = 0, kind=float) -> tuple:
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
    if numbers is None or (numbers and count and len(numbers) != count):
        wanted = f"{count or ''} {'whole ' if kind is int else ''}numbers".strip()
        raise ValueError(f"{name} must be {wanted}, comma-separated, got {text!r}")
    return numbers


def field_help(field) -> str:
    """An option's help, with what it needs to have an effect."""
    needs = [str(need) for need in field.metadata["needs"]]
    return field.metadata["help"] + (f" [with {'; '.join(needs)}]" if needs else "")
