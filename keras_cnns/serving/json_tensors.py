"""Tensors in JSON, as TF Serving's REST API has them.

Rows, ``{"instances": [...]}``, are answered by ``{"predictions": [...]}``; columns,
``{"inputs": ...}``, by ``{"outputs": ...}``. Where there is one input or output, its
name is left out. Bytes are ``{"b64": "..."}``; outputs are bytes if their name ends in
``_bytes``. NaN, Infinity and -Infinity are numbers.

Source: TensorFlow Serving, "RESTful API", and ``util/json_tensor.cc``.
"""

import base64
import itertools
import json
import math

import numpy as np

from keras_cnns.serving.status import invalid

# What values are in JSON, by kind of NumPy type.
_VALUES = {"f": {int, float}, "i": {int}, "u": {int}, "b": {bool}, "O": {str, dict}}
_LONGEST_TEXT = 256  # of a value that an error quotes


def parse(body: bytes) -> dict:
    """The JSON object of a request.

    Raises:
        RequestError: if it is none.
    """
    if not body:
        raise invalid("JSON Parse error: The document is empty")
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise invalid(f"JSON Parse error: {error}") from error
    if not isinstance(document, dict):
        raise invalid(f"JSON Value: {_shown(document)} Is not object")
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise invalid(f"'signature_name' must be a string, got {_shown(name)}")
    return document


def read_inputs(document: dict, specs: dict) -> tuple:
    """The inputs of a request to predict.

    Args:
        document: what ``parse`` returns.
        specs: ``tf.TensorSpec`` by name of the signature's inputs.

    Returns:
        (arrays by name, whether they came as rows).

    Raises:
        RequestError: if they are not values of these types, or ragged.
    """
    if ("instances" in document) == ("inputs" in document):
        raise invalid("expecting one of the keys 'instances' and 'inputs'")
    if "inputs" in document:
        return _columns(document["inputs"], specs), False
    rows = document["instances"]
    if not isinstance(rows, list):
        raise invalid("Expecting 'instances' to be an list/array")
    if not rows:
        raise invalid("No values in 'instances' array")
    return _rows(rows, specs), True


def _columns(value, specs):
    if not isinstance(value, dict) or _is_base64(value):
        return {_only(specs, "inputs"): _array(value, *specs.items())}
    missing = sorted(set(specs) - set(value))
    if missing:
        raise invalid(f"Missing named input: {missing[0]} in 'inputs' object.")
    return {item[0]: _array(value[item[0]], item) for item in specs.items()}


def _rows(rows, specs):
    objects = [isinstance(row, dict) and not _is_base64(row) for row in rows]
    if not any(objects):
        return {_only(specs, "instances"): _array(rows, *specs.items())}
    for i, row in enumerate(rows):
        if not objects[i]:
            raise invalid(f"Expecting object but got list at item {i} of input list")
        if set(row) != set(specs):
            raise invalid(
                f"Failed to process element: {i} of 'instances' list. JSON object: "
                f"{_shown(row)} keys must be equal to: {','.join(sorted(specs))}"
            )
    return {
        item[0]: _array([row[item[0]] for row in rows], item) for item in specs.items()
    }


def _only(specs, key):
    if len(specs) > 1:
        raise invalid(
            f"{key} is a plain list, but expecting objects with the keys "
            f"{','.join(sorted(specs))}"
        )
    return next(iter(specs))


def _is_base64(value):
    return (
        isinstance(value, dict) and set(value) == {"b64"} and type(value["b64"]) is str
    )


def _array(value, item):
    """The array of nested lists, for an input's (name, spec)."""
    name, spec = item
    leaves, shape = _flatten(value)
    kind = np.dtype(spec.dtype.as_numpy_dtype).kind
    wanted = _VALUES.get(kind, set())
    for leaf_type in set(map(type, leaves)) - wanted:
        leaf = next(leaf for leaf in leaves if type(leaf) is leaf_type)
        raise invalid(
            f"JSON Value: {_shown(leaf)} of input {name} is not of expected type: "
            f"{spec.dtype.name}"
        )
    if kind == "O":
        leaves = list(map(_bytes, leaves))
    if kind in "iu" and leaves:
        for leaf in (min(leaves), max(leaves)):
            if not spec.dtype.min <= leaf <= spec.dtype.max:
                raise invalid(f"{leaf} of input {name} is no {spec.dtype.name}")
    try:
        with np.errstate(over="ignore"):  # larger floats are infinite
            array = np.array(leaves, spec.dtype.as_numpy_dtype)
    except OverflowError as error:  # a whole number of hundreds of digits
        raise invalid(f"input {name} is not {spec.dtype.name}: {error}") from error
    return array.reshape(shape)


