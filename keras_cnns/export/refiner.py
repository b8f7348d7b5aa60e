"""Refiners of simulated pictures as SavedModels: ``<export_dir>/<name>/<version>/``.

The signature ``serving_default`` takes pictures in [-1, 1] and gives refined ones.
"""

import os

import numpy as np
import tensorflow as tf

from keras_cnns.export import saved_model, verification
from keras_cnns.trainers import refinement_models


class _ServedRefiner(tf.Module):
    """The weights and the function."""

    def __init__(self, refiner):
        super().__init__()
        self._weights = refiner.variables
        pictures = tf.TensorSpec(refiner.input_shape, name="images")

        @tf.function(input_signature=[pictures])
        def serving_default(images):
            return {"images": refiner(images, training=False)}

        self.serving_default = serving_default


def export_refiner(refiner, export_dir: str, name: str):
    """Exports a refiner for TF Serving and verifies it in a fresh process.

    Args:
        refiner: ``keras.Model``, pictures to pictures of the same shape.
        export_dir: folder that gets ``<name>/<version>/``, the next version.
        name: model name in the path.

    Returns:
        (the version's folder, largest relative difference of a picture on reloading).

    Raises:
        ValueError: if the pictures of the reloaded model are not the refiner's.
        OSError: if it cannot be written.
    """
    random = np.random.default_rng(0)
    shape = (3, *refiner.input_shape[1:])
    images = random.uniform(-1, 1, shape).astype(np.float32)
    expected = refiner(images, training=False).numpy()
    case = verification.Case("serving_default", {"images": images}, "images", expected)
    return saved_model.write_version(
        os.path.join(export_dir, name),
        _ServedRefiner(refiner),
        ("serving_default",),
        [case],
    )


def export_refiner_run(run_dir: str, export_dir: str, name: str = ""):
    """Exports the refiner of a run; see ``export_refiner``.

    Args:
        run_dir: folder that ``apps/refine_images.py`` wrote.
        export_dir: folder that gets ``<name>/<version>/``.
        name: model name in the path; empty takes that of the refiner.
    """
    refiner, description = refinement_models.load_refiner(run_dir)
    return export_refiner(refiner, export_dir, name or f"{description.model}_refiner")
