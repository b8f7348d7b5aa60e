"""What adversarial trainers share: two networks, two optimizers, a step's noise."""

import contextlib

import tensorflow as tf
from tensorflow import keras

from keras_cnns.trainers import distribution, optimizers
from keras_cnns.trainers.step_noise import Latents, StepNoise
from keras_cnns.trainers.weight_average import WeightAverage


class AdversarialTrainer(keras.Model):
    """Two networks that train against each other; the subclasses say how.

    A subclass has ``train_step``, the algorithm of its paper, and the losses that it
    hands to ``minimize``. Runs unchanged on one device and under ``MirroredStrategy``,
    ``MultiWorkerMirroredStrategy`` and ``TPUStrategy``: make it, the networks and the
    optimizers within the strategy's scope.

    Args:
        generator: latents, or what it refines, to pictures.
        discriminator: pictures to logits or scores.
        metric_names: names of the values that ``minimize``'s losses report.
        instance_noise: ``InstanceNoise`` on all that the discriminator sees, in both
            networks' updates; None: none.
        ema_decay: of the weight average of the generator that sampling uses; 0: none.
        enable_xla: whether forward and backward passes are compiled by XLA.
        seed: of latents and all other noise.
    """

    def __init__(
        self,
        generator,
        discriminator,
        *,
        metric_names,
        instance_noise=None,
        ema_decay=0.0,
        enable_xla=False,
        seed=0,
    ):
        super().__init__(name=f"{generator.name}_trainer")
        if enable_xla:
            distribution.check_compilable(generator)
            distribution.check_compilable(discriminator)
        self.generator = generator
        self.discriminator = discriminator
        self.average = WeightAverage(generator, ema_decay) if ema_decay else None
        self.step = step_counter("step")
        self._instance_noise = instance_noise
        self._seed = seed
        self._enable_xla = enable_xla
        self._compiled = {}
        # Metric results are those of all replicas; Keras would add them up once more.
        self.distribute_reduction_method = "first"
        self._means = {name: keras.metrics.Mean(name) for name in metric_names}

    def compile(self, generator_optimizer, discriminator_optimizer):
        """Sets the optimizers; under ``mixed_float16`` their losses are scaled.

        Raises:
            ValueError: if both are one object: each keeps its own network's moments.
        """
        if generator_optimizer is discriminator_optimizer:
            raise ValueError("generator and discriminator need an optimizer each")
        super().compile(optimizer=_loss_scaled(generator_optimizer), jit_compile=False)
        self.generator_optimizer = self.optimizer
        self.discriminator_optimizer = _loss_scaled(discriminator_optimizer)
        optimizers.build_slots(self.optimizer, self.generator.trainable_variables)
        optimizers.build_slots(
            self.discriminator_optimizer, self.discriminator.trainable_variables
        )
        self._compiled = {}

    @property
    def metrics(self):
        return list(self._means.values())

    @property
    def steps_done(self) -> int:
        """Number of training steps so far, of this run and of those it resumed."""
        return int(self.step.numpy())

    def checkpointed(self) -> dict:
        """Everything that decides how training goes on, by name, for a checkpoint."""
        return {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "generator_optimizer": self.generator_optimizer,
            "discriminator_optimizer": self.discriminator_optimizer,
            "step": self.step,
            "average": self.average.averages if self.average else [],
            "metrics": self.metrics,
        }

    @property
    def networks(self) -> dict:
        """The trained networks by the name of their weight file."""
        return {"generator": self.generator, "discriminator": self.discriminator}

    def averaged_weights(self):
        """Within the block, the generator has its averaged weights."""
        if self.average is None:
            return contextlib.nullcontext()
        return self.average.swapped_in()

    def next_step(self):
        """The method that trains on the next batch; ``train_step`` unless overridden.

        The host asks before each batch, so that phases of a training can differ.
        """
        return self.train_step

    def make_train_function(self, force=False):
        """As Keras's, but each batch goes through what ``next_step`` gives."""
        functions = {}

        def run(step, iterator):
            outputs = self.distribute_strategy.run(step, args=(next(iterator),))
            first = self.distribute_strategy.experimental_local_results
            return tf.nest.map_structure(lambda value: first(value)[0], outputs)

        def train(iterator):
            step = self.next_step()
            name = step.__name__
            if name not in functions:
                functions[name] = tf.function(lambda values: run(step, values))
            return functions[name](iterator)

        if self.train_function is None or force:
            self.train_function = train
        return self.train_function

    def step_noise(self) -> StepNoise:
        """The random numbers of the step that is being trained."""
        return StepNoise(self._seed, self.step)

    def minimize(self, loss, network, optimizer, *inputs) -> None:
        """One update of one network; the other one stays as it is.

        Args:
            loss: function of ``inputs`` to (scalar, dict of values to report). It may
                be compiled by XLA: nothing random but what Keras layers draw.
            network: the network that moves.
            optimizer: its optimizer.
            *inputs: tensors, the noise among them.
        """
        values, gradients = self._gradient_function(loss, network, optimizer)(*inputs)
        variables = network.trainable_variables
        counts = True
        gradients = distribution.sum_over_replicas(gradients)
        if is_loss_scaled(optimizer):
            gradients = optimizer.get_unscaled_gradients(gradients)
            # A scale that proves too high makes the optimizer leave the step out.
            finite = [tf.reduce_all(tf.math.is_finite(g)) for g in gradients]
            counts = tf.reduce_all(finite) | (optimizer.loss_scale <= 1)
        optimizer.apply_gradients(
            zip(gradients, variables),
            experimental_aggregate_gradients=False,
        )
        for name, value in values.items():
            self._means[name].update_state(
                tf.where(counts, value, 0.0), sample_weight=tf.cast(counts, tf.float32)
            )

    def finish_step(self, metrics=None, generator_moved=True) -> dict:
        """Counts the step, moves the average; gives the metrics so far.

        Args:
            metrics: names of those of a step that trains one network alone; None: all.
            generator_moved: whether the generator was among the trained ones.
        """
        self.step.assign_add(1)
        if self.average is not None and generator_moved:
            self.average.update(self.step)
        names = self._means if metrics is None else metrics
        return {name: self._means[name].result() for name in names}

    def disturbance(self, noise, images):
        """Instance noise for a batch of pictures: to be added to them; 0 without."""
        if self._instance_noise is None:
            return tf.zeros([1] * images.shape.rank)
        deviation = self._instance_noise.deviation(self.step)
        return deviation * noise.normal(images.shape)

    def _gradient_function(self, loss, network, optimizer):
        """Forward and backward pass of one loss: the part that XLA may compile."""

        def gradients(*inputs):
            with tf.GradientTape() as tape:
                total, values = loss(*inputs)
                total = distribution.scale_loss(total + sum(network.losses))
                if is_loss_scaled(optimizer):
                    total = optimizer.get_scaled_loss(total)
            return values, tape.gradient(total, network.trainable_variables)

        if not self._enable_xla:
            return gradients
        key = loss.__name__
        if key not in self._compiled:
            self._compiled[key] = tf.function(gradients, jit_compile=True)
        return self._compiled[key]


