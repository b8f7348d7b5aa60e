"""Warm-up requests, which a server runs on loading a model."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from keras_cnns import _files
from keras_cnns._checks import check_installed

if TYPE_CHECKING:
    from keras_cnns import data

_FOLDER, _FILE = "assets.extra", "tf_serving_warmup_requests"
_MOST = 1000  # that TF Serving runs
_NEEDED = "tensorflow_serving"
IF_INSTALLED = -1  # one request, where it can be written


def check_available() -> None:
    """Checks that warm-up requests can be written.

    Raises:
        ImportError: if the extra ``serving`` is not installed.
    """
    check_installed(
        "a warm-up request",
        [_NEEDED],
        "serving",
        ", or ask for none with --warmup_requests=0",
    )


def count_to_write(wanted: int) -> int:
    """How many requests an export gets.

    Args:
        wanted: number, or ``IF_INSTALLED``.

    Raises:
        ImportError: if some are wanted and the extra ``serving`` is not installed.
    """
    if wanted == IF_INSTALLED:
        return int(importlib.util.find_spec(_NEEDED) is not None)
    if wanted:
        check_available()
    return wanted


def write_warmup_requests(
    path: str, name: str, preprocessing: data.Preprocessing, count: int
) -> None:
    """Stores requests for both signatures with batches of 1, 2, ... images.

    Args:
        path: folder of the SavedModel version.
        name: model name that the requests carry.
        preprocessing: ``Preprocessing``, for the size of the images.
        count: number of requests per signature, at least 1.

    Raises:
        ImportError: if the extra ``serving`` is not installed.

    Source: TensorFlow Serving, "SavedModel Warmup".
    """
    check_available()
    from tensorflow_serving.apis import model_pb2, predict_pb2, prediction_log_pb2

    size = (preprocessing.height, preprocessing.width, preprocessing.channels)
    blank = tf.io.encode_png(np.zeros(size, np.uint8)).numpy()
    folder = os.path.join(path, _FOLDER)
    os.makedirs(folder, exist_ok=True)
    file = os.path.join(folder, _FILE)
    with tf.io.TFRecordWriter(file) as writer:
        for batch in range(1, count + 1):
            for signature, key, value in (
                ("serving_default", "images", np.zeros((batch, *size), np.float32)),
                ("serve_images", "image_bytes", np.array([blank] * batch, object)),
            ):
                request = predict_pb2.PredictRequest(
                    model_spec=model_pb2.ModelSpec(name=name, signature_name=signature),
                    inputs={key: tf.make_tensor_proto(value)},
                )
                log = prediction_log_pb2.PredictionLog(
                    predict_log=prediction_log_pb2.PredictLog(request=request)
                )
                writer.write(log.SerializeToString())


def read_warmup_requests(path: str) -> Iterator:
    """Yields the requests that a version stores; none without the file.

    Args:
        path: folder of the SavedModel version.

    Raises:
        ValueError: if the file is damaged, has a record that is no request to predict,
            or more than 1,000.
    """
    from tensorflow_serving.apis import prediction_log_pb2

    file = os.path.join(path, _FOLDER, _FILE)
    if not os.path.lexists(file):
        return
    with _files.reading(file, "warm-up requests"):
        for count, record in enumerate(tf.data.TFRecordDataset(file)):
            log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
            if count == _MOST or not log.HasField("predict_log"):
                raise ValueError(f"record {count} is no PredictLog, or beyond {_MOST}")
            yield log.predict_log.request
