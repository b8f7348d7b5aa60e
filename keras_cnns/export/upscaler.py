"""Super-resolution networks as SavedModels: ``<export_dir>/<name>/<version>/``.

``serving_default`` takes colour images of any size, of 0 to 1, and gives enlarged ones,
clipped; ``serve_images`` takes encoded images, each of its own size, and gives PNG
files. Networks of luma get it from colours, whose chroma is interpolated. Where a
network serves several factors, these enlarge by the first one; ``serving_x3`` and
``serve_images_x3`` by another.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from keras_cnns import _luma
from keras_cnns._graph import receptive_radius
from keras_cnns.data import resize_bicubic
from keras_cnns.data.decoding import decode_image
from keras_cnns.export import saved_model, verification

if TYPE_CHECKING:
    from tensorflow import keras

    from keras_cnns.export.forms import Form

_RANGE = 255.0
_TAPS = 3  # small pixels around its own that a bicubic one depends on


def upscaling_context(network: keras.Model, scale: int, enlarges: bool) -> int:
    """Pixels of a small picture around its own that an enlarged one depends on.

    Args:
        network: of the functional API, as ``export_upscaler`` takes it.
        scale: what pictures are enlarged by.
        enlarges: whether the network does that.

    Raises:
        ValueError: if that is not known of the network.
    """
    radius = receptive_radius(network)
    return _TAPS + (radius if enlarges else -(-radius // scale))


def enlarge_colours(
    apply: Callable[[tf.Tensor], tf.Tensor],
    images: tf.Tensor,
    scale: int,
    channels: int,
    enlarges: bool,
) -> tf.Tensor:
    """Colour images enlarged by a network of colours or of luma.

    Args:
        apply: the network, a function of images of 0 to 1.
        images: ``(batch, height, width, 3)``, float32, 0 to 255.
        scale: whole number.
        channels: of the network: 1, luma, or 3.
        enlarges: whether the network enlarges; if not, it gets enlarged images.

    Returns:
        ``(batch, scale * height, scale * width, 3)``, 0 to 255, neither rounded nor
        clipped.
    """

    def applied(levels):
        if not enlarges:
            levels = resize_bicubic(levels, scale)
        return _RANGE * apply(levels / _RANGE)

    if channels == 3:
        return applied(images)
    planes = _luma.to_ycbcr(images)
    chroma = resize_bicubic(planes[..., 1:], scale)
    return _luma.from_ycbcr(tf.concat([applied(planes[..., :1]), chroma], 3))


class _ServedUpscaler(tf.Module):
    """The weights, and two functions for each factor."""

    def __init__(self, network, scales, enlarges):
        super().__init__()
        self._weights = network.variables
        for number, scale in enumerate(scales):
            suffix = f"_x{scale}" if number else ""
            floats, encoded = _functions(
                functools.partial(_enlarged, network, scale, enlarges)
            )
            setattr(self, f"serving{suffix or '_default'}", floats)
            setattr(self, f"serve_images{suffix}", encoded)


def _functions(enlarge):
    """Signatures of float images, and of encoded ones."""
    images = tf.TensorSpec([None, None, None, 3], name="images")
    strings = tf.TensorSpec([None], tf.string, name="image_bytes")

    @tf.function(input_signature=[images])
    def serving(images):
        return {"images": enlarge(_RANGE * images) / _RANGE}

    @tf.function(input_signature=[strings])
    def serve_images(image_bytes):
        def one(content):
            pixels = tf.cast(decode_image(content, 3), tf.float32)
            levels = tf.round(enlarge(pixels[tf.newaxis])[0])
            return tf.io.encode_png(tf.cast(levels, tf.uint8))

        return {"image_bytes": saved_model.run_one_by_one(one, image_bytes, tf.string)}

    return serving, serve_images


def _enlarged(network, scale, enlarges, images):
    """Levels of 0 to 255, clipped to that."""

    def apply(images):
        return tf.nest.flatten(network(images, training=False))[0]

    channels = network.inputs[0].shape[-1]
    levels = enlarge_colours(apply, images, scale, channels, enlarges)
    return tf.clip_by_value(levels, 0.0, _RANGE)


def export_upscaler(
    network: keras.Model,
    export_dir: str,
    name: str,
    *,
    scales: Sequence[int],
    enlarges: bool,
    form: Form = saved_model.SAVED_MODEL,
) -> tuple:
    """Exports a super-resolution network; verified in a fresh process.

    Args:
        network: fully convolutional, of images of 0 to 1 and 1 or 3 channels, which
            gives enlarged ones, or better ones of enlarged ones.
        export_dir: folder that gets ``<name>/<version>/``, the next version.
        name: model name in the path.
        scales: whole numbers that images are enlarged by; of a network that enlarges,
            its own.
        enlarges: whether it does; if not, it gets enlarged images.
        form: ``forms.Form``, how it is stored.

    Returns:
        (the version's folder, largest relative difference of an image on reloading).

    Raises:
        ValueError: if the images of the reloaded model are not the network's.
        OSError: if it cannot be written.
    """
    served = _ServedUpscaler(form.prepared(network), scales, enlarges)
    suffixes = ["", *(f"_x{scale}" for scale in scales[1:])]
    signatures = [f"serving{suffix or '_default'}" for suffix in suffixes]
    signatures += [f"serve_images{suffix}" for suffix in suffixes]
    cases = [
        case
        for scale, suffix in zip(scales, suffixes)
        for size in ((9, 14), (16, 11))
        for case in _cases(
            functools.partial(_enlarged, network, scale, enlarges), suffix, size
        )
    ]
    return saved_model.write_version(
        export_dir,
        name,
        served,
        signatures,
        cases,
        form,
        about={
            "scales": list(scales),
            "contexts": [upscaling_context(network, x, enlarges) for x in scales],
        },
    )


def _cases(enlarge, suffix, size):
    """Random images of a size, and what the network makes of them."""
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (2, *size, 3), np.uint8)
    levels = enlarge(tf.cast(pixels, tf.float32)).numpy()
    encoded = [tf.io.encode_png(image).numpy() for image in pixels]
    return [
        verification.Case(
            f"serving{suffix or '_default'}",
            {"images": pixels / np.float32(_RANGE)},
            "images",
            levels / np.float32(_RANGE),
        ),
        verification.Case(
            f"serve_images{suffix}",
            {"image_bytes": encoded},
            "image_bytes",
            np.rint(levels).astype(np.uint8),
        ),
    ]
