"""Which Keras runs: in fresh processes, whose imports stand in some order."""

import os
import sys

import pytest

import keras_cnns
from keras_cnns import _versions
from keras_cnns._quiet import quiet_import

on_new = pytest.mark.skipif(
    _versions.HAS_ADDONS, reason="TensorFlow has no other Keras for this Python"
)
SHOWS = """
from tensorflow.keras import layers
import tensorflow as tf
from keras_cnns.layers import FractalDropPath
assert issubclass(FractalDropPath, layers.Layer)
assert layers.Layer is tf.keras.layers.Layer
print(layers.Layer.__module__.split(".")[0])
"""


@pytest.mark.parametrize(
    "first",
    [
        "import keras_cnns",
        "import keras_cnns, tensorflow",
        "import tensorflow; import keras_cnns",
        "from tensorflow import keras; import keras_cnns",
    ],
)
@pytest.mark.parametrize("switch", ["", "1"])
def test_layers_are_those_of_keras_2(first, switch, finish):
    code, output, errors = finish("-c", f"{first}{SHOWS}", TF_USE_LEGACY_KERAS=switch)
    assert code == 0, errors
    assert output.strip() == ("keras" if _versions.HAS_ADDONS else "tf_keras")


@on_new
@pytest.mark.parametrize(
    "first",
    [
        "import tensorflow as tf; tf.keras.layers.Layer",
        "from tensorflow.keras import layers",
    ],
)
def test_keras_3_is_told_in_one_line(first, finish):
    program = f"{first}\nimport keras_cnns"
    code, _, errors = finish("-c", program, TF_USE_LEGACY_KERAS="")
    assert code == 1
    assert errors.splitlines()[-1] == (
        "ImportError: tf.keras is Keras 3 here already; keras_cnns needs Keras 2 as "
        "tf.keras: import keras_cnns before TensorFlow, or set the environment "
        "variable TF_USE_LEGACY_KERAS=1"
    )


@pytest.mark.skipif(not _versions.HAS_ADDONS, reason="tf-keras is wanted here")
def test_tf_keras_in_use_is_told_in_one_line(finish, tmp_path):
    """Beside TensorFlow 2.15, whose place it would take; a module stands for it."""
    (tmp_path / "tf_keras" / "api" / "_v2" / "keras").mkdir(parents=True)
    for folder in ("", "api", "api/_v2"):
        (tmp_path / "tf_keras" / folder / "__init__.py").touch()
    (tmp_path / "tf_keras" / "__init__.py").write_text('__version__ = "2.15.0"')
    (tmp_path / "tf_keras" / "api" / "_v2" / "keras" / "__init__.py").write_text(
        "class Model: pass"
    )
    code, _, errors = finish(
        "-c",
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "import tensorflow as tf; tf.keras.Model\nimport keras_cnns",
        TF_USE_LEGACY_KERAS="1",
    )
    assert code == 1
    assert errors.splitlines()[-1] == (
        "ImportError: tf.keras is tf-keras here already; keras_cnns needs Keras 2 as "
        "tf.keras: import keras_cnns before TensorFlow, or unset the environment "
        "variable TF_USE_LEGACY_KERAS"
    )


@on_new
def test_an_environment_that_wants_keras_3_is_told(finish):
    code, _, errors = finish("-c", "import keras_cnns", TF_USE_LEGACY_KERAS="0")
    assert code == 1
    assert "TF_USE_LEGACY_KERAS is '0' here" in errors.splitlines()[-1]


def test_runs_name_the_versions():
    import tensorflow as tf

    from keras_cnns.runs import record

    found = record.installed_versions()
    assert {"keras-cnns", "tensorflow", "numpy"} < set(found)
    assert all(found.values()), found
    assert found["tensorflow"] == tf.__version__
    python = ".".join(map(str, sys.version_info[:3]))
    keras = "keras" if _versions.HAS_ADDONS else "tf-keras"
    assert record.describe_versions() == (
        f"python {python}, tensorflow {tf.__version__}, {keras} {found[keras]}"
    )


@pytest.mark.parametrize(("level", "is_shown"), [("3", False), ("0", True)])
def test_messages_of_the_import_are_shown_where_they_are_wanted(
    level, is_shown, capfd, monkeypatch
):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", level)
    with quiet_import():
        os.write(2, b"from C++")
    os.write(2, b" and after")
    assert capfd.readouterr().err == f"{'from C++' * is_shown} and after"


def test_the_package_needs_no_module_that_is_not_loaded_at_the_start(finish):
    """As the process that verifies exports imports it: without a path to others."""
    program = "import json, sys; sys.path[:] = [sys.argv[1]]; import keras_cnns"
    root = os.path.dirname(os.path.dirname(keras_cnns.__file__))
    code, _, errors = finish("-I", "-c", program, root)
    assert code == 0, errors


@pytest.mark.parametrize(("level", "is_shown"), [("3", False), ("0", True)])
def test_the_log_leaves_out_what_tensorflow_tells_of_itself(level, is_shown, finish):
    """Its own lines stand in as code whose file lies where TensorFlow's does."""
    program = """
import os
from absl import flags, logging
import keras_cnns
from keras_cnns._quiet import start_log
flags.FLAGS.mark_as_parsed()
start_log(logging.INFO)
logging.info("ours")
inside = os.path.join("", "site-packages", "tensorflow", "python", "saver.py")
text = "logging.info('told'); logging.warning('warned')"
exec(compile(text, inside, "exec"))
"""
    code, _, errors = finish("-c", program, TF_CPP_MIN_LOG_LEVEL=level)
    assert code == 0, errors
    told = ["told"] * is_shown
    found = [line.split("] ")[-1] for line in errors.splitlines()]
    assert found == ["ours", *told, "warned"]
