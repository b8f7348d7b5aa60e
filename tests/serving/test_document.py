"""The examples of docs/serving.md: clients that work, files that are read."""

import json
import pathlib
import re
import shutil
import subprocess

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

TEXT = (pathlib.Path(__file__).resolve().parents[2] / "docs" / "serving.md").read_text()


def _block(language):
    return re.search(rf"```{language}\n(.*?)```", TEXT, re.S)[1]


@pytest.fixture
def picture(tmp_path, monkeypatch):
    """``image.png`` in the current folder."""
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (30, 20, 3), np.uint8)
    pathlib.Path("image.png").write_bytes(tf.io.encode_png(pixels).numpy())
    return pixels


def test_clients(serving, classifier, picture, capsys):
    folder, network, feed = classifier
    expected = network(feed(tf.io.encode_png(picture))[None])[0].numpy()
    label = "aä"[expected.argmax()]
    with serving(folder) as client:
        code = _block("python").replace(":8500", f":{client.grpc_port}")
        exec(compile(code, "docs/serving.md", "exec"), {})
        printed = capsys.readouterr().out.split("\n", 1)
        assert printed[0] == label
        given = np.fromstring(printed[1].strip("[] \n"), sep=" ")
        np.testing.assert_allclose(given, expected, atol=1e-5)
        if not shutil.which("curl"):
            pytest.skip("the other examples need curl")
        lines = TEXT[TEXT.index("    # which versions") : TEXT.index('    # {"pred')]
        script = lines.replace(":8501", f":{client.rest_port}")
        done = subprocess.run(
            ["sh", "-ec", script], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        answers, text, decoder = [], done.stdout.strip(), json.JSONDecoder()
        while text:
            answer, end = decoder.raw_decode(text)
            answers.append(answer)
            text = text[end:].strip()
        assert [next(iter(answer)) for answer in answers] == [
            "model_version_status", "model_spec", "predictions",
        ]  # fmt: skip
        (row,) = answers[-1]["predictions"]
        assert set(row) == {"class_id", "label", "probabilities"}
        assert row["label"] == label


def test_files_of_tf_serving_and_kubernetes():
    config = model_server_config_pb2.ModelServerConfig()
    text_format.Parse(_block("proto"), config)
    assert [c.name for c in config.model_config_list.config] == ["digits", "fashion"]
    yaml = pytest.importorskip("yaml")
    manifest = list(yaml.safe_load_all(_block("yaml")))
    assert [part["kind"] for part in manifest] == [
        "Deployment", "ConfigMap", "Service", "HorizontalPodAutoscaler",
    ]  # fmt: skip
    pod = manifest[0]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    mounts = {mount["name"] for mount in container["volumeMounts"]}
    assert mounts == {volume["name"] for volume in pod["volumes"]}
    files = {arg.rsplit("/", 1)[1] for arg in container["args"] if "/" in arg}
    assert files == set(manifest[1]["data"])
