"""Auto-encoders as SavedModels: ``<export_dir>/<name>/<version>/``.

The signatures take images in [0, 1]. ``reconstruct`` gives ``images``, not clipped;
``encode`` the ``code`` and the places ``where<n>`` of each pooling that tells them;
``classify``, of a network with a classifier, ``probabilities``, ``class_id`` and
``label``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from keras_cnns import _files
from keras_cnns.applications import autoencoder_parts, encoded_names
from keras_cnns.export import saved_model, verification

if TYPE_CHECKING:
    from tensorflow import keras

    from keras_cnns.export.forms import Form


class _ServedAutoencoder(tf.Module):
    """The weights, the labels and the functions."""

    def __init__(self, parts, class_names, labels_file):
        super().__init__()
        self._weights = parts.variables
        images = tf.TensorSpec(parts.input_shape, name="images")

        @tf.function(input_signature=[images])
        def reconstruct(images):
            return {"images": parts(images, training=False)["reconstruction"]}

        @tf.function(input_signature=[images])
        def encode(images):
            outputs = parts(images, training=False)
            return {name: outputs[name] for name in encoded_names(parts)}

        self.reconstruct, self.encode = reconstruct, encode
        if class_names:
            self._labels_asset = tf.saved_model.Asset(labels_file)
            names = tf.constant(class_names)

            @tf.function(input_signature=[images])
            def classify(images):
                probabilities = tf.nn.softmax(parts(images, training=False)["logits"])
                return saved_model.classified(probabilities, names)

            self.classify = classify


def export_autoencoder(
    network: keras.Model,
    export_dir: str,
    name: str,
    *,
    class_names: Sequence[str] = (),
    form: Form = saved_model.SAVED_MODEL,
) -> tuple:
    """Exports an auto-encoder for TF Serving and verifies it in a fresh process.

    Args:
        network: what-where auto-encoder, see ``applications.autoencoder_parts``.
        export_dir: folder that gets ``<name>/<version>/``, the next version.
        name: model name in the path.
        class_names: names by output of the classifier, stored as an asset; empty for a
            network without one.
        form: ``forms.Form``, how it is stored.

    Returns:
        (the version's folder, largest relative difference of an output on reloading).

    Raises:
        ValueError: if the network has another number of classes, or the outputs of the
            reloaded model are not the network's.
        OSError: if it cannot be written.
    """
    logits = network.outputs[1:]
    classes = logits[0].shape[-1] if logits else 0
    if classes != len(class_names):
        raise ValueError(
            f"{len(class_names)} class names for {network.name}, which has {classes}"
        )
    with _files.scratch_folder(export_dir) as scratch:
        labels_file = saved_model.write_labels(scratch, class_names)
        parts = form.prepared(autoencoder_parts(network))
        served = _ServedAutoencoder(parts, list(class_names), labels_file)
        signatures = ("reconstruct", "encode", *(["classify"] if class_names else []))
        return saved_model.write_version(
            export_dir,
            name,
            served,
            signatures,
            _cases(network),
            form,
            about={"class_names": list(class_names)},
        )


def _cases(network):
    """Random images, with the network's outputs of each signature."""
    random = np.random.default_rng(0)
    shape = (3, *network.input_shape[1:])
    images = random.uniform(size=shape).astype(np.float32)
    parts = autoencoder_parts(network)
    outputs = parts(images, training=False)
    expected = {("reconstruct", "images"): outputs["reconstruction"]}
    for name in encoded_names(parts):
        expected["encode", name] = outputs[name]
    if "logits" in outputs:
        expected["classify", "probabilities"] = tf.nn.softmax(outputs["logits"])
    return [
        verification.Case(signature, {"images": images}, output, values.numpy())
        for (signature, output), values in expected.items()
    ]
