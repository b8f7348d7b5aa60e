"""Classifiers as SavedModels: ``<export_dir>/<name>/<version>/``.

Two signatures: ``serving_default`` takes the network's float input, ``serve_images``
encoded JPEG or PNG bytes and does decoding, resizing and standardisation in the graph.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from keras_cnns import _files, _progress
from keras_cnns.data import Preprocessing
from keras_cnns.export import forms, trust, verification, warmup

if TYPE_CHECKING:
    from tensorflow import keras

    from keras_cnns import data
    from keras_cnns.export.forms import Form
    from keras_cnns.export.verification import Case

LABELS = "labels.txt"
SAVED_MODEL = forms.Form()
# What TensorFlow raises for files that are damaged, or other models'.
_UNREADABLE = (
    AssertionError,
    AttributeError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    tf.errors.OpError,
)


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
            return classified(network(images, training=False), names)

        self.serving_default = serving_default
        self.serve_images = serve_images


def run_one_by_one(function: Callable, contents: tf.Tensor, results: Any) -> Any:
    """What a function that runs a network makes of each element.

    One after another: a convolution that oneDNN has fused with the addition behind it
    is not for two threads, which got wrong values or died (TensorFlow 2.15).

    Args:
        function: of an element.
        contents: ``(batch, ...)``.
        results: type, or spec, of the function's results, nested as they are.
    """
    return tf.map_fn(
        function, contents, fn_output_signature=results, parallel_iterations=1
    )


def classified(probabilities: tf.Tensor, names: tf.Tensor) -> dict:
    """What a served function tells of classes.

    Args:
        probabilities: ``(batch, classes)``.
        names: ``(classes,)`` strings.
    """
    best = tf.argmax(probabilities, axis=-1)
    return {
        "probabilities": probabilities,
        "class_id": best,
        "label": tf.gather(names, best),
    }


def write_labels(folder: str, class_names: Sequence[str]) -> str:
    """Writes the asset of class names, a line for each, and returns its path."""
    path = os.path.join(folder, LABELS)
    _files.write_text(path, "".join(f"{c}\n" for c in class_names))
    return path


def export_saved_model(
    network: keras.Model,
    export_dir: str,
    name: str,
    *,
    preprocessing: data.Preprocessing,
    class_names: Sequence[str],
    warmup_requests: int = warmup.IF_INSTALLED,
    form: forms.Form = SAVED_MODEL,
) -> tuple:
    """Exports a classifier and verifies it in a fresh process.

    The version is one above the highest. The folder gets its name once its outputs
    equal the network's; of several exports at the same time each gets a version.

    Args:
        network: ``keras.Model``, images to probabilities ``(batch, classes)``.
        export_dir: folder that gets ``<name>/<version>/``.
        name: model name in the path and in the warm-up requests.
        preprocessing: ``Preprocessing`` of the network.
        class_names: names by output; stored as an asset.
        warmup_requests: requests of rising batch size stored for TF Serving to run
            on loading; 0 for none; -1 for one where the extra ``serving``, which it
            needs, is installed, else none. Of SavedModels only.
        form: how it is stored.

    Returns:
        (the version's folder, largest relative difference of an output on reloading).

    Raises:
        ValueError: if the numbers of classes differ, ``warmup_requests`` is less than
            -1, or the outputs of the reloaded model are not the network's.
        OSError: if it cannot be written.
        ImportError: if an extra is not installed: ``serving`` for warm-up requests,
            ``onnx`` for that format.
    """
    _check_export(network, class_names, warmup_requests)
    is_saved_model = form.format == "saved_model"
    requests = warmup.count_to_write(warmup_requests) if is_saved_model else 0
    with _files.scratch_folder(export_dir) as scratch:
        served = _ServedClassifier(
            form.prepared(network),
            preprocessing,
            list(class_names),
            write_labels(scratch, class_names),
        )

        def add_warmup(folder):
            if requests:
                warmup.write_warmup_requests(folder, name, preprocessing, requests)

        return write_version(
            export_dir,
            name,
            served,
            ("serving_default", "serve_images"),
            _verification_cases(network, preprocessing),
            form,
            about={
                "preprocessing": dataclasses.asdict(preprocessing),
                "class_names": list(class_names),
            },
            add_files=add_warmup,
        )


def _check_export(network, class_names, warmup_requests):
    if network.output_shape[-1] != len(class_names):
        raise ValueError(
            f"{len(class_names)} class names for {network.output_shape[-1]} outputs"
        )
    if warmup_requests < warmup.IF_INSTALLED:
        raise ValueError(f"warmup_requests must be >= -1, got {warmup_requests}")


def write_version(
    export_dir: str,
    name: str,
    served: tf.Module,
    signatures: Sequence[str],
    cases: Sequence[Case],
    form: Form = SAVED_MODEL,
    about: dict | None = None,
    add_files: Callable[[str], object] | None = None,
) -> tuple:
    """Stores a module as the next version of a model, once it is verified.

    Args:
        export_dir: folder that gets ``<name>/<version>/``, or of other formats than
            SavedModel ``<name>_<format>/<version>/``.
        name: of the model.
        served: ``tf.Module``; its functions of the signatures' names are stored.
        signatures: their names.
        cases: ``verification.Case``s that the stored model must pass.
        form: ``forms.Form``, how it is stored.
        about: what other formats tell of the model in ``model.json``.
        add_files: function of the version's folder that adds files to it.

    Returns:
        (the version's folder, largest relative difference of an output on reloading;
        of 8 bits that from the network, which may be large).

    Raises:
        ValueError: if the name is a path, the format cannot hold the network, or the
            outputs of the reloaded model are not as expected.
        OSError: if it cannot be written.
        ImportError: if an extra is not installed.
    """
    if name in ("", ".", "..") or os.sep in name:
        raise ValueError(f"the name of a model must be that of a folder, got {name!r}")
    folder = os.path.join(export_dir, form.folder(name))
    try:
        with _files.partial_folder(folder) as new:
            stages = _progress.stages("writing", "verification")
            with _files.plain_path(new) as path, stages as begin_next:
                begin_next()
                stored = form.write(served, path, signatures, about or {})
                if add_files:
                    add_files(path)
                begin_next()
                cases = [case for case in cases if case.signature in stored]
                if form.quantized:
                    difference, cases = verification.rounded(path, cases)
                    verification.verify(path, cases, form.tolerance)
                else:
                    difference = verification.verify(path, cases, form.tolerance)
            return _claim_version(new, folder), difference
    except tf.errors.OpError as error:
        raise OSError(f"could not write into {folder}: {error}") from error


def _claim_version(partial, folder) -> str:
    """Renames a folder to the next version, which no other export takes meanwhile."""
    while True:
        path = os.path.join(folder, str(1 + max(list_versions(folder), default=0)))
        with contextlib.suppress(FileExistsError):
            _files.claim(partial, path)
            return path


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


def list_versions(folder: str) -> list:
    """The numbers of a model's versions, in any order; empty without the folder."""
    names = os.listdir(folder) if os.path.isdir(folder) else []
    return [int(name) for name in names if name.isascii() and name.isdigit()]


def find_saved_model(path: str) -> str:
    """The exported version at a path: itself, or the newest version in it.

    Raises:
        ValueError: if there is none.
    """
    versions = sorted(list_versions(path), reverse=True)
    for candidate in (path, *(os.path.join(path, str(n)) for n in versions)):
        for name in ("saved_model.pb", forms.CARD):
            if os.path.isfile(os.path.join(candidate, name)):
                return candidate
    raise ValueError(f"{path} holds no exported model (no saved_model.pb)")


def load_saved_model(path: str, trust_graph: bool = False) -> tuple:
    """A function from encoded images to probabilities, and the class names.

    Args:
        path: a version's folder, or the one above it; of any format.
        trust_graph: whether its graph, which executes on loading and calling, may have
            operations that do more than compute, such as writing files.

    Returns:
        (function of a list of encoded images that returns ``(batch, classes)`` NumPy
        probabilities, tuple of class names).

    Raises:
        ValueError: if it holds no classifier exported here, or its graph is not
            trusted and could do more than compute.
    """
    version = find_saved_model(path)
    try:
        if os.path.isfile(os.path.join(version, forms.CARD)):
            return _load_files(version)
        if not trust_graph:
            trust.check_graph(version)
        loaded, signature = _load_signature(version)
        names = _read_labels(version)
        _check_labels(names, signature.structured_outputs["probabilities"].shape[-1])
    except _UNREADABLE as error:
        reason = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        raise ValueError(
            f"{version} is not a classifier exported by keras_cnns: "
            f"{(reason.strip() or repr(error)).splitlines()[0]}"
        ) from error

    def predict(contents):
        outputs = signature(image_bytes=tf.constant(contents))
        return np.asarray(outputs["probabilities"])

    predict.loaded = loaded  # its variables must live as long as the function
    return predict, names


def open_saved_model(version: str, trust_graph: bool = False) -> dict:
    """The signatures of a SavedModel of any task, by name.

    Args:
        version: the version's folder.
        trust_graph: as ``load_saved_model`` takes it.

    Returns:
        Dict of functions, of tensors by name to such. They are for one thread at a
        time: see ``run_one_by_one``.

    Raises:
        ValueError: if it cannot be loaded, or its graph is not trusted and could do
            more than compute.
    """
    try:
        if not trust_graph:
            trust.check_graph(version)
        with _files.plain_path(version) as plain:
            loaded = tf.saved_model.load(plain)
        signatures = dict(loaded.signatures)
    except _UNREADABLE as error:
        reason = _files.reason_of(error)
        raise ValueError(f"{version} cannot be loaded: {reason}") from error
    for function in signatures.values():
        function.loaded = loaded  # its variables must live as long as the function
    return signatures


def _load_files(version):
    """As ``load_saved_model``, of formats that do not decode images themselves."""
    card = forms.read_card(version)
    preprocessing = Preprocessing(**card["preprocessing"])
    names = tuple(map(str, card["class_names"]))
    classify = forms.open_signatures(version)["serving_default"]
    outputs = card["signatures"]["serving_default"]["outputs"]
    _check_labels(names, outputs["probabilities"]["shape"][-1])

    def predict(contents):
        images = np.stack([preprocessing(tf.constant(c)) for c in contents])
        return classify(images=images)["probabilities"]

    return predict, names


def _check_labels(names, outputs):
    if outputs != len(names):
        raise ValueError(f"it has {len(names)} labels for {outputs} outputs")


def _load_signature(version):
    """(what is loaded, its signature of encoded images)."""
    with _files.plain_path(version) as plain:
        loaded = tf.saved_model.load(plain)
    signature = loaded.signatures["serve_images"]
    inputs = signature.structured_input_signature[1]
    if set(inputs) != {"image_bytes"} or inputs["image_bytes"].dtype != tf.string:
        raise ValueError(f"serve_images takes {inputs}")
    return loaded, signature


def _read_labels(version):
    path = os.path.join(version, "assets", LABELS)
    with open(path, encoding="utf-8", newline="\n") as file:
        return tuple(file.read().split("\n")[:-1])
