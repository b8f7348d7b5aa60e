"""Type hints: every public function says what it takes and what it returns."""

import ast
import importlib
import pathlib

import pytest

import keras_cnns

PACKAGE = pathlib.Path(keras_cnns.__file__).resolve().parent
ROOMS = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))
SPECIAL = ("__init__", "__call__")
# Variadic arguments of these names are Keras' own.
OF_KERAS = ("args", "kwargs")
# What makes a field of options, whose hint tells the kind of its flag.
FIELDS = ("option", "changed", "required")


def _public_functions(body, is_method=False):
    """Functions without leading underscore, of public classes the special ones too."""
    for node in body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from _public_functions(node.body, is_method=True)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and (
            not node.name.startswith("_") or (is_method and node.name in SPECIAL)
        ):
            yield node, is_method


def _without_hint(function, is_method):
    """Names of a function's arguments that have no hint, and ``return``."""
    of = function.args
    named = [*of.posonlyargs, *of.args]
    decorators = {getattr(node, "id", "") for node in function.decorator_list}
    if is_method and "staticmethod" not in decorators:
        named = named[1:]
    variadic = [x for x in (of.vararg, of.kwarg) if x and x.arg not in OF_KERAS]
    arguments = [*named, *of.kwonlyargs, *variadic]
    missing = [x.arg for x in arguments if x.annotation is None]
    return missing + ["return"] * (function.returns is None)


def _public_files(room):
    for path in sorted((PACKAGE / room).rglob("*.py")):
        parts = path.relative_to(PACKAGE / room).parts
        if not any(p.startswith("_") and p != "__init__.py" for p in parts):
            yield path


@pytest.mark.parametrize("room", ROOMS)
def test_public_functions_have_type_hints(room):
    for path in _public_files(room):
        for function, is_method in _public_functions(ast.parse(path.read_text()).body):
            missing = _without_hint(function, is_method)
            assert not missing, f"{path}:{function.lineno} {function.name}: {missing}"


def _evaluated_hints(tree):
    """Those that are more than text: of options' fields always, else by the file."""
    are_text = any(getattr(node, "module", "") == "__future__" for node in tree.body)
    for node in ast.walk(tree):
        made_by = getattr(getattr(node, "value", None), "func", None)
        if not are_text or getattr(made_by, "id", "") in FIELDS:
            for name in ("annotation", "returns"):
                if getattr(node, name, None):
                    yield getattr(node, name)


def test_hints_that_are_evaluated_suit_the_oldest_python():
    """``X | Y`` is an error there."""
    for path in PACKAGE.rglob("*.py"):
        for hint in _evaluated_hints(ast.parse(path.read_text())):
            is_union = any(isinstance(part, ast.BinOp) for part in ast.walk(hint))
            assert not is_union, f"{path}:{hint.lineno}"


def _imports_for_hints(tree):
    for node in tree.body:
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            yield from (line for line in node.body if isinstance(line, ast.ImportFrom))


def test_what_is_imported_for_hints_alone_exists():
    for path in PACKAGE.rglob("*.py"):
        for line in _imports_for_hints(ast.parse(path.read_text())):
            module = importlib.import_module(line.module)
            for name in line.names:
                assert hasattr(module, name.name), f"{path}:{line.lineno} {name.name}"
