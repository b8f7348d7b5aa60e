"""What is known of the processor, and what TensorFlow is told before it is loaded."""

import os
import platform
import subprocess
import sys

import pytest

from keras_cnns import _processor

LIST = "flags\t\t: fpu sse4_2 avx avx2 fma"
SWITCH = "TF_ENABLE_ONEDNN_OPTS"


@pytest.mark.parametrize(
    "machine, given, expected",
    [
        ("x86_64", None, "1"),
        ("AMD64", None, "1"),
        ("x86_64", "0", "0"),
        ("aarch64", None, None),
    ],
)
def test_onednn_is_used_on_x86(monkeypatch, machine, given, expected):
    monkeypatch.setattr(platform, "machine", lambda: machine)
    # Set first, so that what is there is put back in the end.
    monkeypatch.setenv(SWITCH, given or "")
    if given is None:
        del os.environ[SWITCH]
    _processor.use_onednn()
    assert os.environ.get(SWITCH) == expected


@pytest.mark.parametrize(
    "verb, expected",
    [("train-classifier", "1"), ("prune-classifier", "1"), ("list-models", "None")],
)
def test_trainings_use_onednn(verb, expected):
    code = (
        "import os, platform; platform.machine = lambda: 'x86_64';"
        "from keras_cnns import commands;"
        f"commands.find_command({verb!r}); print(os.environ.get({SWITCH!r}))"
    )
    environment = {k: v for k, v in os.environ.items() if k != SWITCH}
    command = [sys.executable, "-c", code]
    printed = subprocess.check_output(command, env=environment, text=True)
    assert printed.strip() == expected


@pytest.fixture
def processor(monkeypatch, tmp_path):
    """Sets Linux' list of the processor's instructions; the environment is silent."""
    monkeypatch.setattr(_processor, "_FLAGS", str(tmp_path / "cpuinfo"))
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    monkeypatch.delenv(SWITCH, raising=False)
    return (tmp_path / "cpuinfo").write_text


@pytest.mark.parametrize(
    "text, limit, expected",
    [
        (f"model name : x\n{LIST}\n", None, True),
        (f"{LIST} avx512f\n", None, False),
        (f"{LIST} avx512f\n", "avx2", True),
        (f"{LIST} avx512f\n", "ALL", False),
        ("flags : fpu sse4_2\n", None, False),
        ("Features : fp asimd\n", None, False),
    ],
)
def test_processors_are_told_apart(processor, monkeypatch, text, limit, expected):
    processor(text)
    if limit:
        monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    assert _processor.is_limited_to_avx2() is expected


@pytest.mark.parametrize(
    "text, given, expected",
    [
        (LIST, None, False),
        (f"{LIST} avx_vnni\n", None, True),
        (f"{LIST} avx512f avx512_vnni\n", None, True),
        (f"{LIST} avx512f\n", None, False),
        (LIST, "1", True),
        (f"{LIST} avx_vnni\n", "0", False),
    ],
)
def test_where_tensorflow_uses_onednn(processor, monkeypatch, text, given, expected):
    processor(text)
    if given:
        monkeypatch.setenv(SWITCH, given)
    assert _processor.uses_onednn() is expected
