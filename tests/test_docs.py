"""The documents: their commands are what the program takes, their tables up to date."""

import ast
import pathlib
import re
import shlex

import pytest
from absl import flags

from keras_cnns import commands
from keras_cnns.commands import program

ROOT = pathlib.Path(__file__).resolve().parent.parent
MARKDOWN = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "savedmodels/README.md"]
MARKDOWN += [f"docs/{p.name}" for p in sorted((ROOT / "docs").glob("*.md"))]
DOCUMENTS = [*MARKDOWN, "Makefile"]
_COMMAND = re.compile(r"(?:apps/(\w+)\.py|keras-cnns ([\w-]+))(?:\s+--?\w.*|$)")
_LINK = re.compile(r'\]\(([^)\s]+)\)|\b(?:src|href)="([^"]+)"')
_VARIABLE = re.compile(r'^\s*(\w+)=("[^"]*"|\'[^\']*\')$')


def _commands(name):
    """(verb, arguments) of every command in a document's code, variables filled in."""
    text = (ROOT / name).read_text().replace("\\\n", " ")
    text = text.replace("$$", "$").replace("$(DEMO)", "runs/demo")
    variables = {}
    for line in _whole_lines(text):
        found = _VARIABLE.match(line)
        if found:
            value = _filled(shlex.split(found[2])[0], variables)
            variables[found[1]] = value
            continue
        found = _COMMAND.search(line)
        if found and line.startswith(("    ", "\t")) and "-m pytest" not in line:
            verb = (found[1] or found[2]).replace("_", "-")
            start = found.start(0) + found[0].index(found[1] or found[2])
            words = shlex.split(_filled(line[start:], variables), comments=True)[1:]
            yield verb, [word for word in words if word not in ("@", "|")]


def _whole_lines(text):
    """Lines, those of one quoted argument as one."""
    pending = ""
    for line in text.splitlines():
        if line.strip().startswith("#"):
            continue
        pending = f"{pending} {line.strip()}" if pending else line
        if pending.startswith(("    ", "\t")) and pending.count("'") % 2:
            continue
        yield pending
        pending = ""


def _filled(text, variables):
    for name, value in variables.items():
        quoted = shlex.quote(value)
        text = text.replace(f'"${name}"', quoted).replace(f"${name}", value)
    return text


CASES = [(name, *command) for name in DOCUMENTS for command in _commands(name)]


@pytest.mark.parametrize(
    ("name", "verb", "words"), CASES, ids=[f"{n}-{v}" for n, v, _ in CASES]
)
def test_commands_of_documents_are_accepted(name, verb, words):
    """Flags exist, have values of their kind and an effect; nothing is run."""
    _, options, _ = commands.find_command(verb)
    if "--resume" in words:  # of a run that is not there
        words = [*words, "--model=m", "--dataset=d"]
    parser = flags.FlagValues()
    program.define_flags(options, parser)
    rest = parser(["program", *words])
    assert rest == ["program"], rest
    given = {n: parser[n].value for n in options.kinds() if parser[n].present}
    if "model" in given and given["model"] == "m":
        return
    if verb == "export-model":  # whose run decides what has an effect
        options(**{n: parser[n].value for n in options.kinds()})
        return
    options.resolve(**given)


def test_there_are_commands_in_the_documents():
    assert len(CASES) >= 40
    assert {verb for _, verb, _ in CASES} >= set(commands.VERBS) - {"list-options"}


def _texts():
    """All texts in the package's code, with … for what is filled in."""
    for path in (ROOT / "keras_cnns").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            parts = node.values if isinstance(node, ast.JoinedStr) else [node]
            if all(isinstance(p, (ast.Constant, ast.FormattedValue)) for p in parts):
                yield "".join(
                    str(p.value) if isinstance(p, ast.Constant) else "…" for p in parts
                )


def test_messages_in_the_table_of_files_are_those_of_the_code():
    table = (ROOT / "docs" / "files.md").read_text()
    rows = re.findall(r"^\|.*\| (?:`(.+)`)? ?\| (test_\w+) \|$", table, re.M)
    assert len(rows) > 25
    texts = list(_texts())
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    for message, test in rows:
        assert any(message in text for text in texts), message
        assert f"def {test}(" in tests, test


def test_options_are_those_of_the_code(tmp_path):
    path = tmp_path / "options.md"
    commands.run_command("list-options", markdown_file=str(path))
    assert path.read_text() == (ROOT / "docs" / "options.md").read_text(), (
        "docs/options.md is stale: list-options --markdown_file=docs/options.md"
    )


@pytest.mark.parametrize("name", DOCUMENTS)
def test_scripts_and_tests_that_documents_name_are_there(name):
    text = (ROOT / name).read_text()
    named = re.findall(r"\b(?:tests|benchmarks|apps|keras_cnns)/[\w/]+\.py", text)
    assert not [path for path in named if not (ROOT / path).exists()]


def _anchors(path):
    """The anchors that GitHub gives the headings of a Markdown file."""
    found = []
    text = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.M | re.S)
    for heading in re.findall(r"^#+ (.*)$", text, re.M):
        heading = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
        anchor = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        repeated = found.count(anchor)
        found += [anchor, f"{anchor}-{repeated}"] if repeated else [anchor]
    return found


@pytest.mark.parametrize("name", MARKDOWN)
def test_links_lead_to_files_and_headings_that_are_there(name):
    for link in map("".join, _LINK.findall((ROOT / name).read_text())):
        target, _, anchor = link.partition("#")
        if re.match(r"\w+:", target):  # another site, which a test does not ask
            continue
        path = (ROOT / name).parent / target if target else ROOT / name
        assert path.exists(), f"{name} links to {link}"
        assert not anchor or anchor in _anchors(path), f"{name} links to {link}"


def test_every_page_is_linked_and_every_picture_shown():
    texts = {name: (ROOT / name).read_text() for name in MARKDOWN}
    linked = {
        ((ROOT / name).parent / "".join(link).partition("#")[0]).resolve()
        for name, text in texts.items()
        for link in _LINK.findall(text)
    }
    pages = {path for path in (ROOT / "docs").rglob("*") if path.is_file()}
    assert not pages - linked, sorted(str(path) for path in pages - linked)


def test_anchors_are_those_of_github():
    """By hand: punctuation goes, each space is a hyphen."""
    anchors = _anchors(ROOT / "docs" / "results.md")
    assert "fashion-mnist-densenet-bc-with-401146-parameters" in anchors
    assert "handwritten-digits-densenet-bc-l40-k12" in anchors
