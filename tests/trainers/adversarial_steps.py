"""Trains tiny networks against each other for a few steps; prints JSON.

Runs in its own process, because devices and clusters must be set up first:
``python adversarial_steps.py '{"kind": "gan", "strategy": "mirrored", "devices": 2}'``.
"""

import json
import sys

import numpy as np

import keras_cnns  # noqa: F401  sets TensorFlow's log level before it is loaded

import tensorflow as tf  # isort: skip
from tensorflow import keras  # isort: skip

STEPS, BATCH = 5, 8


def _networks(kind, batch_norm=False, dropout=False):
    """Dense nets for 4x4 images; a refiner and a map of patches for SimGAN."""
    layers = keras.layers
    if kind == "simgan":
        image = keras.Input((4, 4, 1))
        x = layers.Conv2D(6, 3, padding="same", activation="relu")(image)
        refiner = keras.Model(image, layers.Conv2D(1, 1, dtype="float32")(x))
        x = layers.Conv2D(6, 3, strides=2, padding="same", activation="relu")(image)
        return refiner, keras.Model(image, layers.Conv2D(2, 1, dtype="float32")(x))
    latents, image = keras.Input([3]), keras.Input((4, 4, 1))
    labels = keras.Input([2])
    conditional = kind == "cgan"
    start = layers.Concatenate()([latents, labels]) if conditional else latents
    x = layers.Dense(16, activation="relu")(start)
    if batch_norm:
        x = layers.BatchNormalization(synchronized=True)(x)
    x = layers.Dense(16, activation="tanh", dtype="float32")(x)
    made = layers.Reshape((4, 4, 1))(x)
    generator = keras.Model([latents, labels] if conditional else latents, made)
    x = layers.Flatten()(image)
    x = layers.Concatenate()([x, labels]) if conditional else x
    x = layers.Dense(16)(x)
    x = layers.LeakyReLU(0.2)(x)
    x = layers.Dropout(0.5)(x) if dropout else x
    score = layers.Dense(1, dtype="float32")(x)
    return generator, keras.Model([image, labels] if conditional else image, score)


def make_trainer(kind, networks, xla=False, trainers=None):
    """The trainer of a kind, compiled."""
    options = {"ema_decay": 0.9, "enable_xla": xla, "seed": 3}
    latent = {"latents": 3, "instance_noise": trainers.InstanceNoise(0.2, steps=4)}
    make = {
        "gan": lambda: trainers.GAN(*networks, **latent, **options),
        "cgan": lambda: trainers.ConditionalGAN(*networks, **latent, **options),
        "wgan": lambda: trainers.WassersteinGAN(
            *networks, **latent, **options, discriminator_steps=1, clip_value=0.3
        ),
        "wgan_gp": lambda: trainers.WassersteinGANGP(
            *networks, **latent, **options, discriminator_steps=1
        ),
        "simgan": lambda: trainers.SimGAN(
            *networks,
            **options,
            buffer_size=8,
            refiner_steps=1,
            refiner_pretraining=1,
            discriminator_pretraining=1,
        ),
    }
    trainer = make[kind]()
    options = {"momentum": 0.9, "jit_compile": False}
    trainer.compile(*(keras.optimizers.SGD(0.05, **options) for _ in range(2)))
    return trainer


def batches(kind, count=STEPS):
    """``count`` global batches, the same on every run."""
    random = np.random.default_rng(5)
    real = random.normal(0.3, 0.4, (count, BATCH, 4, 4, 1)).astype(np.float32)
    if kind == "simgan":  # two minibatches of simulated images for one of real ones
        simulated = random.normal(size=(count, 2, BATCH, 4, 4, 1)).astype(np.float32)
        # Each replica parts its own rows, so they alternate by replica and part.
        order = simulated.reshape(count, 2, 2, BATCH // 2, 4, 4, 1).swapaxes(1, 2)
        return order.reshape(count, 2 * BATCH, 4, 4, 1), simulated, real
    labels = np.eye(2, dtype=np.float32)[random.integers(0, 2, (count, BATCH))]
    return real, labels


def main(
    kind,
    strategy="one_device",
    devices=1,
    xla=False,
    policy="float32",
    batch_norm=False,
    dropout=False,
):
    if devices > 1:
        cpu = tf.config.list_physical_devices("CPU")[0]
        configuration = [tf.config.LogicalDeviceConfiguration()] * devices
        tf.config.set_logical_device_configuration(cpu, configuration)
    from keras_cnns import trainers

    strategy = trainers.make_strategy(strategy)
    keras.utils.set_random_seed(7)
    keras.backend.experimental.enable_tf_random_generator()
    keras.mixed_precision.set_global_policy(policy)
    with strategy.scope():
        trainer = make_trainer(
            kind, _networks(kind, batch_norm, dropout), xla, trainers
        )
    data = batches(kind)
    if kind == "simgan":
        parted, whole, real = data
        whole = whole.reshape(STEPS, 2 * BATCH, 4, 4, 1)
        data = (parted if strategy.num_replicas_in_sync > 1 else whole, real)
    # Elements are whole global batches, which the strategy parts.
    stream = tf.data.Dataset.from_tensor_slices(tuple(data))
    options = tf.data.Options()
    policy = tf.data.experimental.AutoShardPolicy.DATA
    options.experimental_distribute.auto_shard_policy = policy
    steps = []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            self.model.reset_metrics()

        def on_train_batch_end(self, batch, logs=None):
            steps.append({name: float(value) for name, value in logs.items()})

    stream = stream.repeat().with_options(options)
    trainer.fit(stream, steps_per_epoch=STEPS, callbacks=[Watch()], verbose=0)
    summary = {
        "replicas": strategy.num_replicas_in_sync,
        "steps": steps,
        "generator": [w.numpy().ravel().tolist() for w in trainer.generator.weights],
        "discriminator": [
            w.numpy().ravel().tolist() for w in trainer.discriminator.weights
        ],
        "averages": [a.numpy().ravel().tolist() for a in trainer.average.averages],
    }
    print(json.dumps(summary))


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
