"""Rooms: imports run one way, none reaches into another, every one is covered."""

import ast
import pathlib
import subprocess

import pytest

import keras_cnns

ROOT = pathlib.Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "keras_cnns"
FOUNDATION = {"layers", "losses", "metrics", "data", "exemplar"}
APPLICATIONS = FOUNDATION | {"applications"}
RUNS = APPLICATIONS | {"trainers", "figures"}
INFERENCE = RUNS | {"runs", "export", "compression"}
# The rooms that each one may import from.
BELOW = {
    **{room: set() for room in FOUNDATION},
    "applications": FOUNDATION,
    "trainers": APPLICATIONS,
    "figures": APPLICATIONS,
    "export": APPLICATIONS,
    "compression": APPLICATIONS,
    "serving": APPLICATIONS | {"export"},
    "runs": RUNS,
    "inference": INFERENCE,
    "inspection": INFERENCE | {"inference"},
    "tasks": INFERENCE | {"inference", "inspection"},
    "studio": INFERENCE | {"inference", "inspection", "tasks"},
    "commands": INFERENCE | {"inference", "inspection", "serving", "studio", "tasks"},
}
LONGEST_FUNCTION, FEW_LINES, FEW_LONG = 60, 40, 10


def _sources(folder=PACKAGE):
    for path in sorted(folder.rglob("*.py")):
        yield path, ast.parse(path.read_text())


def _imported(tree):
    """(parts of the module within the package, name) of each import from it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == (
            "keras_cnns"
        ):
            for alias in node.names:
                yield node.module.split(".")[1:], alias.asname or alias.name
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("keras_cnns."):
                    yield alias.name.split(".")[1:], ""


def _room(path):
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else ""


def test_what_stands_beside_the_rooms_is_below_all_but_layers():
    for path in set(PACKAGE.glob("_*.py")) - {PACKAGE / "__main__.py"}:
        rooms = {
            parts[0] for parts, _ in _imported(ast.parse(path.read_text())) if parts
        }
        assert {r for r in rooms if not r.startswith("_")} <= {"layers"}, path


def test_every_room_is_found_from_the_package():
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert rooms == set(BELOW) == set(keras_cnns.__dir__()) & rooms
    for room in rooms:
        assert getattr(keras_cnns, room).__name__ == f"keras_cnns.{room}"


def test_type_checkers_see_what_is_loaded_on_first_use():
    stub = ast.parse((PACKAGE / "__init__.pyi").read_text())
    seen = set()
    for node in stub.body:
        if isinstance(node, ast.ImportFrom):
            seen |= {alias.asname for alias in node.names} - {None}
        if isinstance(node, ast.Assign):
            seen |= {target.id for target in node.targets}
    assert seen == {*BELOW, "open_run", "show_progress"}


@pytest.mark.parametrize("room", sorted({_room(p) for p in PACKAGE.glob("*/*.py")}))
def test_imports_run_one_way(room):
    for path, tree in _sources(PACKAGE / room):
        for parts, name in _imported(tree):
            other = parts[0] if parts else name
            is_room = (PACKAGE / other).is_dir()
            assert not is_room or other in BELOW[room] | {room}, f"{path}: {other}"


def test_no_room_imports_a_private_name_of_another():
    for path, tree in _sources():
        imported = {}
        for parts, name in _imported(tree):
            room = parts[0] if parts else ""
            if room and not room.startswith("_") and room != _room(path):
                private = [part for part in (*parts[1:], name) if part.startswith("_")]
                assert not private, f"{path} imports {private} of {room}"
            if room != _room(path):
                imported[name] = room
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                is_private = node.attr.startswith("_") and not node.attr.startswith(
                    "__"
                )
                assert not (is_private and node.value.id in imported), (
                    f"{path} uses {node.value.id}.{node.attr}"
                )


def test_files_are_written_in_one_place():
    """What opens or renames by itself would follow links, or leave torn files."""
    for path, tree in _sources():
        if path.name in ("_files.py", "_downloads.py"):
            continue
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            modes = [a.value for a in node.args[1:] if isinstance(a, ast.Constant)]
            is_writing = name == "open" and any(set("wax+") & set(m) for m in modes)
            assert not is_writing, f"{path}:{node.lineno}"
            assert name not in ("rename", "dump", "write_bytes"), (
                f"{path}:{node.lineno}"
            )


def test_only_one_door_to_addons():
    for path in PACKAGE.rglob("*.py"):
        if path.name != "_addons.py":
            assert "tensorflow_addons" not in path.read_text(), path


def test_keras_is_that_of_tensorflow():
    """Which is Keras 2 everywhere; a bare one is Keras 3 on newer Pythons."""
    for path, tree in _sources():
        for node in ast.walk(tree):
            names = [getattr(node, "module", None) or ""] * isinstance(
                node, ast.ImportFrom
            )
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            roots = {name.partition(".")[0] for name in names}
            assert not roots & {"keras", "tf_keras"}, f"{path}:{node.lineno}"


def test_matplotlib_draws_in_figures_only():
    for path, tree in _sources():
        for node in ast.walk(tree):
            module = getattr(node, "module", None) or ""
            names = [module, *(alias.name for alias in getattr(node, "names", []))]
            if any(str(name).startswith("matplotlib") for name in names):
                assert _room(path) == "figures", path


def test_every_family_file_is_in_the_registry():
    from keras_cnns import applications

    registered = {
        applications.model_info(name).constructor.__module__
        for name in applications.list_models()
    }
    for path in (PACKAGE / "applications").glob("*/*.py"):
        if path.stem[0] != "_" and path.parent.name != "frame":
            module = f"keras_cnns.applications.{path.parent.name}.{path.stem}"
            assert module in registered, f"{module} registers no model"


def test_git_tracks_every_file_of_the_package():
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    command = ["git", "ls-files", "-z", "--others", "--ignored", "--exclude-standard"]
    done = subprocess.run(
        [*command, "--", "keras_cnns", "tests", "apps"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    ignored = [n for n in done.stdout.split("\0") if n.endswith(".py")]
    assert not ignored


def test_functions_are_short():
    lengths = {}
    for path, tree in _sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                lengths[f"{path.name}:{node.name}"] = _code_lines(node)
    longest = sorted(lengths.items(), key=lambda item: -item[1])
    assert longest[0][1] <= LONGEST_FUNCTION, longest[:3]
    long = [name for name, lines in longest if lines > FEW_LINES]
    assert len(long) <= FEW_LONG, long


def _code_lines(node):
    """Lines of a function without its docstring."""
    lines = node.end_lineno - node.lineno + 1
    if ast.get_docstring(node):
        lines -= node.body[0].end_lineno - node.body[0].lineno + 1
    return lines
