"""Imports run one way, and every room is covered."""

import ast
import inspect
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "keras_cnns"
FOUNDATION = {"layers", "losses", "metrics", "data"}
BELOW = {
    **{room: set() for room in FOUNDATION},
    "applications": FOUNDATION,
    "trainers": FOUNDATION | {"applications"},
    "inspection": FOUNDATION | {"applications", "trainers", "exemplar"},
    "exemplar": set(),
    "export": FOUNDATION | {"applications", "trainers"},
}


def _rooms_imported(path):
    """Rooms of the package that a file imports from."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            parts = node.module.split(".")
            if parts[0] == "keras_cnns":
                names = parts[1:2] or [alias.name for alias in node.names]
                yield from (name for name in names if not name.startswith("_"))
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("keras_cnns."):
                    yield alias.name.split(".")[1]


@pytest.mark.parametrize(
    "room", sorted(p.parent.name for p in PACKAGE.glob("*/__init__.py"))
)
def test_imports_run_one_way(room):
    for path in (PACKAGE / room).rglob("*.py"):
        upward = set(_rooms_imported(path)) - BELOW[room] - {room}
        assert not upward, f"{path} imports {upward}"


def test_only_one_door_to_addons():
    for path in PACKAGE.rglob("*.py"):
        if path.name != "_addons.py":
            assert "tensorflow_addons" not in path.read_text(), path


def test_every_family_file_is_in_the_registry():
    from keras_cnns import applications

    registered = {
        applications.model_info(name).constructor.__module__
        for name in applications.list_models()
    }
    for path in (PACKAGE / "applications").glob("*/*.py"):
        if path.stem != "__init__":
            module = f"keras_cnns.applications.{path.parent.name}.{path.stem}"
            assert module in registered, f"{module} registers no model"


def test_every_app_is_tested_and_has_flags_of_the_table():
    import importlib

    import flag_definitions

    files = (ROOT / "tests" / "apps").glob("*.py")
    tests = "".join(path.read_text() for path in files)
    for path in (ROOT / "apps").glob("*.py"):
        if path.stem == "flag_definitions":
            continue
        assert f"{path.stem}.run(" in tests, f"no test calls {path.stem}.run"
        run = importlib.import_module(path.stem).run
        unknown = set(inspect.signature(run).parameters) - set(flag_definitions.TABLE)
        assert not unknown, f"{path.stem}: {unknown}"


def test_every_flag_is_used():
    import importlib

    import flag_definitions

    used = {"recipe"}  # taken up on the command line of train_classifier
    for path in (ROOT / "apps").glob("*.py"):
        if path.stem != "flag_definitions":
            used |= set(
                inspect.signature(importlib.import_module(path.stem).run).parameters
            )
    assert used == set(flag_definitions.TABLE)
