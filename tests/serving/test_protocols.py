"""Both protocols of a running server: answers, states, metadata, errors."""

import grpc
import numpy as np
import pytest
import served_models
import tensorflow as tf
from google.protobuf import json_format
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    predict_pb2,
)

from keras_cnns.serving.service import Limits

ROWS = served_models.rows(2)


def test_rows_and_columns_of_the_newest_version_and_of_one(client):
    expected = [[0, 5, 10], [15, 20, 25]]
    path = "/v1/models/scaled"
    instances, inputs = {"instances": ROWS.tolist()}, {"inputs": ROWS.tolist()}
    assert client.ask(f"{path}:predict", instances) == (200, {"predictions": expected})
    assert client.ask(f"{path}:predict", inputs) == (200, {"outputs": expected})
    named = {"inputs": {"images": ROWS.tolist()}, "signature_name": "serving_default"}
    assert client.ask(f"{path}:predict", named) == (200, {"outputs": expected})
    third = {"predictions": (3 * ROWS).tolist()}
    assert client.ask(f"{path}/versions/3:predict", instances) == (200, third)


def test_predict_over_grpc(client):
    for version, factor in ((None, 5), (3, 3)):
        response = client.predict("scaled", version=version, images=ROWS)
        np.testing.assert_array_equal(response.outputs["scaled"], factor * ROWS)
        assert response.outputs["scaled"].dtype == np.float32
        assert response.spec.name == "scaled"
        assert response.spec.version.value == factor
        assert response.spec.signature_name == "serving_default"


def test_several_inputs_and_outputs_over_both(client):
    rows = [{"text_bytes": {"b64": "YQ=="}, "pairs": [5, 10]},
            {"text_bytes": "b", "pairs": [-5, 1]}]  # fmt: skip
    asked = {"signature_name": "both", "instances": rows}
    status, answer = client.ask("/v1/models/scaled:predict", asked)
    assert status == 200
    assert answer["predictions"] == [
        {"text_bytes": {"b64": "YTU="}, "text": "a5", "ratios": [1.0, 2.0]},
        {"text_bytes": {"b64": "Yi01"}, "text": "b-5", "ratios": [-1.0, 0.2]},
    ]
    pairs = np.array([[5, 10], [-5, 1]])
    response = client.predict(
        "scaled", signature="both", text_bytes=[b"a", b"b"], pairs=pairs
    )
    assert response.outputs["text"].tolist() == [b"a5", b"b-5"]
    np.testing.assert_allclose(response.outputs["ratios"], pairs / 5)
    chosen = client.predict(
        "scaled", signature="both", wanted=["text"], text_bytes=["a"], pairs=pairs[:1]
    )
    assert list(chosen.outputs) == ["text"]


def test_inputs_that_are_no_rows(client):
    asked = {"signature_name": "sample", "inputs": 4}
    status, answer = client.ask("/v1/models/scaled:predict", asked)
    expected = {"outputs": {"squares": [0, 1, 4, 9], "count": 4}}
    assert (status, answer) == (200, expected)
    response = client.predict("scaled", signature="sample", count=np.int32(3))
    assert response.outputs["squares"].tolist() == [0, 1, 4]


def test_values_of_messages_are_in_the_fields_that_tf_serving_fills(client):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "scaled"
    request.inputs["images"].CopyFrom(tf.make_tensor_proto(ROWS))
    scaled = client.stub.Predict(request).outputs["scaled"]
    assert list(scaled.float_val) == [0, 5, 10, 15, 20, 25]
    assert not scaled.tensor_content


def test_states(client):
    status, answer = client.ask("/v1/models/scaled")
    fine = {"error_code": "OK", "error_message": ""}
    states = [{"version": v, "state": "AVAILABLE", "status": fine} for v in ("5", "3")]
    assert (status, answer) == (200, {"model_version_status": states})
    status, answer = client.ask("/v1/models/scaled/versions/3")
    assert answer == {"model_version_status": states[1:]}
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "scaled"
    response = client.models.GetModelStatus(request)
    assert json_format.MessageToDict(response)["model_version_status"][0]["version"]
    assert [s.state for s in response.model_version_status] == [30, 30]


