"""Tensors in the messages of gRPC, ``TensorProto``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from keras_cnns.serving.status import invalid

if TYPE_CHECKING:
    from tensorflow.core.framework.tensor_pb2 import TensorProto

# The field of values by NumPy's type, as TF Serving fills it.
_FIELDS = {
    np.dtype(np.float32): "float_val",
    np.dtype(np.float64): "double_val",
    np.dtype(np.bool_): "bool_val",
    np.dtype(np.int64): "int64_val",
    np.dtype(np.uint32): "uint32_val",
    np.dtype(np.uint64): "uint64_val",
    np.dtype(object): "string_val",
    **{np.dtype(f"{k}{n}"): "int_val" for k, n in ("i1", "i2", "i4", "u1", "u2")},
}


def read(name: str, tensor: TensorProto, limit: int) -> np.ndarray:
    """The array of a message.

    Args:
        name: of the input, for errors.
        tensor: ``TensorProto``.
        limit: largest number of bytes of the array: a message may tell a large one
            by a single value.

    Raises:
        RequestError: if it is not the message of a whole array, or too large.
    """
    try:
        kind = tf.as_dtype(tensor.dtype)
        sizes = [dim.size for dim in tensor.tensor_shape.dim]
        if tensor.tensor_shape.unknown_rank or min(sizes, default=0) < 0:
            raise ValueError(f"its shape is not known: {sizes}")
        if math.prod(sizes) * kind.size > limit:
            raise ValueError(f"its shape is {sizes}, of more than {limit} bytes")
        return tf.make_ndarray(tensor)
    except (TypeError, ValueError) as error:
        raise invalid(f"input {name} is not a tensor: {error}") from error


def write(array: np.ndarray) -> TensorProto:
    """The message of an array."""
    field = _FIELDS.get(array.dtype)
    if field is None:
        return tf.make_tensor_proto(array)
    kind = tf.string if array.dtype == object else tf.as_dtype(array.dtype)
    tensor = tf.make_tensor_proto([], kind, shape=[0])
    tensor.tensor_shape.CopyFrom(tf.TensorShape(array.shape).as_proto())
    getattr(tensor, field).extend(array.ravel().tolist())
    return tensor
