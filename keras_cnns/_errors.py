"""What errors tell: the one line of TensorFlow's many."""

import re

_IN_CODE = "in user code:"
# Lines that tell where an error of TensorFlow happened, and one of several errors.
_WHERE = re.compile(
    r"Graph execution error:|Detected at node|<stack traces|Node: |\d+ root error"
)
_ROOT = re.compile(r"\s*\(0\) [A-Z_]+: +(.+)")


def what_happened(message: str) -> str:
    """The one line of an error's message that tells what happened.

    Errors of TensorFlow tell first where it happened, over many lines.
    """
    lines = [line for line in message.splitlines() if line.strip()]
    if lines and lines[0].startswith(_IN_CODE):
        return lines[-1].strip()
    for line in lines:
        root = _ROOT.match(line)
        if root:
            return root.group(1)
        if not line[0].isspace() and not _WHERE.match(line):
            return line
    return message.strip() or "no message"
