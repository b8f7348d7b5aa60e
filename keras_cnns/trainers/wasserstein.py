"""What Wasserstein trainers share: the generator's part, and the gradient penalty's."""

import tensorflow as tf
from tensorflow import keras

from keras_cnns import losses
from keras_cnns.trainers.adversarial import LatentTrainer
from keras_cnns.trainers.stepwise import is_loss_scaled


class WassersteinTrainer(LatentTrainer):
    """A generator that raises the critic's scores of its pictures."""

    def update_generator(self, noise, images, labels) -> None:
        """The last lines of the papers' algorithms.

        Args:
            noise: ``StepNoise``.
            images, labels: the critic's last minibatch, for its size and conditions.
        """
        self.minimize(
            self.generator_objective,
            self.generator,
            self.generator_optimizer,
            noise.latents(self.latents, len(images)),
            labels,
            self.disturbance(noise, images),
        )

    def generator_objective(self, latents, labels, on_fake):
        """Mean of -f(G(z)), and what is reported."""
        fakes = self.generate(latents, labels) + on_fake
        scores = self.discriminate(fakes, labels)
        loss = tf.reduce_mean(losses.wasserstein_generator_loss(scores))
        return loss, {"generator_loss": loss}


def check_penalized(critic, penalty_weight) -> None:
    """Refuses what a gradient penalty does not go with.

    Raises:
        ValueError: if the weight is not positive, or the critic has batch
            normalisation.
    """
    if not penalty_weight > 0:
        raise ValueError(f"penalty_weight must be positive, got {penalty_weight!r}")
    for layer in critic.submodules:
        if isinstance(layer, keras.layers.BatchNormalization):
            raise ValueError(
                f"layer {layer.name} of {critic.name} is a batch normalisation; the "
                "gradient penalty wants a critic without, layer normalisation is fine"
            )


def input_gradients(score, inputs, optimizer):
    """Gradient of each example's score by its input.

    In 16 bits it would vanish like any other gradient, so it is scaled as well.

    Args:
        score: function of ``inputs`` to scores; of several, the sum is derived.
        inputs: tensor ``(batch, ...)``, or a list of them.
        optimizer: the critic's.

    Returns:
        In the form of ``inputs``.
    """
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        scores = score(inputs)
        if is_loss_scaled(optimizer):
            scores = tf.nest.map_structure(optimizer.get_scaled_loss, scores)
    gradients = tape.gradient(scores, inputs)
    if is_loss_scaled(optimizer):
        flat = optimizer.get_unscaled_gradients(tf.nest.flatten(gradients))
        gradients = tf.nest.pack_sequence_as(gradients, flat)
    return gradients
