"""Every kind of trainer with networks and data as small as they can be.

As a script it trains some of them and prints what became of them as JSON. It runs in a
process of its own, because devices and clusters must be set up first; one process for
many trainings, whose start takes longer than each:
``python trainer_kinds.py '{"trainings": [{"kind": "gan", "devices": 2}]}'``.
"""

import dataclasses
import functools
import json
import sys
from collections.abc import Callable

import numpy as np
import shapes

import keras_cnns  # noqa: F401  sets TensorFlow's log level before it is loaded

import tensorflow as tf  # isort: skip
from tensorflow import keras  # isort: skip
from tensorflow.keras import layers  # isort: skip

from keras_cnns import applications, compression, data, trainers  # isort: skip
from keras_cnns.layers import DepthToSpace  # isort: skip
from keras_cnns.trainers import distribution  # isort: skip

BATCH, LATENTS, SIDE, PATCH = 8, 3, 8, 4
_FEED = data.Preprocessing(8, 8, 1, (77.0,), (95.0,))


def _classifier(sync=True, layers=1, **options):
    network = applications.DenseNet(
        (layers,), 4, 8, stem="small", input_shape=(8, 8, 1), classes=10,
        classifier_activation=None, **options,
    )  # fmt: skip
    return [distribution.synchronize_batch_norm(network) if sync else network]


def _plain_classifier():
    """Kernels of 3x3 and 1x1, and no statistics."""
    x = image = keras.Input((8, 8, 1))
    for i, size in enumerate((3, 3, 1)):
        x = layers.Conv2D(6, size, padding="same", name=f"conv{i}")(x)
        x = layers.Activation("tanh")(x)
    x = layers.Dense(10)(layers.GlobalAveragePooling2D()(x))
    return [keras.Model(image, x, name="plain")]


def _dense_pair(conditional=False, batch_norm=False, dropout=False):
    """Dense networks of images of 4x4."""
    latents, image = keras.Input([LATENTS]), keras.Input((4, 4, 1))
    labels = keras.Input([2])
    start = layers.Concatenate()([latents, labels]) if conditional else latents
    x = layers.Dense(16, activation="relu")(start)
    if batch_norm:
        x = layers.BatchNormalization(synchronized=True)(x)
    x = layers.Dense(16, activation="tanh", dtype="float32")(x)
    made = layers.Reshape((4, 4, 1))(x)
    generator = keras.Model([latents, labels] if conditional else latents, made)
    x = layers.Flatten()(image)
    x = layers.Concatenate()([x, labels]) if conditional else x
    x = layers.LeakyReLU(0.2)(layers.Dense(16)(x))
    x = layers.Dropout(0.5)(x) if dropout else x
    score = layers.Dense(1, dtype="float32")(x)
    return [generator, keras.Model([image, labels] if conditional else image, score)]


def _refiner_pair():
    """A refiner, and a discriminator of patches."""
    image = keras.Input((4, 4, 1))
    x = layers.Conv2D(6, 3, padding="same", activation="relu")(image)
    refiner = keras.Model(image, layers.Conv2D(1, 1, dtype="float32")(x))
    x = layers.Conv2D(6, 3, strides=2, padding="same", activation="relu")(image)
    return [refiner, keras.Model(image, layers.Conv2D(2, 1, dtype="float32")(x))]


def make_inpainting_network(outputs=1, batch_norm=False):
    """Two convolutions over valid pixels and masks."""
    images, masks = keras.Input((SIDE, SIDE, 1)), keras.Input((SIDE, SIDE, 1))
    x = layers.Concatenate()([layers.Multiply()([images, masks]), masks])
    for part in ("encoder1", "decoder1"):
        x = layers.Conv2D(4, 3, padding="same", name=f"{part}_conv")(x)
        if batch_norm:
            x = layers.BatchNormalization(momentum=0.9, name=f"{part}_bn")(x)
        x = layers.Activation("tanh")(x)
    made = [
        layers.Conv2D(1, 1, dtype="float32", name=f"images{i}")(x)
        for i in range(outputs)
    ]
    return keras.Model([images, masks], made if outputs > 1 else made[0], name="net")


def _critic(*sides, name="critic"):
    """A convolution on each input, then one score."""
    inputs = [keras.Input((side, side, 1)) for side in sides]
    maps = [layers.Conv2D(4, 3, strides=2, padding="same")(x) for x in inputs]
    x = layers.Concatenate()([layers.Flatten()(layers.LeakyReLU(0.2)(m)) for m in maps])
    score = layers.Dense(1, dtype="float32")(x)
    return keras.Model(inputs if len(sides) > 1 else inputs[0], score, name=name)


