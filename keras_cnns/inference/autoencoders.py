"""Using trained what-where auto-encoders."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from keras_cnns import _progress, applications, data, metrics
from keras_cnns.runs import read_run

if TYPE_CHECKING:
    from tensorflow import keras

    from keras_cnns.runs.record import Run

_BATCH = 100  # images at a time
_LARGEST_RATIO = 100.0  # dB, as in the training of inpainting networks


class Autoencoder:
    """Reconstructs, encodes and classifies images.

    Args:
        run: ``Run`` of the task ``autoencoding``, or its folder.
        which: weights of the ``"best"`` or the ``"last"`` epoch.

    Attributes:
        network: ``keras.Model``, images in [0, 1] to reconstructions and logits.
        preprocessing: how images become its inputs.
        class_names: tuple of names; empty without a classifier.

    Raises:
        ValueError: if the folder holds no such run, or its weights cannot be read.
    """

    def __init__(self, run: str | Run, which: str = "last") -> None:
        run = read_run(run, "autoencoding")
        self.network = run.load("network", which)
        self.preprocessing = run.config.preprocessing
        has_classifier = len(self.network.outputs) > 1
        self.class_names = run.config.class_names if has_classifier else ()
        self._parts = applications.autoencoder_parts(self.network)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Reconstructions.

        Args:
            images: uint8 ``(batch, height, width, channels)`` of the network's shape.

        Returns:
            uint8 of the same shape.
        """
        made = self._outputs(images)["reconstruction"]
        return data.to_bytes(made.numpy(), "unit")

    def encode(self, images: np.ndarray) -> dict:
        """What the decoder starts from.

        Args:
            images: as of a call.

        Returns:
            Dict of NumPy arrays: ``code``, and ``where<n>`` of each pooling that tells
            places; see ``applications.autoencoder_parts``.
        """
        names = applications.encoded_names(self._parts)
        outputs = self._outputs(images)
        return {name: outputs[name].numpy() for name in names}

    def classify(self, images: np.ndarray) -> np.ndarray:
        """Probabilities ``(batch, classes)``, float32.

        Args:
            images: as of a call.

        Raises:
            ValueError: if the network has no classifier.
        """
        if not self.class_names:
            raise ValueError(
                f"{self.network.name} was trained without labels and classifies nothing"
            )
        return tf.nn.softmax(self._outputs(images)["logits"]).numpy()

    def _outputs(self, images):
        return self._parts(self.preprocessing.standardize(images), training=False)


def reconstruct(network: keras.Model, images: np.ndarray) -> np.ndarray:
    """Reconstructions of images, some at a time.

    Args:
        network: what-where auto-encoder.
        images: ``(count, height, width, channels)`` in [0, 1].

    Returns:
        float32 of the same shape, not clipped.
    """
    made = []
    for first in range(0, len(images), _BATCH):
        batch = tf.constant(images[first : first + _BATCH])
        outputs = tf.nest.flatten(network(batch, training=False))
        made.append(outputs[0].numpy())
    return np.concatenate(made)


@dataclasses.dataclass(frozen=True)
class AutoencoderEvaluation:
    """How well an auto-encoder does on a split.

    Attributes:
        data: name and split.
        num_examples: number of images.
        mse: mean squared error of a value of a reconstruction, not clipped, in [0, 1].
        psnr: mean over the images of the peak signal-to-noise ratio of reconstructions
            clipped to the range, in dB; of one without error 100.
        accuracy: fraction classified right; None without a classifier.
        accuracy_interval: (lower, upper), 95 %.
    """

    data: str
    num_examples: int
    mse: float
    psnr: float
    accuracy: float | None = None
    accuracy_interval: tuple | None = None

    def to_json(self) -> dict:
        """The values by name."""
        return dataclasses.asdict(self)

    def summary(self) -> str:
        """One line."""
        text = f"mean squared error {self.mse:.5f}, PSNR {self.psnr:.2f} dB"
        if self.accuracy is not None:
            lower, upper = self.accuracy_interval
            correct = f"{self.accuracy:.2%} [{lower:.2%}, {upper:.2%}] correct"
            text = f"{correct}, {text}"
        return f"{text}, {self.num_examples} images of {self.data}"


def evaluate_autoencoder(
    autoencoder: Autoencoder, source: data.Source
) -> AutoencoderEvaluation:
    """Evaluates an auto-encoder on all images of a split.

    Args:
        autoencoder: ``Autoencoder``.
        source: ``data.Source``, with labels for a classifier.

    Raises:
        ValueError: if the classes are not those of the classifier.
    """
    names = autoencoder.class_names
    if names and source.class_names != names:
        raise ValueError(
            f"{source.name} has the classes {', '.join(source.class_names[:3])}, …, "
            f"{autoencoder.network.name} knows {', '.join(names[:3])}, …"
        )
    network = tf.function(autoencoder.network)
    errors, ratios, right = [], [], []
    batches = data.load_evaluation(
        source, _BATCH, preprocessing=autoencoder.preprocessing
    )
    count = -(-source.num_examples // _BATCH)
    for images, labels in _progress.track(batches, "evaluation", count):
        made, *logits = tf.nest.flatten(network(images, training=False))
        errors.append(tf.reduce_mean((made - images) ** 2, [1, 2, 3]).numpy())
        clipped = tf.clip_by_value(made, 0, 1)
        ratio = metrics.psnr(images, clipped, value_range=(0, 1))
        ratios.append(np.minimum(ratio, _LARGEST_RATIO))
        for scores in logits:
            right.append((tf.argmax(scores, 1) == tf.argmax(labels, 1)).numpy())
    result = AutoencoderEvaluation(
        data=f"{source.name} {source.split}",
        num_examples=source.num_examples,
        mse=float(np.concatenate(errors).mean()),
        psnr=float(np.concatenate(ratios).mean()),
    )
    if not right:
        return result
    hits = np.concatenate(right)
    return dataclasses.replace(
        result,
        accuracy=float(hits.mean()),
        accuracy_interval=metrics.wilson_interval(int(hits.sum()), len(hits)),
    )
