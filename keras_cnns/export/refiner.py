"""Refiners of simulated images as SavedModels: ``<export_dir>/<name>/<version>/``.

The signature ``serving_default`` takes images in [-1, 1] and returns refined ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from keras_cnns.export import saved_model, verification

if TYPE_CHECKING:
    from tensorflow import keras

    from keras_cnns.export.forms import Form


class _ServedRefiner(tf.Module):
    """The weights and the function."""

    def __init__(self, refiner):
        super().__init__()
        self._weights = refiner.variables
        images = tf.TensorSpec(refiner.input_shape, name="images")

        @tf.function(input_signature=[images])
        def serving_default(images):
            return {"images": refiner(images, training=False)}

        self.serving_default = serving_default


def export_refiner(
    refiner: keras.Model,
    export_dir: str,
    name: str,
    *,
    form: Form = saved_model.SAVED_MODEL,
) -> tuple:
    """Exports a refiner for TF Serving and verifies it in a fresh process.

    Args:
        refiner: ``keras.Model``, images to images of the same shape.
        export_dir: folder that gets ``<name>/<version>/``, the next version.
        name: model name in the path.
        form: ``forms.Form``, how it is stored.

    Returns:
        (the version's folder, largest relative difference of an image on reloading).

    Raises:
        ValueError: if the images of the reloaded model are not the refiner's.
        OSError: if it cannot be written.
    """
    random = np.random.default_rng(0)
    shape = (3, *refiner.input_shape[1:])
    images = random.uniform(-1, 1, shape).astype(np.float32)
    expected = refiner(images, training=False).numpy()
    case = verification.Case("serving_default", {"images": images}, "images", expected)
    return saved_model.write_version(
        export_dir,
        name,
        _ServedRefiner(form.prepared(refiner)),
        ("serving_default",),
        [case],
        form,
    )
