"""Versions: takeover under load, going back, what is never served, and the end."""

import base64
import concurrent.futures
import os
import re
import shutil
import signal
import threading
import time

import numpy as np
import served_models
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from keras_cnns.serving.catalog import Catalog
from keras_cnns.serving.service import Limits

ROWS = served_models.rows(2)
PATH = "/v1/models/scaled:predict"


def _wait_for(condition):
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def _factor(client):
    return client.predict("scaled", images=[[1.0]]).outputs["scaled"].item()


class _Load:
    """Clients that ask all the time, over both protocols; every answer is kept."""

    def __init__(self, client, threads=4):
        self._client, self._stop = client, threading.Event()
        self._pool = concurrent.futures.ThreadPoolExecutor(threads)
        self._futures = [self._pool.submit(self._ask, i) for i in range(threads)]

    def _ask(self, i):
        factors, x = [], served_models.rows(1, start=100 * i + 1)
        while not self._stop.is_set():
            if i % 2:
                scaled = self._client.predict("scaled", images=x).outputs["scaled"]
            else:
                status, answer = self._client.ask(PATH, {"instances": x.tolist()})
                assert status == 200, answer
                scaled = np.array(answer["predictions"])
            (factor,) = set((scaled / x).ravel().tolist())  # its own rows, one version
            factors.append(factor)
        return factors

    def stop(self):
        """Factors of the answers to each client, in order."""
        self._stop.set()
        return [future.result(30) for future in self._futures]


def test_a_new_version_takes_over_and_goes_back_without_a_lost_request(
    serving, tmp_path
):
    folder = tmp_path / "scaled"
    served_models.write_scaled(folder / "1", 2)
    with serving(tmp_path) as client:
        load = _Load(client)
        served_models.write_scaled(folder / "2", 4)
        _wait_for(lambda: _factor(client) == 4)
        _wait_for(lambda: _states(client) == {"1": "END", "2": "AVAILABLE"})
        shutil.rmtree(folder / "2")
        _wait_for(lambda: _factor(client) == 2)
        _wait_for(lambda: _states(client) == {"1": "AVAILABLE", "2": "END"})
        for factors in load.stop():
            assert set(factors) == {2, 4} and factors[0] == factors[-1] == 2
            changes = sum(a != b for a, b in zip(factors, factors[1:]))
            assert changes == 2  # never back and forth
        shutil.rmtree(folder)
        _wait_for(lambda: client.ask("/v1/models/scaled")[0] == 404)
        assert client.ask("/healthz") == (503, "not ready\n")


def _states(client):
    told = client.ask("/v1/models/scaled")[1]["model_version_status"]
    return {entry["version"]: entry["state"] for entry in told}


def test_what_cannot_be_loaded_leaves_the_old_version(base, tmp_path):
    folder = tmp_path / "scaled"
    shutil.copytree(base / "scaled" / "3", folder / "1")
    catalog = Catalog(str(tmp_path))
    catalog.update()
    # being copied: without its graph it is no version yet; cut short, it is damaged
    shutil.copytree(base / "scaled" / "5", folder / "2")
    whole = (folder / "2" / "saved_model.pb").read_bytes()
    (folder / "2" / "saved_model.pb").unlink()
    (folder / ".0123.partial").mkdir()
    (folder / "notes").mkdir()
    catalog.update()
    assert [v.number for v in catalog.versions("scaled")] == [1]
    (folder / "2" / "saved_model.pb").write_bytes(whole[: len(whole) // 2])
    for _ in range(2):  # it is not tried again as long as it is the same
        catalog.update()
        assert catalog.available() == {"scaled": [1]}
        newest = catalog.versions("scaled")[0]
        assert newest.number == 2 and newest.error and "\n" not in newest.error
    (folder / "2" / "saved_model.pb").write_bytes(whole)
    catalog.update()
    assert catalog.available() == {"scaled": [2]}
    (folder / "2" / "saved_model.pb").write_bytes(b"")  # what is loaded stays
    catalog.update()
    assert catalog.available() == {"scaled": [2]}
    shutil.rmtree(folder / "1")
    catalog.update()
    assert catalog.available() == {"scaled": [2]}


def test_a_version_with_other_files_is_loaded_anew(base, tmp_path):
    folder = tmp_path / "scaled"
    shutil.copytree(base / "scaled" / "3", folder / "1")
    catalog = Catalog(str(tmp_path))
    catalog.update()
    with catalog.using("scaled") as old:
        shutil.rmtree(folder / "1")
        shutil.copytree(base / "scaled" / "5", folder / "1")
        catalog.update()
        with catalog.using("scaled", 1) as new:
            for servable, factor in ((old, 3), (new, 5)):
                outputs = servable.signature("")({"images": ROWS})
                np.testing.assert_array_equal(outputs["scaled"], factor * ROWS)


def test_named_models_only(base, tmp_path):
    for name in ("a", "b"):
        shutil.copytree(base / "scaled" / "3", tmp_path / name / "1")
    catalog = Catalog(str(tmp_path), names=("a", "c"))
    catalog.update()
    assert catalog.available() == {"a": [1], "c": []}


def test_a_graph_that_could_do_more_than_compute_is_refused(tmp_path):
    class Writing(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="x")])
        def write(self, x):
            tf.io.write_file(str(tmp_path / "written"), x[0])
            return {"x": x}

    module, path = Writing(), tmp_path / "models" / "m" / "1"
    tf.saved_model.save(module, str(path), signatures={"serving_default": module.write})
    catalog = Catalog(str(tmp_path / "models"))
    catalog.update()
    (version,) = catalog.versions("m")
    assert "'WriteFile'" in version.error and "--trust_graph" in version.error
    trusting = Catalog(str(tmp_path / "models"), trust_graph=True)
    trusting.update()
    assert trusting.available() == {"m": [1]}


