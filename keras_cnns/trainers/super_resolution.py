"""Training of networks that enlarge pictures."""

from typing import Any

import tensorflow as tf
from tensorflow import keras

from keras_cnns._checks import check_at_least, check_choice, check_count
from keras_cnns.trainers.decibels import decibels
from keras_cnns.trainers.stepwise import StepwiseTrainer

LOSSES = ("l1", "l2")


class EnlargingTrainer(StepwiseTrainer):
    """What trainers on pairs of small (or enlarged) and large pictures share.

    A network without padding, SRCNN's training, gives smaller pictures than the large
    ones, which are compared with the middle of these.

    Evaluation reports the ``psnr`` in dB, a mean over pictures, of values clipped and
    rounded to bytes, without ``shave`` pixels of each border, at most 100 dB.

    Args:
        network: pictures of 0 to 1 to pictures, or to a list of them, the final ones
            first.
        *discriminators: further networks, as the trainer takes them.
        loss: ``"l1"``, mean absolute differences, or ``"l2"``, mean squared ones.
        shave: pixels of each border that evaluation leaves out; papers take the scale.
        **options: of the trainer.

    Raises:
        ValueError: if an argument is bad.
    """

    def __init__(
        self,
        network: keras.Model,
        *discriminators: keras.Model,
        loss: str = "l1",
        shave: int = 0,
        **options: Any,
    ) -> None:
        check_choice("loss", loss, LOSSES)
        check_count("shave", shave, 0)
        super().__init__(network, *discriminators, **options)
        self._difference = tf.abs if loss == "l1" else tf.square
        self._shave = shave
        self._quality = [keras.metrics.Mean("psnr")]

    @property
    def metrics(self) -> list:
        return [*super().metrics, *self._quality]

    def enlarge(self, small: tf.Tensor, training: bool = True) -> list:
        """The network's pictures, float32; the final ones first."""
        outputs = self.network(small, training=training)
        return [tf.cast(output, tf.float32) for output in tf.nest.flatten(outputs)]

    def pixel_loss(self, output: tf.Tensor, large: tf.Tensor) -> tf.Tensor:
        """Mean difference of each picture, ``(batch,)``."""
        return tf.reduce_mean(self._difference(output - _fit(large, output)), [1, 2, 3])

    def test_step(self, data: tuple) -> dict:
        small, large = data
        output = tf.clip_by_value(self.enlarge(small, False)[0], 0, 1)
        output = tf.round(255 * output) / 255
        return self.update_quality(output, _fit(large, output))

    def update_quality(self, output: tf.Tensor, large: tf.Tensor) -> dict:
        """Counts pictures, rounded to bytes; returns what was found so far by name."""
        error, shave = output - large, self._shave
        if shave:
            error = error[:, shave:-shave, shave:-shave]
        (psnr,) = self._quality
        psnr.update_state(decibels(error))
        return {psnr.name: psnr.result()}


class SuperResolutionTrainer(EnlargingTrainer):
    """Trains a network on differences of pixels.

    Of a network of several outputs, DRCN, the first one is the picture, the others are
    those of its recursions. Their mean loss has a weight that falls linearly from 1 to
    0 within ``supervision_steps``, the first one's loss the rest.

    It reports ``loss``, the mean difference of values of 0 to 1.

    Args:
        network: as ``EnlargingTrainer`` takes it.
        supervision_steps: as above; 0: the first output alone.
        gradient_clip_value: theta of VDSR's clipping: each gradient is limited to
            +-theta divided by the learning rate, so that without momentum no
            gradient moves a weight by more than theta; 0: no limit.
        **options: of ``EnlargingTrainer``.

    Raises:
        ValueError: if an argument is bad, or there is nothing to supervise.

    Source: SRCNN, arXiv 1501.00092, equation 4 (l2); EDSR, arXiv 1707.02921, section
    3.3 (l1); DRCN, arXiv 1511.04491, equation 8 (its schedule is unverified); VDSR,
    arXiv 1511.04587, section 3.2, adjustable gradient clipping.
    """

    monitors = ([("val_psnr", "max")], [("loss", "min")])
    metric_names = ("loss",)

    def __init__(
        self,
        network: keras.Model,
        *,
        supervision_steps: int = 0,
        gradient_clip_value: float = 0.0,
        **options: Any,
    ) -> None:
        check_count("supervision_steps", supervision_steps, 0)
        check_at_least(0, gradient_clip_value=gradient_clip_value)
        if supervision_steps and len(network.outputs) < 2:
            raise ValueError(
                f"supervision_steps={supervision_steps} has no effect on "
                f"{network.name}, which gives one picture; leave it out"
            )
        super().__init__(network, **options)
        self._supervision_steps = supervision_steps
        self._gradient_clip_value = gradient_clip_value

    def train_step(self, data: tuple) -> dict:
        """One update.

        Args:
            data: (small or enlarged pictures, large pictures).
        """
        small, large = data
        weight = tf.zeros([])
        if self._supervision_steps:
            fraction = tf.cast(self.step, tf.float32) / self._supervision_steps
            weight = tf.maximum(0.0, 1.0 - fraction)
        self.minimize(
            self.objective, self.network, self.optimizer, small, large, weight
        )
        return self.finish_step()

    def objective(self, small: tf.Tensor, large: tf.Tensor, weight: tf.Tensor) -> tuple:
        """The loss, and what is reported of it; one value per picture.

        Args:
            small, large: as ``train_step`` takes them.
            weight: of the recursions' pictures, 0 to 1.
        """
        values = [self.pixel_loss(output, large) for output in self.enlarge(small)]
        loss = values[0]
        if self._supervision_steps:
            recursions = tf.add_n(values[1:]) / (len(values) - 1)
            loss = weight * recursions + (1 - weight) * loss
        return tf.reduce_mean(loss), {"loss": loss}

    def _clip_and_decay(self, gradients, variables):
        if self._gradient_clip_value:
            limit = self._gradient_clip_value / self.optimizer.learning_rate
            gradients = [tf.clip_by_value(g, -limit, limit) for g in gradients]
        return super()._clip_and_decay(gradients, variables)


def _fit(large, output):
    """The middle of large pictures, as large as the output, in float32."""
    shape = tf.shape(output)
    lost = (tf.shape(large)[1:3] - shape[1:3]) // 2
    start = tf.stack([0, lost[0], lost[1], 0])
    found = tf.slice(tf.cast(large, tf.float32), start, shape)
    return tf.ensure_shape(found, output.shape)