def _inpainting_networks(*critics, outputs=1, batch_norm=False):
    return [make_inpainting_network(outputs, batch_norm), *(c() for c in critics)]


def make_features():
    """A random feature network of two stages."""
    images = keras.Input((None, None, 3), dtype="float32")
    x = layers.Conv2D(3, 3, padding="same", activation="relu", dtype="float32")(images)
    end = layers.Conv2D(5, 3, strides=2, activation="relu", dtype="float32")(x)
    network = keras.Model(images, end, name="classifier")
    feed = data.Preprocessing(SIDE, SIDE, 3, (127.5,) * 3, (127.5,) * 3)
    names = [layer.name for layer in network.layers[1:]]
    return trainers.FeatureNetwork("random", network, feed, names)


def _weights(features=False):
    """Weights of reconstruction losses, with those of features or without."""
    of_features = (0.05, 12.0) if features else (0.0, 0.0)
    return trainers.ReconstructionWeights(1.0, 6.0, *of_features, 0.1)


def _labelled_images(count, replicas=1):
    """(real images, labels) of ``count`` steps."""
    random = np.random.default_rng(5)
    real = random.normal(0.3, 0.4, (count, BATCH, 4, 4, 1)).astype(np.float32)
    labels = np.eye(2, dtype=np.float32)[random.integers(0, 2, (count, BATCH))]
    return real, labels


