"""Shows the options of commands, with their defaults.

list-options --verb=train-gan
list-options --markdown_file=docs/options.md
"""

import dataclasses

from keras_cnns import _files, commands
from keras_cnns.runs import Options, TrainingOptions, option
from keras_cnns.runs.options import field_help

_HEADER = """\
# Options

Every flag of every command, made from the options in the code by
`keras-cnns list-options --markdown_file=docs/options.md`. Square brackets name what a
flag needs to have an effect; without it, the flag is refused. A resumed run keeps the
values that it was started with; only flags in italics may be changed then.
"""


@dataclasses.dataclass(frozen=True)
class OPTIONS(Options):
    """What ``list-options`` takes."""

    verb: str = option("", "command to show; empty: all", choices=("", *commands.VERBS))
    markdown_file: str = option(
        "", "file that gets them as Markdown; empty: terminal", writes="file"
    )


def run(options: OPTIONS) -> list:
    """Lists and returns the verbs shown."""
    verbs = [options.verb] if options.verb else list(commands.VERBS)
    text = "".join(map(_section, verbs))
    if not options.verb:
        shared = _table(dataclasses.fields(TrainingOptions))
        text = f"\n## All trainings\n\n{shared}{text}"
    if options.markdown_file:
        _files.write_text(options.markdown_file, _HEADER + text)
        print(f"{len(verbs)} commands are in {options.markdown_file}")
    else:
        print(text)
    return verbs


def _section(verb):
    """One command's options, those of all trainings apart, as Markdown."""
    _, kind, _ = commands.find_command(verb)
    text, fields = commands.VERBS[verb][0], dataclasses.fields(kind)
    text = text[0].upper() + text[1:]
    if issubclass(kind, TrainingOptions):
        shared = {f.name: f.default for f in dataclasses.fields(TrainingOptions)}
        text += "; the options of all trainings, and"
        fields = [f for f in fields if shared.get(f.name, f) != f.default]
    return f"\n## {verb}\n\n{text}:\n\n{_table(fields)}"


def _table(fields):
    """Options as the rows of a Markdown table."""
    lines = ["| flag | default | meaning |\n|---|---|---|\n"]
    for field in fields:
        name = f"`--{field.name}`"
        name = f"*{name}*" if field.metadata["free"] else name
        cells = [name, _default(field), field_help(field)]
        lines.append("| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |\n")
    return "".join(lines)


def _default(field):
    if field.metadata["required"]:
        return "required"
    value = field.default
    if isinstance(value, tuple):
        value = ",".join(map(str, value))
    return "" if value in ("", None) else f"`{value}`"
