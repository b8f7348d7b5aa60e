"""Argument checks: each refuses a bad value in one line that quotes it."""

import importlib.util
import math

import numpy as np


def is_whole(value) -> bool:
    """Whether a value is a whole number; True and False are not."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def is_number(value) -> bool:
    """Whether a value is a real number; True and False are not."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def check_choice(name, value, choices) -> None:
    """Refuses a value that is not among the choices; True is not 1."""
    if not any(type(value) is type(c) and value == c for c in choices):
        known = " or ".join(map(repr, choices))
        raise ValueError(f"{name} must be {known}, got {value!r:.200}")


def check_installed(user, modules, extra, otherwise="") -> None:
    """Refuses to go on without modules of an extra.

    Args:
        user: what needs them.
        modules: their names.
        extra: of this package, that installs them.
        otherwise: what else the user can do.

    Raises:
        ImportError: naming those that are missing.
    """
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        raise ImportError(
            f"{user} needs {', '.join(missing)}: pip install 'keras-cnns[{extra}]'"
            f"{otherwise}"
        )


def check_flag(name, value) -> None:
    """Refuses anything but True and False."""
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be True or False, got {value!r:.200}")


def check_count(name, value, least=1) -> None:
    """Refuses anything but a whole number of at least ``least``."""
    if not is_whole(value) or value < least:
        raise ValueError(
            f"{name} must be a whole number of at least {least}, got {value!r:.200}"
        )


def check_each_count(**counts) -> None:
    """``check_count`` of each argument."""
    for name, value in counts.items():
        check_count(name, value)


def check_counts(name, values) -> None:
    """Refuses anything but a list of positive whole numbers."""
    if not isinstance(values, (tuple, list)) or not values:
        raise ValueError(f"{name} must be positive whole numbers, got {values!r}")
    for value in values:
        check_count(f"each of {name}={values!r}", value)


def check_size(name, value) -> tuple:
    """Height and width, of one whole number for both or of two; refuses all else."""
    sizes = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    if len(sizes) != 2 or not all(is_whole(size) and size > 0 for size in sizes):
        raise ValueError(
            f"{name} must be one or two whole numbers of at least 1, got {value!r:.200}"
        )
    return sizes


def check_odd(name, value, least=3) -> None:
    """Refuses anything but an odd whole number of at least ``least``."""
    if not is_whole(value) or value < least or value % 2 == 0:
        raise ValueError(
            f"{name} must be an odd whole number of at least {least}, got {value!r}"
        )


def check_at_least(least, **numbers) -> None:
    """Refuses numbers below ``least``, and anything that is not a number."""
    for name, value in numbers.items():
        if not value >= least:
            raise ValueError(f"{name} must be at least {least}, got {value!r}")


def check_positive(name, value) -> None:
    """Refuses anything but a positive number."""
    if not is_number(value) or not 0 < value < math.inf:
        raise ValueError(f"{name} must be a positive number, got {value!r:.200}")


def check_within(name, value, interval="[0, 1)") -> None:
    """Refuses what is no finite number in an interval.

    Args:
        name, value: of what is checked.
        interval: as ``"[0, 1)"`` or ``"(0, inf)"``, whose round brackets exclude their
            ends. Whole numbers are below 2^31.
    """
    low, high = map(float, interval[1:-1].split(","))
    inside = is_number(value) or is_whole(value)
    inside = inside and low <= value <= high and -math.inf < value < math.inf
    inside = inside and not (is_whole(value) and abs(value) >= 2**31)
    if inside and interval[0] == "(":
        inside = value != low
    if inside and interval[-1] == ")":
        inside = value != high
    if not inside:
        wanted = f"in {interval}"
        if high == math.inf:
            lower = f"{low:g}"
            wanted = f"at least {lower}" if interval[0] == "[" else f"more than {lower}"
        raise ValueError(f"{name} must be {wanted}, got {value!r:.200}")


def check_same_length(**lists) -> None:
    """Refuses lists of different lengths, and anything that is not a list."""
    are_lists = all(isinstance(values, (tuple, list)) for values in lists.values())
    if not are_lists or len({len(values) for values in lists.values()}) > 1:
        shown = ", ".join(f"{name}={values!r}" for name, values in lists.items())
        raise ValueError(f"must be lists of equal length: {shown}")


def check_image_shape(shape, fixed_size=True, name="image_shape") -> None:
    """Refuses all but (height, width, channels); sizes may be None if not fixed."""
    is_complete = isinstance(shape, (tuple, list)) and len(shape) == 3
    open_sizes = () if fixed_size else (0, 1)
    if not is_complete or not all(
        (is_whole(size) and size > 0) or (size is None and i in open_sizes)
        for i, size in enumerate(shape)
    ):
        raise ValueError(f"{name} must be (height, width, channels), got {shape!r}")
