"""What inpainting trainers with a discriminator or critics share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from keras_cnns.trainers.adversarial import AdversarialTrainer, split_batch
from keras_cnns.trainers.inpainting import InpaintingTrainer
from keras_cnns.trainers.wasserstein import penalized_critic_loss

if TYPE_CHECKING:
    import tensorflow as tf
    from tensorflow import keras


class AdversarialInpaintingTrainer(InpaintingTrainer, AdversarialTrainer):
    """A network that fills holes, against what tells its images from true ones.

    Args:
        network: as ``InpaintingTrainer`` takes it.
        discriminator: discriminator or critic.
        adversarial_weight: of the adversarial loss, at least 0.
        **options: of both base classes.
    """

    def __init__(
        self,
        network: keras.Model,
        discriminator: keras.Model,
        *,
        adversarial_weight: float,
        **options: Any,
    ) -> None:
        super().__init__(network, discriminator, **options)
        if not adversarial_weight >= 0:
            raise ValueError(
                f"adversarial_weight must be >= 0, got {adversarial_weight!r}"
            )
        self._adversarial_weight = adversarial_weight

    @property
    def networks(self) -> dict:
        return {"last": self.network, "discriminator": self.discriminator}


class PenalizedInpaintingTrainer(AdversarialInpaintingTrainer):
    """Updates of critics with a gradient penalty, then one of the network.

    A subclass defines ``critic_objective``, of images, masks and for each of
    ``num_critics`` the fractions that ``penalized_critic_loss`` takes, and
    ``generator_objective``, of images and masks.

    Args:
        network: as ``InpaintingTrainer`` takes it.
        critic: without batch normalisation; several are joined to one network.
        penalty_weight: lambda.
        discriminator_steps: critic updates for each of the network; pass batches of
            that many minibatches. None: as many as the class has.
        **options: of ``AdversarialInpaintingTrainer``.
    """

    num_critics = 1

    def __init__(
        self,
        network: keras.Model,
        critic: keras.Model,
        *,
        penalty_weight: float,
        discriminator_steps: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(network, critic, **options)
        self.set_discriminator_steps(discriminator_steps)
        self._penalty_weight = penalty_weight

    def train_step(self, data: tuple) -> dict:
        """Algorithm 1 of WGAN-GP: the critics' updates, a minibatch each, then one.

        Args:
            data: (true images, masks).
        """
        noise = self.step_noise()
        for images, masks in split_batch(data, self.discriminator_steps):
            self.minimize(
                self.critic_objective,
                self.discriminator,
                self.discriminator_optimizer,
                images,
                masks,
                *(
                    noise.uniform([len(images), 1, 1, 1])
                    for _ in range(self.num_critics)
                ),
            )
        loss, optimizer = self.generator_objective, self.generator_optimizer
        self.minimize(loss, self.network, optimizer, images, masks)
        return self.finish_step()

    def penalized_loss(
        self,
        score: Callable,
        reals: tf.Tensor | Sequence[tf.Tensor],
        fakes: tf.Tensor | Sequence[tf.Tensor],
        fractions: tf.Tensor | Sequence[tf.Tensor],
        weights: tf.Tensor | Sequence[tf.Tensor] | None = None,
    ) -> tuple:
        """``penalized_critic_loss`` with this trainer's penalty."""
        return penalized_critic_loss(
            score,
            reals,
            fakes,
            fractions,
            optimizer=self.discriminator_optimizer,
            penalty_weight=self._penalty_weight,
            weights=weights,
        )


def square_size(network: keras.Model, position: int) -> int:
    """Height and width of the square images that a network takes.

    Args:
        network: a critic or a discriminator.
        position: of the input among those of the network.

    Raises:
        ValueError: if they are not known, or not square.
    """
    height, width = network.inputs[position].shape[1:3]
    if height is None or height != width:
        raise ValueError(
            f"{network.name} must take square patches of a known size, takes "
            f"{height}x{width}"
        )
    return height


def check_discriminator(network: keras.Model, num_inputs: int) -> None:
    """Refuses a critic or a discriminator with other inputs or outputs.

    Raises:
        ValueError: if it does not give one value per example.
    """
    given = [tuple(tensor.shape[1:]) for tensor in network.outputs]
    if len(network.inputs) != num_inputs or given != [(1,)]:
        raise ValueError(
            f"{network.name} must take {num_inputs} inputs and give 1 "
            f"values for each example, takes {len(network.inputs)} and gives {given}"
        )