class LatentTrainer(AdversarialTrainer):
    """An adversarial trainer whose generator starts from latents.

    Args:
        generator: latents ``(batch, size)``, or ``[latents, labels]``, to pictures.
        discriminator: pictures, or ``[pictures, labels]``, to ``(batch, 1)``.
        latents: ``Latents`` or the size of normal ones.
        discriminator_steps: discriminator updates for each of the generator. Each takes
            its own share of the batch: feed batches of that many minibatches.
        **options: of ``AdversarialTrainer``.

    Raises:
        ValueError: if networks and latents do not fit together, or an argument is bad.
    """

    is_conditional = False

    def __init__(
        self,
        generator,
        discriminator,
        *,
        latents,
        discriminator_steps=1,
        **options,
    ):
        super().__init__(generator, discriminator, **options)
        latents = latents if isinstance(latents, Latents) else Latents(latents)
        if discriminator_steps < 1:
            raise ValueError(
                f"discriminator_steps must be at least 1, got {discriminator_steps!r}"
            )
        _check_networks(generator, discriminator, latents, self.is_conditional)
        self.latents = latents
        self.discriminator_steps = discriminator_steps

    @staticmethod
    def count_updates(steps, discriminator_steps) -> tuple:
        """How many updates the generator and the discriminator get in so many steps."""
        return steps, steps * discriminator_steps

    def minibatches(self, data):
        """The batch in ``discriminator_steps`` equal parts: [(pictures, labels)]."""
        images, labels = data
        count = images.shape[0]
        if count is None or count % self.discriminator_steps:
            raise ValueError(
                f"a batch of {count} pictures per replica cannot be parted into "
                f"{self.discriminator_steps} discriminator steps; give whole batches "
                "(drop_remainder) of a multiple of that; several workers know the "
                "size of an endless stream only (repeat)"
            )
        parts = self.discriminator_steps
        return list(zip(tf.split(images, parts), tf.split(labels, parts)))

    def generate(self, latents, labels, training=True):
        """The generator's pictures, float32; conditional networks use ``labels``."""
        given = [latents, labels] if self.is_conditional else latents
        return tf.cast(self.generator(given, training=training), tf.float32)

    def discriminate(self, images, labels, training=True):
        """The discriminator's logits or scores."""
        given = [images, labels] if self.is_conditional else images
        return self.discriminator(given, training=training)

    def sample(self, count, *, seed=0, labels=None, batch_size=100):
        """Generated pictures, by the averaged weights where there are any.

        Args:
            count: how many.
            seed: of their latents.
            labels: ``(count,)`` class numbers, for conditional networks only.
            batch_size: how many are made at once.

        Returns:
            NumPy ``(count, height, width, channels)``, float32.

        Raises:
            ValueError: if labels are missing, superfluous or of another length.
        """
        with self.averaged_weights():
            return sample_generator(
                self.generator,
                self.latents,
                count,
                seed=seed,
                labels=labels,
                batch_size=batch_size,
            )


