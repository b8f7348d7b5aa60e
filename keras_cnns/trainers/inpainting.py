"""What trainers of inpainting networks share: inference and evaluation."""

from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow import keras

from keras_cnns import _masks, losses
from keras_cnns.data import VALUE_RANGES
from keras_cnns.data.preprocessing import check_value_range
from keras_cnns.trainers.decibels import decibels
from keras_cnns.trainers.stepwise import StepwiseTrainer


class InpaintingTrainer(StepwiseTrainer):
    """Trains a network that fills holes.

    Evaluation reports, of the composite (the network's output clipped to the range),
    the ``mean_absolute_error`` as a fraction of the range and the ``psnr`` in dB, each
    a mean over images, with the averaged weights where there are any. A PSNR is at most
    100 dB.

    Args:
        network: ``[images, masks]`` to images, or to a list of them, the final ones
            first; masks ``(batch, height, width, 1)`` are 1 for valid pixels.
        *discriminators: further networks, as the trainer takes them.
        value_range: ``"unit"`` ([0, 1]) or ``"signed"`` ([-1, 1]), of the images.
        **options: of the trainer.

    Raises:
        ValueError: if the network has other inputs or outputs, or the range is unknown.
    """

    monitors = ([("val_psnr", "max")], [("loss", "min")])
    num_outputs = 1

    def __init__(
        self,
        network: keras.Model,
        *discriminators: keras.Model,
        value_range: str = "unit",
        **options: Any,
    ) -> None:
        check_value_range(value_range)
        _check_network(network, self.num_outputs)
        super().__init__(network, *discriminators, **options)
        self.value_range = value_range
        self._quality = [
            keras.metrics.Mean(name) for name in ("mean_absolute_error", "psnr")
        ]

    @property
    def metrics(self) -> list:
        return [*super().metrics, *self._quality]

    def paint(self, images: tf.Tensor, masks: tf.Tensor, training: bool = True) -> list:
        """The network's outputs, float32; the final images first.

        The hole is set to 0 before, so that what lies under it never reaches the
        network.
        """
        valid = tf.where(masks > 0, images, tf.zeros_like(images))
        outputs = self.network([valid, masks], training=training)
        return [tf.cast(output, tf.float32) for output in tf.nest.flatten(outputs)]

    def test_step(self, data: tuple) -> dict:
        images, masks = data
        low, high = VALUE_RANGES[self.value_range]
        output = tf.clip_by_value(self.paint(images, masks, False)[0], low, high)
        error = losses.composite(output, images, masks) - tf.cast(images, tf.float32)
        error /= high - low
        values = (tf.reduce_mean(tf.abs(error), [1, 2, 3]), decibels(error))
        for metric, value in zip(self._quality, values):
            metric.update_state(value)
        return {metric.name: metric.result() for metric in self._quality}

    def inpaint(
        self, images: np.ndarray, masks: np.ndarray, batch_size: int = 16
    ) -> np.ndarray:
        """Images with their holes filled.

        Args:
            images: ``(count, height, width, channels)``, float, in the network's range;
                what lies under the hole has no effect.
            masks: ``(count, height, width, 1)``, 1 for valid pixels, 0 in the hole.
            batch_size: images filled at once.

        Returns:
            NumPy float32 of the shape of ``images``, by the averaged weights where
            there are any: valid pixels unchanged, the hole clipped to the range.

        Raises:
            ValueError: if there are no images, masks have another shape, or a value
                that is neither 0 nor 1.
        """
        images = np.asarray(images, np.float32)
        if images.ndim != 4 or not len(images):
            raise ValueError(
                "images must have the shape (count, height, width, channels), got "
                f"{images.shape}"
            )
        masks = _masks.check_masks(masks, images.shape).astype(np.float32)
        made = []
        with self.averaged_weights():
            for first in range(0, len(images), batch_size):
                batch = slice(first, first + batch_size)
                made.append(self.paint(images[batch], masks[batch], False)[0].numpy())
        output = np.clip(np.concatenate(made), *VALUE_RANGES[self.value_range])
        return np.where(masks > 0, images, output)


def _check_network(network, num_outputs):
    shapes = [tuple(tensor.shape[1:]) for tensor in network.inputs]
    if len(shapes) != 2 or shapes[1][-1] != 1:
        raise ValueError(
            f"{network.name} must take images and masks of one channel, takes {shapes}"
        )
    made = [tuple(tensor.shape[1:]) for tensor in network.outputs]
    fits = all(
        None in (given, size) or given == size
        for shape in made
        for given, size in zip(shapes[0], shape)
    )
    if len(made) != num_outputs or not fits:
        raise ValueError(
            f"{network.name} must give {num_outputs} images of {shapes[0]}, gives "
            f"{made}"
        )
