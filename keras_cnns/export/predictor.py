"""One way to ask a trained classifier, wherever it is kept."""

import numpy as np
import tensorflow as tf

from keras_cnns.export.saved_model import load_saved_model
from keras_cnns.trainers import load_run


def load_predictor(checkpoint: str = "", saved_model: str = "", which: str = "last"):
    """A function from encoded images to probabilities, and the class names.

    Args:
        checkpoint: folder of a training run, or empty.
        saved_model: folder of an exported model, or empty; exactly one is given.
        which: of a run, the ``"best"`` or the ``"last"`` epoch.

    Returns:
        (function of a list of encoded images that gives ``(batch, classes)`` NumPy
        probabilities, tuple of class names).

    Raises:
        ValueError: if not exactly one is given, it holds no classifier, or ``which``
            is given for an exported model.
    """
    if bool(checkpoint) == bool(saved_model):
        raise ValueError("give either --checkpoint or --saved_model")
    if saved_model and which != "last":
        raise ValueError(
            f"which={which!r} has no effect with --saved_model, which holds one epoch"
        )
    if saved_model:
        return load_saved_model(saved_model)
    network, description = load_run(checkpoint, which)
    feed = description.preprocessing
    size = (feed.height, feed.width, feed.channels)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def answer(contents):
        images = tf.map_fn(feed, contents, fn_output_signature=tf.TensorSpec(size))
        return network(images, training=False)

    return lambda contents: np.asarray(answer(contents)), description.class_names