def _flatten(value):
    """(list of what lies innermost in nested lists, their shape)."""
    leaves, shape = [value], []
    while leaves and type(leaves[0]) is list:
        if set(map(type, leaves)) != {list}:
            raise invalid(f"values and lists are mixed at level: {len(shape)}")
        sizes = set(map(len, leaves))
        if len(sizes) > 1:
            raise invalid(
                f"Encountered lists of different sizes: {sorted(sizes)[:2]} at level: "
                f"{len(shape)}"
            )
        shape += sizes
        leaves = list(itertools.chain.from_iterable(leaves))
    return leaves, shape


def _bytes(leaf):
    if isinstance(leaf, str):
        return leaf.encode(errors="surrogatepass")
    if not _is_base64(leaf):
        raise invalid(f"JSON Value: {_shown(leaf)} not formatted correctly for base64")
    text = "".join(leaf["b64"].split())
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError as error:
        raise invalid(f"Unable to base64 decode: {error}") from error


def _shown(value):
    return json.dumps(value)[:_LONGEST_TEXT]


def write_outputs(outputs: dict, as_rows: bool) -> bytes:
    """The answer to a request to predict.

    Args:
        outputs: arrays by name.
        as_rows: whether it is ``predictions``, else ``outputs``.

    Raises:
        RequestError: if rows are asked for and outputs have different numbers of them,
            or a type has no form in JSON.
    """
    parts = {name: _items(name, array) for name, array in outputs.items()}
    if not as_rows:
        whole = {
            name: f"[{', '.join(items)}]" if outputs[name].ndim else items[0]
            for name, items in parts.items()
        }
        return f'{{"outputs": {_named(whole)}}}'.encode()
    counts = {array.shape[:1] for array in outputs.values()}
    if len(counts) > 1 or () in counts:
        raise invalid(
            f"outputs {', '.join(outputs)} have no rows in common; give 'inputs' in "
            "place of 'instances'"
        )
    rows = (dict(zip(parts, row)) for row in zip(*parts.values()))
    return f'{{"predictions": [{", ".join(map(_named, rows))}]}}'.encode()


def _named(values):
    if len(values) == 1:
        return next(iter(values.values()))
    pairs = (f"{json.dumps(name)}: {text}" for name, text in values.items())
    return f"{{{', '.join(pairs)}}}"


def _items(name, array):
    """The texts of an array's items along its first axis, or of its only value."""
    texts = _texts(name, array)
    for axis in reversed(range(1, array.ndim)):
        size = array.shape[axis]
        texts = [
            "[" + ", ".join(texts[i * size : (i + 1) * size]) + "]"
            for i in range(math.prod(array.shape[:axis]))
        ]
    return texts


def _texts(name, array):
    """The text of each value; floats have the fewest digits that tell them apart."""
    kind, flat = array.dtype.kind, array.ravel()
    if kind == "f":
        texts = flat.astype(str)
        texts[np.isnan(flat)] = "NaN"
        texts[np.isposinf(flat)] = "Infinity"
        texts[np.isneginf(flat)] = "-Infinity"
        return texts.tolist()
    if kind in "biu":
        return list(map(json.dumps, flat.tolist()))
    if kind != "O":
        raise invalid(f"output {name} of type {array.dtype} has no form in JSON")
    if name.endswith("_bytes"):
        encoded = (base64.b64encode(value).decode() for value in flat)
        return [f'{{"b64": "{text}"}}' for text in encoded]
    return [json.dumps(value.decode(errors="replace")) for value in flat]
