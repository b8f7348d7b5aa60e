"""The notation of networks in the paper on what-where auto-encoders.

``(64)5c-2p-(64)3c-2p-10fc`` is a convolution to 64 maps by 5x5 kernels, pooling of 2x2,
another convolution and pooling, and a dense layer of 10 units.
"""

import re
from typing import NamedTuple


class Token(NamedTuple):
    """One layer.

    Attributes:
        kind: ``"conv"``, ``"pool"`` or ``"fc"``.
        size: of the kernel or the window; units of a dense layer.
        maps: of a convolution.
    """

    kind: str
    size: int
    maps: int = 0


_NUMBER = r"([1-9]\d{0,4})"
_KINDS = {
    "conv": re.compile(rf"\({_NUMBER}\){_NUMBER}c"),
    "pool": re.compile(rf"{_NUMBER}p"),
    "fc": re.compile(rf"{_NUMBER}fc"),
}
_EXAMPLES = (
    "a convolution such as (64)5c, a pooling such as 2p or a dense layer such as 10fc"
)


def parse_notation(notation: str) -> list:
    """The ``Token``s of a network in the paper's notation.

    Args:
        notation: layers with hyphens between, such as ``"(64)5c-2p-10fc"``:
            convolutions and poolings, of which the first is a convolution, then dense
            layers.

    Raises:
        ValueError: naming the first token that is wrong, and its position from 1.
    """
    if not isinstance(notation, str):
        raise ValueError(f"notation must be a text, got {notation!r:.200}")
    tokens = []
    for position, text in enumerate(notation.split("-"), start=1):
        token, reason = _parse_token(text), ""
        if token is None:
            reason = f"must be {_EXAMPLES}"
        elif not tokens and token.kind != "conv":
            reason = "must be a convolution such as (64)5c, for it is the first"
        elif token.kind != "fc" and tokens and tokens[-1].kind == "fc":
            reason = "must be a dense layer such as 10fc, for it follows one"
        if reason:
            raise ValueError(
                f"notation {notation!r:.200}: token {position}, {text!r:.50}, {reason}"
            )
        tokens.append(token)
    return tokens


def _parse_token(text):
    """The token of a text; None of one that is none."""
    for kind, pattern in _KINDS.items():
        found = pattern.fullmatch(text)
        if found:
            *maps, size = map(int, found.groups())
            return Token(kind, size, *maps)
    return None
