"""What TensorFlow is told of the processor before it is loaded."""

import os
import platform
import subprocess
import sys

import pytest

from keras_cnns import _processor

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