def sample_generator(generator, latents, count, *, seed=0, labels=None, batch_size=100):
    """Pictures of a generator; the arguments are those of ``LatentTrainer.sample``."""
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count!r}")
    is_conditional = len(generator.inputs) > 1
    number = None if labels is None else len(labels)
    if number != (count if is_conditional else None):
        wanted = f"{count} class numbers" if is_conditional else "no labels"
        given = "none" if number is None else f"{number} of them"
        raise ValueError(f"{generator.name} takes {wanted}, got {given}")
    if is_conditional:
        classes = generator.inputs[1].shape[-1]
        wrong = [label for label in labels if not 0 <= label < classes]
        if wrong:
            raise ValueError(
                f"class numbers must be from 0 to {classes - 1}, got {wrong[0]!r}"
            )
    inputs = [latents.draw(count, tf.constant([seed, -1], tf.int64))]
    if is_conditional:
        inputs.append(tf.one_hot(labels, generator.inputs[1].shape[-1]))
    pictures = []
    for first in range(0, count, batch_size):
        batch = [values[first : first + batch_size] for values in inputs]
        pictures.append(
            generator(batch if is_conditional else batch[0], training=False)
        )
    return tf.concat(pictures, 0).numpy()


def step_counter(name):
    """A counter of updates, the same on all replicas."""
    return tf.Variable(
        0,
        dtype=tf.int64,
        trainable=False,
        name=name,
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
    )


def is_loss_scaled(optimizer) -> bool:
    """Whether gradients must be unscaled before they are applied."""
    return isinstance(optimizer, keras.mixed_precision.LossScaleOptimizer)


def _loss_scaled(optimizer):
    is_half = keras.mixed_precision.global_policy().name == "mixed_float16"
    if is_half and not is_loss_scaled(optimizer):
        return keras.mixed_precision.LossScaleOptimizer(optimizer)
    return optimizer


def _check_networks(generator, discriminator, latents, is_conditional):
    """Refuses networks that do not fit together."""
    count = 2 if is_conditional else 1
    for network in (generator, discriminator):
        if len(network.inputs) != count:
            wanted = "an input and labels" if is_conditional else "one input"
            raise ValueError(
                f"{network.name} has {len(network.inputs)} inputs; this trainer wants "
                f"networks of {wanted}"
            )
    size = generator.inputs[0].shape[-1]
    if size != latents.size:
        raise ValueError(
            f"{generator.name} takes latents of {size} values, got {latents.size}"
        )
    made, seen = generator.output_shape[1:], tuple(discriminator.inputs[0].shape[1:])
    if len(made) != len(seen) or any(
        None not in (m, s) and m != s for m, s in zip(made, seen)
    ):
        raise ValueError(
            f"{generator.name} makes pictures of {made}, {discriminator.name} takes "
            f"{seen}"
        )
    if discriminator.output_shape[1:] != (1,):
        raise ValueError(
            f"{discriminator.name} must give one value for each picture, gives "
            f"{discriminator.output_shape[1:]}"
        )
