"""The wheel and the source distribution: what is in them, and what they tell."""

import configparser
import email
import pathlib
import shutil
import subprocess
import sys
import tarfile
import zipfile

import pytest

import keras_cnns

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = "from setuptools import build_meta as b; b.build_{}('dist')"
SOURCES = ("setup.cfg", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE")


def _build(folder, kind):
    """The path of what setuptools, which comes with this Python's packages, builds."""
    (folder / "dist").mkdir(exist_ok=True)
    command = [sys.executable, "-c", BUILD.format(kind)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (path,) = (folder / "dist").glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return path


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """(wheel, source distribution, wheel built from that)."""
    pytest.importorskip("setuptools")
    folder = tmp_path_factory.mktemp("built")
    source = folder / "source"
    leave = shutil.ignore_patterns("__pycache__")
    for name in ("keras_cnns", "apps", "tests", "docs", "benchmarks"):
        shutil.copytree(ROOT / name, source / name, ignore=leave)
    for name in (*SOURCES, "CHANGELOG.md", "CONTRIBUTING.md", "Makefile"):
        shutil.copy(ROOT / name, source)
    wheel, archive = _build(source, "wheel"), _build(source, "sdist")
    with tarfile.open(archive) as file:
        file.extractall(folder / "unpacked")
    (unpacked,) = (folder / "unpacked").iterdir()
    return wheel, archive, _build(unpacked, "wheel")


def _contents(wheel):
    with zipfile.ZipFile(wheel) as file:
        return {name: file.read(name) for name in file.namelist()}


def _meta(contents, name):
    (found,) = (n for n in contents if n.endswith(f".dist-info/{name}"))
    return contents[found].decode()


def test_the_wheel_holds_the_package_and_nothing_else(built):
    contents = _contents(built[0])
    wanted = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "keras_cnns").rglob("*")
        if path.suffix in (".py", ".pyi", ".typed")
    }
    packed = {name for name in contents if ".dist-info/" not in name}
    assert packed == wanted
    assert "keras_cnns/py.typed" in packed


def test_the_wheel_tells_version_licence_and_needs(built):
    contents = _contents(built[0])
    told = email.message_from_string(_meta(contents, "METADATA"))
    assert told["Version"] == keras_cnns.__version__
    assert set(told["Requires-Python"].split(",")) == {">=3.9", "<3.14"}
    (licence,) = (n for n in contents if n.endswith("LICENSE"))
    assert contents[licence] == (ROOT / "LICENSE").read_bytes()
    needs = told.get_all("Requires-Dist")
    for package, old in (("tensorflow-addons", "<"), ("tf-keras", ">=")):
        (need,) = (n for n in needs if n.startswith(package))
        assert f'python_version {old} "3.12"' in need
    scripts = configparser.ConfigParser()
    scripts.read_string(_meta(contents, "entry_points.txt"))
    assert dict(scripts["console_scripts"]) == {
        "keras-cnns": "keras_cnns.commands:console"
    }


def test_the_source_distribution_builds_the_same_wheel(built):
    wheel, archive, again = built
    first, second = _contents(wheel), _contents(again)
    for contents in (first, second):  # it lists the others by their hashes
        del contents[next(name for name in contents if name.endswith("/RECORD"))]
    assert first == second
    with tarfile.open(archive) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    for name in ("CHANGELOG.md", "LICENSE", "Makefile", "tests/conftest.py"):
        assert name in names
    assert {"apps/predict.py", "docs/models.md"} < names
