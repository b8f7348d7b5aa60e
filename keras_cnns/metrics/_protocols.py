"""Reports that keep scores with their protocol: reading, comparing."""

import dataclasses


def from_fields(kind, fields):
    """A dataclass from a dict of its fields, all of which must be there.

    Raises:
        ValueError: if a field is missing or unknown.
    """
    names = {field.name for field in dataclasses.fields(kind)}
    if not isinstance(fields, dict) or set(fields) != names:
        given = sorted(fields) if isinstance(fields, dict) else fields
        raise ValueError(
            f"a {kind.__name__} has the fields {', '.join(sorted(names))}; got {given}"
        )
    return kind(**fields)


def check_equal_protocols(first, second) -> None:
    """Refuses to compare what was measured in different ways.

    Args:
        first, second: protocols, dataclasses of one kind.

    Raises:
        ValueError: if they differ; names the fields and both values.
    """
    one, other = map(dataclasses.asdict, (first, second))
    differing = [f"{k} ({one[k]!r}, {other[k]!r})" for k in one if one[k] != other[k]]
    if differing:
        raise ValueError(
            "reports of different protocols do not compare; they differ in "
            + ", ".join(differing)
        )
