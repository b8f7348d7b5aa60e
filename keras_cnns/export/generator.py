"""Generators as SavedModels: ``<export_dir>/<name>/<version>/``.

Two signatures: ``serving_default`` takes latents, ``sample`` draws them from a count
and a seed. Those of a conditional generator take labels too: one-hot, and class numbers
in place of the count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from keras_cnns.export import saved_model, verification

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tensorflow import keras

    from keras_cnns.export.forms import Form


class _ServedGenerator(tf.Module):
    """The weights and the two functions."""

    def __init__(self, generator, latents):
        super().__init__()
        self._weights = generator.variables
        of_latents = tf.TensorSpec([None, latents.size], name="latents")
        seed = tf.TensorSpec([], tf.int64, name="seed")

        def draw(count, seed):
            return latents.draw(count, tf.stack([seed, -1]))

        if len(generator.inputs) == 1:
            count = tf.TensorSpec([], tf.int32, name="count")

            @tf.function(input_signature=[of_latents])
            def serving_default(latents):
                return {"images": generator(latents, training=False)}

            @tf.function(input_signature=[count, seed])
            def sample(count, seed):
                return {"images": generator(draw(count, seed), training=False)}

        else:
            classes = generator.inputs[1].shape[-1]
            one_hot = tf.TensorSpec([None, classes], name="labels")
            numbers = tf.TensorSpec([None], tf.int32, name="labels")

            @tf.function(input_signature=[of_latents, one_hot])
            def serving_default(latents, labels):
                return {"images": generator([latents, labels], training=False)}

            @tf.function(input_signature=[numbers, seed])
            def sample(labels, seed):
                known = tf.reduce_all((labels >= 0) & (labels < classes))
                message = f"labels must be from 0 to {classes - 1}"
                with tf.control_dependencies(
                    [tf.debugging.Assert(known, [message, labels])]
                ):
                    labels = tf.identity(labels)
                given = [draw(tf.shape(labels)[0], seed), tf.one_hot(labels, classes)]
                return {"images": generator(given, training=False)}

        self.serving_default = serving_default
        self.sample = sample


def export_generator(
    generator: keras.Model,
    latents: Any,
    export_dir: str,
    name: str,
    *,
    value_range: str,
    class_names: Sequence[str] = (),
    form: Form = saved_model.SAVED_MODEL,
) -> tuple:
    """Exports a generator for TF Serving and verifies it in a fresh process.

    Args:
        generator: ``keras.Model`` of latents, or latents and one-hot labels.
        latents: its ``Latents``.
        export_dir: folder that gets ``<name>/<version>/``, the next version.
        name: model name in the path.
        value_range: ``"unit"`` or ``"signed"``, of its images.
        class_names: names by label, of conditional generators.
        form: ``forms.Form``, how it is stored.

    Returns:
        (the version's folder, largest relative difference of an image on reloading).

    Raises:
        ValueError: if the images of the reloaded model are not the generator's.
        OSError: if it cannot be written.
    """
    served = _ServedGenerator(form.prepared(generator), latents)
    count, seed = np.int32(3), np.int64(7)
    drawn = latents.draw(3, tf.constant([7, -1], tf.int64))
    inputs, asked = {"latents": drawn.numpy()}, {"count": count, "seed": seed}
    given = drawn
    if len(generator.inputs) > 1:
        numbers = np.arange(3, dtype=np.int32) % generator.inputs[1].shape[-1]
        one_hot = tf.one_hot(numbers, generator.inputs[1].shape[-1])
        inputs["labels"] = one_hot.numpy()
        asked = {"labels": numbers, "seed": seed}
        given = [drawn, one_hot]
    expected = generator(given, training=False).numpy()
    return saved_model.write_version(
        export_dir,
        name,
        served,
        ("serving_default", "sample"),
        [
            verification.Case("serving_default", inputs, "images", expected),
            verification.Case("sample", asked, "images", expected),
        ],
        form,
        about={
            "latents": latents.kind,
            "value_range": value_range,
            "class_names": list(class_names),
        },
    )
