"""Tensors in JSON: the examples of TF Serving's documents, and what is refused."""

import json

import numpy as np
import pytest
import tensorflow as tf

from keras_cnns.serving import json_tensors
from keras_cnns.serving.status import RequestError


def _read(document, **kinds):
    specs = {name: tf.TensorSpec(None, getattr(tf, k)) for name, k in kinds.items()}
    return json_tensors.read_inputs(json_tensors.parse(document), specs)


# The request of the document "RESTful API", in both forms.
ROWS = b"""{"instances": [
    {"tag": "foo", "signal": [1, 2, 3, 4, 5], "sensor": [[1, 2], [3, 4]]},
    {"tag": "bar", "signal": [3, 4, 1, 2, 5], "sensor": [[4, 5], [6, 8]]}]}"""
COLUMNS = b"""{"inputs": {"tag": ["foo", "bar"],
    "signal": [[1, 2, 3, 4, 5], [3, 4, 1, 2, 5]],
    "sensor": [[[1, 2], [3, 4]], [[4, 5], [6, 8]]]}}"""


@pytest.mark.parametrize(("body", "in_rows"), [(ROWS, True), (COLUMNS, False)])
def test_named_inputs_in_rows_and_columns(body, in_rows):
    inputs, as_rows = _read(body, tag="string", signal="float32", sensor="int64")
    assert as_rows is in_rows
    assert inputs["tag"].tolist() == [b"foo", b"bar"]
    assert inputs["signal"].dtype == np.float32
    np.testing.assert_array_equal(inputs["signal"], [[1, 2, 3, 4, 5], [3, 4, 1, 2, 5]])
    np.testing.assert_array_equal(
        inputs["sensor"], [[[1, 2], [3, 4]], [[4, 5], [6, 8]]]
    )


@pytest.mark.parametrize(
    ("body", "kind", "expected"),
    [
        (b'{"instances": [1.0, 2.0, 5.0]}', "float32", [1, 2, 5]),
        (b'{"instances": [[[1, 2]], [[3, 4]]]}', "int32", [[[1, 2]], [[3, 4]]]),
        (b'{"inputs": 7}', "int32", 7),
        (b'{"inputs": [[], []]}', "float32", [[], []]),
        (b'{"inputs": [NaN, -Infinity]}', "float64", [np.nan, -np.inf]),
        (b'{"inputs": [1e300]}', "float32", [np.inf]),
        (b'{"instances": [true, false]}', "bool", [True, False]),
        (b'{"inputs": {"x": {"b64": "AAH/"}}}', "string", b"\x00\x01\xff"),
        (b'{"inputs": {"b64": "AAH/"}}', "string", b"\x00\x01\xff"),
        (b'{"instances": [{"b64": "aW1n"}, "img", {"b64": "aQ"}]}', "string",
         [b"img", b"img", b"i"]),
        (b'{"instances": [{"x": {"b64": "aW1n"}}]}', "string", [b"img"]),
    ],
)  # fmt: skip
def test_one_input(body, kind, expected):
    array = _read(body, x=kind)[0]["x"]
    assert array.dtype == getattr(tf, kind).as_numpy_dtype
    np.testing.assert_array_equal(array, np.array(expected, array.dtype))


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        (b"", "int32", "The document is empty"),
        (b"{", "int32", "JSON Parse error"),
        (b"\xff\xfe", "int32", "JSON Parse error"),
        (b"[" * 100_000, "int32", "JSON Parse error"),
        (b"[1]", "int32", "Is not object"),
        (b"{}", "int32", "'instances' and 'inputs'"),
        (b'{"inputs": 1, "instances": [1]}', "int32", "'instances' and 'inputs'"),
        (b'{"instances": 1}', "int32", "list"),
        (b'{"instances": []}', "int32", "No values"),
        (b'{"instances": [1.5]}', "int32", "1.5 of input x is not of expected type"),
        (b'{"instances": [true, 1]}', "int32", "true of input x"),
        (b'{"instances": ["1"]}', "float32", '"1" of input x'),
        (b'{"instances": [null]}', "float32", "null of input x"),
        (b'{"instances": [{"b64": "aQ"}]}', "float32", "of input x"),
        (b'{"instances": [[1, 2], [3]]}', "float32", "different sizes"),
        (b'{"instances": [[1, 2], 3]}', "float32", "mixed at level: 1"),
        (b'{"instances": [3000000000]}', "int32", "3000000000 of input x"),
        (b'{"instances": [-1]}', "uint8", "-1 of input x is no uint8"),
        (b'{"instances": [1%s]}' % (b"0" * 400), "float32", "input x is not float32"),
        (b'{"instances": [{"b64": "a*b"}]}', "string", "Unable to base64 decode"),
        (b'{"instances": [{"b64": "a"}]}', "string", "Unable to base64 decode"),
        (b'{"instances": [["x", {"b": 1}]]}', "string", "base64"),
        (b'{"instances": [{"y": 1}]}', "float32", "keys must be equal to: x"),
        (b'{"instances": [{"x": 1}, 2]}', "float32", "object but got list at item 1"),
        (b'{"inputs": {"y": 1}}', "float32", "Missing named input: x"),
        (b'{"inputs": 1, "signature_name": 3}', "float32", "signature_name"),
    ],
)  # fmt: skip
def test_what_is_refused(body, kind, message):
    with pytest.raises(RequestError, match=message) as refused:
        _read(body, x=kind)
    assert refused.value.http_status == 400 and len(str(refused.value)) < 500