def test_metadata_is_what_is_stored(client):
    status, answer = client.ask("/v1/models/scaled/metadata")
    assert status == 200
    assert answer["model_spec"]["version"] == "5"
    signatures = answer["metadata"]["signature_def"]["signature_def"]
    images = signatures["serving_default"]["inputs"]["images"]
    assert images["dtype"] == "DT_FLOAT"
    assert [dim["size"] for dim in images["tensor_shape"]["dim"]] == ["-1", "-1"]
    assert signatures["both"]["method_name"] == "tensorflow/serving/predict"
    request = get_model_metadata_pb2.GetModelMetadataRequest()
    request.model_spec.name = "scaled"
    request.model_spec.version.value = 3
    request.metadata_field.append("signature_def")
    response = client.stub.GetModelMetadata(request)
    told = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(told)
    assert set(told.signature_def) >= {"serving_default", "sample", "both"}
    assert response.model_spec.version.value == 3


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        ("/v1/models/none:predict", {"instances": [[1]]}, 404,
         "Servable not found for request: Latest(none)"),
        ("/v1/models/scaled/versions/4:predict", {"instances": [[1]]}, 404,
         "Servable not found for request: Specific(scaled, 4)"),
        ("/v1/models/scaled/labels/stable:predict", {"instances": [[1]]}, 400,
         "Unrecognized servable version label: stable"),
        ("/v1/models/none", None, 404, "Could not find any versions of model none"),
        ("/v1/models/scaled/versions/4", None, 404,
         "Could not find version 4 of model scaled"),
        ("/v1/models/scaled/versions/99999999999999999999", None, 400,
         "Failed to convert version: 99999999999999999999 to numeric."),
        ("/v1/models/none/metadata", None, 404, "Servable not found"),
        ("/v1/models/scaled", {"instances": [[1]]}, 400, "Malformed request: POST"),
        ("/v1/models/scaled:predict", None, 400, "Malformed request: GET"),
        ("/v1/nothing", None, 400, "Malformed request: GET /v1/nothing"),
        ("/v1/models/scaled:classify", {"examples": [{"x": 1}]}, 400, "predict only"),
        ("/v1/models/scaled:predict", b"{", 400, "JSON Parse error"),
        ("/v1/models/scaled:predict", {"instances": [1.0]}, 400, "must have the shape"),
        ("/v1/models/scaled:predict", {"instances": [[[1]]]}, 400, "(None, None)"),
        ("/v1/models/scaled:predict", {"instances": [["a"]]}, 400, "float32"),
        ("/v1/models/scaled:predict",
         {"instances": [[1]], "signature_name": "classify"}, 400,
         'Serving signature key "classify" not found'),
        ("/v1/models/scaled:predict",
         {"inputs": {"pairs": [[1, 2]], "text_bytes": [{"b64": "!"}]},
          "signature_name": "both"}, 400, "Unable to base64 decode"),
    ],
)  # fmt: skip
def test_errors_over_rest(client, path, body, status, message):
    got, answer = client.ask(path, body)
    assert got == status and list(answer) == ["error"]
    assert message in answer["error"] and "\n" not in answer["error"]


def test_other_methods_and_paths(client):
    assert client.ask("/v1/models/scaled", method="DELETE")[0] == 400
    assert client.ask("/nothing")[0] == 404
    assert client.ask("/healthz") == (200, "ok\n")


def _message(**inputs):
    request = predict_pb2.PredictRequest(inputs=inputs)
    request.model_spec.name = "scaled"
    return request


def _vast():
    tensor = tf.make_tensor_proto([[1.0]])
    for dim in tensor.tensor_shape.dim:
        dim.size = 2**20
    return tensor


def _negative():
    tensor = tf.make_tensor_proto([[1.0]])
    tensor.tensor_shape.dim[0].size = -1
    return tensor


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "Missing but required: {images}"),
        ({"images": tf.make_tensor_proto(ROWS), "y": tf.make_tensor_proto(1)},
         "Sent extra: {y}"),
        ({"images": tf.make_tensor_proto(ROWS.astype("i4"))}, "must be float32"),
        ({"images": tf.make_tensor_proto([1.0])}, "must have the shape"),
        ({"images": _vast()}, "of more than 33554432 bytes"),
        ({"images": _negative()}, "its shape is not known"),
        ({"images": tf.make_tensor_proto(ROWS).__class__(dtype=99)}, "not a tensor"),
    ],
)  # fmt: skip
def test_wrong_inputs_over_grpc(client, inputs, message):
    with pytest.raises(grpc.RpcError) as refused:
        client.stub.Predict(_message(**inputs))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert message in refused.value.details()


