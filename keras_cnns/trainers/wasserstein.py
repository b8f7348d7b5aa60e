"""What both Wasserstein trainers share: the generator's part."""

import tensorflow as tf

from keras_cnns import losses
from keras_cnns.trainers.adversarial import LatentTrainer


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
