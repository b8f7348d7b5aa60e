"""Classifiers as SavedModels: ``<export_dir>/<name>/<version>/``.

Two signatures: ``serving_default`` takes the network's float input, ``serve_images``
encoded JPEG or PNG bytes and does decoding, resizing and standardisation in the graph.
"""

import os
import tempfile

import numpy as np
import tensorflow as tf
from absl import logging

from keras_cnns import _files
from keras_cnns.export import verification, warmup

LABELS = "labels.txt"


class _ServedClassifier(tf.Module):
    """What goes into the SavedModel: the weights, the labels and two functions.

    The Keras model itself is left out, so that its layers are not traced one by one.
    """

    def __init__(self, network, preprocessing, class_names, labels_file):
        super().__init__()
        self._weights = network.variables
        self._labels_asset = tf.saved_model.Asset(labels_file)
        names = tf.constant(class_names)
        size = (preprocessing.height, preprocessing.width, preprocessing.channels)

        @tf.function(input_signature=[tf.TensorSpec([None, *size], name="images")])
        def serving_default(images):
            return {"probabilities": network(images, training=False)}

        @tf.function(
            input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")]
        )
        def serve_images(image_bytes):
            images = tf.map_fn(
                preprocessing, image_bytes, fn_output_signature=tf.TensorSpec(size)
            )
            probabilities = network(images, training=False)
            best = tf.argmax(probabilities, axis=-1)
            return {
                "probabilities": probabilities,
                "class_id": best,
                "label": tf.gather(names, best),
            }

        self.serving_default = serving_default
        self.serve_images = serve_images


def export_saved_model(
    network,
    export_dir: str,
    name: str,
    *,
    preprocessing,
    class_names,
    warmup_requests: int = 1,
):
    """Exports a classifier for TF Serving and verifies it in a fresh process.

    The version is one above the highest. The folder is written atomically, once its
    outputs equal the network's.

    Args:
        network: ``keras.Model``, images to probabilities ``(batch, classes)``.
        export_dir: folder that gets ``<name>/<version>/``.
        name: model name in the path and in the warm-up requests.
        preprocessing: ``Preprocessing`` of the network.
        class_names: names by output; stored as an asset.
        warmup_requests: requests of rising batch size stored for TF Serving to run
            on loading; 0 for none. Needs the extra ``serving``.

    Returns:
        (the version's folder, largest relative difference of an output on reloading).

    Raises:
        ValueError: if the numbers of classes differ, ``warmup_requests`` is negative,
            or the outputs of the reloaded model are not the network's.
        OSError: if it cannot be written.
        ImportError: if warm-up requests are asked for without the extra ``serving``.
    """
    if network.output_shape[-1] != len(class_names):
        raise ValueError(
            f"{len(class_names)} class names for {network.output_shape[-1]} outputs"
        )
    if warmup_requests < 0:
        raise ValueError(f"warmup_requests must be >= 0, got {warmup_requests}")
    if warmup_requests:
        warmup.check_available()
    with tempfile.TemporaryDirectory() as scratch:
        labels_file = os.path.join(scratch, LABELS)
        _files.write_text(labels_file, "".join(f"{c}\n" for c in class_names))
        served = _ServedClassifier(
            network, preprocessing, list(class_names), labels_file
        )

        def add_warmup(folder):
            if warmup_requests:
                warmup.write_warmup_requests(
                    folder, name, preprocessing, warmup_requests
                )

        return write_version(
            os.path.join(export_dir, name),
            served,
            ("serving_default", "serve_images"),
            _verification_cases(network, preprocessing),
            add_files=add_warmup,
        )


def write_version(folder, served, signatures, cases, add_files=None):
    """Saves a module as the next version in a folder, once it is verified.

    Args:
        folder: gets ``<version>/``.
        served: ``tf.Module``; its functions of the signatures' names are served.
        signatures: their names.
        cases: ``verification.Case``s that the saved model must pass.
        add_files: function of the version's folder that adds files to it.

    Returns:
        (the version's folder, largest relative difference of an output on reloading).

    Raises:
        ValueError: if the outputs of the reloaded model are not as expected.
        OSError: if it cannot be written.
    """
    path = os.path.join(folder, str(_next_version(folder)))
    try:
        with _files.atomic_folder(path) as new:
            verbosity = logging.get_verbosity()
            logging.set_verbosity(logging.ERROR)
            try:
                tf.saved_model.save(
                    served,
                    new,
                    signatures={name: getattr(served, name) for name in signatures},
                )
            finally:
                logging.set_verbosity(verbosity)
            if add_files:
                add_files(new)
            difference = verification.verify(new, cases)
    except tf.errors.OpError as error:
        raise OSError(f"could not write {path}: {error}") from error
    return path, difference


def _verification_cases(network, preprocessing):
    """Random images of the input size and of others, with the expected outputs."""
    random = np.random.default_rng(0)
    height, width = preprocessing.height, preprocessing.width
    encoded = []
    for size, encode in (
        ((height, width), tf.io.encode_png),
        ((height + 9, width + 4), tf.io.encode_png),
        ((2 * height, 3 * width), tf.io.encode_jpeg),
    ):
        pixels = random.integers(0, 256, (*size, preprocessing.channels), np.uint8)
        encoded.append(encode(pixels).numpy())
    images = np.stack([preprocessing(tf.constant(content)) for content in encoded])
    expected = network(images, training=False).numpy()
    output = "probabilities"
    return [
        verification.Case("serving_default", {"images": images}, output, expected),
        verification.Case("serve_images", {"image_bytes": encoded}, output, expected),
    ]


def _next_version(folder):
    names = os.listdir(folder) if os.path.isdir(folder) else []
    return 1 + max([int(n) for n in names if n.isdigit()], default=0)


def find_saved_model(path: str) -> str:
    """The SavedModel version at a path: itself, or the newest version in it.

    Raises:
        ValueError: if there is none.
    """
    if os.path.isfile(os.path.join(path, "saved_model.pb")):
        return path
    names = os.listdir(path) if os.path.isdir(path) else []
    versions = sorted((int(n) for n in names if n.isdigit()), reverse=True)
    for version in versions:
        candidate = os.path.join(path, str(version))
        if os.path.isfile(os.path.join(candidate, "saved_model.pb")):
            return candidate
    raise ValueError(f"{path} holds no SavedModel (no saved_model.pb)")


def load_saved_model(path: str):
    """A function from encoded images to probabilities, and the class names.

    Args:
        path: a version's folder, or the one above it.

    Returns:
        (function of a list of encoded images that returns ``(batch, classes)`` NumPy
        probabilities, tuple of class names).

    Raises:
        ValueError: if it holds no classifier exported here.
    """
    version = find_saved_model(path)
    labels = os.path.join(version, "assets", LABELS)
    try:
        loaded = tf.saved_model.load(version)
        signature = loaded.signatures["serve_images"]
        with open(labels, encoding="utf-8") as file:
            names = tuple(file.read().splitlines())
    except (OSError, KeyError, ValueError, tf.errors.OpError) as error:
        raise ValueError(
            f"{version} is not a classifier exported by keras_cnns: {error}"
        ) from error

    def predict(contents):
        outputs = signature(image_bytes=tf.constant(contents))
        return np.asarray(outputs["probabilities"])

    predict.loaded = loaded  # its variables must live as long as the function
    return predict, names