def test_errors_over_grpc(client):
    def refused(call, *arguments, **options):
        with pytest.raises(grpc.RpcError) as error:
            call(*arguments, **options)
        return error.value.code().name, error.value.details()

    code, text = refused(client.predict, "none", images=ROWS)
    assert (code, text) == ("NOT_FOUND", "Servable not found for request: Latest(none)")
    code, text = refused(client.predict, "scaled", signature="s", images=ROWS)
    assert code == "FAILED_PRECONDITION" and '"s" not found' in text
    code, text = refused(client.predict, "scaled", wanted=["z"], images=ROWS)
    assert code == "INVALID_ARGUMENT" and "z Outputs expected" in text
    request = get_model_metadata_pb2.GetModelMetadataRequest()
    request.model_spec.name = "scaled"
    assert refused(client.stub.GetModelMetadata, request)[0] == "INVALID_ARGUMENT"
    assert refused(client.stub.Predict, predict_pb2.PredictRequest()) == (
        "INVALID_ARGUMENT", "Missing ModelSpec",
    )  # fmt: skip
    request = classification_pb2.ClassificationRequest()
    request.model_spec.name = "scaled"
    assert refused(client.stub.Classify, request)[0] == "INVALID_ARGUMENT"


def test_size_and_time_and_number_are_bounded(serving, base):
    path = "/v1/models/scaled:predict"
    limits = Limits(max_requests=1, max_request_bytes=4096, request_timeout=0.3)
    with serving(base, limits=limits, batch_timeout=60, max_batch_size=2) as client:
        status, answer = client.ask(path, {"instances": [[1.5] * 2000]})
        assert status == 413 and "larger than 4096 bytes" in answer["error"]
        with pytest.raises(grpc.RpcError) as refused:
            client.predict("scaled", images=np.zeros((2, 2000), np.float32))
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        status, answer = client.ask(path, {"instances": [[1]]})  # waits for others
        assert (status, answer["error"]) == (504, "not done within 0.3 seconds")
        message, refusals = _message(images=tf.make_tensor_proto(ROWS[:1])), set()
        for _ in range(20):
            waiting = client.stub.Predict.future(message)
            while not waiting.done():
                status, answer = client.ask(path, {"instances": [[1, 1, 1]]})
                refusals.add((status, answer.get("error")))
            if waiting.code() is not grpc.StatusCode.UNAVAILABLE:
                break  # else the other one came first, and it was refused
        assert waiting.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert (503, "1 requests are in work, which is the most; try later") in refusals
        assert client.ask(path, {"instances": [[1], [2]]})[0] == 200  # full: at once


def test_metrics_are_in_prometheus_format(client):
    client.ask("/v1/models/scaled:predict", {"instances": [[1]]})
    client.ask('/v1/models/nobody"s:predict', {"instances": [[1]]})
    status, page = client.ask("/monitoring/prometheus/metrics")
    assert status == 200
    samples, kinds = {}, {}
    for line in page.splitlines():
        name, value = line.rsplit(" ", 1)
        if line.startswith("# TYPE "):
            kinds[name[7:]] = value
        else:
            samples[name] = float(value)
    count = ":tensorflow:serving:request_count"
    latency = ":tensorflow:serving:request_latency"
    assert kinds[count] == "counter" and kinds[latency] == "histogram"
    assert samples[f'{count}{{model_name="scaled",status="OK"}}'] >= 1
    assert samples[f'{count}{{model_name="",status="NOT_FOUND"}}'] >= 1
    labels = 'model_name="scaled",API="Predict",entrypoint="REST"'
    whole = samples[f"{latency}_count{{{labels}}}"]
    assert samples[f'{latency}_bucket{{{labels},le="+Inf"}}'] == whole >= 1
    buckets = [
        v for k, v in samples.items() if k.startswith(f"{latency}_bucket{{{labels}")
    ]
    assert len(buckets) == 34 and buckets == sorted(buckets)
    assert samples['keras_cnns_serving_batch_rows_count{model_name="scaled"}'] >= 1
