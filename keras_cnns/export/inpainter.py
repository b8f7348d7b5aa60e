"""Inpainting networks as SavedModels: ``<export_dir>/<name>/<version>/``.

Two signatures. ``serving_default`` takes images in the network's range and masks (1
for valid pixels, 0 in the hole; 0.5 and more counts as valid) and returns the filled
images. ``serve_images`` takes encoded images of any size, each with an encoded mask of
its size whose white pixels, 128 and more, are the hole, and returns PNG files of those
sizes. Both keep valid pixels unchanged.

Images are resized to the network's size from valid pixels alone, so that nothing from
under the hole leaks in.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from keras_cnns.data import VALUE_RANGES
from keras_cnns.data.decoding import decode_image
from keras_cnns.export import saved_model, verification

if TYPE_CHECKING:
    from tensorflow import keras

    from keras_cnns import data
    from keras_cnns.export.forms import Form

_WHITE = 128  # and more is hole on disk, as in keras_cnns.data.read_mask


class _ServedInpainter(tf.Module):
    """The weights and the two functions."""

    def __init__(self, network, preprocessing, value_range):
        super().__init__()
        # Not the network itself, whose layers would be traced one by one.
        self._network = functools.partial(network, training=False)
        self._weights = network.variables
        self._preprocessing = preprocessing
        self._range = VALUE_RANGES[value_range]
        size = (preprocessing.height, preprocessing.width)
        shapes = ((*size, preprocessing.channels), (*size, 1))
        images, masks = (
            tf.TensorSpec([None, *shape], name=name)
            for shape, name in zip(shapes, ("images", "masks"))
        )
        names = ("image_bytes", "mask_bytes")
        strings = [tf.TensorSpec([None], tf.string, name=name) for name in names]

        @tf.function(input_signature=[images, masks])
        def serving_default(images, masks):
            valid = masks >= 0.5
            return {"images": tf.where(valid, images, self._fill(images, valid))}

        @tf.function(input_signature=strings)
        def serve_images(image_bytes, mask_bytes):
            images, masks = tf.map_fn(
                lambda pair: self._read(*pair),
                (image_bytes, mask_bytes),
                fn_output_signature=tuple(map(tf.TensorSpec, shapes)),
            )
            filled = self._fill(images, masks > 0)
            return {
                "image_bytes": tf.map_fn(
                    lambda values: self._write(*values),
                    (image_bytes, mask_bytes, filled),
                    fn_output_signature=tf.string,
                )
            }

        self.serving_default = serving_default
        self.serve_images = serve_images

    def _fill(self, images, valid):
        """The network's output, clipped to its range."""
        masks = tf.cast(valid, tf.float32)
        images = tf.where(valid, images, 0.0)
        final = tf.nest.flatten(self._network([images, masks]))[0]
        return tf.clip_by_value(tf.cast(final, tf.float32), *self._range)

    def _decode(self, image_bytes, mask_bytes):
        """Grey levels of 0 to 255, and where they are valid, ``(height, width, 1)``."""
        pixels = decode_image(image_bytes, self._preprocessing.channels)
        valid = decode_image(mask_bytes, 1) < _WHITE
        checks = [
            tf.debugging.assert_equal(
                tf.shape(valid)[:2],
                tf.shape(pixels)[:2],
                "a mask must have the size of its image",
            ),
            tf.debugging.Assert(
                tf.reduce_any(valid),
                ["a mask is all hole (white): there is nothing to fill it from"],
            ),
        ]
        with tf.control_dependencies(checks):  # else what follows may fail first
            return tf.identity(pixels), valid

    def _read(self, image_bytes, mask_bytes):
        """One image and its mask in the network's size."""
        pixels, valid = self._decode(image_bytes, mask_bytes)
        weights = tf.repeat(
            tf.cast(valid, tf.float32), self._preprocessing.channels, axis=-1
        )
        levels = self._preprocessing.resize(tf.cast(pixels, tf.float32) * weights)
        fractions = self._preprocessing.resize(weights)
        images = self._preprocessing.standardize(
            tf.math.divide_no_nan(levels, fractions)
        )
        return images, tf.cast(fractions[..., :1] > 0.5, tf.float32)

    def _write(self, image_bytes, mask_bytes, filled):
        """The PNG file of one image in its own size."""
        pixels, valid = self._decode(image_bytes, mask_bytes)
        low, high = self._range
        levels = 255 * (filled - low) / (high - low)
        size = tf.shape(pixels)[:2]
        fits = tf.reduce_all(
            size == (self._preprocessing.height, self._preprocessing.width)
        )
        levels = tf.cond(
            fits, lambda: levels, lambda: tf.image.resize(levels, size, antialias=True)
        )
        hole = tf.cast(tf.round(tf.clip_by_value(levels, 0, 255)), tf.uint8)
        return tf.io.encode_png(tf.where(valid, pixels, hole))


def export_inpainter(
    network: keras.Model,
    export_dir: str,
    name: str,
    *,
    preprocessing: data.Preprocessing,
    value_range: str,
    form: Form = saved_model.SAVED_MODEL,
) -> tuple:
    """Exports an inpainting network for TF Serving; verified in a fresh process.

    Args:
        network: ``keras.Model``, ``[images, masks]`` to images, or to a list of them,
            the final ones first.
        export_dir: folder that gets ``<name>/<version>/``, the next version.
        name: model name in the path.
        preprocessing: ``Preprocessing`` of the network.
        value_range: ``"unit"`` or ``"signed"``, of its images.
        form: ``forms.Form``, how it is stored.

    Returns:
        (the version's folder, largest relative difference of an image on reloading).

    Raises:
        ValueError: if the images of the reloaded model are not the network's.
        OSError: if it cannot be written.
    """
    return saved_model.write_version(
        export_dir,
        name,
        _ServedInpainter(form.prepared(network), preprocessing, value_range),
        ("serving_default", "serve_images"),
        _verification_cases(network, preprocessing, value_range),
        form,
        about={
            "preprocessing": dataclasses.asdict(preprocessing),
            "value_range": value_range,
        },
    )


def _verification_cases(network, preprocessing, value_range):
    """Random images with rectangular holes, and the expected outputs."""
    random = np.random.default_rng(0)
    height, width = preprocessing.height, preprocessing.width
    pixels = random.integers(
        0, 256, (3, height, width, preprocessing.channels), np.uint8
    )
    masks = np.ones((3, height, width, 1), np.float32)
    for i, mask in enumerate(masks):
        mask[i : i + height // 2, width // 4 : width // 2] = 0
    images = preprocessing.standardize(pixels).numpy()
    low, high = VALUE_RANGES[value_range]
    valid = np.where(masks > 0, images, np.float32(0))
    output = tf.nest.flatten(network([valid, masks], training=False))[0]
    output = np.clip(np.asarray(output, np.float32), low, high)
    levels = np.rint(255 * (output - low) / (high - low)).astype(np.uint8)
    holes = (255 * (1 - masks)).astype(np.uint8)
    encoded = {
        name: [tf.io.encode_png(image).numpy() for image in images]
        for name, images in (("image_bytes", pixels), ("mask_bytes", holes))
    }
    return [
        verification.Case(
            "serving_default",
            {"images": images, "masks": masks},
            "images",
            np.where(masks > 0, images, output),
        ),
        verification.Case(
            "serve_images", encoded, "image_bytes", np.where(masks > 0, pixels, levels)
        ),
    ]