def _simulated_and_real(count, replicas=1):
    """Two minibatches of simulated images for one of real ones."""
    random = np.random.default_rng(5)
    real = random.normal(0.3, 0.4, (count, BATCH, 4, 4, 1)).astype(np.float32)
    simulated = random.normal(size=(count, 2, BATCH, 4, 4, 1)).astype(np.float32)
    # Each replica parts its own rows, so they alternate by replica and part.
    parted = simulated.reshape(count, 2, replicas, BATCH // replicas, 4, 4, 1)
    return parted.swapaxes(1, 2).reshape(count, 2 * BATCH, 4, 4, 1), real


def images_with_holes(count, replicas=1, *, seed=5, batch=4):
    """(images, masks) of ``count`` steps."""
    random = np.random.default_rng(seed)
    shape = (count, batch, SIDE, SIDE, 1)
    images = random.uniform(size=shape).astype(np.float32)
    masks = np.ones(shape, np.float32)
    for step in range(count):
        for i in range(batch):
            top, left = random.integers(0, SIDE - 2, 2)
            masks[step, i, top : top + 3, left : left + 2] = 0
    return images, masks


_DETECTOR = {
    "image_shape": (64, 64, 3),
    "backbone_args": {"filters": (4, 4, 4, 4), "units": 8},
}
_PROPOSING = {
    "rpn_channels": 4,
    "proposals": {"pre_nms": (60, 60), "post_nms": (20, 20), "min_size": 4.0},
}


def _detectors(*names, **changes):
    """Detectors of three classes, and where they are proposers of none."""
    made = []
    for name in names:
        given = {**_DETECTOR, **changes}
        if name.startswith("rpn"):
            given["backbone_args"] = {"filters": (4, 4, 4, 4)}
        else:
            given |= {"classes": 3, "pooling": "align"}
        made.append(applications.create_model(name, **given))
    return made


def _shapes(count, replicas=1, *, proposals=False):
    """(images, targets) of ``count`` steps; proposals are the objects, moved."""
    images, targets = shapes.draw(count * 4, seed=3)
    if proposals:
        targets["proposals"] = targets["boxes"] + np.float32([0, 0, 5, 3])
    return tuple(
        tf.nest.map_structure(lambda x: x.reshape(count, 4, *x.shape[1:]), part)
        for part in (images, targets)
    )


def _autoencoder():
    """Two levels, of which the second has windows that are part empty."""
    return [
        applications.create_model(
            "swwae_small", notation="(4)3c-2p-(6)3c-3p-2fc", image_shape=(SIDE, SIDE, 1)
        )
    ]


def _few_labels(count, replicas=1):
    """(images, labels, images without labels) of ``count`` steps."""
    random = np.random.default_rng(5)
    labelled, unlabelled = (
        random.uniform(size=(count, size, SIDE, SIDE, 1)).astype(np.float32)
        for size in (4, BATCH)
    )
    labels = np.eye(2, dtype=np.float32)[random.integers(0, 2, (count, 4))]
    return labelled, labels, unlabelled


@dataclasses.dataclass(frozen=True)
class Kind:
    """One kind of trainer.

    Attributes:
        trainer: its class.
        networks: function to its networks.
        options: its arguments.
        batches: function of numbers of steps and of replicas to arrays
            ``(steps, batch, ...)``, the same for all replicas together; None: digits.
        steps: how many are trained.
        rate: learning rate.
        policy: what it computes in where devices are compared.
        has_synced_norms: whether batch statistics are common, which XLA cannot compile.
        optimizers: how many there are; 0: one for one network, else two.
    """

    trainer: type
    networks: Callable
    options: dict
    batches: Callable = None
    steps: int = 5
    rate: float = 0.05
    policy: str = "float32"
    has_synced_norms: bool = False
    optimizers: int = 0


_partial = functools.partial
_CLASSIFIER = Kind(
    trainers.ClassificationTrainer,
    _classifier,
    {"weight_decay": 1e-3, "gradient_clip_norm": 1.0},
    steps=20,
    rate=0.01,
    policy="float64",
    has_synced_norms=True,
)
_NOISE = trainers.InstanceNoise(0.2, steps=4)
_LATENT = {"latents": LATENTS, "instance_noise": _NOISE, "discriminator_steps": 1}
_GAN = Kind(trainers.GAN, _dense_pair, _LATENT, _labelled_images)
_INPAINTER = Kind(
    trainers.ReconstructionTrainer,
    _inpainting_networks,
    {"loss_weights": _weights()},
    images_with_holes,
    steps=4,
    rate=0.02,
)
_CRITIC = _partial(_critic, SIDE, SIDE)
_GLOBAL_LOCAL_CRITIC = _partial(_critic, SIDE, PATCH)
_CRITICS = (
    _partial(_critic, SIDE, name="global_critic"),
    _partial(_critic, PATCH, name="local_critic"),
)
_change = dataclasses.replace
KINDS = {
    "classification": _CLASSIFIER,
    "classification_unsynced": _change(
        _CLASSIFIER,
        networks=_partial(_classifier, sync=False),
        has_synced_norms=False,
    ),
    "recomputing": _change(
        _CLASSIFIER,
        networks=_partial(_classifier, layers=3, memory_efficient=True),
    ),
    "recomputing_unsynced": _change(
        _CLASSIFIER,
        networks=_partial(_classifier, sync=False, layers=3, memory_efficient=True),
        has_synced_norms=False,
    ),
    "pruning": _change(
        _CLASSIFIER,
        trainer=trainers.PruningTrainer,
        networks=_plain_classifier,
        options={"admm_rounds": 2, "round_steps": 4, "gradient_clip_norm": 1.0},
        has_synced_norms=False,
    ),
    "gan": _GAN,
    "gan_batch_norm": _change(
        _GAN, networks=_partial(_dense_pair, batch_norm=True), has_synced_norms=True
    ),
    "gan_dropout": _change(_GAN, networks=_partial(_dense_pair, dropout=True)),
    "cgan": _change(
        _GAN,
        trainer=trainers.ConditionalGAN,
        networks=_partial(_dense_pair, conditional=True),
    ),
    "wgan": _change(
        _GAN, trainer=trainers.WassersteinGAN, options={**_LATENT, "clip_value": 0.3}
    ),
    "wgan_gp": _change(_GAN, trainer=trainers.WassersteinGANGP),
    "simgan": Kind(
        trainers.SimGAN,
        _refiner_pair,
        {
            "buffer_size": 8,
            "refiner_steps": 1,
            "refiner_pretraining": 1,
            "discriminator_pretraining": 1,
        },
        _simulated_and_real,
    ),
    "reconstruction": _INPAINTER,
    "lbam": _change(
        _INPAINTER,
        trainer=trainers.LBAMTrainer,
        networks=_partial(_inpainting_networks, _CRITIC),
    ),
    "global_local": _change(
        _INPAINTER,
        trainer=trainers.GlobalLocalTrainer,
        networks=_partial(_inpainting_networks, _GLOBAL_LOCAL_CRITIC),
        options={
            "completion_steps": 1,
            "discriminator_alone_steps": 1,
            "adversarial_weight": 0.1,
        },
    ),
    "contextual_attention": _change(
        _INPAINTER,
        trainer=trainers.ContextualAttentionTrainer,
        networks=_partial(_inpainting_networks, *_CRITICS, outputs=2),
        options={"discriminator_steps": 1, "value_range": "unit"},
    ),
}


def _recursive_network():
    """DRCN with two recursions."""
    return [
        applications.DeeplyRecursiveNetwork(
            image_shape=(SIDE, SIDE, 1), filters=4, recursions=2, supervised=True
        )
    ]


def _enlarged_pictures(count, replicas=1):
    """(enlarged, large pictures) of ``count`` steps."""
    random = np.random.default_rng(6)
    pair = random.uniform(size=(2, count, BATCH, SIDE, SIDE, 1)).astype(np.float32)
    return pair[0], pair[1]


KINDS["super_resolution"] = Kind(
    trainers.SuperResolutionTrainer,
    _recursive_network,
    {
        "loss": "l2",
        "supervision_steps": 3,
        "gradient_clip_value": 0.01,
        "rate_factors": {"*/bias": 0.5},
    },
    _enlarged_pictures,
)


def make_enlarger(batch_norm=False, channels=1):
    """An enlarging network of three layers, and a discriminator of its patches."""
    small = keras.Input((None, None, channels))
    x = layers.Conv2D(4, 3, padding="same")(small)
    if batch_norm:
        x = layers.BatchNormalization(momentum=0.9)(x)
    x = layers.Conv2D(4 * channels, 3, padding="same", dtype="float32")(
        layers.Activation("tanh")(x)
    )
    made = DepthToSpace(2, dtype="float32")(x)
    large = keras.Input((SIDE, SIDE, channels))
    x = layers.LeakyReLU(0.2)(layers.Conv2D(4, 3, strides=2)(large))
    logits = layers.Dense(1, dtype="float32")(layers.Flatten()(x))
    return [
        keras.Model(small, made, name="enlarger"),
        keras.Model(large, logits, name="discriminator"),
    ]


def small_and_large(count, replicas=1, *, seed=6):
    """(small, large pictures) of ``count`` steps; the small are means of squares."""
    random = np.random.default_rng(seed)
    shape = (count, BATCH, SIDE // 2, 2, SIDE // 2, 2, 1)
    large = random.uniform(size=shape).astype(np.float32)
    return large.mean((3, 5)), large.reshape(count, BATCH, SIDE, SIDE, 1)


KINDS["srgan"] = Kind(
    trainers.SRGANTrainer,
    make_enlarger,
    {
        "pixel_steps": 2,
        "feature_scale": 1.0,
        "adversarial_weight": 0.1,
        "pixel_weight": 0.5,
        "rate_factors": {"*/bias": 0.5},
    },
    small_and_large,
    optimizers=3,
)
_SAMPLING = {"regions_per_image": 8, "background_range": (0.0, 0.5)}
_ANCHORS = {**_SAMPLING, "anchors_per_image": 16, "anchor_border": 4.0}
_FASTER = Kind(
    trainers.FasterRCNNTrainer,
    _partial(_detectors, "faster_rcnn_small", **_PROPOSING),
    _ANCHORS,
    _shapes,
    steps=4,
    rate=0.01,
)
KINDS |= {
    "fast_rcnn": _change(
        _FASTER,
        trainer=trainers.FastRCNNTrainer,
        networks=_partial(_detectors, "fast_rcnn_small"),
        options=_SAMPLING,
        batches=_partial(_shapes, proposals=True),
    ),
    "faster_rcnn": _FASTER,
    "alternating": _change(
        _FASTER,
        trainer=trainers.AlternatingFasterRCNNTrainer,
        networks=_partial(_detectors, "faster_rcnn_small", "rpn_small", **_PROPOSING),
        options={**_ANCHORS, "phase_ends": (1, 2, 3)},
        optimizers=4,
    ),
}
KINDS["what_where"] = Kind(
    trainers.WhatWhereTrainer,
    _autoencoder,
    {"middle_weight": 0.5, "reduction": "mean"},
    _few_labels,
)
INPAINTING = ("reconstruction", "lbam", "global_local", "contextual_attention")


def make_trainer(kind, *, net=(), features=False, **options):
    """The trainer of a kind, compiled.

    Args:
        kind: key of ``KINDS``.
        net: changes of its networks, a dict.
        features: whether an inpainting trainer compares features.
        **options: further arguments of the trainer.
    """
    row = KINDS[kind]
    networks = row.networks(**dict(net))
    if features:
        options |= {"loss_weights": _weights(True), "feature_network": make_features()}
    if row.trainer is trainers.SRGANTrainer:
        options["feature_network"] = make_features()
    if row.trainer is trainers.PruningTrainer:
        library = compression.FIXED_PATTERNS
        options["rules"] = compression.plan_pruning(*networks, library, 2, 2)
    trainer = row.trainer(
        *networks, **{"ema_decay": 0.9, "seed": 3, **row.options, **options}
    )
    count = row.optimizers or (1 if len(networks) == 1 else 2)
    trainer.compile(*(_make_optimizer(row.rate) for _ in range(count)))
    return trainer


def _make_optimizer(rate):
    """With a loss scale that fits, in 16 bits: too high a one leaves steps out."""
    optimizer = keras.optimizers.SGD(rate, momentum=0.9, jit_compile=False)
    if keras.mixed_precision.global_policy().name != "mixed_float16":
        return optimizer
    return keras.mixed_precision.LossScaleOptimizer(optimizer, initial_scale=256)


class _Watch(keras.callbacks.Callback):
    """Keeps what each step by itself reports."""

    def __init__(self):
        super().__init__()
        self.steps = []

    def on_train_batch_begin(self, batch, logs=None):
        self.model.reset_metrics()

    def on_train_batch_end(self, batch, logs=None):
        self.steps.append({name: float(value) for name, value in logs.items()})


def _digits(strategy, data_dir):
    """The same of handwritten digits, 360 of which are evaluated."""

    def train(share):
        source = data.open_source("digits", "train", data_dir)
        return data.load_training(source, 32, preprocessing=_FEED, seed=1, share=share)

    def test(share):
        source = data.open_source("digits", "test", data_dir)
        return data.load_evaluation(source, 50, preprocessing=_FEED, share=share)

    return *(distribution.worker_batches(strategy, load) for load in (train, test)), 8


def _streams(row, strategy, data_dir):
    """(what is trained on, what is evaluated or None, its batches where not known)."""
    if row.batches is None:
        return _digits(strategy, data_dir)
    # Elements are whole global batches, which the strategy parts.
    options = tf.data.Options()
    policy = tf.data.experimental.AutoShardPolicy.DATA
    options.experimental_distribute.auto_shard_policy = policy
    arrays = row.batches(row.steps, strategy.num_replicas_in_sync)
    stream = tf.data.Dataset.from_tensor_slices(arrays).repeat().with_options(options)
    held_out = None
    makers = {
        trainers.InpaintingTrainer: images_with_holes,
        trainers.SRGANTrainer: small_and_large,
    }
    for kind, make in makers.items():
        if issubclass(row.trainer, kind):
            held_out = tf.data.Dataset.from_tensor_slices(make(1, seed=7))
            held_out = held_out.with_options(options)
    return stream, held_out, None


@functools.lru_cache
def _make_strategy(name):
    """One for all trainings: sums of two mirrored ones get into each other's way."""
    return trainers.make_strategy(name)


def train(kind, strategy="", data_dir="", devices=1, policy="", **options):
    """What becomes of a trainer in a few steps, as JSON values."""
    row = KINDS[kind]
    strategy = _make_strategy(strategy or ("mirrored", "one_device")[devices == 1])
    replicas = strategy.num_replicas_in_sync
    keras.utils.set_random_seed(7)
    keras.backend.experimental.enable_tf_random_generator()
    keras.mixed_precision.set_global_policy(policy or row.policy)
    with strategy.scope():
        trainer = make_trainer(kind, **options)
    watch = _Watch()
    stream, held_out, evaluation_steps = _streams(row, strategy, data_dir)
    trainer.fit(stream, steps_per_epoch=row.steps, callbacks=[watch], verbose=0)
    evaluation = {}
    if held_out is not None:
        evaluation = trainer.evaluate(
            held_out, steps=evaluation_steps, return_dict=True, verbose=0
        )
    weights = {name: network.weights for name, network in trainer.networks.items()}
    weights["averages"] = trainer.average.averages
    return {
        "replicas": replicas,
        "steps": watch.steps,
        "evaluation": evaluation,
        "weights": {
            name: [value.numpy().ravel().tolist() for value in values]
            for name, values in weights.items()
        },
    }


def main(trainings, strategy="", data_dir=""):
    if strategy != "multi_worker":
        cpu = tf.config.list_physical_devices("CPU")[0]
        devices = [tf.config.LogicalDeviceConfiguration()] * 2
        tf.config.set_logical_device_configuration(cpu, devices)
    results = [train(strategy=strategy, data_dir=data_dir, **t) for t in trainings]
    print(json.dumps(results))


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