def test_several_inputs_have_names():
    for body in (b'{"instances": [1, 2]}', b'{"inputs": [1, 2]}'):
        with pytest.raises(RequestError, match="x,y"):
            _read(body, x="int32", y="int32")


def _written(as_rows, **outputs):
    arrays = {name: np.asarray(value) for name, value in outputs.items()}
    return json_tensors.write_outputs(arrays, as_rows).decode()


def test_one_output_has_no_name():
    half = np.array([[2.5, 0.2], [3, np.nan], [1e-5, -np.inf]], np.float32)
    inner = "[2.5, 0.2], [3.0, NaN], [1e-05, -Infinity]"
    assert _written(True, y=half) == f'{{"predictions": [{inner}]}}'
    assert _written(False, y=half) == f'{{"outputs": [{inner}]}}'
    assert _written(False, y=np.int64(7)) == '{"outputs": 7}'
    assert _written(False, y=np.zeros((2, 0, 3))) == '{"outputs": [[], []]}'


def test_several_outputs_by_name_and_bytes_by_suffix():
    text = np.array([b"\xc3\xa4", b"\xff"], object)
    outputs = {"n": np.array([1, 2]), "f_bytes": text, "t": text, "b": [True, False]}
    rows = json.loads(_written(True, **outputs))["predictions"]
    assert rows == [
        {"n": 1, "f_bytes": {"b64": "w6Q="}, "t": "ä", "b": True},
        {"n": 2, "f_bytes": {"b64": "/w=="}, "t": "\ufffd", "b": False},
    ]
    columns = json.loads(_written(False, **outputs))["outputs"]
    assert columns == {name: [row[name] for row in rows] for name in outputs}


def test_floats_come_back_as_they_were():
    values = np.random.default_rng(0).normal(0, 1e3, 500).astype(np.float32)
    values = np.concatenate([values, values * np.float32(1e-40), values * 1e30])
    for array in (values, values.astype(np.float64) / 3):
        back = json.loads(_written(True, y=array))["predictions"]
        np.testing.assert_array_equal(np.array(back, array.dtype), array)


def test_rows_must_be_in_common():
    for other in (np.zeros(3), np.float32(1)):
        with pytest.raises(RequestError, match="no rows in common"):
            _written(True, x=np.zeros(2), y=other)
