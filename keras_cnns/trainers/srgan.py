"""SRGAN: an enlarging network trained on pixels, then on content and adversarially."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tensorflow as tf

from keras_cnns import losses
from keras_cnns._checks import check_at_least, check_count, check_positive
from keras_cnns.trainers import optimizers
from keras_cnns.trainers.adversarial import AdversarialTrainer
from keras_cnns.trainers.adversarial_inpainting import check_discriminator
from keras_cnns.trainers.stepwise import loss_scaled
from keras_cnns.trainers.super_resolution import EnlargingTrainer

if TYPE_CHECKING:
    from tensorflow import keras

    from keras_cnns._types import Optimizer
    from keras_cnns.trainers.feature_networks import FeatureNetwork


class SRGANTrainer(EnlargingTrainer, AdversarialTrainer):
    """The network alone on pixels, SRResNet's training, then against a discriminator.

    In the second phase the network's loss is the content loss, differences of the
    features of a frozen classifier, plus the weighted adversarial loss; each step
    updates the discriminator first. Optimizers of this phase start anew.

    It reports ``generator_loss``, the network's weighted sum, ``pixel_loss`` (in the
    second phase of a positive weight only), ``content_loss``, ``adversarial_loss`` and
    ``discriminator_loss`` (log 4 where it cannot tell them apart); the first phase
    reports what it trains on. Evaluation adds the ``content_loss`` of the middles of
    pictures, as large as the discriminator's, by which epochs are compared: PSNR falls
    as pictures become sharper.

    Args:
        network: as ``EnlargingTrainer`` takes it, one output.
        discriminator: large patches, of whatever size it takes, to logits
            ``(batch, 1)``.
        feature_network: ``FeatureNetwork`` of pictures of 0 to 1; VGG19's in the paper.
        pixel_steps: steps of the first phase.
        feature_scale: as ``losses.content`` takes it; the default is for VGG of grey
            levels up to 255, other features have a scale of their own.
        adversarial_weight: of the adversarial loss, at least 0.
        pixel_weight: of the pixel loss in the second phase, at least 0; 0 in the paper,
            0.01 in BasicSR, whose features have no scale.
        **options: of ``EnlargingTrainer`` and ``AdversarialTrainer``.

    Raises:
        ValueError: if networks do not fit together, or an argument is bad.

    Source: Ledig et al., arXiv 1609.04802, equations 2 to 6 and section 3.2: 10^6 steps
    on pixels, then 10^5 at a rate of 1e-4 and 10^5 at 1e-5, all by Adam. The network
    minimises -log D.
    """

    monitors = ([("val_content_loss", "min")],)
    metric_names = (
        "discriminator_loss",
        "generator_loss",
        "pixel_loss",
        "content_loss",
        "adversarial_loss",
    )

    def __init__(
        self,
        network: keras.Model,
        discriminator: keras.Model,
        *,
        feature_network: FeatureNetwork,
        pixel_steps: int = 1_000_000,
        feature_scale: float = losses.VGG_FEATURE_SCALE,
        adversarial_weight: float = 1e-3,
        pixel_weight: float = 0.0,
        loss: str = "l2",
        **options: Any,
    ) -> None:
        check_count("pixel_steps", pixel_steps, 0)
        check_positive("feature_scale", feature_scale)
        check_at_least(
            0, adversarial_weight=adversarial_weight, pixel_weight=pixel_weight
        )
        super().__init__(network, discriminator, loss=loss, **options)
        _check_networks(network, discriminator, feature_network)
        self._features = feature_network
        self._feature_scale = feature_scale
        self._adversarial_weight = adversarial_weight
        self._pixel_weight = pixel_weight
        self.phases = (pixel_steps, 0)

    def compile(
        self,
        pixel_optimizer: Optimizer,
        generator_optimizer: Optimizer,
        discriminator_optimizer: Optimizer,
    ) -> None:
        """Sets the network's optimizer of each phase, and the discriminator's.

        Raises:
            ValueError: if two of them are one object.
        """
        if pixel_optimizer in (generator_optimizer, discriminator_optimizer):
            raise ValueError("each phase and the discriminator need an optimizer each")
        super().compile(generator_optimizer, discriminator_optimizer)
        self._rate_factors.check_optimizer(pixel_optimizer)
        self.pixel_optimizer = loss_scaled(pixel_optimizer)
        optimizers.build_slots(self.pixel_optimizer, self.network.trainable_variables)

    def checkpointed(self) -> dict:
        return {**super().checkpointed(), "pixel_optimizer": self.pixel_optimizer}

    @property
    def active_optimizer(self) -> Optimizer:
        is_first = self.steps_done <= self.phases[0]
        return self.pixel_optimizer if is_first else self.generator_optimizer

    @property
    def networks(self) -> dict:
        return {"last": self.network, "discriminator": self.discriminator}

    def generator_step(self, data: tuple) -> dict:
        """Trains the network alone on pixels.

        Args:
            data: (small pictures, large pictures).
        """
        self.minimize(self.pixel_objective, self.network, self.pixel_optimizer, *data)
        return self.finish_step(["generator_loss", "pixel_loss"])

    def train_step(self, data: tuple) -> dict:
        """A step of the second phase: the discriminator, then the network.

        Args:
            data: as ``generator_step`` takes it.
        """
        self.minimize(
            self.discriminator_objective,
            self.discriminator,
            self.discriminator_optimizer,
            *data,
        )
        self.minimize(
            self.generator_objective, self.network, self.generator_optimizer, *data
        )
        return self.finish_step(self._reported())

    def _reported(self):
        """What the second phase trains on."""
        return [
            name
            for name in self.metric_names
            if name != "pixel_loss" or self._pixel_weight
        ]

    def pixel_objective(self, small: tf.Tensor, large: tf.Tensor) -> tuple:
        """Equation 4: the differences of pixels."""
        (output,) = self.enlarge(small)
        loss = tf.reduce_mean(self.pixel_loss(output, large))
        return loss, {"generator_loss": loss, "pixel_loss": loss}

    def discriminator_objective(self, small: tf.Tensor, large: tf.Tensor) -> tuple:
        """Equation 2: classification of enlarged and true pictures."""
        (output,) = self.enlarge(small)
        on_real = self.discriminator(large, training=True)
        on_enlarged = self.discriminator(tf.stop_gradient(output), training=True)
        loss = tf.reduce_mean(losses.discriminator_loss(on_real, on_enlarged))
        return loss, {"discriminator_loss": loss}

    def generator_objective(self, small: tf.Tensor, large: tf.Tensor) -> tuple:
        """Equation 3: content and adversarial loss, and perhaps that of pixels."""
        (output,) = self.enlarge(small)
        logits = self.discriminator(output, training=True)
        report = {
            "content_loss": tf.reduce_mean(self._content(output, large)),
            "adversarial_loss": tf.reduce_mean(
                losses.non_saturating_generator_loss(logits)
            ),
        }
        loss = report["content_loss"]
        loss += self._adversarial_weight * report["adversarial_loss"]
        if self._pixel_weight:
            report["pixel_loss"] = tf.reduce_mean(self.pixel_loss(output, large))
            loss += self._pixel_weight * report["pixel_loss"]
        return loss, {"generator_loss": loss, **report}

    def _content(self, output, large):
        """The content loss of each picture."""
        targets = [tf.stop_gradient(maps) for maps in self._features(large)]
        return losses.content(self._features(output), targets, self._feature_scale)

    def update_quality(self, output: tf.Tensor, large: tf.Tensor) -> dict:
        """Adds the content loss of the middles of pictures."""
        size = self.discriminator.input_shape[1:3]
        crops = [tf.image.resize_with_crop_or_pad(x, *size) for x in (output, large)]
        content = self._means["content_loss"]
        content.update_state(self._content(*crops))
        return {**super().update_quality(output, large), content.name: content.result()}


def _check_networks(network, discriminator, feature_network):
    """Refuses networks that do not fit together."""
    if len(network.outputs) != 1:
        raise ValueError(
            f"{network.name} must give one picture, gives {len(network.outputs)}"
        )
    check_discriminator(discriminator, 1)
    channels, shape = network.output_shape[-1], discriminator.input_shape[1:]
    if None in shape[:2] or shape[2] != channels:
        raise ValueError(
            f"{discriminator.name} must take patches of a known size and {channels} "
            f"channels, as {network.name} gives, takes {shape}"
        )
    if feature_network.value_range != "unit":
        raise ValueError(
            f"{feature_network.name} takes images in the range "
            f"{feature_network.value_range!r}, pictures are in 'unit'"
        )
    feature_network.check_channels(channels)