def test_warmup_requests_are_run_before_a_version_answers(base, tmp_path):
    """And what they fail by keeps it from being served."""
    folder = tmp_path / "m" / "1"
    shutil.copytree(base / "scaled" / "3", folder)
    (folder / "assets.extra").mkdir()
    path = folder / "assets.extra" / "tf_serving_warmup_requests"

    def write(**inputs):
        request = predict_pb2.PredictRequest()
        for name, value in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
        log = prediction_log_pb2.PredictLog(request=request)
        with tf.io.TFRecordWriter(str(path)) as writer:
            record = prediction_log_pb2.PredictionLog(predict_log=log)
            writer.write(record.SerializeToString())

    catalog = Catalog(str(tmp_path))
    write(image=[1.0])
    catalog.update()
    assert "Sent extra: {image}" in catalog.versions("m")[0].error
    path.write_bytes(b"no records, but a text")
    catalog.update()
    assert "cannot be read as warm-up requests" in catalog.versions("m")[0].error
    write(images=ROWS)
    catalog.update()
    assert catalog.available() == {"m": [1]}


def test_encoded_images_and_damaged_ones_in_one_batch(serving, classifier):
    folder, network, feed = classifier
    random = np.random.default_rng(0)
    images = [random.integers(0, 256, (9, 12, 3), np.uint8) for _ in range(3)]
    encoded = [tf.io.encode_jpeg(image).numpy() for image in images]
    expected = network(tf.stack([feed(content) for content in encoded])).numpy()
    damaged = [encoded[0][:60], b"no image", b""]
    with serving(folder, batch_timeout=0.3) as client:  # all wait for each other

        def ask(content):
            return client.predict(
                "digits", signature="serve_images", image_bytes=[content]
            ).outputs

        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            asked = [pool.submit(ask, content) for content in [*encoded, *damaged]]
            for future, row in zip(asked, expected):
                outputs = future.result()
                np.testing.assert_allclose(outputs["probabilities"], [row], atol=1e-5)
                assert outputs["label"].item().decode() == "aä"[row.argmax()]
            for future in asked[3:]:
                error = future.exception()
                assert error.code().name == "INVALID_ARGUMENT", error
        text = base64.b64encode(encoded[0]).decode()
        for given, status in ((text, 200), (text[:80], 400), (f"{text[:-9]}!", 400)):
            instances = [{"b64": given}]
            asked = {"signature_name": "serve_images", "instances": instances}
            got, answer = client.ask("/v1/models/digits:predict", asked)
            assert got == status and len(answer) == 1, answer


def test_clients_that_leave_take_nothing_along(serving, base):
    """A request that is given up while it waits; the others are answered."""
    limits = Limits(max_requests=2)
    with serving(base, limits=limits, batch_timeout=0.5, max_batch_size=64) as client:
        request = predict_pb2.PredictRequest()
        request.model_spec.name = "scaled"
        request.inputs["images"].CopyFrom(tf.make_tensor_proto(ROWS))
        left = client.stub.Predict.future(request)
        time.sleep(0.1)
        left.cancel()
        for _ in range(3):  # its place is free
            with concurrent.futures.ThreadPoolExecutor(2) as pool:
                asked = [pool.submit(_factor, client) for _ in range(2)]
                assert [future.result() for future in asked] == [5, 5]
        page = client.ask("/monitoring/prometheus/metrics")[1]
        assert 'request_count{model_name="scaled",status="CANCELLED"} 1' in page


def test_the_command_finishes_what_it_was_asked(start, base):
    process = start(
        "apps/serve.py", f"--model_base={base}", "--rest_port=0", "--grpc_port=0",
        "--batch_timeout=1500",
    )  # fmt: skip
    line = ""
    while "REST at" not in line:
        line = process.stdout.readline()
        assert line or process.poll() is None, process.communicate()[1]
    client = served_models.Client(*map(int, re.findall(r"127.0.0.1:(\d+)", line)))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        asked = [
            pool.submit(client.ask, PATH, {"instances": ROWS.tolist()}),
            pool.submit(client.predict, "scaled", images=ROWS),
        ]
        _wait_for(lambda: "scaled" in client.ask("/monitoring/prometheus/metrics")[1])
        process.send_signal(signal.SIGTERM)
        expected = 5 * ROWS
        assert asked[0].result() == (200, {"predictions": expected.tolist()})
        outputs = asked[1].result().outputs
        np.testing.assert_array_equal(outputs["scaled"], expected)
    client.close()
    assert process.wait(60) == 0 and os.path.isdir(base)
