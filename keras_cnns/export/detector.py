"""Detectors as SavedModels: ``<export_dir>/<name>/<version>/``.

Signatures: ``serving_default`` takes float images as the network takes them, all of one
size, and returns boxes in their pixels, scores, classes and the number of detections.
``serve_images`` takes encoded images of any size and returns boxes in the pixels of
each. Of networks that are given proposals there is the first one only, which takes
these too, ``rois``. Class names are the asset ``labels.txt``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from keras_cnns import _files
from keras_cnns.data import scaling
from keras_cnns.export import saved_model, verification

if TYPE_CHECKING:
    from keras_cnns import data
    from keras_cnns._types import Array
    from keras_cnns.applications import DetectionFunction
    from keras_cnns.export.forms import Form

_LEAST_SIDE = 64  # of an image, in pixels: twice the largest stride
_RESULTS = {
    "boxes": tf.float32,
    "scores": tf.float32,
    "classes": tf.int32,
    "count": tf.int32,
}


class _ServedDetector(tf.Module):
    """The weights, the labels and the functions."""

    def __init__(self, detect, preprocessing, sides, labels_file):
        super().__init__()
        self._weights = detect.variables
        self._labels_asset = tf.saved_model.Asset(labels_file)
        channels = preprocessing.channels
        images = tf.TensorSpec([None, None, None, channels], name="images")
        rois = tf.TensorSpec([None, None, 4], name="rois")

        def whole(images):
            shape = tf.shape(images)
            return tf.cast(tf.repeat([shape[1:3]], shape[0], axis=0), tf.float32)

        if detect.takes_regions:

            @tf.function(input_signature=[images, rois])
            def serving_default(images, rois):
                return detect(images, whole(images), rois)

        else:

            @tf.function(input_signature=[images])
            def serving_default(images):
                return detect(images, whole(images))

            @tf.function(
                input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")]
            )
            def serve_images(image_bytes):
                return saved_model.run_one_by_one(detect_one, image_bytes, _RESULTS)

            self.serve_images = serve_images

        def detect_one(content):
            pixels = preprocessing.decode(content)
            found = prepare_and_detect(detect, preprocessing, sides, pixels)
            return {name: found[name] for name in _RESULTS}

        self.serving_default = serving_default


def prepare_and_detect(
    detect: DetectionFunction,
    preprocessing: data.Preprocessing,
    sides: tuple[int, int],
    pixels: Array,
    rois: Array | None = None,
) -> dict:
    """Detections of one image, in its own pixels.

    Args:
        detect: ``applications.detection``'s ``DetectionFunction``.
        preprocessing: ``Preprocessing`` of its network.
        sides: (shorter side, largest longer side) that images are scaled to.
        pixels: ``(height, width, channels)``, 0 to 255.
        rois: proposals ``(regions, 4)`` in its pixels, where the network takes them.

    Returns:
        As ``DetectionFunction`` does, without the batch.
    """
    size = tf.cast(tf.shape(pixels)[:2], tf.float32)
    scale = scaling.image_scale(size[0], size[1], *sides)
    image = preprocessing.standardize(scaling.scaled_image(pixels, scale))
    sizes = (size * scale)[tf.newaxis]
    # Zeros below and at the right, as on the canvas of training: maps need some cells.
    missing = tf.maximum(_LEAST_SIDE - tf.shape(image)[:2], 0)
    image = tf.pad(image, [[0, missing[0]], [0, missing[1]], [0, 0]])
    given = []
    if rois is not None:  # and one that is padding: convolutions want a batch
        rois = tf.pad(tf.cast(rois, tf.float32) * scale, [[0, 1], [0, 0]])
        given.append(rois[tf.newaxis])
    found = detect(image[tf.newaxis], sizes, *given)
    found = {name: value[0] for name, value in found.items()}
    return {**found, "boxes": found["boxes"] / scale}


def export_detector(
    detect: DetectionFunction,
    export_dir: str,
    name: str,
    *,
    preprocessing: data.Preprocessing,
    sides: tuple[int, int],
    class_names: Sequence[str],
    form: Form = saved_model.SAVED_MODEL,
) -> tuple:
    """Exports a detector for TF Serving and verifies it in a fresh process.

    Args:
        detect: ``DetectionFunction`` of ``applications.detection``.
        export_dir: folder that gets ``<name>/<version>/``, the next version.
        name: model name in the path.
        preprocessing: ``Preprocessing`` of the network.
        sides: (shorter side, largest longer side) that images are scaled to.
        class_names: names by class.
        form: ``forms.Form``, how it is stored.

    Returns:
        (the version's folder, largest relative difference of an output on reloading).

    Raises:
        ValueError: if detections of the reloaded model are not the network's.
        OSError: if it cannot be written.
    """
    with _files.scratch_folder(export_dir) as scratch:
        labels_file = saved_model.write_labels(scratch, class_names)
        served, prepared = (
            _ServedDetector(one, preprocessing, sides, labels_file)
            for one in (detect, detect.with_network(form.prepared))
        )
        signatures = ["serving_default"]
        if not detect.takes_regions:
            signatures.append("serve_images")
        return saved_model.write_version(
            export_dir,
            name,
            prepared,
            signatures,
            _verification_cases(served, preprocessing.channels, detect.takes_regions),
            form,
            about={
                "preprocessing": dataclasses.asdict(preprocessing),
                "sides": list(sides),
                "min_score": detect.min_score,
                "class_names": list(class_names),
            },
        )


def _verification_cases(served, channels, takes_regions):
    """Random images and what the functions make of them."""
    random = np.random.default_rng(0)
    inputs = {"images": random.normal(0, 1, (2, 96, 128, channels)).astype(np.float32)}
    if takes_regions:
        corners = np.sort(random.uniform(0, 96, (2, 8, 2, 2)), axis=2)
        inputs["rois"] = corners.reshape(2, 8, 4).astype(np.float32)
    given = [("serving_default", inputs)]
    if not takes_regions:
        encoded = [
            tf.io.encode_png(
                random.integers(0, 256, (*size, channels), np.uint8)
            ).numpy()
            for size in ((96, 128), (75, 61))
        ]
        given.append(("serve_images", {"image_bytes": encoded}))
    cases = []
    for signature, values in given:
        outputs = getattr(served, signature)(
            **{k: tf.constant(v) for k, v in values.items()}
        )
        cases += [
            verification.Case(signature, values, name, outputs[name].numpy())
            for name in ("boxes", "scores", "classes")
        ]
    return cases
