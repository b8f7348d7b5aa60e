"""Trains tiny inpainting networks for a few steps; prints JSON, a list.

Runs in its own process, because devices must be set up first; one for many trainings:
``python inpainting_steps.py '[{"kind": "lbam"}, {"kind": "lbam", "devices": 2}]'``.
"""

import functools
import json
import sys

import numpy as np

import keras_cnns  # noqa: F401  sets TensorFlow's log level before it is loaded

import tensorflow as tf  # isort: skip
from tensorflow import keras  # isort: skip

STEPS, BATCH, SIDE, PATCH = 4, 4, 8, 4
KINDS = ("reconstruction", "lbam", "global_local", "contextual_attention")


def make_network(outputs=1, batch_norm=False):
    """Two convolutions over valid pixels and masks."""
    layers = keras.layers
    images, masks = keras.Input((SIDE, SIDE, 1)), keras.Input((SIDE, SIDE, 1))
    x = layers.Concatenate()([layers.Multiply()([images, masks]), masks])
    x = layers.Conv2D(4, 3, padding="same", name="encoder1_conv")(x)
    if batch_norm:
        x = layers.BatchNormalization(momentum=0.9, name="encoder1_bn")(x)
    x = layers.Activation("tanh")(x)
    x = layers.Conv2D(4, 3, padding="same", name="decoder1_conv")(x)
    if batch_norm:
        x = layers.BatchNormalization(momentum=0.9, name="decoder1_bn")(x)
    x = layers.Activation("tanh")(x)
    made = [
        layers.Conv2D(1, 1, dtype="float32", name=f"images{i}")(x)
        for i in range(outputs)
    ]
    return keras.Model([images, masks], made if outputs > 1 else made[0], name="net")


def make_critic(sides, name):
    """A convolution on each input, then one score."""
    layers = keras.layers
    inputs = [keras.Input((side, side, 1)) for side in sides]
    maps = [layers.Conv2D(4, 3, strides=2, padding="same")(x) for x in inputs]
    x = layers.Concatenate()([layers.Flatten()(layers.LeakyReLU(0.2)(m)) for m in maps])
    score = layers.Dense(1, dtype="float32")(x)
    return keras.Model(inputs if len(sides) > 1 else inputs[0], score, name=name)


def make_features(trainers):
    """A random feature network of two stages."""
    from keras_cnns.data import Preprocessing

    layers = keras.layers
    images = keras.Input((None, None, 3), dtype="float32")
    x = layers.Conv2D(3, 3, padding="same", activation="relu", dtype="float32")(images)
    end = layers.Conv2D(5, 3, strides=2, activation="relu", dtype="float32")(x)
    network = keras.Model(images, end, name="classifier")
    feed = Preprocessing(SIDE, SIDE, 3, (127.5,) * 3, (127.5,) * 3)
    names = [layer.name for layer in network.layers[1:]]
    return trainers.FeatureNetwork("random", network, feed, names)


def make_trainer(kind, trainers, batch_norm=False, features=False, **options):
    """The trainer of a kind, compiled."""
    weights = trainers.ReconstructionWeights(
        1.0, 6.0, *((0.05, 12.0) if features else (0.0, 0.0)), 0.1
    )
    network = make_network(1 + (kind == "contextual_attention"), batch_norm)
    if features:
        options["feature_network"] = make_features(trainers)
    options = {"ema_decay": 0.9, "seed": 3, **options}
    if kind == "reconstruction":
        trainer = trainers.ReconstructionTrainer(
            network, loss_weights=weights, **options
        )
    elif kind == "lbam":
        critic = make_critic((SIDE, SIDE), "critic")
        trainer = trainers.LBAMTrainer(network, critic, loss_weights=weights, **options)
    elif kind == "global_local":
        options = {"completion_steps": 1, "discriminator_alone_steps": 1, **options}
        critic = make_critic((SIDE, PATCH), "critic")
        trainer = trainers.GlobalLocalTrainer(
            network, critic, adversarial_weight=0.1, **options
        )
    else:
        options = {"discriminator_steps": 1, "value_range": "unit", **options}
        trainer = trainers.ContextualAttentionTrainer(
            network,
            make_critic((SIDE,), "global_critic"),
            make_critic((PATCH,), "local_critic"),
            **options,
        )
    count = 1 if kind == "reconstruction" else 2
    trainer.compile(*(_make_optimizer() for _ in range(count)))
    return trainer


def _make_optimizer():
    """With a loss scale that fits, in 16 bits: too high a one leaves steps out."""
    optimizer = keras.optimizers.SGD(0.02, momentum=0.9, jit_compile=False)
    if keras.mixed_precision.global_policy().name != "mixed_float16":
        return optimizer
    return keras.mixed_precision.LossScaleOptimizer(optimizer, initial_scale=256)


def batches(count=STEPS, seed=5):
    """(images, masks) of ``count`` global batches, the same on every run."""
    random = np.random.default_rng(seed)
    shape = (count, BATCH, SIDE, SIDE, 1)
    images = random.uniform(size=shape).astype(np.float32)
    masks = np.ones(shape, np.float32)
    for step in range(count):
        for i in range(BATCH):
            top, left = random.integers(0, SIDE - 2, 2)
            masks[step, i, top : top + 3, left : left + 2] = 0
    return images, masks


@functools.lru_cache
def _make_strategy(name):
    """One for all trainings: sums of two mirrored ones get into each other's way."""
    from keras_cnns import trainers

    return trainers.make_strategy(name)


def train(kind, devices=1, xla=False, policy="float32", features=False):
    """What becomes of a trainer in a few steps, as JSON values."""
    from keras_cnns import trainers

    strategy = _make_strategy("mirrored" if devices > 1 else "one_device")
    keras.utils.set_random_seed(7)
    keras.mixed_precision.set_global_policy(policy)
    with strategy.scope():
        trainer = make_trainer(kind, trainers, features=features, enable_xla=xla)
    steps = []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            self.model.reset_metrics()

        def on_train_batch_end(self, batch, logs=None):
            steps.append({name: float(value) for name, value in logs.items()})

    images, masks = batches()
    stream = tf.data.Dataset.from_tensor_slices((images, masks))
    held_out = tf.data.Dataset.from_tensor_slices(batches(1, seed=6))
    trainer.fit(stream, validation_data=held_out, callbacks=[Watch()], verbose=0)
    quality = trainer.evaluate(held_out, return_dict=True, verbose=0)
    weights = {
        name: [w.numpy().ravel().tolist() for w in network.weights]
        for name, network in trainer.networks.items()
    }
    averages = [a.numpy().ravel().tolist() for a in trainer.average.averages]
    return {
        "replicas": strategy.num_replicas_in_sync,
        "steps": steps,
        "quality": quality,
        "weights": {**weights, "averages": averages},
    }


def main(trainings):
    cpu = tf.config.list_physical_devices("CPU")[0]
    devices = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, devices)
    print(json.dumps([train(**options) for options in trainings]))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
